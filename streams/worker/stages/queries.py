"""Queries in, answers out: what is broken is answered with an error, the rest together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from time import monotonic
from typing import Final, NamedTuple

from state import keys
from state.layouts import StoredValueError
from state.marks import next_of
from streamrank_client.answers import NOT_STORED, REQUEST_ID, UNREADABLE, Answer, AnswerError
from streamrank_client.errors import InvalidEvent
from streamrank_client.events import Query, decode_query, encode
from streamrank_client.fields import Place
from streamrank_client.vocabulary import DAY_MS
from streams.handlers.decoding import dead_letter, decode_one, reply_topic_of, request_id_of
from streams.handlers.images import query_image
from streams.handlers.queries import Answered, on_queries
from streams.handlers.steps import ReadingSteps, run_steps
from streams.wire.messages import Batch, Message, Record
from streams.worker.impressions import Impressions
from streams.worker.poison import fault, halves, handle_each
from streams.worker.stages.base import Stage, Workplace

#: most queries answered together
TOGETHER: Final = 32
#: a query waits for its ``after`` event only if it is at most so many events away
REACHABLE: Final = 2_000


class Asked(NamedTuple):
    """A usable query, and the record it came in."""

    query: Query
    record: Record


#: a query without anything that is odd
_PLAIN: Final = Query(time=0, request_id="r", surface="home", limit=1)
#: records remembered as answered
REMEMBERED: Final = 20_000


class QueryStage(Stage):
    """query-events to recommendations and impressions."""

    name = "query"
    broadcasts = ("catalogue", "ranker_weights", "rules", "queries")
    plain = Record(_PLAIN.key.encode(), encode(_PLAIN), 0, 0)

    def __init__(self, at: Workplace) -> None:
        super().__init__(at)
        self.topic = at.deployment.topics.query_events
        self.impressions = Impressions(at.store, at.keep_s, at.metrics)
        #: newest query time of each partition since this worker began
        self._newest: dict[int, int] = {}
        #: partition, offset and timestamp of records that were answered lately, oldest first: never answered again
        self._answered: dict[tuple[int, int, int], None] = {}

    def most(self) -> int:
        """As many as are answered together."""
        return TOGETHER

    async def every_second(self) -> None:
        """Try again to write what Redis refused."""
        await self.impressions.write_waiting()

    async def handle(self, partition: int, batch: Batch) -> None:
        """Answer a batch of queries, each once its ``after`` event is stored or its patience is over."""
        deadline = self.at.traffic.came() + self.at.patience_s
        asked = await self._usable(partition, batch)
        while asked:
            waiting = await self._waiting(partition, asked, monotonic() < deadline)
            later = set(map(id, waiting))
            for turn in turns([one for one in asked if id(one) not in later]):
                await handle_each(turn, lambda some: self._answer(partition, some), halves, self._settling(partition))
            asked = waiting
            if asked:
                await asyncio.sleep(0.001)

    async def step(self, partition: int, batch: Batch) -> None:
        """Answer queries together, without waiting for anything."""
        await self._answer(partition, await self._usable(partition, batch))

    def rehearse(self, partition: int, record: Record) -> ReadingSteps[object]:
        """Answer one query."""
        query = decode_one(record, decode_query, _query_key)
        plan = self.at.plans.plan_for(query)
        return on_queries([query], [plan], partition, self.at.tables.models, self.at.deployment)

    async def refuse(self, partition: int, one: Batch, error: InvalidEvent) -> None:
        """A dead letter, and an answer with the error on the query's reply topic so that nobody waits in vain."""
        await self._refuse(partition, one[0], error)

    async def _refuse(self, partition: int, record: Record, error: InvalidEvent) -> None:
        await self.bury([dead_letter(record, error, self.topic.name, partition)])
        request_id = request_id_of(record.value)
        if request_id is not None:
            named = reply_topic_of(record.value)
            there = named is not None and await self.at.publisher.exists(named)
            topic = named if named is not None and there else self.at.deployment.topics.recommendations.name
            wrong = AnswerError(error.code, error.field, error.message)
            answer = Answer(time=0, request_id=request_id, error=wrong)
            await self.at.publisher.publish([_reply(answer, topic, record.key or request_id.encode())])
        self._remember(partition, [record])

    def _remember(self, partition: int, records: Iterable[Record]) -> None:
        for record in records:
            self._answered[partition, record.offset, record.timestamp_ms] = None
        while len(self._answered) > REMEMBERED:
            del self._answered[next(iter(self._answered))]

    async def _waiting(self, partition: int, asked: Sequence[Asked], patient: bool) -> list[Asked]:
        """The queries whose ``after`` event is near and not stored yet; none once their patience is over."""
        if all(one.query.after is None for one in asked):
            return []
        topic = self.at.deployment.topics.behavior_events.name
        (mark,) = await self._reading(set())([keys.watermark(partition, topic)])
        seen = (next_of(mark) or 0) - 1
        behind = [one for one in asked if _is_behind(one.query.after, partition, seen)]
        waiting = []
        if patient:
            waiting = [one for one in behind if one.query.after and one.query.after.offset <= seen + REACHABLE]
        self.at.metrics.stale.inc(len(behind) - len(waiting))
        return waiting

    async def _usable(self, partition: int, batch: Batch) -> list[Asked]:
        """The usable queries that were not answered yet; those that are not usable are refused."""
        asked: list[Asked] = []
        for record in batch:
            if (partition, record.offset, record.timestamp_ms) in self._answered:
                continue
            try:
                asked.append(Asked(await self._decoded(partition, record), record))
            except InvalidEvent as error:
                await self._refuse(partition, record, error)
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

    def _settling(self, partition: int) -> Callable[[list[Asked], Exception], Awaitable[None]]:
        async def settle(alone: list[Asked], error: Exception) -> None:
            record = alone[0].record
            if await self.at_fault(partition, record, error):
                await self._refuse(partition, record, fault(error))
            else:
                await self._answer(partition, alone)

        return settle

    def _reading(self, missing: set[str]) -> Callable[[list[bytes]], Awaitable[list[bytes | None]]]:
        """Reads that leave out what another version wrote, and say so in ``missing``."""

        def leave_out(error: StoredValueError) -> None:
            missing.add(UNREADABLE)
            self.at.metrics.unreadable.labels(type(error).__name__).inc()

        async def read(wanted: list[bytes]) -> list[bytes | None]:
            return await self.at.store.read(wanted, leave_out if self.at.live else None)

        return read

    async def _answer(self, partition: int, asked: list[Asked]) -> None:
        at, queries = self.at, [one.query for one in asked]
        plans = [at.plans.plan_for(query) for query in queries]
        steps = on_queries(queries, plans, partition, at.tables.models, at.deployment, at.metrics.timed_source)
        missing: set[str] = {NOT_STORED} if self.impressions.refused else set()
        answered = await run_steps(steps, self._reading(missing))
        default = at.deployment.topics.recommendations.name
        replies = []
        for answer, query in zip(answered.answers, queries, strict=True):
            answer.degraded = sorted(missing)
            replies.append(_reply(answer, query.reply_topic or default, query.key.encode()))
        await self._store_and_publish(answered, replies)
        self._remember(partition, [one.record for one in asked])
        for answer in answered.answers:
            at.metrics.answers.labels(answer.surface).inc()
            at.metrics.arm_answers.labels(answer.experiment, answer.arm).inc()
            at.metrics.arm_items.labels(answer.experiment, answer.arm).inc(len(answer.items))
            if answer.degraded:
                at.metrics.degraded.inc()

    async def _store_and_publish(self, answered: Answered, replies: Sequence[Message]) -> None:
        """Impressions and answers at once; the impressions leave first, so that no click on an answer can be sooner.

        Both have ended when this returns or raises. A worker publishes whatever Redis says, and publishes once.
        """
        if self.at.live:
            storing = self.impressions.write(answered.expiring)
        else:
            storing = self.at.store.write_expiring(answered.expiring, self.at.keep_s)
        ended = await asyncio.gather(storing, self.at.publisher.publish(replies), return_exceptions=True)
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
