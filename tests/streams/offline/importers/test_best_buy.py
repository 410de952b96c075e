"""Queries and the clicks after them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from streamrank_client.errors import LogError
from streamrank_client.events import Click, Event, Item, Query
from streams.offline.importers.best_buy import events
from tests.streams.offline.importers.logs import assert_log

CLICKS = "user,sku,category,query,click_time,query_time\n"
PRODUCTS = "sku,name,start_date\n1,Old Game,2001-01-01\n2,New Game,2011-08-11\n3,Late Game,2012-01-01\n"
DETAIL = """<products><product><sku>1</sku><regularPrice>20.5</regularPrice><salePrice>9.99</salePrice>
<longDescription> A game. </longDescription><shortDescription>Short.</shortDescription>
<categoryPath><category><name>Shop</name></category><category><name>Games</name></category></categoryPath>
</product></products>"""


def searches(folder: Path, *lines: str) -> Path:
    """A folder with these clicks and three products, the first of them in detail."""
    (folder / "clicks.csv").write_text(CLICKS + "".join(f"{line}\n" for line in lines))
    (folder / "products.csv").write_text(PRODUCTS)
    (folder / "products_detail_157.xml").write_text(DETAIL)
    return folder


def test_the_whole_log_has_the_readmes_counts(data_set: Callable[[str], Path]) -> None:
    """27,316 clicks, 99.3 % of them on one of 437 products, and one query for clicks that share it."""
    counts = assert_log(events(data_set("bestbuy_acm")))
    assert {tag: counts[tag] for tag in ("click", "item", "query")} == {
        "click": 27_316,
        "item": 437,
        "query": 26_004,
    }
    assert counts["known"] / counts["click"] == pytest.approx(0.993, abs=5e-4)


def test_every_click_follows_its_query(data_set: Callable[[str], Path]) -> None:
    """The text of each click was asked by the same user at most 300 seconds before."""
    asked: dict[tuple[str | None, str | None], int] = {}
    for event in events(data_set("bestbuy_acm")):
        if isinstance(event, Query):
            asked[event.user_id, event.text] = event.time
        elif isinstance(event, Click):
            assert event.time - asked[event.user_id, event.query] <= 300_000
            assert event.request_id is None


def test_details_and_arrivals(tmp_path: Path) -> None:
    """Old products arrive with the log, none after its first click, and the detail file adds to one."""
    line = "u,3,abc,halo,2011-08-11 04:00:17.021,2011-08-11 03:59:04.27"
    log = list(events(searches(tmp_path, line)))
    items = {event.item_id: event for event in log if isinstance(event, Item)}
    query = 1_313_035_144_270
    assert {name: item.time for name, item in items.items()} == {
        "1": query - 1,
        "2": query - 1,
        "3": query + 72_750,  # its start date is later than its first click
    }
    assert items["1"] == Item(
        item_id="1",
        time=query - 1,
        title="Old Game",
        description="A game.",
        category=["Games"],
        price=9.99,
        list_price=20.5,
    )
    assert log[2:] == [
        Query(request_id="bb-q-0", user_id="u", time=query, surface="search", text="halo"),
        items["3"],
        Click(event_id="bb-0", user_id="u", item_id="3", time=query + 72_751, query="halo"),
    ]


def test_two_clicks_of_one_query_ask_once(tmp_path: Path) -> None:
    """The same user, text and time is one question; another time is another one."""
    folder = searches(
        tmp_path,
        "u,1,abc,halo,2011-08-11 04:00:17,2011-08-11 04:00:00",
        "u,2,abc,halo,2011-08-11 04:00:18,2011-08-11 04:00:00",
        "u,2,abc,halo,2011-08-11 05:00:18,2011-08-11 05:00:00",
    )
    kinds = [type(event) for event in _after_items(folder)]
    assert kinds == [Query, Click, Click, Query, Click]


def test_broken_details_are_named(tmp_path: Path) -> None:
    """XML that breaks off is an error, not an empty detail file."""
    folder = searches(tmp_path, "u,1,abc,halo,2011-08-11 04:00:17,2011-08-11 04:00:00")
    (folder / "products_detail_157.xml").write_text("<products><product>")
    with pytest.raises(LogError, match=r"products_detail_157\.xml' cannot be read"):
        list(events(folder))


def _after_items(folder: Path) -> list[Event]:
    return [event for event in events(folder) if not isinstance(event, Item)]
