"""Finding the record that breaks a batch."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from aiokafka.errors import KafkaConnectionError, MessageSizeTooLargeError  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from streamrank_client.errors import InvalidEvent
from streams.errors import NotOwner
from streams.worker.poison import handle_each


class Handler:
    """Handles numbers; raises on poison, and on batches of more than ``most``."""

    def __init__(self, poison: set[int], most: int = 1_000_000) -> None:
        self.poison, self.most = poison, most
        self.handled: list[int] = []
        self.refused: list[tuple[int, str, str]] = []
        self.calls = 0

    async def handle(self, batch: Sequence[int]) -> None:
        """All or nothing."""
        self.calls += 1
        if len(batch) > self.most:
            raise MessageSizeTooLargeError(f"{len(batch)}")
        bad = sorted(self.poison.intersection(batch))
        if bad:
            raise ValueError(bad[0])
        self.handled += batch

    async def refuse(self, record: int, error: InvalidEvent) -> None:
        """Keep it."""
        self.refused.append((record, error.code, error.message))


@given(st.integers(1, 70), st.sets(st.integers(0, 69), max_size=5), st.integers(1, 80))
async def test_exactly_the_poison_is_refused_and_all_else_is_handled_in_order(
    count: int, poison: set[int], most: int
) -> None:
    """Whatever stands where, and however little fits in one batch."""
    handler = Handler(poison, most)
    with capture_logs():
        await handle_each(range(count), handler.handle, handler.refuse)
    bad = sorted(n for n in poison if n < count)
    assert handler.handled == [n for n in range(count) if n not in poison]
    assert handler.refused == [(n, "internal", f"ValueError: {n}") for n in bad]


async def test_one_poison_in_a_large_batch_costs_few_calls() -> None:
    """It is looked for by halves."""
    handler = Handler({1_234})
    await handle_each(range(2_000), handler.handle, handler.refuse)
    assert handler.calls < 30


@pytest.mark.parametrize("error", [ConnectionError(), KafkaConnectionError(), NotOwner(), MemoryError()], ids=repr)
async def test_faults_from_elsewhere_are_raised_as_they_are(error: Exception) -> None:
    """No record is to blame, none is refused."""
    handler = Handler(set())

    async def handle(batch: Sequence[int]) -> None:
        raise error

    with pytest.raises(type(error)):
        await handle_each([1, 2], handle, handler.refuse)
    assert handler.refused == []
