"""The engine on a real Redis: one owner a partition, poison left behind, batches cut anyhow."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest
import pytest_asyncio

from state import keys
from state.store import Store
from streamrank_client.answers import decode_answer, decode_dead_letter
from streamrank_client.events import Click, Query, encode
from streams.errors import NotOwner
from streams.handlers.brain import Brain
from streams.settings import Settings
from streams.wire.messages import Message, Record
from streams.worker.engine import Engine
from tests.support.worker_process import stored

AT = 1_760_000_000_000
BEHAVIOR, QUERIES, DEAD = "behavior-events", "query-events", "dead-letters"


class Kept:
    """A publisher that keeps what it is given."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def publish(self, messages: Sequence[Message]) -> None:
        """Keep them."""
        self.messages += messages

    async def exists(self, topic: str) -> bool:
        """Topics whose name begins with an x are missing."""
        return not topic.startswith("x")

    def of(self, topic: str) -> list[bytes]:
        """The values published to a topic."""
        return [m.value or b"" for m in self.messages if m.topic == topic]


def click(number: int, user: str = "u1", **more: object) -> Click:
    """The n-th click."""
    return Click(event_id=f"e{number}", user_id=user, item_id=f"p{number % 5}", time=AT + number * 1000, **more)  # type: ignore[arg-type]


def records(events: Sequence[Click | Query], first: int = 0) -> list[Record]:
    """Events as records from an offset on."""
    found: list[Record] = []
    for place, event in enumerate(events, first):
        key = event.key if isinstance(event, Query) else event.user_id
        found.append((key.encode(), encode(event), place, event.time, ()))
    return found


@pytest.fixture(scope="module")
def brain() -> Brain:
    """The models in use, with an empty catalogue."""
    return Brain.load(Settings(device="cpu", partitions=4))


@pytest_asyncio.fixture
async def made(redis_url: str, brain: Brain) -> AsyncIterator[tuple[Engine, Kept, Store]]:
    """An engine on an empty database, and what it publishes."""
    settings = Settings(redis=redis_url, partitions=4, device="cpu")
    store, kept = Store(redis_url), Kept()
    yield Engine(settings, store, brain, kept), kept, store
    await store.close()


async def test_a_worker_whose_watermark_was_moved_writes_nothing(
    made: tuple[Engine, Kept, Store], redis_url: str, brain: Brain
) -> None:
    """Two engines on one partition: the slower one raises NotOwner, and the state stays the other's."""
    first, _, store = made
    second = Engine(first.settings, store, brain, Kept())
    await first.behaviors(0, records([click(1)]))
    await second.behaviors(0, records([click(1), click(2)]))
    before = stored(redis_url, "*")
    with pytest.raises(NotOwner, match=r"behavior-events\[0\] was stored past"):
        await first.behaviors(0, records([click(3, "other")], first=1))
    assert stored(redis_url, "*") == before
    await first.behaviors(0, records([click(3)], first=2))
    assert stored(redis_url, "wm:*") != before


async def test_a_watermark_moved_between_read_and_write_is_noticed(
    made: tuple[Engine, Kept, Store], redis_url: str
) -> None:
    """The compare holds until the end of the transaction: what another worker stores meanwhile is not overwritten."""
    engine, _, store = made
    mark = keys.watermark(0, BEHAVIOR)
    async with store.transaction(mark) as transaction:
        await transaction.read([b"ctx:{0}:u1"])
        await engine.behaviors(0, records([click(1)]))
        before = stored(redis_url, "*")
        assert not await transaction.write(b"zombie", [b"ctx:{0}:u1", b"gone"])
    assert stored(redis_url, "*") == before


async def test_records_at_or_before_the_watermark_change_nothing(
    made: tuple[Engine, Kept, Store], redis_url: str
) -> None:
    """A batch that comes again, whole or in part, leaves every byte as it is; the watermark never goes back."""
    engine, _, _ = made
    batch = records([click(n) for n in range(6)])
    await engine.behaviors(0, batch)
    before = stored(redis_url, "*")
    await engine.behaviors(0, batch)
    await engine.behaviors(0, batch[1:3])
    assert stored(redis_url, "*") == before


