"""Stages on a real Redis: one owner a partition, batches that follow each other, poison left behind."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

import pytest
import pytest_asyncio

from models.text.words import normalise
from state import keys
from state.marks import next_of
from state.store import Store
from streamrank_client.answers import decode_answer, decode_dead_letter
from streamrank_client.events import Click, Query
from streamrank_client.fields import Place
from streams.errors import NotOwner
from streams.handlers import contexts, knowing
from streams.wire.feedback import Feedback, encode_feedback
from streams.wire.messages import Batch, Record
from streams.wire.signals import Signals, encode_signals
from streams.worker.stages.base import Workplace
from streams.worker.stages.behavior import BehaviorStage
from streams.worker.stages.feedback import FeedbackStage
from streams.worker.stages.queries import QueryStage
from streams.worker.stages.signals import SignalStage
from tests.support.composing import composed
from tests.support.driving import batch_of
from tests.support.stages import Kept, published, workplace
from tests.support.worker_process import stored

AT = 1_760_000_000_000
BEHAVIOR, DEAD = "behavior-events", "dead-letters"


def click(number: int, user: str = "u1", **more: object) -> Click:
    """The n-th click."""
    return Click(event_id=f"e{number}", user_id=user, item_id=f"p{number % 5}", time=AT + number * 1000, **more)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Made:
    """A workplace with the models in use on an empty database, and what is published there."""

    at: Workplace
    kept: Kept

    @property
    def behavior(self) -> BehaviorStage:
        """Another worker's stage of behaviour."""
        return BehaviorStage(self.at)

    async def stands(self, topic: str) -> int | None:
        """Where the watermark of a topic's partition 0 stands."""
        (mark,) = await self.at.store.read([keys.watermark(0, topic)])
        return next_of(mark)


@pytest_asyncio.fixture
async def made(redis_url: str) -> AsyncIterator[Made]:
    """Stages of the test's own."""
    store, kept = Store(redis_url), Kept()
    yield Made(workplace(store, kept, composed()), kept)
    await store.close()


async def test_a_worker_whose_watermark_was_moved_writes_nothing(made: Made, redis_url: str) -> None:
    """Two workers on one partition: the slower one raises NotOwner, and the state stays the other's."""
    first, second = made.behavior, made.behavior
    await first.handle(0, published([click(1)]))
    await second.handle(0, published([click(2)], first=1))
    before = stored(redis_url, "*")
    with pytest.raises(NotOwner, match=r"watermark of behavior-events\[0\] is not the one that this worker left"):
        await first.handle(0, published([click(3, "other")], first=1))
    assert stored(redis_url, "*") == before
    await first.handle(0, published([click(3)], first=2))
    assert stored(redis_url, "wm:*") != before


async def test_a_watermark_moved_between_read_and_write_is_noticed(made: Made, redis_url: str) -> None:
    """The compare holds until the end of the transaction: what another worker stores meanwhile is not overwritten."""
    mark = keys.watermark(0, BEHAVIOR)
    async with made.at.store.transaction(mark) as transaction:
        await transaction.read([b"ctx:{0}:u1"])
        await made.behavior.handle(0, published([click(1)]))
        before = stored(redis_url, "*")
        assert not await transaction.write(b"zombie", [b"ctx:{0}:u1", b"gone"])
    assert stored(redis_url, "*") == before


def signals(first: int, count: int = 1) -> Batch:
    """Records of signals without any delta."""
    return batch_of(
        [Record(None, encode_signals(Signals(0, n, b"", b"", b"")), n, AT) for n in range(first, first + count)]
    )


def feedback(first: int, count: int = 1) -> Batch:
    """Records of feedback of which nothing is learnt."""
    one = Feedback(Place(0, 0), "home", "r", "u", "i", "click", 0, 1.0, 0, 1.0, "control", ["i"], [])
    return batch_of([Record(b"home", encode_feedback(one), n, AT) for n in range(first, first + count)])


def clicks(first: int, count: int = 1) -> Batch:
    """Records of behaviour, each with an id of its own."""
    return published([click(n) for n in range(first, first + count)], first)


@pytest.mark.parametrize("make", [clicks, signals, feedback], ids=lambda make: make.__name__)
async def test_a_batch_that_does_not_begin_at_the_watermark_is_refused(
    made: Made, redis_url: str, make: Callable[..., Batch]
) -> None:
    """Before it, across it, or behind a gap: NotOwner, nothing is published or stored; the one that follows is."""
    stage = {clicks: BehaviorStage, signals: SignalStage, feedback: FeedbackStage}[make](made.at)
    await stage.handle(0, make(0, 6))
    before, told = stored(redis_url, "*"), list(made.kept.messages)
    for again in (make(0, 6), make(1, 2), make(3, 6), make(7, 1)):
        with pytest.raises(NotOwner, match=rf"was read from {again.position}, its watermark stands at 6"):
            await stage.handle(0, again)
        assert stored(redis_url, "*") == before
        assert made.kept.messages == told
    await stage.handle(0, make(6, 2))
    assert await made.stands(stage.topic.name) == 8


