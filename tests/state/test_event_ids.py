"""The window of event ids: the last 16,384, in blocks that are stored as they change."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from state.event_ids import BLOCK, BLOCKS, SIZE, IdWindow, block_keys
from tests.support.examples import at_most


def reopened(pairs: dict[bytes, bytes], accepted: int) -> IdWindow:
    """A window from what was stored."""
    return IdWindow([pairs.get(name) for name in block_keys(3)], accepted)


@at_most(25)
@given(st.lists(st.integers(0, 3_000), max_size=14))
def test_a_stored_window_knows_what_the_living_one_knows(sizes: list[int]) -> None:
    """After any batches: the same ids, the last 16,384 and no others."""
    living, stored, count = IdWindow([None] * BLOCKS, 0), dict[bytes, bytes](), 0
    for size in sizes:
        ids = list(range(count + 1, count + size + 1))
        pairs = living.changed(3, ids)
        stored.update(zip(pairs[::2], pairs[1::2], strict=True))
        living.add(ids)
        count += size
        again = reopened(stored, count)
        for window in (living, again):
            assert all(i in window for i in range(max(1, count - SIZE + 1), count + 1, 97))
            assert window.isdisjoint(range(1, max(1, count - SIZE + 1)))
            assert count + 1 not in window


def test_only_touched_blocks_are_stored() -> None:
    """Ten ids on the edge of two blocks change both, and nothing else."""
    window = IdWindow([None] * BLOCKS, 0)
    window.add(range(1, BLOCK - 4))
    pairs = window.changed(3, list(range(90_000, 90_010)))
    assert pairs[::2] == block_keys(3)[:2]
    assert [len(block) for block in pairs[1::2]] == [8 * BLOCK] * 2
    assert window.changed(3, []) == []
    assert 90_000 not in window


def test_a_batch_larger_than_the_window_keeps_its_end() -> None:
    """The last 16,384 of it."""
    window = IdWindow([None] * BLOCKS, 5)
    window.add(range(1, SIZE + 101))
    assert 100 not in window
    assert 101 in window
    assert SIZE + 100 in window
