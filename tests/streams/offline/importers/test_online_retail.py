"""The gift shop's purchases."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from streamrank_client.errors import LogError
from streamrank_client.events import Item, Purchase
from streams.offline.importers.online_retail import events
from tests.streams.offline.importers.logs import assert_log

EVENTS = "ts,user_id,invoice,item_id,qty,unit_price,country\n"
ITEMS = "item_id,title,median_price,events,first_seen\nA,RED MUG,1.5,2,2010-01-01T10:00\n"


def shop(folder: Path, *lines: str) -> Path:
    """A folder with these lines of events and one item."""
    (folder / "events.csv").write_text(EVENTS + "".join(f"{line}\n" for line in lines))
    (folder / "items.csv").write_text(ITEMS)
    return folder


def test_the_whole_log_has_the_readmes_counts(data_set: Callable[[str], Path]) -> None:
    """788,187 lines, 4,619 items, every line's item known a moment before its first sale."""
    counts = assert_log(events(data_set("online_retail")))
    assert counts == {"purchase": 788_187, "item": 4_619, "known": 788_187}


def test_new_items_stay_new(data_set: Callable[[str], Path]) -> None:
    """621 items first appear after 2010-12-01, the day at which the two files meet."""
    log = events(data_set("online_retail"))
    december = 1_291_161_600_000
    assert 600 < sum(isinstance(event, Item) and event.time >= december for event in log) < 650


def test_a_line_becomes_a_purchase_after_its_item(tmp_path: Path) -> None:
    """Every column lands in its field; the item comes a millisecond before."""
    folder = shop(tmp_path, "2010-01-01T10:00,7,536,A,3,1.25,France")
    assert list(events(folder)) == [
        Item(item_id="A", time=1_262_339_999_999, title="Red Mug", price=1.5),
        Purchase(
            event_id="or-0",
            user_id="7",
            item_id="A",
            time=1_262_340_000_000,
            quantity=3,
            price=1.25,
            basket_id="536",
        ),
    ]


def test_lines_of_an_invoice_are_shuffled_unless_kept(tmp_path: Path) -> None:
    """Thirty lines in one minute: kept as they are, or in an order that the seed fixes."""
    folder = shop(tmp_path, *(f"2010-01-01T10:00,7,536,A{i},1,1,France" for i in range(30)))
    in_file = [f"or-{i}" for i in range(30)]

    def order(*, keep_order: bool = False, seed: int = 0) -> list[str]:
        log = events(folder, keep_order=keep_order, seed=seed)
        return [event.event_id for event in log if isinstance(event, Purchase)]

    assert order(keep_order=True) == in_file
    assert order() == order()
    assert len({tuple(order()), tuple(order(seed=1)), tuple(in_file)}) == 3


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("2010-13-01T10:00,7,536,A,1,1,France", "data row 2: month must be"),
        ("2010-01-01T11:00,7,536,A,one,1,France", "data row 2: invalid literal"),
        ("2009-01-01T10:00,7,536,A,1,1,France", "data row 2: ts 2009-01-01T10:00 comes after a later one"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, line: str, said: str) -> None:
    """A time that does not exist, a quantity in words, a line out of order."""
    folder = shop(tmp_path, "2010-01-01T10:00,7,536,A,1,1,France", line)
    with pytest.raises(LogError, match=said):
        list(events(folder))
