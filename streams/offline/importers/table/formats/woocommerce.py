"""WooCommerce's product export (CSV). One `item` a product that can be bought, its ID as item id.

Variations stand for their variable product, share its ID as group, and take from it what they do not say themselves.
What is not published, or hidden from the catalogue, is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from streams.offline.importers.table.formats.base import Format, Picked
from streams.offline.importers.table.rows import Omission, RawEvent, Row

#: what a variation takes from its product, from the first of these columns
INHERITED: Final = (
    ("title", ("name",)),
    ("description", ("description", "short_description")),
    ("brand", ("brands",)),
    ("attributes.tags:list", ("tags",)),
)


def raw_events(rows: Iterable[Row], tag: str | None) -> Iterator[RawEvent | Omission]:
    """An item for each product or variation."""
    products = [Picked.of(row) for row in rows]
    parents = {f"id:{picked.text('id')}": picked for picked in products}
    parents |= {picked.text("sku"): picked for picked in products if picked.get("sku") is not None}
    varied = {id(parents[picked.text("parent")]) for picked in products if picked.text("parent") in parents}
    for picked in products:
        parent = parents.get(picked.text("parent")) if picked.text("type").startswith("variation") else None
        if reason := _why_not_sold(picked) or (_why_not_sold(parent) if parent is not None else ""):
            yield Omission(reason)
        elif id(picked) in varied and picked.text("type").startswith("variable"):
            yield Omission("a variable product, whose variations stand for it")
        else:
            yield _item(picked, parent)


def _why_not_sold(picked: Picked) -> str:
    if picked.text("published") in ("0", "-1"):
        return "not published"
    return "hidden from the catalogue" if picked.text("visibility_in_catalog") == "hidden" else ""


def _item(picked: Picked, parent: Picked | None) -> RawEvent:
    above = parent if parent is not None else picked
    picked.take("item_id", "id")
    for field, names in INHERITED:
        own = picked.get(*names)
        picked.take(field, *names, value=above.get(*names) if own is None else own)
    picked.take("category", "categories", value=_deepest(picked.text("categories") or above.text("categories")))
    if parent is not None:
        picked.take("group_id", "parent", value=parent.get("id"))
    picked.take("attributes.sku", "sku")
    picked.take("in_stock", "in_stock")
    picked.take("image_link", "images", value=_first(picked.text("images") or above.text("images")))
    _take_attributes(picked, above)
    if picked.get("sale_price") is None:
        picked.take("price", "regular_price")
    else:
        picked.take("price", "sale_price")
        picked.take("list_price", "regular_price")
        picked.take("valid_from", "date_sale_price_starts")
        picked.take("valid_to", "date_sale_price_ends", value=_end_of_day(picked.text("date_sale_price_ends")))
    return picked.raw_event()


def _take_attributes(picked: Picked, above: Picked) -> None:
    """A variation's own values, and of its product those that it does not vary in."""
    for source in (above, picked):
        n = 1
        while (name := source.text(f"attribute_{n}_name")) or f"attribute_{n}_value_s" in source.by_name:
            values = _cut(source.text(f"attribute_{n}_value_s"))
            if name and values:
                picked.take(f"attributes.{name}", value=values[0] if len(values) == 1 else values)
            n += 1


def _cut(text: str) -> list[str]:
    """The parts between commas; WooCommerce writes a comma within one behind a backslash.

    >>> _cut("Home > Tea, Bath\\\\, bed")
    ['Home > Tea', 'Bath, bed']
    """
    return [part.strip().replace("\\,", ",") for part in re.split(r"(?<!\\),", text) if part.strip()]


def _deepest(categories: str) -> list[str] | None:
    """Of several categories the one with the most levels, the first of those.

    >>> _deepest("Sale, Clothing, Clothing > Shirts")
    ['Clothing', 'Shirts']
    """
    paths = [[level.strip() for level in path.split(">") if level.strip()] for path in _cut(categories)]
    return max(paths, key=len) if paths else None


def _end_of_day(moment: str) -> str | None:
    """A sale ends with its last day."""
    return f"{moment}T23:59:59" if re.fullmatch(r"\d{4}-\d\d-\d\d", moment) else None


def _first(images: str) -> str | None:
    return next(iter(_cut(images)), None)


FORMAT: Final = Format(
    name="woocommerce",
    help="WooCommerce's product export (CSV)",
    raw_events=raw_events,
    needs=(("id",), ("type",), ("name",), ("regular price",)),
)
