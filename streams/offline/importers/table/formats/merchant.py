"""Google Merchant product feeds: XML (RSS or Atom) and TSV. One `item` a product; variants share item_group_id."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from streams.offline.importers.table.formats.base import Format, Picked
from streams.offline.importers.table.rows import Omission, RawEvent, Row

ATTRIBUTES: Final = (
    "color", "size", "material", "pattern", "gender", "age_group", "condition", "gtin", "mpn",
    "custom_label_0", "custom_label_1", "custom_label_2", "custom_label_3", "custom_label_4",
)  # fmt: skip


def raw_events(rows: Iterable[Row], tag: str | None) -> Iterator[RawEvent | Omission]:
    """An item for each product. A sale price is the price, and the price then the list price."""
    for row in rows:
        picked = Picked.of(row)
        picked.take("item_id", "id")
        picked.take("title", "title")
        picked.take("description", "description")
        picked.take("brand", "brand")
        picked.take("group_id", "item_group_id")
        picked.take("in_stock", "availability")
        picked.take("link", "link")
        picked.take("image_link", "image_link")
        _take_category(picked)
        _take_price(picked)
        for name in ATTRIBUTES:
            picked.take(f"attributes.{name}", name)
        yield picked.raw_event()


def _take_category(picked: Picked) -> None:
    """The shop's own product type, the first where there are several; else Google's category, unless it is a number."""
    own = picked.get("product_type")
    if isinstance(own, list):
        picked.take("category", "product_type", value=own[0])
    elif own is not None:
        picked.take("category", "product_type")
    elif not picked.text("google_product_category").isdigit():
        picked.take("category", "google_product_category")


def _take_price(picked: Picked) -> None:
    if picked.get("sale_price") is None:
        picked.take("price", "price")
        return
    picked.take("price", "sale_price")
    picked.take("list_price", "price")
    dates = picked.text("sale_price_effective_date")
    if dates:
        begin, _, end = dates.partition("/")
        picked.take("valid_from", "sale_price_effective_date", value=begin)
        picked.take("valid_to", "sale_price_effective_date", value=end or None)


FORMAT: Final = Format(
    name="google-merchant",
    help="a product feed for Google Merchant Center (XML or TSV)",
    raw_events=raw_events,
    needs=(("id",), ("title",)),
)
