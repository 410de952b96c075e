"""What a page shows of the items of an answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from models.base.arrays import Rows
from models.items.catalogue import Catalogue
from streamrank_client.answers import AnswerItem, ItemDetails

#: prices are held as float32, which has seven digits
DIGITS: Final = 7


def show(items: Sequence[AnswerItem], rows: Rows, now: int, catalogue: Catalogue) -> None:
    """Fill in ``details`` of items, whose rows are given, as they are at ``now`` (Unix ms)."""
    prices, regular = catalogue.price_at(now, rows).tolist(), catalogue.list_price[rows].tolist()
    brands = catalogue.brand[rows].tolist()
    for item, row, brand, price, without in zip(items, rows.tolist(), brands, prices, regular, strict=True):
        link, image_link = catalogue.links.get(row, ("", ""))
        item.details = ItemDetails(
            title=catalogue.titles[row],
            brand=catalogue.brands.names[brand] if brand >= 0 else "",
            price=_number(price),
            list_price=_number(without) if without != price else None,
            link=link or None,
            image_link=image_link or None,
        )


def _number(price: float) -> float | None:
    """A price as it was published; None where it is unknown."""
    return None if price != price else float(f"{price:.{DIGITS}g}")
