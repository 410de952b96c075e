"""Answers on a real Redis: an impression is there before anyone can click; a fault leaves nothing under way."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest
import pytest_asyncio
from redis.exceptions import ConnectionError as RedisConnectionError

from state import keys
from state.store import Store
from streamrank_client.events import Query
from streams.wire.messages import Batch, Message
from streams.worker.stages.queries import QueryStage
from tests.support.composing import Answering
from tests.support.small_log import START
from tests.support.stages import published, workplace

IMPRESSION = keys.impression(0, "r1")


class Prompt:
    """A publisher whose reader looks for the impression the moment that the answer is out."""

    def __init__(self, redis_url: str) -> None:
        self.reader = Store(redis_url)
        self.found: list[bool] = []

    async def publish(self, messages: Sequence[Message]) -> None:
        """Look, on a connection of its own."""
        self.found += [value is not None for value in await self.reader.read([IMPRESSION])]

    async def exists(self, topic: str) -> bool:
        """All are."""
        return True


class Broken(Store):
    """A store that loses its connection when it writes."""

    async def write_expiring(self, pairs: Sequence[tuple[bytes, bytes]], seconds: int) -> None:
        """Raise."""
        raise RedisConnectionError("gone")


@pytest_asyncio.fixture
async def prompt(redis_url: str) -> AsyncIterator[Prompt]:
    """The publisher, connected, as a worker's is long before it answers."""
    publisher = Prompt(redis_url)
    await publisher.reader.ping()
    yield publisher
    await publisher.reader.close()


def feed() -> Batch:
    """One query for a feed."""
    return published([Query(time=START, request_id="r1", user_id="u1")])


async def test_an_impression_is_stored_before_its_answer_can_be_clicked(
    redis_url: str, shelf: Answering, prompt: Prompt
) -> None:
    """Whoever reads Redis once the answer is out finds the impression."""
    store = Store(redis_url)
    await QueryStage(workplace(store, prompt, shelf.tables)).handle(0, feed())
    await store.close()
    assert prompt.found == [True]


async def test_when_the_impression_cannot_be_stored_the_batch_fails_after_publishing_has_ended(
    redis_url: str, shelf: Answering, prompt: Prompt
) -> None:
    """The worker tries again only once nothing of the first try is under way."""
    store = Broken(redis_url)
    stage = QueryStage(workplace(store, prompt, shelf.tables))
    with pytest.raises(RedisConnectionError, match="gone"):
        await stage.handle(0, feed())
    await store.close()
    assert prompt.found == [False]
