"""The trainer: clicks on answers become weights, and after a restart they go on from where they were."""

from __future__ import annotations

import asyncio
from time import monotonic

import msgspec

from streamrank_client.answers import Answer
from streamrank_client.client import Client
from tests.integration.conftest import Shop
from tests.support.worker_process import settled, stored

KEPT = ("online:*", "drift:*", "silence:*", "wm:*", "ctx:*", "cnt:*", "cov:*", "ids:*")


async def click_an_answer(client: Client, user: str) -> Answer:
    """Ask for a home feed, click its third item; the answer."""
    answer = await client.ask(user, explain=True, timeout=20)
    await client.event("click", user_id=user, item_id=answer.items[2].item_id, request_id=answer.request_id, position=2)
    return answer


async def answer_of_version(client: Client, least: int) -> Answer:
    """The first home feed that is ranked by weights of at least this version."""
    deadline = monotonic() + 20
    while (answer := await client.ask(timeout=20)).weights_version < least:
        assert monotonic() < deadline, f"version {answer.weights_version} after 20 s, {least} was due"
        await asyncio.sleep(0.02)
    return answer


async def test_weights_are_learnt_and_continue_after_a_restart(shop: Shop) -> None:
    """The version grows with each lesson; over a SIGTERM it does not fall back, nothing is learnt or stored twice."""
    async with Client(settings=shop.settings) as client:
        before = (await client.ask(timeout=20)).weights_version
        for number in range(5):
            await click_an_answer(client, f"learner{number}")
            await settled(shop.settings)
        learnt = await answer_of_version(client, before + 5)
    assert shop.worker.metric("streamrank_feedback_total") >= 5
    state = stored(shop.settings.redis, *KEPT)
    assert shop.worker.terminate() == 0
    shop.worker.restart()  # not in a thread of this test's loop: a server ends with the thread that started it
    assert stored(shop.settings.redis, *KEPT) == state

    async with Client(settings=shop.settings) as client:
        again = await answer_of_version(client, learnt.weights_version)
        assert again.weights_version == learnt.weights_version
        assert shop.worker.metric('streamrank_events_total{kind="behavior"}') == 0
        assert shop.worker.metric('streamrank_events_total{kind="feedback"}') == 0
        await click_an_answer(client, "learner9")
        await settled(shop.settings)
        more = await answer_of_version(client, learnt.weights_version + 1)
    assert more.weights_version == learnt.weights_version + 1
    home = msgspec.msgpack.decode(stored(shop.settings.redis, "online:*home")[b"online:{0}:home"])
    assert home["version"] == more.weights_version


async def test_feedback_is_joined_only_to_the_users_own_fresh_answer(shop: Shop) -> None:
    """A click on another's answer, on an item that was not shown, or long after it, teaches nothing."""
    async with Client(settings=shop.settings) as client:
        answer = await client.ask("teacher", limit=3, timeout=20)
        shown = [item.item_id for item in answer.items]
        joined = shop.worker.metric("streamrank_feedback_total")
        other = next(f"p{n}" for n in range(80) if f"p{n}" not in shown)
        request = {"request_id": answer.request_id}
        await client.event("click", user_id="thief", item_id=shown[1], **request)
        await client.event("click", user_id="teacher", item_id=other, **request)
        await client.event("click", user_id="teacher", item_id=shown[1], time=answer.time + 25 * 3_600_000, **request)
        await client.event("click", user_id="teacher", item_id=shown[1], time=answer.time - 6_000, **request)
        await client.event("view", user_id="teacher", item_id=shown[1], **request)
        await settled(shop.settings)
        assert shop.worker.metric("streamrank_feedback_total") == joined
        await client.event("purchase", user_id="teacher", item_id=shown[1], **request)
        await settled(shop.settings)
    assert shop.worker.metric("streamrank_feedback_total") == joined + 1
