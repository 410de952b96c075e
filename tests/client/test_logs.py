"""Event logs: read line by line, raw, in order; golden files compared."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamrank_client.errors import LogError
from streamrank_client.logs import Line, disorder, in_time_order, input_lines, read_lines, write_lines
from streamrank_client.routing import Head, head
from streams.offline.golden import first_difference


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_a_log_gives_its_lines_raw_with_their_numbers(tmp_path: Path, name: str) -> None:
    """Empty lines are skipped but counted; bytes stay as they are."""
    path = tmp_path / name
    write_lines(path, [b'{"event":"view"}', b"", b"\xff broken"])
    assert list(read_lines(path)) == [Line(1, b'{"event":"view"}'), Line(3, b"\xff broken")]


def test_equal_lines_give_equal_packed_bytes(tmp_path: Path) -> None:
    """A packed file holds neither its name nor its time."""
    write_lines(tmp_path / "a.jsonl.gz", [b"1"])
    write_lines(tmp_path / "b.jsonl.gz", [b"1"])
    assert (tmp_path / "a.jsonl.gz").read_bytes() == (tmp_path / "b.jsonl.gz").read_bytes()


def test_a_log_that_cannot_be_read_is_a_clear_error(tmp_path: Path) -> None:
    """Missing, misnamed, cut off and not packed at all: LogError with the path."""
    (tmp_path / "plain.jsonl.gz").write_bytes(b"not gzip")
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(bytes(range(256)) * 100)[:-9])
    (tmp_path / "log.csv").write_text("a,b")
    for name in ("missing.jsonl", "plain.jsonl.gz", "cut.jsonl.gz", "log.csv"):
        with pytest.raises(LogError, match=name):
            list(read_lines(tmp_path / name))
    with pytest.raises(LogError, match="cannot be written"):
        write_lines(tmp_path / "no" / "folder.jsonl", [])


@given(st.binary(max_size=60))
def test_the_head_of_any_bytes_is_a_head_or_none(raw: bytes) -> None:
    """No bytes make head() raise."""
    assert isinstance(head(raw), Head | None)


def test_a_head_keeps_what_is_right_beside_what_is_wrong() -> None:
    """A wrong user id does not hide the tag, nor a wrong time the key."""
    assert head(b'{"event":"query","user_id":7,"time":3}') == Head(event="query", time=3)
    assert head(b'{"event":"view","user_id":"u","time":true}') == Head(event="view", user_id="u")
    assert head(b"[1]") is None


@given(st.lists(st.none() | st.integers(0, 50), max_size=30))
def test_sorting_by_time_is_stable_and_loses_nothing(times: list[int | None]) -> None:
    """Sorted lines are in order; equal times keep theirs; a broken line follows the one before it."""
    lines = [Line(n, b'{"time":%d}' % at if at is not None else b"broken") for n, at in enumerate(times, 1)]
    ordered = in_time_order(lines)
    assert sorted(ordered) == lines
    assert disorder(ordered) is None
    if disorder(lines) is None:
        assert ordered == lines


CLICK = b'{"event":"click","request_id":"r","time":%d}'
QUERY = b'{"event":"query","request_id":"r","time":%d}'


@pytest.mark.parametrize(
    ("lines", "order"),
    [
        ([CLICK % 8, QUERY % 10], [2, 1]),
        ([QUERY % 10, CLICK % 8], [1, 2]),
        ([CLICK % 5, QUERY % 10], [2, 1]),
        ([CLICK % 4, QUERY % 10], [1, 2]),
        ([CLICK % 8, b'{"event":"query","request_id":"other","time":10}'], [1, 2]),
        ([CLICK % 8, QUERY % 10, b'{"event":"view","time":10}'], [2, 3, 1]),
    ],
)
def test_what_answers_a_query_by_a_slow_clock_stands_behind_it(lines: list[bytes], order: list[int]) -> None:
    """Within the skew of 5, of the query that it names and of no other."""
    ordered = in_time_order([Line(n, raw) for n, raw in enumerate(lines, 1)], 5)
    assert [line.number for line in ordered] == order


def test_the_first_line_out_of_order_is_found() -> None:
    """disorder() gives the number of the line that is older than one before it."""
    assert disorder([Line(1, b'{"time":5}'), Line(2, b"broken"), Line(3, b'{"time":4}')]) == 3


def test_answers_in_a_log_are_no_input(tmp_path: Path) -> None:
    """A recorded log may hold answers and dead letters; they are left out."""
    path = tmp_path / "day.jsonl"
    write_lines(path, [b'{"event":"view"}', b'{"event":"answer"}', b'{"event":"dead_letter"}', b"broken"])
    assert [line.number for line in input_lines(path)] == [1, 4]


def test_equal_answers_have_no_difference() -> None:
    """The same bytes are equal."""
    assert first_difference([Line(1, b'{"a":1}')], [b'{"a":1}']) is None


@pytest.mark.parametrize(
    ("wanted", "found", "line", "field"),
    [
        ([b'{"request_id":"r","items":[{"score":1.5}]}'], [b'{"request_id":"r","items":[{"score":2}]}'], 1,
         "items[0].score"),
        ([b'{"request_id":"r","items":[1]}'], [b'{"request_id":"r","items":[1,2]}'], 1, "items (length)"),
        ([b'{"request_id":"r"}'], [b'{"request_id":"r","arm":"x"}'], 1, "arm"),
        ([b"1"], [b"1", b'{"request_id":"r"}'], 2, ""),
        ([b"1", b'{"request_id":"r"}'], [b"1"], 2, ""),
        ([b'{"request_id":"r"}'], [b'{ "request_id":"r"}'], 1, ""),
    ],
)  # fmt: skip
def test_the_first_difference_is_named(wanted: list[bytes], found: list[bytes], line: int, field: str) -> None:
    """Line, request id and field of what differs first, also where one file ends."""
    lines = [Line(n, raw) for n, raw in enumerate(wanted, 1)]
    difference = first_difference(lines, found)
    assert difference is not None
    assert (difference.line, difference.request_id, difference.field) == (line, "r", field)
