"""Queries in, answers out: what is broken is answered with an error, the rest together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from time import monotonic
from typing import Final, TypeAlias

from state import keys
from state.layouts import StoredValueError
from state.marks import next_of
from streamrank_client.answers import NOT_STORED, REQUEST_ID, UNREADABLE, Answer, AnswerError
from streamrank_client.errors import InvalidEvent
from streamrank_client.events import Query, decode_query, encode
from streamrank_client.fields import Place
from streamrank_client.making import now
from streamrank_client.vocabulary import DAY_MS
from streams.errors import Released
from streams.handlers.budget import cost
from streams.handlers.decoding import dead_letter, decode_one, reply_topic_of, request_id_of
from streams.handlers.images import query_image
from streams.handlers.queries import Answered, on_queries
from streams.handlers.steps import ReadingSteps, run_steps
from streams.wire.messages import Batch, Message, Record
from streams.worker.impressions import Impressions
from streams.worker.lanes import Lanes, Waiting
from streams.worker.poison import fault, halves, handle_each
from streams.worker.reading_ahead import ReadingAhead
from streams.worker.stages.base import Stage, Workplace

#: most queries answered together, and most candidates ranked for them
TOGETHER: Final = 32
WORK: Final = 6_400
#: most queries of a batch: those of many users, so that they can take turns
BATCH: Final = 200
#: a query waits for its ``after`` event only if it is at most so many events away
REACHABLE: Final = 2_000


#: partition, offset and timestamp of a record
_At: TypeAlias = tuple[int, int, int]
#: a query without anything that is odd
_PLAIN: Final = Query(time=0, request_id="r", surface="home", limit=1)
#: records remembered as answered
REMEMBERED: Final = 20_000


class QueryStage(Stage):
    """query-events to recommendations and impressions."""

    name = "query"
    alone = True
    broadcasts = ("catalogue", "ranker_weights", "rules", "queries")
    plain = Record(_PLAIN.key.encode(), encode(_PLAIN), 0, 0)
    several = True

    def __init__(self, at: Workplace) -> None:
        super().__init__(at)
        self.topic = at.deployment.topics.query_events
        self.impressions = Impressions(at.store, at.keep_s, at.metrics)
        #: newest query time of each partition since this worker began
        self._newest: dict[int, int] = {}
        self.lanes = Lanes(TOGETHER, WORK)
        self._ahead = ReadingAhead()
        self._answering: asyncio.Task[None] | None = None
        #: records that were answered lately, oldest first: never answered again
        self._answered: dict[_At, None] = {}
        self._in_work: dict[_At, Waiting] = {}
        #: how often each partition was released
        self._releases: dict[int, int] = {}

    def most(self) -> int:
        """Those of many users."""
        return BATCH

    async def every_second(self) -> None:
        """Try again to write what Redis refused."""
        await self.impressions.write_waiting()

    def release(self, partition: int) -> None:
        """Let nobody of a partition wait any more: its next worker answers them."""
        self._releases[partition] = self._releases.get(partition, 0) + 1
        for one in self.lanes.drop(partition):
            one.done.set_exception(self._released(partition))

    async def handle(self, partition: int, batch: Batch) -> None:
        """Answer a batch of queries, each once its ``after`` event is stored or its patience is over.

        Queries of all batches that are in work wait together (``streams.worker.lanes``).
        """
        deadline, release = self.at.traffic.came() + self.at.patience_s, self._releases.get(partition)
        asked = await self._usable(partition, batch)
        answers = [one.done for one in asked]
        asked = [one for one in asked if not one.begun]
        while asked:
            if release != self._releases.get(partition):
                raise self._released(partition)
            behind = await self._behind(partition, asked, monotonic() < deadline)
            later = set(map(id, behind))
            await self._let_wait([one for one in asked if id(one) not in later])
            asked = behind
            if asked:
                await asyncio.sleep(0.001)
        failed = [error for error in await asyncio.gather(*answers, return_exceptions=True) if error is not None]
        if failed:
            raise failed[0]

    def _released(self, partition: int) -> Released:
        return Released(f"{self.topic.name}[{partition}] goes before its queries were answered")

    async def _let_wait(self, asked: Sequence[Waiting]) -> None:
        for one in asked:
            one.begun = True
            if len(self.lanes) >= self.at.most_waiting:
                said = f"{len(self.lanes)} queries wait: ask again later, or run more workers of the role query"
                await self._decline(one, "overloaded", said)
            else:
                self.lanes.put(one)
        if len(self.lanes) and (self._answering is None or self._answering.done()):
            self._answering = asyncio.create_task(self._answer_turns(), name="answers")

    async def _answer_turns(self) -> None:
        """Answer all that wait, turn by turn."""
        while turn := self.lanes.take():
            try:
                in_time = [one for one in turn if not await self._too_late(one)]
                if in_time:
                    await handle_each(in_time, self._answer, halves, self._settle)
            except Exception as error:
                for one in turn:
                    if not one.done.done():
                        one.done.set_exception(error)

    async def _too_late(self, one: Waiting) -> bool:
        """Whether a query was sent too long ago to be answered; it is told so."""
        waited = now() - one.record.timestamp_ms
        if not self.at.deadline_ms or waited <= self.at.deadline_ms:
            return False
        await self._decline(one, "late", f"sent {waited} ms ago, and the deadline is {self.at.deadline_ms} ms")
        return True

    async def _decline(self, one: Waiting, code: str, message: str) -> None:
        """Answer a usable query with an error."""
        self.at.metrics.errors.labels(code).inc()
        wrong = AnswerError(code, "", message)
        answer = Answer(time=one.query.time, request_id=one.query.request_id, user_id=one.query.user_id, error=wrong)
        topic = one.query.reply_topic or self.at.deployment.topics.recommendations.name
        await self.at.publisher.publish([_reply(answer, topic, one.query.key.encode())])
        self._remember([one])

    async def step(self, partition: int, batch: Batch) -> None:
        """Answer queries together, without waiting for anything."""
        asked = await self._usable(partition, batch)
        if asked:
            await self._answer(asked)

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
            self.at.metrics.errors.labels(error.code).inc()
        self._answered[partition, record.offset, record.timestamp_ms] = None

    def _remember(self, asked: Iterable[Waiting]) -> None:
        """These are answered."""
        for one in asked:
            self._answered[one.partition, one.record.offset, one.record.timestamp_ms] = None
            if not one.done.done():
                one.done.set_result(None)
        while len(self._answered) > REMEMBERED:
            del self._answered[next(iter(self._answered))]

    async def _behind(self, partition: int, asked: Sequence[Waiting], patient: bool) -> list[Waiting]:
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

    async def _usable(self, partition: int, batch: Batch) -> list[Waiting]:
        """The usable queries that were not answered yet; those that are not usable are refused."""
        asked: list[Waiting] = []
        for record in await self.sort_out(partition, batch, decode_query, _query_key):
            place = partition, record.offset, record.timestamp_ms
            if place in self._answered:
                continue
            if place not in self._in_work:
                try:
                    self._begin(place, await self._decoded(partition, record), record)
                except InvalidEvent as error:
                    await self._refuse(partition, record, error)
                    continue
            asked.append(self._in_work[place])
        return asked

    def _begin(self, place: _At, query: Query, record: Record) -> None:
        """A query is in work from now on, until it is answered or that fails."""
        plan = self.at.plans.plan_for(query)
        candidates = len(query.candidates) or plan.candidates
        work = 1 if query.suggest else cost(candidates, plan.work, explain=query.explain)
        done = asyncio.get_running_loop().create_future()
        done.add_done_callback(lambda _: self._ended(place))
        encoded = self._ahead.begin(query, self.at.tables.models)
        self._in_work[place] = Waiting(query, record, place[0], query.key, work, query.explain, done, encoded=encoded)

    def _ended(self, place: _At) -> None:
        ended = self._in_work.pop(place)
        if not ended.done.cancelled():
            ended.done.exception()  # seen: who waits for it may have gone

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

    async def _settle(self, alone: list[Waiting], error: Exception) -> None:
        one = alone[0]
        if await self.at_fault(one.partition, one.record, error):
            await self._refuse(one.partition, one.record, fault(error))
            self._remember(alone)
        else:
            # other values may be at fault, too: those that are read after the first that was
            await handle_each(alone, self._answer, halves, self._settle)

    def _reading(
        self, missing: set[str], encoded: Sequence[Awaitable[None]] = ()
    ) -> Callable[[list[bytes]], Awaitable[list[bytes | None]]]:
        """Reads that leave out what another version wrote, and say so in ``missing``; they end once texts are
        ``encoded``, too.
        """

        def leave_out(error: StoredValueError) -> None:
            missing.add(UNREADABLE)
            self.at.metrics.unreadable.labels(type(error).__name__).inc()

        async def read(wanted: list[bytes]) -> list[bytes | None]:
            values = await self.at.store.read(wanted, leave_out if self.at.live else None)
            # what went wrong there goes wrong again where the text is understood
            await asyncio.gather(*encoded, return_exceptions=True)
            return values

        return read

    async def _answer(self, asked: list[Waiting]) -> None:
        at, queries, partition = self.at, [one.query for one in asked], asked[0].partition
        plans = [at.plans.plan_for(query) for query in queries]
        metrics = at.metrics
        metrics.waited([one.came for one in asked])
        steps = on_queries(
            queries, plans, partition, at.tables.models, at.deployment, metrics.timed_source, metrics.timed_answer
        )
        missing: set[str] = {NOT_STORED} if self.impressions.refused else set()
        encoded = [one.encoded for one in asked if one.encoded is not None]
        answered = await run_steps(steps, self._reading(missing, encoded))
        default = at.deployment.topics.recommendations.name
        replies = []
        for answer, query in zip(answered.answers, queries, strict=True):
            answer.degraded = sorted(missing)
            replies.append(_reply(answer, query.reply_topic or default, query.key.encode()))
        with metrics.timed_answer("publish"):
            await self._store_and_publish(answered, replies)
        self._remember(asked)
        for one, answer in zip(asked, answered.answers, strict=True):
            if one.query.suggest:
                metrics.suggestions.inc()
            else:
                metrics.answered(answer, one.came)

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


def _is_behind(after: Place | None, partition: int, seen: int) -> bool:
    return after is not None and after.partition == partition and after.offset > seen


def _reply(answer: Answer, topic: str, key: bytes) -> Message:
    return Message(topic, key, encode(answer), None, ((REQUEST_ID, answer.request_id.encode()),))


def _query_key(query: Query) -> str:
    return query.key
