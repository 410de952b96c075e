"""The supermarket log from the PyPI package."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from streamrank_client.errors import LogError
from streamrank_client.events import Event, Item, Purchase, encode
from streams.offline.importers.complete_journey import enough_weeks, events
from streams.offline.importers.log import write_log
from streams.offline.importers.registry import IMPORTERS
from tests.streams.offline.importers.logs import assert_log

WEEKS = (1, 4)


@pytest.fixture(scope="module")
def month() -> list[Event]:
    """Weeks 1 to 4 of the log."""
    return list(events(weeks=WEEKS))


def test_the_whole_year_is_written(tmp_path: Path) -> None:
    """1,469,307 lines less 8,869 of quantity 0, one item a product that the product table knows."""
    year = tmp_path / "year.jsonl"
    counts = write_log(IMPORTERS["complete-journey"].open(None), year)
    with year.open("rb") as log:
        assert sum(1 for _ in log) == counts.total()
    year.unlink()  # 250 MB, of which pytest would keep three
    assert counts == {"purchase": 1_469_307 - 8_869, "item": 68_257}


def test_a_month_is_a_valid_log(month: list[Event]) -> None:
    """Sorted, valid on the wire, and nearly every purchase finds its item before it."""
    counts = assert_log(month)
    assert counts["purchase"] == 90_351
    assert counts["known"] / counts["purchase"] > 0.99


def test_items_come_first_with_readable_titles(month: list[Event]) -> None:
    """Titles have no shouting and no abbreviation of the source, and categories go from wide to narrow."""
    first_purchase = next(i for i, event in enumerate(month) if not isinstance(event, Item))
    items = {item.item_id: item for item in month[:first_purchase] if isinstance(item, Item)}
    assert len(items) == Counter(type(event) for event in month)[Item]
    milk = items["1029743"]
    assert milk.title == "Fluid Milk White Only, Fluid Milk Products, Private, 1 ga"
    assert milk.category == ["Grocery", "Fluid Milk Products", "Fluid Milk White Only"]
    assert not [item.title for item in items.values() if item.title.isupper() or "FRZN" in item.title]


def test_an_item_on_promotion_costs_less_than_its_list_price(month: list[Event]) -> None:
    """A list price appears only where it is higher, and on a good part of the items."""
    items = [event for event in month if isinstance(event, Item)]
    offers = [item for item in items if item.list_price is not None]
    assert all(item.price is not None and item.list_price > item.price for item in offers)  # type: ignore[operator]
    assert 0.2 < len(offers) / len(items) < 0.8


def test_a_line_has_price_per_unit_and_basket(month: list[Event]) -> None:
    """Row 2 of the file: one piece of product 1041453 for 1.43 in basket 31198655051."""
    (line,) = [event for event in month if isinstance(event, Purchase) and event.event_id == "cj-2"]
    assert line == Purchase(
        event_id="cj-2",
        user_id="1228",
        item_id="1041453",
        time=1_483_273_590_000,
        price=1.43,
        basket_id="31198655051",
    )


def test_only_lines_of_one_basket_change_places(month: list[Event]) -> None:
    """In file order the same baskets follow each other at the same times, their lines in another order."""
    kept = list(events(weeks=WEEKS, keep_order=True))
    rows = [int(event.event_id[3:]) for event in kept if isinstance(event, Purchase)]
    assert rows == sorted(rows)
    assert kept != month
    assert Counter(map(encode, kept)) == Counter(map(encode, month))
    assert [event.time for event in kept] == [event.time for event in month]


def test_the_seed_fixes_the_order() -> None:
    """The same arguments give the same log; another seed gives another one."""
    week = list(events(weeks=(1, 1)))
    assert list(events(weeks=(1, 1))) == week
    assert list(events(weeks=(1, 1), seed=1)) != week


def test_enough_weeks_stops_at_the_first_week_that_suffices() -> None:
    """Four weeks have 80,000 lines; for 100,000 it takes a fifth; the year cannot give 2 million."""
    assert enough_weeks() == (1, 4)
    assert enough_weeks(lines=100_000) == (1, 5)
    assert enough_weeks(first=10, weeks=6, lines=1) == (10, 15)
    with pytest.raises(LogError, match="fewer than 2000000 purchases"):
        enough_weeks(lines=2_000_000)


@pytest.mark.parametrize("weeks", [(0, 4), (5, 4), (50, 54)])
def test_weeks_that_do_not_exist_are_refused(weeks: tuple[int, int]) -> None:
    """The message has the weeks given and those there are."""
    with pytest.raises(LogError, match=f"weeks={weeks[0]}-{weeks[1]}: .* weeks 1 to 53"):
        list(events(weeks=weeks))


def test_a_folder_without_the_tables_is_refused(tmp_path: Path) -> None:
    """An empty folder, then a file that is no parquet table: both errors name the file."""
    with pytest.raises(LogError, match=r"no transactions\.parquet"):
        list(events(tmp_path))
    (tmp_path / "transactions.parquet").write_bytes(b"PAR1 no table PAR1")
    with pytest.raises(LogError, match=r"transactions\.parquet' is not the data set's"):
        list(events(tmp_path))
