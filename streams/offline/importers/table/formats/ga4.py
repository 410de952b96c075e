"""Google Analytics 4 as exported to BigQuery (JSON Lines or Parquet): its events with items, and its searches.

The user is `user_id`, or `user_pseudo_id` where nobody was logged in. Ids follow from Google's own, and those of a
purchase from its transaction, so that what comes twice counts once. With `--as item` the items that the events name:
each once, as the newest event has it, a millisecond before it is first named. What that one leaves out is
taken from the newest that has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from streamrank_client.events import AddToCart, Click, Impression, Purchase, Query, View
from streamrank_client.vocabulary import digest
from streams.offline.importers.table.formats.base import ITEM, Format
from streams.offline.importers.table.rows import Omission, RawEvent, Row, blank

#: Google's name of an event with items -> ours
EVENTS: Final = {
    "view_item": View,
    "select_item": Click,
    "add_to_cart": AddToCart,
    "purchase": Purchase,
    "view_item_list": Impression,
}
SEARCHES: Final = ("view_search_results", "search")
UNSET: Final = frozenset(("", "(not set)", "(other)"))
#: the fields of items that events describe
DESCRIBED: Final = ("title", "brand", "category", "price", "attributes.variant")
CATEGORIES: Final = ("item_category", "item_category2", "item_category3", "item_category4", "item_category5")


def raw_events(rows: Iterable[Row], tag: str | None) -> Iterator[RawEvent | Omission]:
    """Behaviour and queries, or with the tag of items the items."""
    if tag == ITEM:
        yield from _items(rows)
        return
    for row in rows:
        name = _text(row.values.get("event_name"))
        user = _text(row.values.get("user_id")) or _text(row.values.get("user_pseudo_id"))
        if name not in EVENTS and name not in SEARCHES:
            yield Omission(f"event {name}" if name else "a row without event_name")
        elif not user:
            yield Omission(f"{name} of nobody known (no consent)")
        elif name in SEARCHES:
            yield _query(row, user)
        else:
            yield from _behaviour(row, name, user)


def _behaviour(row: Row, name: str, user: str) -> Iterator[RawEvent | Omission]:
    struct, items = EVENTS[name], _entries(row)
    if not items:
        yield Omission(f"{name} without items")
        return
    seed, order = _seed(row), _order(row) if struct is Purchase else ""
    tag = str(struct.__struct_config__.tag)
    common: dict[str, object] = {"user_id": user, "time": row.values.get("event_timestamp")}
    if struct is Impression:
        seen = list(dict.fromkeys(_item_id(entry) for entry in items))
        yield RawEvent(row, tag, {**common, "event_id": seed, "item_ids": [item_id for item_id in seen if item_id]})
        return
    for n, entry in enumerate(items):
        event_id = f"ga4-{order}-{n}" if order else f"{seed}-{n}"
        values = {**common, "event_id": event_id, "item_id": _item_id(entry)}
        if struct is AddToCart or struct is Purchase:
            values["quantity"] = entry.get("quantity")
        if struct is Purchase:
            values |= {"price": entry.get("price"), "basket_id": order}
        yield RawEvent(row, tag, values, {"item_id": "items.item_id"})


def _query(row: Row, user: str) -> RawEvent | Omission:
    text = _text(_parameter(row, "search_term"))
    if not text:
        return Omission("a search without its text")
    values = {"request_id": _seed(row), "user_id": user, "time": row.values.get("event_timestamp"), "text": text}
    return RawEvent(row, str(Query.__struct_config__.tag), values, {"text": "event_params.search_term"})


def _items(rows: Iterable[Row]) -> Iterator[RawEvent | Omission]:
    newest: dict[str, tuple[int, Row]] = {}
    fields: dict[tuple[str, str], tuple[int, object]] = {}
    first: dict[str, int] = {}
    for row in rows:
        stamp = _text(row.values.get("event_timestamp"))
        if not stamp.isdigit():
            yield Omission("a row without event_timestamp")
            continue
        for entry in _entries(row):
            item_id, time = _item_id(entry), int(stamp)
            if item_id:
                first[item_id] = min(time, first.get(item_id, time))
                if item_id not in newest or time >= newest[item_id][0]:
                    newest[item_id] = time, row
                for name, value in _described(entry).items():
                    if value not in ("", []) and time >= fields.get((item_id, name), (0, None))[0]:
                        fields[item_id, name] = time, value
    for item_id, (_, row) in newest.items():
        described = {name: fields.get((item_id, name), (0, ""))[1] for name in DESCRIBED}
        yield RawEvent(row, ITEM, {"item_id": item_id, "time": first[item_id] - 1_000, **described})


def _described(entry: Mapping[str, object]) -> dict[str, object]:
    """What an event says of an item; empty where it says nothing."""
    path = [_text(entry.get(name)) for name in CATEGORIES]
    price = entry.get("price")
    values = (
        _text(entry.get("item_name")),
        _text(entry.get("item_brand")),
        [name for name in path if name],
        "" if blank(price) else price,
        _text(entry.get("item_variant")),
    )
    return dict(zip(DESCRIBED, values, strict=True))


def _entries(row: Row) -> list[Mapping[str, object]]:
    items = row.values.get("items")
    return [entry for entry in items if isinstance(entry, Mapping)] if isinstance(items, list) else []


def _item_id(entry: Mapping[str, object]) -> str:
    return _text(entry.get("item_id"))


def _text(value: object) -> str:
    """A text; empty for what Google says is not set."""
    text = "" if blank(value) else str(value).strip()
    return "" if text in UNSET else text


def _parameter(row: Row, key: str) -> object:
    """The value of an event's parameter, whichever of its types it has."""
    parameters = row.values.get("event_params")
    for parameter in parameters if isinstance(parameters, list) else []:
        if isinstance(parameter, Mapping) and parameter.get("key") == key:
            value = parameter.get("value")
            if isinstance(value, Mapping):
                return next((inner for inner in value.values() if not blank(inner)), None)
    return None


def _order(row: Row) -> str:
    """The transaction of a purchase."""
    ecommerce = row.values.get("ecommerce")
    named = ecommerce.get("transaction_id") if isinstance(ecommerce, Mapping) else None
    return _text(named) or _text(_parameter(row, "transaction_id"))


def _seed(row: Row) -> str:
    """An id that follows from the event's own columns."""
    columns = ("user_pseudo_id", "user_id", "event_timestamp", "event_name", "event_bundle_sequence_id")
    return f"ga4-{digest(chr(31).join(str(row.values.get(column, '')) for column in columns)):016x}"


FORMAT: Final = Format(
    name="ga4",
    help="Google Analytics 4, as exported to BigQuery (JSON Lines or Parquet)",
    raw_events=raw_events,
    needs=(("event_name",), ("event_timestamp",)),
    tags=(None, ITEM),
    time_format="us",
    own_columns=False,
)
