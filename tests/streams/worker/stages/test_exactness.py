"""Stages on a real Redis: one owner a partition, poison left behind, batches cut anyhow."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import pytest
import pytest_asyncio

from models.text.words import normalise
from state import keys
from state.store import Store
from streamrank_client.answers import decode_answer, decode_dead_letter
from streamrank_client.events import Click, Query, encode
from streams.errors import NotOwner
from streams.handlers import contexts, knowing
from streams.wire.messages import Record
from streams.worker.stages.base import Workplace
from streams.worker.stages.behavior import BehaviorStage
from streams.worker.stages.feedback import FeedbackStage
from streams.worker.stages.queries import QueryStage
from streams.worker.stages.signals import SignalStage
from tests.support.composing import composed
from tests.support.stages import Kept, workplace
from tests.support.worker_process import stored

AT = 1_760_000_000_000
BEHAVIOR, DEAD = "behavior-events", "dead-letters"


def click(number: int, user: str = "u1", **more: object) -> Click:
    """The n-th click."""
    return Click(event_id=f"e{number}", user_id=user, item_id=f"p{number % 5}", time=AT + number * 1000, **more)  # type: ignore[arg-type]


def records(events: Sequence[Click | Query], first: int = 0) -> list[Record]:
    """Events as records from an offset on."""
    made: list[Record] = []
    for offset, event in enumerate(events, first):
        key = event.key if isinstance(event, Query) else event.user_id
        made.append(Record(key.encode(), encode(event), offset, event.time))
    return made


@dataclass(frozen=True)
class Made:
    """A workplace with the models in use on an empty database, and what is published there."""

    at: Workplace
    kept: Kept

    @property
    def behavior(self) -> BehaviorStage:
        """Another worker's stage of behaviour."""
        return BehaviorStage(self.at)


@pytest_asyncio.fixture
async def made(redis_url: str) -> AsyncIterator[Made]:
    """Stages of the test's own."""
    store, kept = Store(redis_url), Kept()
    yield Made(workplace(store, kept, composed()), kept)
    await store.close()


async def test_a_worker_whose_watermark_was_moved_writes_nothing(made: Made, redis_url: str) -> None:
    """Two workers on one partition: the slower one raises NotOwner, and the state stays the other's."""
    first, second = made.behavior, made.behavior
    await first.handle(0, records([click(1)]))
    await second.handle(0, records([click(1), click(2)]))
    before = stored(redis_url, "*")
    with pytest.raises(NotOwner, match=r"behavior-events\[0\] was stored past"):
        await first.handle(0, records([click(3, "other")], first=1))
    assert stored(redis_url, "*") == before
    await first.handle(0, records([click(3)], first=2))
    assert stored(redis_url, "wm:*") != before


async def test_a_watermark_moved_between_read_and_write_is_noticed(made: Made, redis_url: str) -> None:
    """The compare holds until the end of the transaction: what another worker stores meanwhile is not overwritten."""
    mark = keys.watermark(0, BEHAVIOR)
    async with made.at.store.transaction(mark) as transaction:
        await transaction.read([b"ctx:{0}:u1"])
        await made.behavior.handle(0, records([click(1)]))
        before = stored(redis_url, "*")
        assert not await transaction.write(b"zombie", [b"ctx:{0}:u1", b"gone"])
    assert stored(redis_url, "*") == before


async def test_records_at_or_before_the_watermark_change_nothing(made: Made, redis_url: str) -> None:
    """A batch that comes again, whole or in part, leaves every byte as it is; the watermark never goes back."""
    behavior = made.behavior
    batch = records([click(n) for n in range(6)])
    await behavior.handle(0, batch)
    before = stored(redis_url, "*")
    await behavior.handle(0, batch)
    await behavior.handle(0, batch[1:3])
    assert stored(redis_url, "*") == before


async def test_a_behaviour_that_breaks_its_handler_becomes_a_dead_letter(
    made: Made, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others of its batch are stored, the watermark goes past it, and the next batch is handled."""
    behavior, kept = made.behavior, made.kept
    _break(monkeypatch, "poison")
    await behavior.handle(0, records([click(1, query="tea"), click(2, query="poison"), click(3)]))
    await behavior.handle(0, records([click(4)], first=3))
    letters = [decode_dead_letter(raw) for raw in kept.of(DEAD)]
    assert [(d.topic, d.partition, d.offset, d.code) for d in letters] == [(BEHAVIOR, 0, 1, "internal")]
    assert "ValueError: poison" in letters[0].reason
    assert (await behavior.starts([0])) == {0: 4}
    (context,) = stored(redis_url, "ctx:*").values()
    assert int.from_bytes(context[:4], "little") == 3


async def test_poison_at_the_end_of_a_batch_is_passed(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch of nothing but poison advances the watermark too."""
    behavior, kept = made.behavior, made.kept
    _break(monkeypatch, "poison")
    await behavior.handle(0, records([click(1, query="poison"), click(2, query="poison")]))
    assert len(kept.of(DEAD)) == 2
    assert (await behavior.starts([0])) == {0: 2}


async def test_a_query_that_breaks_its_handler_is_answered_with_an_error(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other queries of the batch get answers, the broken one an error and a dead letter."""
    kept = made.kept
    _break(monkeypatch, "poison")
    queries = [Query(time=AT, request_id=f"r{n}", text=text) for n, text in enumerate(("tea", "poison", "milk"))]
    await QueryStage(made.at).handle(0, records(queries))
    answers = {a.request_id: a for a in map(decode_answer, kept.of("recommendations"))}
    assert answers.keys() == {"r0", "r1", "r2"}
    assert answers["r0"].error is answers["r2"].error is None
    assert answers["r1"].error is not None
    assert answers["r1"].error.code == "internal"
    assert [decode_dead_letter(raw).code for raw in kept.of(DEAD)] == ["internal"]


async def test_a_record_of_signals_or_feedback_that_cannot_be_read_is_passed(made: Made, redis_url: str) -> None:
    """Bytes that no worker wrote become dead letters of their topics; their watermarks go on."""
    signals, feedback = SignalStage(made.at), FeedbackStage(made.at)
    await signals.handle(0, [Record(None, b"\xff not msgpack", 0, AT)])
    await feedback.handle(0, [Record(b"home", b"{not json", 0, AT), Record(b"home", b"{}", 1, AT)])
    letters = [decode_dead_letter(raw) for raw in made.kept.of(DEAD)]
    assert [(d.topic, d.offset, d.code) for d in letters] == [
        ("signals", 0, "internal"), ("feedback", 0, "internal"), ("feedback", 1, "internal"),
    ]  # fmt: skip
    assert await signals.starts([0]) == {0: 1}
    assert await feedback.starts([0]) == {0: 2}


async def test_a_fault_that_is_no_records_fault_is_raised(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """While Redis does not answer nothing becomes a dead letter: the driver tries again."""

    async def gone(wanted: Sequence[bytes]) -> list[bytes | None]:
        raise ConnectionError("gone")

    monkeypatch.setattr(made.at.store, "read", gone)
    with pytest.raises(ConnectionError):
        await made.behavior.handle(0, records([click(1)]))
    assert made.kept.messages == []


async def test_a_query_for_a_missing_reply_topic_is_answered_where_answers_are(
    made: Made,
) -> None:
    """It would hold up everybody's answers; its error goes to recommendations, with a dead letter."""
    await QueryStage(made.at).handle(0, records([Query(time=AT, request_id="r1", reply_topic="xyz")]))
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
