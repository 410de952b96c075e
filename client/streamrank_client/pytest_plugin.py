"""A pytest plugin: the fixture ``replay`` runs events through the worker's handlers and returns the answers.

It is there wherever streamrank is installed; nothing is started or imported before a test asks for it::

    from streamrank_client.events import Item, Query

    def test_coffee_is_found_in_chinese(replay):
        answers = replay([
            Item(time=1, item_id="p1", title="Ground coffee"),
            Item(time=1, item_id="p2", title="Black socks"),
            Query(time=2, request_id="r1", user_id="u1", text="咖啡"),
        ])
        assert answers[0].items[0].item_id == "p1"

    def test_the_recorded_day_is_answered_as_before(replay):
        answers = replay("tests/day.jsonl.gz")

The fixture is a function of a log's path or a list of events (structs, or JSON lines as bytes);
``replay.dead_letters`` holds those of its last call. Each call begins with an empty state in an embedded
Valkey, which runs once a session. Settings are those of the environment, or ``settings=``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from streamrank_client.answers import Answer, DeadLetter
    from streamrank_client.events import Event
    from streamrank_client.logs import Line
    from streams.settings import Settings

__all__ = ["Replayer"]


class Replayer:
    """Replays logs; ``dead_letters`` are those of the last call."""

    def __init__(self, redis: str) -> None:
        self._redis = redis
        self.dead_letters: list[DeadLetter] = []

    def __call__(self, source: str | Path | Iterable[Event | bytes], settings: Settings | None = None) -> list[Answer]:
        """The answers to the queries in ``source``, in event-time order.

        Raises LogError for a log that cannot be read, ArtifactError for models that are missing.
        """
        from streamrank_client.answers import decode_answer, decode_dead_letter
        from streams.offline.replay import replay
        from streams.settings import load

        chosen = settings or load()
        answers: list[Answer] = []
        self.dead_letters = []
        self._empty()
        asyncio.run(
            replay(
                _lines(source), chosen, self._redis,
                on_answer=lambda raw: answers.append(decode_answer(raw)),
                on_dead=lambda raw: self.dead_letters.append(decode_dead_letter(raw)),
            )
        )  # fmt: skip
        return answers

    def _empty(self) -> None:
        from redis import Redis

        with Redis.from_url(self._redis) as client:
            client.flushdb()


def _lines(source: str | Path | Iterable[Event | bytes]) -> list[Line]:
    from streamrank_client.events import encode
    from streamrank_client.logs import Line, input_lines

    if isinstance(source, str | Path):
        return list(input_lines(source))
    return [
        Line(number, event if isinstance(event, bytes) else encode(event)) for number, event in enumerate(source, 1)
    ]


@pytest.fixture(scope="session")
def streamrank_valkey() -> Iterator[str]:
    """URL of an embedded Valkey of this session."""
    from streams.offline.servers import EmbeddedRedis

    with EmbeddedRedis() as server:
        yield server.redis


@pytest.fixture
def replay(streamrank_valkey: str) -> Replayer:
    """A function of a log's path or a list of events that returns the answers."""
    return Replayer(streamrank_valkey)
