"""The feed of answers: each to those who follow its user or all, with bounds on what waits."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from streamrank_client.answers import Answer
from streamrank_client.client import Client
from streamrank_client.errors import StreamrankError
from streams.gateway import following
from streams.gateway.following import Feed
from streams.gateway.refusals import RefusedRequest
from streams.settings import Settings


@pytest.fixture
def client() -> Client:
    """A client that is not open: its answers are handed on here."""
    return Client(settings=Settings())


def arrived(client: Client, request_id: str, user_id: str | None) -> None:
    """An answer arrives."""
    client._answers._hand_on(Answer(time=1, request_id=request_id, user_id=user_id))


async def taken(waiting: asyncio.Queue[bytes | StreamrankError]) -> list[str]:
    """The request ids of what waits."""
    await asyncio.sleep(0.01)
    found = []
    while not waiting.empty():
        told = waiting.get_nowait()
        assert isinstance(told, bytes)
        found.append(msgspec.json.decode(told, type=Answer).request_id)
    return found


async def test_answers_go_to_those_who_follow_their_user_or_all(client: Client) -> None:
    """Those of nobody known to all followers of all alone; nothing is read once nobody follows."""
    feed = Feed(client)
    async with feed.of("u1") as one, feed.of("u1") as again, feed.of("u2") as other, feed.of(None) as everybody:
        for request_id, user_id in (("r1", "u1"), ("r2", "u2"), ("r3", None)):
            arrived(client, request_id, user_id)
        assert await taken(one) == await taken(again) == ["r1"]
        assert await taken(other) == ["r2"]
        assert await taken(everybody) == ["r1", "r2", "r3"]
        assert len(client._answers._followers) == 1
    await asyncio.sleep(0.01)
    assert not client._answers._followers
    async with feed.of("u1") as one:
        arrived(client, "r4", "u1")
        assert await taken(one) == ["r4"]


async def test_a_reader_that_is_too_slow_is_told_and_others_go_on(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits for one reader is bounded."""
    monkeypatch.setattr(following, "_WAITING", 5)
    feed = Feed(client)
    async with feed.of("u1") as slow, feed.of("u1") as quick:
        for n in range(8):
            arrived(client, f"r{n}", "u1")
            assert await taken(quick) == [f"r{n}"]
        told = [slow.get_nowait() for _ in range(slow.qsize())]
    assert len(told) == 6
    assert isinstance(told[-1], RefusedRequest)
    assert told[-1].body.error.code == "slow"


async def test_readers_are_told_when_answers_can_no_longer_be_read(client: Client) -> None:
    """Those who come later, too."""
    feed = Feed(client)
    async with feed.of("u1") as first:
        client._answers._fail(StreamrankError("gone"))
        async with asyncio.timeout(5):
            assert isinstance(await first.get(), StreamrankError)
            async with feed.of("u2") as later:
                assert isinstance(await later.get(), StreamrankError)
