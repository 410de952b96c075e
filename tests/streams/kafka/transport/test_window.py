"""What is committed: the end of the longest done prefix, whatever the order of the acks."""

from __future__ import annotations

from itertools import pairwise

import pytest
from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from streams.kafka.transport.window import AckWindow, slices


@given(st.lists(st.integers(1, 50), min_size=1, max_size=30), st.data())
def test_the_committable_offset_is_the_end_of_the_longest_done_prefix(sizes: list[int], data: st.DataObject) -> None:
    """For batches of any size, done in any order."""
    window = AckWindow(TP("t", 0))
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
    slots = [window.add(size, end) for size, end in zip(sizes, ends, strict=True)]
    done: set[int] = set()
    for index in data.draw(st.permutations(range(len(sizes)))):
        before = window.committable
        done.add(index)
        moved = window.done(slots[index])
        prefix = next((i for i in range(len(sizes)) if i not in done), len(sizes))
        assert window.committable == (ends[prefix - 1] if prefix else None)
        assert moved == (window.committable != before)
        assert window.records == sum(sizes[prefix:])
        assert len(window) == len(sizes) - prefix
    assert window.committable == ends[-1]


def test_a_window_is_full_at_either_limit() -> None:
    """Many small batches fill it as well as few large ones, and a done prefix makes room."""
    window = AckWindow(TP("t", 0))
    assert not window.is_full(max_batches=2, max_records=10)
    first = window.add(1, 1)
    window.add(1, 2)
    assert window.is_full(max_batches=2, max_records=10)
    window.done(first)
    assert not window.is_full(max_batches=2, max_records=10)
    window.add(9, 11)
    assert window.is_full(max_batches=5, max_records=10)


@given(st.integers(0, 20_000), st.integers(1, 5000))
def test_slices_cover_all_records_in_even_runs(records: int, size: int) -> None:
    """In order, none larger than asked, none more than one record smaller than another."""
    cuts = slices(records, size)
    assert [i for start, end in cuts for i in (start, end)] == sorted(i for cut in cuts for i in cut)
    assert sum(end - start for start, end in cuts) == records
    assert all(end == start for (_, end), (start, _) in pairwise(cuts))
    lengths = {end - start for start, end in cuts}
    assert all(0 < length <= size for length in lengths)
    assert not lengths or max(lengths) - min(lengths) <= 1


def test_a_slice_needs_at_least_one_record() -> None:
    """A max_batch of zero would never deliver: it is refused by name."""
    with pytest.raises(ValueError, match="max_batch is 0"):
        slices(10, 0)