@pytest.mark.parametrize("make", [clicks, signals, feedback], ids=lambda make: make.__name__)
async def test_the_watermark_goes_to_where_a_batch_ends(made: Made, make: Callable[..., Batch]) -> None:
    """Past what is no record; a first batch may begin anywhere, and need not begin with a record."""
    stage = {clicks: BehaviorStage, signals: SignalStage, feedback: FeedbackStage}[make](made.at)
    await stage.handle(0, Batch(make(9, 3), 7, 20))
    assert await made.stands(stage.topic.name) == 20
    await stage.handle(0, Batch(make(25), 20, 26))
    assert await made.stands(stage.topic.name) == 26


async def test_a_behaviour_that_breaks_its_handler_becomes_a_dead_letter(
    made: Made, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others of its batch are stored, the watermark goes past it, and the next batch is handled."""
    behavior, kept = made.behavior, made.kept
    _break(monkeypatch, "poison")
    await behavior.handle(0, published([click(1, query="tea"), click(2, query="poison"), click(3)]))
    await behavior.handle(0, published([click(4)], first=3))
    letters = [decode_dead_letter(raw) for raw in kept.of(DEAD)]
    assert [(d.topic, d.partition, d.offset, d.code) for d in letters] == [(BEHAVIOR, 0, 1, "internal")]
    assert "ValueError: poison" in letters[0].reason
    assert await made.stands(BEHAVIOR) == 4
    (context,) = stored(redis_url, "ctx:*").values()
    assert int.from_bytes(context[:4], "little") == 3


async def test_poison_at_the_end_of_a_batch_is_passed(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch of nothing but poison advances the watermark too."""
    behavior, kept = made.behavior, made.kept
    _break(monkeypatch, "poison")
    await behavior.handle(0, published([click(1, query="poison"), click(2, query="poison")]))
    assert len(kept.of(DEAD)) == 2
    assert await made.stands(BEHAVIOR) == 2


async def test_a_query_that_breaks_its_handler_is_answered_with_an_error(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other queries of the batch get answers, the broken one an error and a dead letter."""
    kept = made.kept
    _break(monkeypatch, "poison")
    queries = [Query(time=AT, request_id=f"r{n}", text=text) for n, text in enumerate(("tea", "poison", "milk"))]
    await QueryStage(made.at).handle(0, published(queries))
    answers = {a.request_id: a for a in map(decode_answer, kept.of("recommendations"))}
    assert answers.keys() == {"r0", "r1", "r2"}
    assert answers["r0"].error is answers["r2"].error is None
    assert answers["r1"].error is not None
    assert answers["r1"].error.code == "internal"
    assert [decode_dead_letter(raw).code for raw in kept.of(DEAD)] == ["internal"]


async def test_a_record_of_signals_or_feedback_that_cannot_be_used_is_passed(made: Made, redis_url: str) -> None:
    """Bytes that no worker wrote become dead letters that say what is wrong; the others count, the watermarks go on."""
    signal, example = SignalStage(made.at), FeedbackStage(made.at)
    bad = encode_signals(Signals(9, 0, b"", b"", b""))
    await signal.handle(0, batch_of([Record(None, b"\xff not msgpack", 0, AT), *signals(1), Record(None, bad, 2, AT)]))
    none = [Record(b"home", raw, n, AT) for n, raw in enumerate((b"{not json", b"{}", None))]
    await example.handle(0, batch_of([*none, *feedback(3)]))
    letters = [decode_dead_letter(raw) for raw in made.kept.of(DEAD)]
    assert [(d.topic, d.offset, d.code, d.field) for d in letters] == [
        ("signals", 0, "invalid", ""), ("signals", 2, "invalid", "source"),
        ("feedback", 0, "malformed", ""), ("feedback", 1, "missing", "source"), ("feedback", 2, "malformed", ""),
    ]  # fmt: skip
    assert await made.stands("signals") == 3
    assert await made.stands("feedback") == 4


async def test_a_fault_that_is_no_records_fault_is_raised(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """While Redis does not answer nothing becomes a dead letter: the driver tries again."""

    async def gone(wanted: Sequence[bytes]) -> list[bytes | None]:
        raise ConnectionError("gone")

    monkeypatch.setattr(made.at.store, "read", gone)
    with pytest.raises(ConnectionError):
        await made.behavior.handle(0, published([click(1)]))
    assert made.kept.messages == []


async def test_a_query_for_a_missing_reply_topic_is_answered_where_answers_are(
    made: Made,
) -> None:
    """It would hold up everybody's answers; its error goes to recommendations, with a dead letter."""
    await QueryStage(made.at).handle(0, published([Query(time=AT, request_id="r1", reply_topic="xyz")]))
    (answer,) = map(decode_answer, made.kept.of("recommendations"))
    assert answer.error is not None
    assert (answer.error.code, answer.error.field) == ("unknown_topic", "reply_topic")
    assert [decode_dead_letter(raw).field for raw in made.kept.of(DEAD)] == ["reply_topic"]


def _break(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Makes every handler that normalises this text raise."""

    def broken(given: str) -> str:
        if given == text:
            raise ValueError(text)
        return normalise(given)

    for module in (contexts, knowing):
        monkeypatch.setattr(module, "normalise", broken)
