"""Finding what breaks a batch: the record, stored values, or neither."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, combinations
from typing import Final

import pytest
from aiokafka.errors import (  # type: ignore[import-untyped]
    KafkaConnectionError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
)
from hypothesis import given
from hypothesis import strategies as st
from redis.exceptions import ResponseError

from models.base.errors import SessionError
from state.layouts import NewerLayout, UnreadableMark
from streamrank_client.errors import InvalidEvent
from streams.errors import NotOwner
from streams.handlers.steps import ReadingSteps
from streams.worker.poison import at_fault, fails, fault, halves, handle_each, recorded
from tests.support.driving import run

KEYS: Final = [b"cnt:{0}:%d" % n for n in range(8)]


class Handler:
    """Handles numbers; raises on poison, and on batches of more than ``most``."""

    def __init__(self, poison: set[int], most: int = 1_000_000) -> None:
        self.poison, self.most = poison, most
        self.handled: list[int] = []
        self.settled: list[tuple[list[int], str]] = []
        self.calls = 0

    async def handle(self, batch: list[int]) -> None:
        """All or nothing."""
        self.calls += 1
        if len(batch) > self.most:
            raise MessageSizeTooLargeError(f"{len(batch)}")
        bad = sorted(self.poison.intersection(batch))
        if bad:
            raise ValueError(bad[0])
        self.handled += batch

    async def settle(self, alone: list[int], error: Exception) -> None:
        """Keep it."""
        self.settled.append((alone, repr(error)))


@given(st.integers(1, 70), st.sets(st.integers(0, 69), max_size=5), st.integers(1, 80))
async def test_exactly_the_poison_is_settled_and_all_else_is_handled_in_order(
    count: int, poison: set[int], most: int
) -> None:
    """Whatever stands where, and however little fits in one batch; what fails is settled alone, with its own error."""
    handler = Handler(poison, most)
    await handle_each(list(range(count)), handler.handle, halves, handler.settle)
    bad = sorted(n for n in poison if n < count)
    assert handler.handled == [n for n in range(count) if n not in poison]
    assert handler.settled == [([n], f"ValueError({n})") for n in bad]


async def test_one_poison_in_a_large_batch_costs_few_calls() -> None:
    """It is looked for by halves."""
    handler = Handler({1_234})
    await handle_each(list(range(2_000)), handler.handle, halves, handler.settle)
    assert handler.calls < 30


async def test_what_one_record_leads_to_may_be_too_large() -> None:
    """Then it is settled as any other that fails alone."""
    handler = Handler(set(), most=0)
    await handle_each([1, 2], handler.handle, halves, handler.settle)
    assert [alone for alone, _ in handler.settled] == [[1], [2]]


@pytest.mark.parametrize(
    "error",
    [
        ConnectionError(),
        KafkaConnectionError(),
        ResponseError("OOM"),
        NotOwner(),
        MemoryError(),
        NewerLayout(b"cnt:{0}:1", "newer"),
        UnreadableMark(b"wm:{0}:t", "bad"),
        SessionError("inference", "wait"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_faults_from_elsewhere_are_raised_as_they_are(error: Exception) -> None:
    """No record is to blame: none is settled, and the batch is not cut."""
    handler = Handler(set())
    calls: list[list[int]] = []

    async def handle(batch: list[int]) -> None:
        calls.append(batch)
        raise error

    with pytest.raises(type(error)):
        await handle_each([1, 2], handle, halves, handler.settle)
    assert handler.settled == []
    assert calls == [[1, 2]]


@pytest.mark.parametrize("error", [InvalidEvent("invalid", "f", "wrong"), RecordListTooLargeError()])
async def test_what_half_a_batch_may_mend_is_cut_though_it_is_one_of_the_faults_from_elsewhere(
    error: Exception,
) -> None:
    """Down to the records, which are settled."""
    handler = Handler(set())

    async def handle(batch: list[int]) -> None:
        raise error

    await handle_each([1, 2, 3], handle, halves, handler.settle)
    assert [alone for alone, _ in handler.settled] == [[1], [2], [3]]


async def test_what_settling_raises_ends_it() -> None:
    """What lies behind is not handled: the batch comes again."""
    handler = Handler({2})

    async def settle(alone: list[int], error: Exception) -> None:
        raise RuntimeError("undecided")

    with pytest.raises(RuntimeError, match="undecided"):
        await handle_each([1, 2, 3, 4], handler.handle, halves, settle)
    assert handler.handled == [1]


def test_a_dead_letter_says_what_was_raised() -> None:
    """A code and a sentence; of an invalid event its own."""
    own = InvalidEvent("future", "time", "too late")
    assert fault(own) is own
    other = fault(KeyError("x" * 600))
    assert (other.code, other.field, other.message[:12], len(other.message)) == ("internal", "", "KeyError: 'x", 500)


def reading(bad: Sequence[set[bytes]], rounds: int) -> ReadingSteps[object]:
    """A handler that reads eight keys in so many rounds, and fails where all values of one of the sets are there."""
    there: set[bytes] = set()
    for n in range(rounds):
        names = KEYS[n::rounds]
        values = yield names
        there |= {name for name, value in zip(names, values, strict=True) if value is not None}
        for together in bad:
            if together <= there:
                raise ValueError(sorted(together))
    return None


stored_keys = st.sets(st.sampled_from(KEYS), min_size=1)


@given(stored_keys, st.sets(st.sampled_from(KEYS)), st.integers(1, 8))
def test_exactly_the_values_that_make_a_handler_fail_alone_are_at_fault(
    there: set[bytes], bad: set[bytes], rounds: int
) -> None:
    """However many, wherever they stand and whenever they are read; one that is not stored is no fault."""
    stored = {key: b"x" if key in there else None for key in KEYS}
    found = at_fault(lambda: reading([{key} for key in bad], rounds), stored)
    assert set(found) == there & bad
    assert len(found) == len(set(found))


def test_values_that_make_a_handler_fail_only_together_are_not_found() -> None:
    """Then nothing says which of them is at fault; but those that fail alone are found beside them."""
    stored: dict[bytes, bytes | None] = dict.fromkeys(KEYS, b"x")
    for pair in combinations(KEYS, 2):
        assert fails(lambda pair=pair: reading([set(pair)], 2), stored)  # type: ignore[misc]
        found = at_fault(lambda pair=pair: reading([set(pair)], 2), stored)  # type: ignore[misc]
        assert found == []
    both = at_fault(lambda: reading([{KEYS[0], KEYS[7]}, {KEYS[3]}], 1), stored)
    assert both == [KEYS[3]]


def test_a_handler_that_fails_on_nothing_stored_has_no_value_at_fault() -> None:
    """The record is; none of the values is named where there are none."""
    assert fails(lambda: reading([set()], 1), {})
    assert at_fault(lambda: reading([set()], 1), {}) == []
    assert not fails(lambda: reading([{KEYS[0]}], 1), {})


@given(stored_keys, st.integers(1, 8))
def test_what_a_handler_was_sent_is_recorded_up_to_its_fault(bad: set[bytes], rounds: int) -> None:
    """All that it read, to its end or to where it raised; it raises nothing itself."""
    whole: dict[bytes, bytes | None] = {}
    run(recorded(lambda: reading([], rounds), whole), lambda key: key)
    assert whole == {key: key for key in KEYS}
    part: dict[bytes, bytes | None] = {}
    run(recorded(lambda: reading([{key} for key in bad], rounds), part), lambda key: key)
    first = min(KEYS.index(key) % rounds for key in bad)
    assert set(part) == set(chain.from_iterable(KEYS[n::rounds] for n in range(first + 1)))
