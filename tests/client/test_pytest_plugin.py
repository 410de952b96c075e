"""The fixture ``replay``: events in, answers out, each call on an empty state."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from streamrank_client.errors import LogError
from streamrank_client.events import Event, Item, Purchase, Query, encode
from streamrank_client.logs import write_lines
from streamrank_client.pytest_plugin import Replayer
from streams.offline.servers import EmbeddedRedis

pytestmark = pytest.mark.servers

DAY: list[Event] = [
    Item(time=1, item_id="p1", title="ground coffee"),
    Item(time=1, item_id="p2", title="espresso coffee"),
    Purchase(time=2, event_id="e1", user_id="u1", item_id="p1"),
    Query(time=3, request_id="r1", user_id="u1", text="coffee"),
]


@pytest.fixture(scope="module")
def replayer() -> Iterator[Replayer]:
    """What the fixture gives, made by hand so that the plugin need not be installed."""
    with EmbeddedRedis() as server:
        yield Replayer(server.redis)


def test_a_list_of_events_is_answered(replayer: Replayer) -> None:
    """The query in the list gets its answer, which has seen the purchase."""
    (answer,) = replayer(DAY)
    assert answer.request_id == "r1"
    assert {item.item_id for item in answer.items} <= {"p1", "p2"}
    assert answer.items
    assert answer.seen is not None
    assert answer.seen.offset == 0


def test_each_call_begins_with_an_empty_state(replayer: Replayer) -> None:
    """The same events give the same answers again."""
    assert replayer(DAY) == replayer(DAY)


def test_a_log_is_answered_and_its_broken_lines_are_dead_letters(replayer: Replayer, tmp_path: Path) -> None:
    """A path is read as a log; dead letters of the last call are at hand."""
    write_lines(tmp_path / "day.jsonl.gz", [*map(encode, DAY), b'{"event":"view"}'])
    (answer,) = replayer(tmp_path / "day.jsonl.gz")
    assert answer.request_id == "r1"
    assert [letter.code for letter in replayer.dead_letters] == ["missing"]
    replayer(DAY)
    assert replayer.dead_letters == []
    with pytest.raises(LogError):
        replayer(tmp_path / "none.jsonl")
