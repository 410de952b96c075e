"""Shopify's product export (CSV), in its old and new column names. One `item` a variant.

An item's id is the variant's SKU, or else the handle with the variant's options; `--map item_id=COLUMN` takes another
column. Variants of one product share its handle as group. Drafts and what is not published are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Final

from streams.offline.importers.table.formats.base import Format, Picked
from streams.offline.importers.table.rows import Omission, RawEvent, Row

HANDLE: Final = ("handle", "url_handle")
PRICE: Final = ("variant_price", "price")
SKU: Final = ("variant_sku", "sku")
LIVE: Final = frozenset(("", "active"))
#: Shopify's word for the only variant of a product without options
ONLY: Final = "Default Title"


def raw_events(rows: Iterable[Row], tag: str | None) -> Iterator[RawEvent | Omission]:
    """An item for each variant; the product's own columns stand in its first row only."""
    for _, group in groupby((Picked.of(row) for row in rows), key=lambda picked: picked.text(*HANDLE)):
        product, *more = group
        variants = [picked for picked in (product, *more) if _is_variant(picked)]
        pictures = 1 + len(more) - len(variants)
        if reason := _why_not_sold(product):
            yield from [Omission(reason)] * len(variants)
        else:
            yield from (_item(picked, product, len(variants) > 1) for picked in variants)
        yield from [Omission("a row that only adds a picture")] * pictures


def _is_variant(picked: Picked) -> bool:
    return any(picked.get(*names) is not None for names in (PRICE, SKU, ("option1_value",), ("title",)))


def _why_not_sold(product: Picked) -> str:
    status = product.text("status").casefold()
    if status not in LIVE:
        return f"status {status}"
    published = product.text("published", "published_on_online_store").casefold()
    return "not published" if published == "false" else ""


def _item(picked: Picked, product: Picked, grouped: bool) -> RawEvent:
    options = _options(picked, product)
    handle = product.text(*HANDLE)
    if picked.get(*SKU) is not None:
        picked.take("item_id", *SKU)
    else:
        picked.take("item_id", *HANDLE, value="-".join([handle, *options.values()]))
    for field, names in (
        ("title", ("title",)),
        ("description", ("body_html", "description")),
        ("brand", ("vendor",)),
        ("category", ("product_category", "type")),
        ("attributes.type", ("type",)),
        ("attributes.tags:list", ("tags",)),
    ):
        picked.take(field, *names, value=product.get(*names))
    for name, value in options.items():
        picked.take(f"attributes.{name}", value=value)
    if grouped:
        picked.take("group_id", *HANDLE, value=handle)
    picked.take("price", *PRICE)
    compared = ("variant_compare_at_price", "compare_at_price")
    if picked.text(*compared).strip("0.,"):
        picked.take("list_price", *compared)
    picked.take("image_link", "variant_image", "variant_image_url", "image_src", "product_image_url")
    _take_stock(picked)
    return picked.raw_event()


def _options(picked: Picked, product: Picked) -> dict[str, str]:
    """Values of up to three options by their names, which the first row has."""
    found = {}
    for n in (1, 2, 3):
        name, value = product.text(f"option{n}_name"), picked.text(f"option{n}_value")
        if name and value and value != ONLY:
            found[name] = value
    return found


def _take_stock(picked: Picked) -> None:
    """Out of stock is what Shopify counts, has none of, and does not sell on."""
    counted = picked.get("variant_inventory_tracker", "inventory_tracker") is not None
    policy = picked.text("variant_inventory_policy", "continue_selling_when_out_of_stock").casefold()
    quantity = ("variant_inventory_qty", "inventory_quantity")
    if counted and policy not in ("continue", "true") and picked.get(*quantity) is not None:
        picked.take("in_stock", *quantity)


FORMAT: Final = Format(
    name="shopify", help="Shopify's product export (CSV)", raw_events=raw_events, needs=(HANDLE, ("title",), PRICE)
)
