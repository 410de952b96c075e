"""Google Analytics 4: the export's JSON Lines and Parquet give the same events."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pytest
from pyarrow import parquet

from streamrank_client.events import AddToCart, Click, Impression, Item, Purchase, Query, View
from tests.streams.offline.importers.table.reading import only, read, written

T = 1_772_366_400_000


def row(name: str, at: int, items: list[dict[str, Any]], user: str | None = None, **more: Any) -> dict[str, Any]:
    """An event as BigQuery writes it."""
    return {
        "event_date": "20260301", "event_timestamp": (T + at) * 1000, "event_name": name, "user_id": user,
        "user_pseudo_id": "1084.9", "event_bundle_sequence_id": at, "items": items,
        "event_params": [
            {"key": "ga_session_id", "value": {"string_value": None, "int_value": 7}},
            {"key": "search_term", "value": {"string_value": more.get("term"), "int_value": None}},
        ],
        "ecommerce": {"transaction_id": more.get("order")},
    }  # fmt: skip


TEE = {
    "item_id": "T1",
    "item_name": "Tee",
    "item_brand": "Acme",
    "item_category": "Apparel",
    "price": 20.0,
    "quantity": 2,
}
MUG = {"item_id": "M1", "item_name": "(not set)", "price": None, "quantity": None}
EVENTS = (
    row("page_view", 0, []),
    row("view_search_results", 1, [], term="red tee"),
    row("view_item_list", 2, [MUG, TEE, MUG]),
    row("select_item", 3, [TEE]),
    row("view_item", 4, [TEE], user="ann"),
    row("add_to_cart", 5, [TEE], user="ann"),
    row("purchase", 6, [TEE, MUG], user="ann", order="O-9"),
    row("purchase", 7, [TEE, MUG], user="ann", order="O-9"),
    row("view_item", 8, []),
)


def files(folder: Path) -> list[Path]:
    """The same events as JSON Lines, where BigQuery writes whole numbers as texts, and as Parquet."""
    lines = [json.dumps({**event, "event_timestamp": str(event["event_timestamp"])}) for event in EVENTS]
    parquet.write_table(pa.Table.from_pylist(list(EVENTS)), folder / "events.parquet")
    return [written(folder, "events.json", "\n".join(lines)), folder / "events.parquet"]


@pytest.mark.parametrize("which", [0, 1], ids=["json", "parquet"])
def test_an_export_becomes_behaviour_and_queries(tmp_path: Path, which: int) -> None:
    """Each kind that we have, of the user who was logged in or of the browser; the others are counted."""
    outcome = read(files(tmp_path)[which], format="ga4")
    assert outcome.refusals == []
    query, impression, click, view, cart, tee, mug, *again = outcome.events
    assert isinstance(query, Query)
    assert (query.text, query.user_id, query.time) == ("red tee", "1084.9", T + 1)
    assert isinstance(impression, Impression)
    assert impression.item_ids == ["M1", "T1"]
    assert isinstance(click, Click)
    assert (click.item_id, click.user_id, click.time) == ("T1", "1084.9", T + 3)
    assert isinstance(view, View)
    assert view.user_id == "ann"
    assert isinstance(cart, AddToCart)
    assert cart.quantity == 2
    assert isinstance(tee, Purchase)
    assert isinstance(mug, Purchase)
    assert (tee.item_id, tee.price, tee.quantity, tee.basket_id) == ("T1", 20, 2, "O-9")
    assert (mug.item_id, mug.price, mug.quantity) == ("M1", None, 1)
    assert outcome.left_out == {"event page_view": 1, "view_item without items": 1}
    assert [event.event_id for event in again if isinstance(event, Purchase)] == [tee.event_id, mug.event_id]
    assert len({query.request_id, impression.event_id, click.event_id, view.event_id}) == 4


def test_an_item_keeps_what_its_newest_event_leaves_out(tmp_path: Path) -> None:
    """A purchase often names the id and the price alone."""
    sold = {"item_id": "T1", "price": 18.0}
    text = "\n".join(map(json.dumps, (row("view_item", 1, [TEE]), row("purchase", 2, [sold], order="O"))))
    (item,) = only(read(written(tmp_path, "events.json", text), "item", format="ga4"), Item)
    assert (item.title, item.brand, item.category, item.price) == ("Tee", "Acme", ["Apparel"], 18.0)
    assert item.time == T


def test_an_older_event_does_not_overwrite_a_newer_one(tmp_path: Path) -> None:
    """BigQuery exports rows in no order."""
    dear, cheap = {**TEE, "price": 25.0}, {**TEE, "price": 15.0}
    text = "\n".join(map(json.dumps, (row("view_item", 9, [cheap]), row("view_item", 3, [dear]))))
    (item,) = only(read(written(tmp_path, "events.json", text), "item", format="ga4"), Item)
    assert (item.price, item.time) == (15.0, T + 2)
