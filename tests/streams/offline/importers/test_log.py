"""Writing event logs."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamrank_client.errors import LogError
from streamrank_client.events import Click, Event, Item, decode_event
from streams.offline.importers.log import write_log

EVENTS: list[Event] = [
    Item(item_id="i", time=1, title="酸奶"),
    Click(event_id="a", user_id="u", item_id="i", time=2),
    Click(event_id="b", user_id="u", item_id="i", time=3),
]


def test_the_events_come_back_and_are_counted(tmp_path: Path) -> None:
    """Plain and gzip hold the same lines, one event each."""
    plain, packed = tmp_path / "a.jsonl", tmp_path / "a.jsonl.gz"
    assert write_log(EVENTS, plain) == write_log(EVENTS, packed) == {"item": 1, "click": 2}
    assert [decode_event(line) for line in plain.read_bytes().splitlines()] == EVENTS
    assert gzip.decompress(packed.read_bytes()) == plain.read_bytes()


def test_equal_events_give_equal_bytes(tmp_path: Path) -> None:
    """Neither the file's name nor the time goes into the gzip header."""
    for name in ("one.jsonl.gz", "two.jsonl.gz"):
        write_log(EVENTS, tmp_path / name)
    assert (tmp_path / "one.jsonl.gz").read_bytes() == (tmp_path / "two.jsonl.gz").read_bytes()


def test_a_log_that_breaks_off_leaves_nothing_behind(tmp_path: Path) -> None:
    """When the source fails half way, the file that was there before is still there, and no other."""

    def broken() -> Iterator[Event]:
        yield EVENTS[0]
        raise LogError("the source broke off")

    write_log(EVENTS, tmp_path / "a.jsonl")
    before = (tmp_path / "a.jsonl").read_bytes()
    with pytest.raises(LogError, match="broke off"):
        write_log(broken(), tmp_path / "a.jsonl")
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]
    assert (tmp_path / "a.jsonl").read_bytes() == before


@pytest.mark.parametrize("name", ["log.json", "log.gz", "log"])
def test_another_ending_is_refused(tmp_path: Path, name: str) -> None:
    """The reader tells the format by the name, so the writer insists on it."""
    with pytest.raises(LogError, match=r"ends with \.jsonl or \.jsonl\.gz"):
        write_log(EVENTS, tmp_path / name)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The error has the path that could not be written."""
    with pytest.raises(LogError, match=r"nowhere/log\.jsonl' cannot be written"):
        write_log(EVENTS, tmp_path / "nowhere" / "log.jsonl")
