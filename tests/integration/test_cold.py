"""Strangers, nobody, unknown items, no items at all, nothing stored: an answer, never an error."""

from __future__ import annotations

import pytest

from bench.servers import RealKafka, RealRedis
from streamrank_client.answers import Answer
from streamrank_client.client import Client
from streamrank_client.events import Query
from streamrank_client.fields import Filters
from streamrank_client.making import now
from streams.kafka.admin import create_topics
from tests.integration.conftest import Shop
from tests.support.worker_process import deployment, serving

#: one query of each surface, and of what else a shop may ask
ASKED: dict[str, dict[str, object]] = {
    "search": {"text": "milk"},
    "chinese": {"text": "酸奶"},
    "nonsense": {"text": "\u0000 🦆 zzzz ؟ ' \" \\ %s {}"},
    "blank": {"text": "   "},
    "home": {},
    "similar": {"item_id": "p3"},
    "similar to an unknown item": {"item_id": "never-seen"},
    "cart": {"cart": ["p1", "p2"]},
    "cart of unknown items": {"cart": ["never-seen", "nor-this"]},
    "rerank": {"candidates": ["p1", "p2", "p3"]},
    "rerank of unknown items": {"candidates": ["never-seen"]},
    "all at once": {"text": "milk", "item_id": "p1", "cart": ["p2"], "candidates": ["p3"], "exclude": ["p3", "no"]},
    "search by surface alone": {"surface": "search"},
    "similar by surface alone": {"surface": "similar"},
    "cart by surface alone": {"surface": "cart"},
    "rerank by surface alone": {"surface": "rerank"},
    "filtered": {"filters": Filters(category=["no such"], brand=["no such"])},
    "the first moment": {"text": "milk", "time": 0},
}
USERS = ("stranger", None)


async def ask_everything(client: Client, explain: bool) -> dict[tuple[str, str | None], Answer]:
    """The answers to all of ``ASKED``, of a stranger and of nobody."""
    answers = {}
    for user in USERS:
        for name, given in ASKED.items():
            fields = {"time": now(), "request_id": f"{name} {user} {explain}", "user_id": user, "explain": explain}
            answers[name, user] = await client.ask_query(Query(**{**fields, **given}), timeout=20)  # type: ignore[arg-type]
    return answers


async def test_an_empty_catalogue_on_an_empty_redis_answers_everything(
    kafka: RealKafka, redis_server: RealRedis, topic_prefix: str
) -> None:
    """A worker that knows nothing: every query of everybody is answered, with no items."""
    settings = deployment(kafka, redis_server, topic_prefix, 3)
    await create_topics(settings)
    async with serving(settings), Client(settings=settings) as client:
        answers = {**await ask_everything(client, False), **await ask_everything(client, True)}
        await client.event("click", user_id="stranger", item_id="p1")
        known = await client.ask("stranger", explain=True, timeout=20)
    assert {name: answer.error for name, answer in answers.items() if answer.error} == {}
    assert {name: answer.items for name, answer in answers.items() if answer.items} == {}
    assert known.items == []


@pytest.mark.parametrize("explain", [False, True])
async def test_strangers_and_nobody_are_answered_on_every_surface(shop: Shop, explain: bool) -> None:
    """With items to show: what can be shown is shown, what is unknown is left out, nothing fails."""
    async with Client(settings=shop.settings) as client:
        answers = await ask_everything(client, explain)
    for user in USERS:
        for name in ("search", "chinese", "home", "similar", "cart", "rerank", "filtered"):
            found = [item.item_id for item in answers[name, user].items]
            assert bool(found) == (name != "filtered"), (name, user)
            assert len(set(found)) == len(found)
        assert {item.item_id for item in answers["rerank", user].items} == {"p1", "p2", "p3"}
        assert answers["rerank of unknown items", user].items == []
        assert answers["all at once", user].items == []
        assert "p3" not in {item.item_id for item in answers["similar", user].items}
        assert answers["search", user].surface == "search"
        assert answers["search", user].user_id == user
