"""Queries in, answers out: what is broken is answered with an error, the rest together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from time import monotonic
from typing import Final, NamedTuple

from state import keys
from state.marks import offset_of
from streamrank_client.answers import REQUEST_ID, Answer, AnswerError
from streamrank_client.errors import InvalidEvent
from streamrank_client.events import Query, decode_query, encode
from streamrank_client.fields import Place
from streamrank_client.vocabulary import DAY_MS
from streams.handlers.decoding import dead_letter, decode_one, reply_topic_of, request_id_of
from streams.handlers.images import query_image
from streams.handlers.queries import Answered, on_queries
from streams.handlers.steps import run_steps
from streams.wire.messages import Message, Record
from streams.worker.poison import handle_each
from streams.worker.stages.base import Stage, Workplace

#: most queries answered together
TOGETHER: Final = 32
#: a query waits for its ``after`` event only if it is at most so many events away
REACHABLE: Final = 2_000


class Asked(NamedTuple):
    """A usable query, and the record it came in."""

    query: Query
    record: Record


class QueryStage(Stage):
    """query-events to recommendations and impressions."""

    name = "query"
    alone = True
    broadcasts = ("catalogue", "ranker_weights", "rules", "queries")

    def __init__(self, at: Workplace) -> None:
        super().__init__(at)
        self.topic = at.deployment.topics.query_events
        #: newest query time of each partition since this worker began
        self._newest: dict[int, int] = {}

    def most(self) -> int:
        """As many as are answered together."""
        return TOGETHER

    async def handle(self, partition: int, records: Sequence[Record]) -> None:
        """Answer a batch of queries, each once its ``after`` event is stored or its patience is over."""
        deadline = self.at.traffic.came() + self.at.patience_s
        asked = await self._usable(partition, records)
        while asked:
            waiting = await self._waiting(partition, asked, monotonic() < deadline)
            later = set(map(id, waiting))
            for turn in turns([one for one in asked if id(one) not in later]):
                await handle_each(turn, lambda some: self._answer(partition, some), self._refusal(partition))
            asked = waiting
            if asked:
                await asyncio.sleep(0.001)

    async def step(self, partition: int, records: Sequence[Record]) -> None:
        """Answer queries together, without waiting for anything."""
        await self._answer(partition, await self._usable(partition, records))

    async def refuse(self, partition: int, record: Record, error: InvalidEvent) -> None:
        """A dead letter, and an answer with the error on the query's reply topic so that nobody waits in vain."""
        await self.bury([dead_letter(record, error, self.topic.name, partition)])
        request_id = request_id_of(record.value)
        if request_id is None:
            return
        named = reply_topic_of(record.value)
        there = named is not None and await self.at.publisher.exists(named)
        topic = named if named is not None and there else self.at.deployment.topics.recommendations.name
        wrong = AnswerError(error.code, error.field, error.message)
        answer = Answer(time=0, request_id=request_id, error=wrong)
        await self.at.publisher.publish([_reply(answer, topic, record.key or request_id.encode())])

    async def _waiting(self, partition: int, asked: Sequence[Asked], patient: bool) -> list[Asked]:
        """The queries whose ``after`` event is near and not stored yet; none once their patience is over."""
        if all(one.query.after is None for one in asked):
            return []
        topic = self.at.deployment.topics.behavior_events.name
        (mark,) = await self.at.store.read([keys.watermark(partition, topic)])
        seen = offset_of(mark)
        behind = [one for one in asked if _is_behind(one.query.after, partition, seen)]
        waiting = []
        if patient:
            waiting = [one for one in behind if one.query.after and one.query.after.offset <= seen + REACHABLE]
        self.at.metrics.stale.inc(len(behind) - len(waiting))
        return waiting

    async def _usable(self, partition: int, records: Sequence[Record]) -> list[Asked]:
        """The usable queries; the others are refused."""
        asked: list[Asked] = []
        for record in records:
            try:
                asked.append(Asked(await self._decoded(partition, record), record))
            except InvalidEvent as error:
                await self.refuse(partition, record, error)
        return asked

    async def _decoded(self, partition: int, record: Record) -> Query:
        query = decode_one(record, decode_query, _query_key)
        newest = self._newest.get(partition, -1)
        if query.time > max(newest, record.timestamp_ms) + DAY_MS:
            raise InvalidEvent("future", "time", f"{query.time} is more than a day ahead of the newest, {newest}")
        if query.reply_topic is not None and not await self.at.publisher.exists(query.reply_topic):
            raise InvalidEvent("unknown_topic", "reply_topic", f"no topic {query.reply_topic!r}: make it before asking")
        query_image(query.image_vector, self.at.tables.models.catalogue.images.dim)
        self._newest[partition] = max(newest, query.time)
        return query

    def _refusal(self, partition: int) -> Callable[[Asked, InvalidEvent], Awaitable[None]]:
        async def refuse(one: Asked, error: InvalidEvent) -> None:
            await self.refuse(partition, one.record, error)

        return refuse

    async def _answer(self, partition: int, asked: Sequence[Asked]) -> None:
        at, queries = self.at, [one.query for one in asked]
        plans = [at.plans.plan_for(query) for query in queries]
        steps = on_queries(queries, plans, partition, at.tables.models, at.deployment, at.metrics.timed_source)
        answered = await run_steps(steps, at.store.read)
        default = at.deployment.topics.recommendations.name
        replies = [
            _reply(answer, query.reply_topic or default, query.key.encode())
            for query, answer in zip(queries, answered.answers, strict=True)
        ]
        await self._store_and_publish(answered, replies)
        for answer in answered.answers:
            at.metrics.answers.labels(answer.surface).inc()
            at.metrics.arm_answers.labels(answer.experiment, answer.arm).inc()
            at.metrics.arm_items.labels(answer.experiment, answer.arm).inc(len(answer.items))

    async def _store_and_publish(self, answered: Answered, replies: Sequence[Message]) -> None:
        """Impressions and answers at once; the impressions leave first, so that no click on an answer can be sooner.

        Both have ended when this returns or raises: the batch may be tried again.
        """
        ended = await asyncio.gather(
            self.at.store.write_expiring(answered.expiring, self.at.keep_s),
            self.at.publisher.publish(replies),
            return_exceptions=True,
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


def _is_behind(after: Place | None, partition: int, seen: int) -> bool:
    return after is not None and after.partition == partition and after.offset > seen


def _reply(answer: Answer, topic: str, key: bytes) -> Message:
    return Message(topic, key, encode(answer), None, ((REQUEST_ID, answer.request_id.encode()),))


def _query_key(query: Query) -> str:
    return query.key
