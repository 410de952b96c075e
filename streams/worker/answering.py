"""Queries in, answers out: what is broken is answered with an error, the rest together."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

from state import keys
from state.store import Store
from streams.handlers.brain import Brain
from streamrank_client.errors import InvalidEvent
from streamrank_client.vocabulary import DAY_MS
from streamrank_client.answers import Answer, AnswerError
from streamrank_client.events import Query, decode_query, encode
from streams.handlers.decoding import dead_letter, decode_one, letters, reply_topic_of, request_id_of
from streams.handlers.images import query_image
from streams.handlers.queries import Answers, on_queries
from state.marks import offset_of
from streams.wire.messages import Message, Publisher, Record
from streams.worker.metrics import Metrics
from streams.worker.poison import handle_each
from streams.settings import Settings
from streams.handlers.steps import Steps, run_steps
from streamrank_client.topics import topics


class Asked(NamedTuple):
    """A usable query, and the record it came in."""

    query: Query
    record: Record


class Answering:
    """Answers the queries of any partition. One instance a worker."""

    def __init__(self, settings: Settings, store: Store, brain: Brain, publisher: Publisher, metrics: Metrics) -> None:
        self._settings = settings
        self._topics = topics(settings.partitions, settings.topic_prefix)
        self._store = store
        self._brain = brain
        self._publisher = publisher
        self._metrics = metrics
        #: newest query time of each partition since this worker began
        self._newest: dict[int, int] = {}

    async def seen(self, partition: int) -> int:
        """The last offset of a behaviour partition whose effects are stored, -1 for none."""
        (mark,) = await self._store.read([keys.watermark(partition, self._topics.behavior_events.name)])
        return offset_of(mark)

    async def usable(self, partition: int, records: Sequence[Record]) -> list[Asked]:
        """The usable queries; a dead letter for each of the others and, if its request id can be read, an answer."""
        asked: list[Asked] = []
        for record in records:
            try:
                asked.append(Asked(await self._decode(partition, record), record))
            except InvalidEvent as error:
                await self._reject(partition, record, error)
        return asked

    async def _decode(self, partition: int, record: Record) -> Query:
        query = decode_one(record, decode_query, _query_key)
        newest = self._newest.get(partition, -1)
        if query.time > max(newest, record[3]) + DAY_MS:
            raise InvalidEvent("future", "time", f"{query.time} is more than a day ahead of the newest, {newest}")
        if query.reply_topic is not None and not await self._publisher.exists(query.reply_topic):
            raise InvalidEvent("unknown_topic", "reply_topic", f"no topic {query.reply_topic!r}: make it before asking")
        query_image(query.image_vector, self._brain.catalogue.images.dim)
        self._newest[partition] = max(newest, query.time)
        return query

    async def _reject(self, partition: int, record: Record, error: InvalidEvent) -> None:
        """A dead letter, and an answer with the error on the query's reply topic so that nobody waits in vain."""
        letter = dead_letter(record, error, self._topics.query_events.name, partition)
        self._metrics.dead([letter])
        messages = letters([letter], self._topics.dead_letters.name)
        request_id = request_id_of(record[1])
        if request_id is not None:
            named = reply_topic_of(record[1])
            there = named is not None and await self._publisher.exists(named)
            topic = named if named is not None and there else self._topics.recommendations.name
            wrong = AnswerError(error.code, error.field, error.message)
            answer = Answer(time=0, request_id=request_id, error=wrong)
            messages.append(_reply(answer, topic, record[0] or request_id.encode()))
        await self._publisher.publish(messages)

    async def queries(self, partition: int, asked: Sequence[Asked]) -> None:
        """Answer queries together: store their impressions, publish the answers."""

        async def refuse(one: Asked, error: InvalidEvent) -> None:
            await self._reject(partition, one.record, error)

        for turn in turns(asked):
            await handle_each(turn, partial(self._answer, partition), refuse)

    async def _answer(self, partition: int, asked: Sequence[Asked]) -> None:
        queries = [one.query for one in asked]
        steps: Steps[Answers] = on_queries(queries, partition, self._topics.behavior_events.name, self._brain)
        answers = await run_steps(steps, self._store.read)
        default = self._topics.recommendations.name
        replies = [
            _reply(answer, query.reply_topic or default, query.key.encode())
            for query, answer in zip(queries, answers.answers, strict=True)
        ]
        await self._store_and_publish(answers, replies)
        for answer in answers.answers:
            self._metrics.answers.labels(answer.surface).inc()
            self._metrics.arm_answers.labels(answer.experiment, answer.arm).inc()
            self._metrics.arm_items.labels(answer.experiment, answer.arm).inc(len(answer.items))

    async def _store_and_publish(self, answers: Answers, replies: Sequence[Message]) -> None:
        """Impressions and answers at once; the impressions leave first, so that no click on an answer can be sooner.

        Both have ended when this returns or raises: the batch may be tried again.
        """
        life = int(self._settings.join_hours * 3600) + 60
        ended = await asyncio.gather(
            self._store.write_expiring(answers.expiring, life), self._publisher.publish(replies), return_exceptions=True
        )
        for error in ended:
            if error is not None:
                raise error


def turns(asked: Sequence[Asked]) -> Iterator[list[Asked]]:
    """The queries in order, each user's one a turn: what an answer leaves behind is there for the user's next."""
    while asked:
        users: set[str] = set()
        now: list[Asked] = []
        later: list[Asked] = []
        for one in asked:
            (later if one.query.key in users else now).append(one)
            users.add(one.query.key)
        yield now
        asked = later


def _reply(answer: Answer, topic: str, key: bytes) -> Message:
    return Message(topic, key, encode(answer), None, (("request_id", answer.request_id.encode()),))


def _query_key(query: Query) -> str:
    return query.key
