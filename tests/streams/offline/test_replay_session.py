"""The process behind the fixture ``replay``, from inside: what it leaves in the database, and what it opens."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis
from redis.exceptions import RedisError

from streamrank_client.answers import decode_answer
from streamrank_client.errors import SettingsError
from streamrank_client.events import Item, Purchase, Query, encode
from streamrank_client.replay_frames import ReplayRequest
from streams.artifacts.opening import Opened, open_artifacts
from streams.offline import replay_session
from streams.offline.replay_session import ReplaySession, settings_of
from streams.offline.servers import EmbeddedRedis
from streams.settings import Settings

pytestmark = pytest.mark.servers

EVENTS = (
    Item(time=1, item_id="p1", title="tea"),
    Purchase(time=2, event_id="e1", user_id="u1", item_id="p1"),
    Query(time=3, request_id="r1", user_id="u1"),
)
DAY = ReplayRequest(lines=[encode(event) for event in EVENTS])


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedRedis]:
    """A Valkey of this module."""
    with EmbeddedRedis() as server:
        yield server


async def test_the_database_is_empty_after_each_log(server: EmbeddedRedis) -> None:
    """Also after one that was refused."""
    session = ReplaySession(server.redis)
    with redis.Redis.from_url(server.redis) as client:
        reply = await session.reply(DAY)
        assert decode_answer(reply.answers[0]).request_id == "r1"
        assert client.dbsize() == 0
        assert (await session.reply(ReplayRequest(lines=DAY.lines, settings={"epsilon": "2"}))).error
        assert client.dbsize() == 0


async def test_what_others_have_written_is_not_flushed(server: EmbeddedRedis) -> None:
    """A database that is in use, named with --redis by mistake, stays as it is."""
    with redis.Redis.from_url(server.redis) as client:
        client.set("somebody's", "data")
        try:
            reply = await ReplaySession(server.redis).reply(DAY)
            assert "replay needs an empty Redis database" in reply.error
            assert client.get("somebody's") == b"data"
        finally:
            client.flushdb()


async def test_artifacts_are_opened_once(server: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch) -> None:
    """And again when a setting says other ones, or on another device."""
    opened = []

    def noted(settings: Settings) -> Opened:
        opened.append(settings.threads)
        return open_artifacts(settings)

    monkeypatch.setattr(replay_session, "open_artifacts", noted)
    session = ReplaySession(server.redis)
    for threads in ("1", "1", "2"):
        assert not (await session.reply(ReplayRequest(lines=DAY.lines, settings={"threads": threads}))).error
    assert opened == [1, 2]


async def test_a_database_that_is_gone_ends_the_session() -> None:
    """The next one starts a server anew; this one's replies would all be the same error."""
    with EmbeddedRedis() as server:
        session = ReplaySession(server.redis)
    with pytest.raises((RedisError, OSError)):
        await session.reply(DAY)


def test_a_setting_that_is_none_is_named() -> None:
    """A misspelt name changes nothing in an environment; here it is an error."""
    with pytest.raises(SettingsError, match="'candidats' is no setting"):
        settings_of({}, {"candidats": "50"})
