"""The gateway on real Kafka and on the embedded broker, asked over HTTP, against a tiny worker."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest_asyncio

from streamrank_client.client import Client
from streams.gateway.app import Gateway
from streams.gateway.tokens import Tokens
from streams.kafka.admin import create_topics
from streams.offline.servers import HOST, free_port
from streams.settings import Settings
from tests.support.echo_worker import answering
from tests.support.servers import Broker


@pytest_asyncio.fixture
async def settings(broker: Broker) -> AsyncIterator[Settings]:
    """Settings of a deployment with topics of its own."""
    found = Settings(
        kafka=broker.kafka, topic_prefix=broker.prefix + "-", partitions=4, gateway_port=free_port(),
        fetch_wait_ms=10 if broker.tansu else 500, gateway_timeout_ms=10_000,
    )  # fmt: skip
    await create_topics(found)
    yield found


@asynccontextmanager
async def serving(settings: Settings, tokens: Tokens | None = None) -> AsyncIterator[aiohttp.ClientSession]:
    """A gateway, and who calls it."""
    async with Client(settings=settings) as client:
        gateway = Gateway(settings, client, tokens)
        await gateway.start()
        try:
            async with aiohttp.ClientSession(f"http://{HOST}:{settings.gateway_port}") as session:
                yield session
        finally:
            await gateway.stop()


async def test_a_query_has_learnt_from_the_click_that_was_posted_before(settings: Settings) -> None:
    """The place comes back in the header and as a cookie, and goes along with the next query by either."""
    async with answering(settings) as seen, serving(settings) as session:
        click = {"event": "click", "event_id": "e1", "user_id": "u1", "item_id": "p1", "time": 1_700_000_000_000}
        async with session.post("/v1/events", json=click) as posted:
            assert posted.status == 202
            body = await posted.json()
            after = posted.headers["Streamrank-After"]
        assert body["accepted"] == 1
        assert body["event_id"] == "e1"
        assert after == f"{body['after']['partition']}:{body['after']['offset']}"
        async with session.post("/v1/ask", json={"user_id": "u1", "text": "tea"}) as asked:
            assert asked.status == 200
            answer = await asked.json()
        print(answer, seen)
        assert answer["seen"] == body["after"]