async def test_a_behaviour_that_breaks_its_handler_becomes_a_dead_letter(
    made: tuple[Engine, Kept, Store], redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others of its batch are stored, the watermark goes past it, and the next batch is handled."""
    engine, kept, _ = made
    _break(monkeypatch, engine.brain, "poison")
    await engine.behaviors(0, records([click(1, query="tea"), click(2, query="poison"), click(3)]))
    await engine.behaviors(0, records([click(4)], first=3))
    letters = [decode_dead_letter(raw) for raw in kept.of(DEAD)]
    assert [(d.topic, d.partition, d.offset, d.code) for d in letters] == [(BEHAVIOR, 0, 1, "internal")]
    assert "ValueError: poison" in letters[0].reason
    assert (await engine.starts(BEHAVIOR, [0])) == {0: 4}
    (context,) = stored(redis_url, "ctx:*").values()
    assert int.from_bytes(context[:4], "little") == 3


async def test_poison_at_the_end_of_a_batch_is_passed(
    made: tuple[Engine, Kept, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch of nothing but poison advances the watermark too."""
    engine, kept, _ = made
    _break(monkeypatch, engine.brain, "poison")
    await engine.behaviors(0, records([click(1, query="poison"), click(2, query="poison")]))
    assert len(kept.of(DEAD)) == 2
    assert (await engine.starts(BEHAVIOR, [0])) == {0: 2}


async def test_a_query_that_breaks_its_handler_is_answered_with_an_error(
    made: tuple[Engine, Kept, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other queries of the batch get answers, the broken one an error and a dead letter."""
    engine, kept, _ = made
    _break(monkeypatch, engine.brain, "poison")
    queries = [Query(time=AT, request_id=f"r{n}", text=text) for n, text in enumerate(("tea", "poison", "milk"))]
    asked = await engine.answering.usable(0, records(queries))
    await engine.answering.queries(0, asked)
    answers = {a.request_id: a for a in map(decode_answer, kept.of("recommendations"))}
    assert answers.keys() == {"r0", "r1", "r2"}
    assert answers["r0"].error is answers["r2"].error is None
    assert answers["r1"].error is not None
    assert answers["r1"].error.code == "internal"
    assert [decode_dead_letter(raw).code for raw in kept.of(DEAD)] == ["internal"]


async def test_a_record_of_signals_or_feedback_that_cannot_be_read_is_passed(
    made: tuple[Engine, Kept, Store], redis_url: str
) -> None:
    """Bytes that no worker wrote become dead letters of their topics; their watermarks go on."""
    engine, kept, _ = made
    await engine.signals(0, [(None, b"\xff not msgpack", 0, AT, ())])
    await engine.feedback(0, [(b"home", b"{not json", 0, AT, ()), (b"home", b"{}", 1, AT, ())])
    letters = [decode_dead_letter(raw) for raw in kept.of(DEAD)]
    assert [(d.topic, d.offset, d.code) for d in letters] == [
        ("signals", 0, "internal"), ("feedback", 0, "internal"), ("feedback", 1, "internal"),
    ]  # fmt: skip
    assert await engine.starts("signals", [0]) == {0: 1}
    assert await engine.starts("feedback", [0]) == {0: 2}


async def test_a_fault_that_is_no_records_fault_is_raised(
    made: tuple[Engine, Kept, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While Redis does not answer nothing becomes a dead letter: the driver tries again."""
    engine, kept, _ = made

    async def gone(wanted: Sequence[bytes]) -> list[bytes | None]:
        raise ConnectionError("gone")

    monkeypatch.setattr(engine.store, "read", gone)
    with pytest.raises(ConnectionError):
        await engine.behaviors(0, records([click(1)]))
    assert kept.messages == []


async def test_a_query_for_a_missing_reply_topic_is_answered_where_answers_are(
    made: tuple[Engine, Kept, Store],
) -> None:
    """It would hold up everybody's answers; its error goes to recommendations, with a dead letter."""
    engine, kept, _ = made
    asked = await engine.answering.usable(0, records([Query(time=AT, request_id="r1", reply_topic="xyz")]))
    assert asked == []
    (answer,) = map(decode_answer, kept.of("recommendations"))
    assert answer.error is not None
    assert (answer.error.code, answer.error.field) == ("unknown_topic", "reply_topic")
    assert [decode_dead_letter(raw).field for raw in kept.of(DEAD)] == ["reply_topic"]


def _break(monkeypatch: pytest.MonkeyPatch, brain: Brain, text: str) -> None:
    """Makes every handler that normalises this text raise."""
    normal = Brain.normalise

    def normalise(self: Brain, given: str) -> str:
        if given == text:
            raise ValueError(text)
        return normal(self, given)

    monkeypatch.setattr(Brain, "normalise", normalise)
