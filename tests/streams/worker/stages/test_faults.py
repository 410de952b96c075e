"""What a stage does with a batch that it cannot handle: a record left behind, values kept aside, or nothing moved."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Final, NoReturn

import msgspec
import numpy as np
import pytest
import pytest_asyncio
from aiokafka.errors import MessageSizeTooLargeError  # type: ignore[import-untyped]
from structlog.testing import capture_logs

from models.features.registry import FEATURES
from models.text.words import normalise
from state import keys
from state.impressions import StoredImpression
from state.impressions import encode as encode_shown
from state.layouts import packed
from state.marks import next_of, source_mark
from state.records import CONTEXT
from state.store import BAD, Store
from streamrank_client.answers import decode_answer, decode_dead_letter
from streamrank_client.events import Click, Item, ItemEvents, Query, View, encode
from streamrank_client.fields import Place
from streamrank_client.vocabulary import key
from streams.errors import Undecided
from streams.handlers import contexts, knowing
from streams.handlers.steps import ReadingSteps, run_steps
from streams.wire.feedback import Feedback, encode_feedback
from streams.wire.messages import Batch, Message, Record
from streams.wire.packing import pack
from streams.wire.signals import CHOICE, PAIR, TOUCH, encode_signals
from streams.worker.stages import behavior, feedback, items, queries, signals
from streams.worker.stages.base import MarkedStage, Stage, Workplace
from streams.worker.stages.behavior import BehaviorStage
from streams.worker.stages.feedback import FeedbackStage
from streams.worker.stages.items import ItemStage
from streams.worker.stages.queries import QueryStage
from streams.worker.stages.signals import SignalStage
from tests.support.composing import Answering
from tests.support.driving import AT, DEPLOYMENT, PARTITIONS, batch_of
from tests.support.small_log import WORDS
from tests.support.stages import Kept, published, workplace
from tests.support.worker_process import stored

BEHAVIOR, DEAD = "behavior-events", "dead-letters"
#: items that were shown, and a matrix of their features
SHOWN: Final = ["p1", "p2", "p3"]
#: a text whose row lies in partition 0
OWN_TEXT: Final = next(text for text in sum(WORDS.values(), ()) if key(text) % PARTITIONS == 0)
MATRIX: Final = np.random.default_rng(3).random((3, len(FEATURES))).astype(np.float32)


class Limited(Kept):
    """A publisher that takes no record of a topic above so many bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.most: dict[str, int] = {}

    async def publish(self, messages: Sequence[Message]) -> None:
        """All or none."""
        for message in messages:
            size = len(message.value or b"")
            if size > self.most.get(message.topic, size):
                raise MessageSizeTooLargeError(f"{size} bytes")
        await super().publish(messages)


class Bench:
    """A workplace on an empty database: what is published there, and what is told of stored values."""

    def __init__(self, redis_url: str, shelf: Answering) -> None:
        self.url, self.kept, self.told = redis_url, Limited(), list[tuple[bytes, str]]()
        self.store = Store(redis_url, on_unreadable=lambda key, reason: self.told.append((key, reason)))
        self.at: Workplace = workplace(self.store, self.kept, shelf.tables)

    async def put(self, values: dict[bytes, bytes]) -> None:
        """Store payloads."""
        await self.store.write_expiring(list(values.items()), 1_000)

    async def stands(self, topic: str) -> int | None:
        """Where the watermark of a topic's partition 0 stands."""
        (mark,) = await self.store.read([keys.watermark(0, topic)])
        return next_of(mark)

    @property
    def state(self) -> dict[bytes, bytes]:
        """All that Redis holds."""
        return stored(self.url, "*")

    @property
    def letters(self) -> list[tuple[str, int, str]]:
        """Topic, offset and code of every dead letter."""
        return [(d.topic, d.offset, d.code) for d in map(decode_dead_letter, self.kept.of(DEAD))]


@pytest_asyncio.fixture
async def bench(redis_url: str, shelf: Answering) -> AsyncIterator[Bench]:
    """One with the models in use and a catalogue of 80 items."""
    made = Bench(redis_url, shelf)
    yield made
    await made.store.close()


def impression(request_id: str, user_id: str, **changed: Any) -> bytes:
    """What was shown for a request."""
    offline = np.array([3, 2, 1], np.float32)
    shown = StoredImpression(
        request_id, user_id, AT, "home", "control", "", SHOWN, [1.0, 0.75, 1.0], MATRIX, offline, 4, "a1"
    )
    return encode_shown(msgspec.structs.replace(shown, **changed))


def click(number: int, **more: object) -> Click:
    """The n-th click, by a user of its own, on an answer of its own."""
    given: dict[str, Any] = {
        "event_id": f"e{number}", "user_id": f"u{number}", "item_id": "p2", "request_id": f"r{number}",
        "time": AT + 60_000 + number, **more,
    }  # fmt: skip
    return Click(**given)


def clicks(count: int, first: int = 0) -> Batch:
    """Clicks, each on the answer to another request."""
    return published([click(n) for n in range(first, first + count)], first)


async def counted(bench: Bench) -> set[str]:
    """The users whose click counts, each once."""
    found = stored(bench.url, "ctx:*")
    assert all(np.frombuffer(value, CONTEXT)[0]["events"] == 1 for value in found.values())
    return {key.rsplit(b":", 1)[1].decode() for key in found}


def learnt(bench: Bench) -> list[str]:
    """The requests of which there is feedback."""
    return [msgspec.json.decode(raw)["request_id"] for raw in bench.kept.of("feedback")]


NARROW: Final = np.ones((3, len(FEATURES)), np.float32)[:2]


@pytest.mark.parametrize(
    "payload",
    [
        b"{json, of somebody else",
        b"\x93\x01\x02",
        impression("r2", "u2")[:-40],
        impression("r2", "u2", propensities=[]),
        impression("r2", "u2", features=NARROW, items=[*SHOWN[:1], "p9", "p2"]),
    ],
    ids=["text", "cut msgpack", "cut impression", "no propensities", "too few rows"],
)
async def test_one_bad_value_among_many_is_kept_aside_and_the_batch_counts_without_it(
    bench: Bench, payload: bytes
) -> None:
    """An impression with a right header that breaks the handler: its click counts, and teaches nothing."""
    good = {keys.impression(0, f"r{n}"): impression(f"r{n}", f"u{n}") for n in range(8)}
    bad = keys.impression(0, "r2")
    await bench.put({**good, bad: payload})
    stage = BehaviorStage(bench.at)
    await stage.handle(0, clicks(8))
    assert await bench.stands(BEHAVIOR) == 8
    assert await counted(bench) == {f"u{n}" for n in range(8)}
    assert learnt(bench) == [f"r{n}" for n in range(8) if n != 2]
    assert bench.letters == []
    state = bench.state
    assert state[BAD + bad] == packed(bad, payload)
    assert {key for key in state if key.startswith(b"imp:")} == good.keys() - {bad}
    assert [key for key, _ in bench.told] == [bad]
    await stage.handle(0, clicks(1, first=8))
    assert await bench.stands(BEHAVIOR) == 9


async def test_two_bad_values_in_one_batch_are_both_kept_aside(bench: Bench) -> None:
    """Each with the record that it belongs to; all records count."""
    bad = [keys.impression(0, f"r{n}") for n in (1, 4)]
    await bench.put({keys.impression(0, f"r{n}"): impression(f"r{n}", f"u{n}") for n in (0, 2, 3)})
    await bench.put(dict.fromkeys(bad, b"\xc1"))
    await BehaviorStage(bench.at).handle(0, clicks(5))
    assert sorted(key for key, _ in bench.told) == bad
    assert learnt(bench) == ["r0", "r2", "r3"]
    assert await counted(bench) == {f"u{n}" for n in range(5)}
    assert await bench.stands(BEHAVIOR) == 5


async def test_numbers_that_are_none_in_an_impression_end_at_the_trainer(bench: Bench) -> None:
    """The click counts; its feedback holds no number where there was none, and becomes a dead letter there."""
    features = MATRIX.copy()
    features[1] = np.nan
    await bench.put({keys.impression(0, "r0"): impression("r0", "u0", features=features)})
    await bench.put({keys.impression(0, "r1"): impression("r1", "u1")})
    await BehaviorStage(bench.at).handle(0, clicks(2))
    assert learnt(bench) == ["r0", "r1"]
    told = batch_of([Record(b"home", raw, n, AT) for n, raw in enumerate(bench.kept.of("feedback"))])
    await FeedbackStage(bench.at).handle(0, told)
    assert bench.letters == [("feedback", 0, "invalid")]
    assert await bench.stands("feedback") == 2
    assert bench.told == []


@pytest.mark.parametrize("number", [np.nan, np.inf, -1e308])
async def test_nonsense_in_rows_of_their_size_breaks_no_batch_and_no_answer(
    bench: Bench, shelf: Answering, number: float
) -> None:
    """Rows of numbers that nobody can have counted: folds and answers go on, and scores are finite."""
    behavior_stage, signal_stage, query_stage = BehaviorStage(bench.at), SignalStage(bench.at), QueryStage(bench.at)
    events = [click(n, user_id="u1", item_id=f"p{n}", query=OWN_TEXT, request_id=None) for n in range(6)]
    await behavior_stage.handle(0, published(events))
    await signal_stage.handle(0, told_signals(bench, 0))
    spoilt = {
        name: np.full(len(value) // 8 + 1, number).tobytes()[: len(value)]
        for name, value in bench.state.items()
        if not name.startswith((b"wm:", b"ids:", b"imp:"))
    }
    assert {name.split(b":")[0] for name in spoilt} >= {b"ctx", b"cnt", b"cov", b"qc", b"trend", b"ctr"}
    await bench.put(spoilt)
    more = [click(n, user_id="u1", item_id=f"p{n}", query=OWN_TEXT, request_id=None) for n in range(6, 12)]
    bench.kept.messages.clear()
    await behavior_stage.handle(0, published(more, 6))
    await signal_stage.handle(0, told_signals(bench, 1))
    asked = [Query(time=AT + 90_000, request_id="r1", user_id="u1", text=OWN_TEXT), Query(time=AT, request_id="r2")]
    await query_stage.handle(0, published(asked))
    for answer in map(decode_answer, bench.kept.of("recommendations")):
        assert answer.error is None
        assert answer.items
        assert all(np.isfinite(item.score) for item in answer.items)
    assert bench.letters == []
    assert bench.told == []


def told_signals(bench: Bench, first: int) -> Batch:
    """The signals for partition 0 that were published, as one batch."""
    own = [m for m in bench.kept.messages if m.topic == "signals" and m.partition == 0]
    return batch_of([Record(None, m.value, n, AT) for n, m in enumerate(own, first)])


async def test_a_session_that_cannot_be_read_costs_its_user_a_refinement_and_no_answer(bench: Bench) -> None:
    """The search is answered as a first one; the others of its turn as ever; the value is kept aside."""
    bad = keys.session(0, "u1")
    await bench.put({bad: b"\xc1 no session"})
    asked = [Query(time=AT, request_id=f"r{n}", user_id=f"u{n}", text="milk") for n in range(3)]
    await QueryStage(bench.at).handle(0, published(asked))
    answers = {a.request_id: a for a in map(decode_answer, bench.kept.of("recommendations"))}
    assert answers.keys() == {"r0", "r1", "r2"}
    assert all(answer.error is None and answer.items for answer in answers.values())
    assert [key for key, _ in bench.told] == [bad]
    assert bench.state[BAD + bad] == packed(bad, b"\xc1 no session")
    assert bad in bench.state, "the answered search has stored a session of its own"
    assert bench.letters == []


@pytest.mark.parametrize("name", [keys.online("home"), keys.drift("search"), keys.silence("home")])
async def test_a_trainers_state_that_cannot_be_continued_is_kept_aside_and_begun_anew(
    bench: Bench, name: bytes
) -> None:
    """That one alone: the others go on from what they had learnt."""
    inputs = np.random.default_rng(4).normal(size=(4, 8)).astype(np.float32)
    records = batch_of([example(n, inputs) for n in range(40)])
    await FeedbackStage(bench.at).handle(0, records)
    before = bench.state
    await bench.put({name: b"\x91\x01"})
    await FeedbackStage(bench.at).handle(0, batch_of([example(n, inputs) for n in range(40, 42)]))
    assert [told for told, _ in bench.told] == [name]
    after = bench.state
    assert after[BAD + name] == packed(name, b"\x91\x01")
    others = {one for one in before if one.startswith((b"online:", b"drift:", b"silence:"))} - {name}
    assert others <= after.keys()
    pairs = [msgspec.msgpack.decode(state[keys.online("search")])["pairs"] for state in (before, after)]
    assert pairs == [60, 63]
    assert await bench.stands("feedback") == 42


def example(number: int, inputs: np.ndarray[Any, Any]) -> Record:
    """A click on the last of four items, on two surfaces in turn."""
    surface = ("home", "search")[number % 2]
    made = Feedback(
        Place(0, number), surface, f"r{number}", "u1", "d", "click", number, 1.0, 3, 1.0, "control", list("abcd"),
        inputs.tolist(), scored=["popular"],
    )  # fmt: skip
    return Record(surface.encode(), encode_feedback(made), number, AT)


# ---- the record


async def test_what_one_record_leads_to_does_not_fit_and_it_is_left_behind(bench: Bench) -> None:
    """Half a batch may fit where the whole does not; a record that does not fit alone becomes a dead letter."""
    bench.kept.most["signals"] = 700
    stage = BehaviorStage(bench.at)
    events = [click(n, query="x" * (800 if n == 5 else 100), request_id=None) for n in range(8)]
    await stage.handle(0, published(events))
    assert bench.letters == [(BEHAVIOR, 5, "internal")]
    (letter,) = map(decode_dead_letter, bench.kept.of(DEAD))
    assert letter.reason.startswith("MessageSizeTooLargeError: ")
    assert await bench.stands(BEHAVIOR) == 8
    assert await counted(bench) == {f"u{n}" for n in range(8) if n != 5}


async def test_a_record_at_fault_is_left_behind_though_bad_values_lie_beside_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both in one batch: each is found for what it is."""

    def broken(given: str) -> str:
        if given == "poison":
            raise ValueError(given)
        return normalise(given)

    for module in (contexts, knowing):
        monkeypatch.setattr(module, "normalise", broken)
    bad = keys.impression(0, "r3")
    await bench.put({bad: b"\xc1"})
    events = [click(n, query="poison" if n == 1 else "tea") for n in range(5)]
    await BehaviorStage(bench.at).handle(0, published(events))
    assert bench.letters == [(BEHAVIOR, 1, "internal")]
    assert [key for key, _ in bench.told] == [bad]
    assert await counted(bench) == {"u0", "u2", "u3", "u4"}
    assert await bench.stands(BEHAVIOR) == 5


# ---- neither


def item_batch() -> Batch:
    """Two items."""
    some: list[ItemEvents] = [Item(time=AT, item_id=f"p{n}", title="tea") for n in range(2)]
    return published(some)


def signal_batch() -> Batch:
    """A record of signals with one delta."""
    touch = np.array([(4, AT // 1000, 0, 1.0, 1)], TOUCH)
    record = pack(0, 0, np.zeros(0, PAIR), touch, np.zeros(0, CHOICE), PARTITIONS)[0]
    return batch_of([Record(None, encode_signals(record), n, AT) for n in range(2)])


def feedback_batch() -> Batch:
    """Two examples."""
    return batch_of([example(n, np.zeros((4, 8), np.float32)) for n in range(2)])


def query_batch() -> Batch:
    """Two queries."""
    return published([Query(time=AT, request_id=f"r{n}", user_id=f"u{n}") for n in range(2)])


#: each stage, the module and the name of its handler, and a batch for it
STAGES: Final[list[tuple[type[Stage], Any, str, Callable[[], Batch]]]] = [
    (ItemStage, items, "on_items", item_batch),
    (BehaviorStage, behavior, "on_behavior", lambda: clicks(2)),
    (SignalStage, signals, "fold_signals", signal_batch),
    (FeedbackStage, feedback, "on_feedback", feedback_batch),
    (QueryStage, queries, "on_queries", query_batch),
]


@pytest.mark.parametrize(("kind", "module", "handler", "batch"), STAGES, ids=lambda one: getattr(one, "name", ""))
async def test_where_neither_is_at_fault_the_partition_stops_and_nothing_has_moved(
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    kind: type[Stage],
    module: Any,
    handler: str,
    batch: Callable[[], Batch],
) -> None:
    """A handler that always fails: no dead letter, nothing published, stored or kept aside; later the batch goes."""
    stage = kind(bench.at)
    before = bench.state

    def fails(*_: object) -> NoReturn:
        raise ZeroDivisionError("a fault of the program")

    with monkeypatch.context() as patch:
        patch.setattr(module, handler, fails)
        with capture_logs(), pytest.raises(Undecided) as raised:
            await stage.handle(0, batch())
    said = str(raised.value)
    assert said.startswith(f"{stage.topic.name}[0] at offset ")
    assert "ZeroDivisionError: a fault of the program" in said
    assert said.endswith("neither the record nor a stored value is at fault; report it, or serve with another version")
    assert bench.state == before
    assert bench.kept.messages == []
    assert bench.told == []
    stage.forget(0)
    await stage.handle(0, batch())
    assert bench.letters == []
    if isinstance(stage, MarkedStage):
        assert await bench.stands(stage.topic.name) == 2
    else:
        assert len(bench.kept.messages) == 2


async def test_what_fails_outside_of_the_handler_is_nobodys_fault(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The handler succeeds alone, with and without what is stored: the fault lies elsewhere, and nothing is lost."""
    await bench.put({keys.impression(0, "r0"): impression("r0", "u0")})
    before = bench.state

    async def fails(messages: object) -> NoReturn:
        raise ValueError("no message at all")

    monkeypatch.setattr(bench.kept, "publish", fails)
    with capture_logs(), pytest.raises(Undecided, match="ValueError: no message at all"):
        await BehaviorStage(bench.at).handle(0, clicks(3))
    assert bench.state == before


# ---- a stage whose handler fails as it is told


class Reader(MarkedStage):
    """Reads many keys in rounds, and fails where all values of a group are there."""

    name = "reader"
    plain = Record(b"u", encode(View(time=0, event_id="e", user_id="u", item_id="i")), 0, 0)

    def __init__(self, at: Workplace, groups: Sequence[set[int]], rounds: int = 3) -> None:
        super().__init__(at)
        self.topic = DEPLOYMENT.topics.signals
        self._groups, self._rounds = groups, rounds
        self.read: list[set[int]] = []
        self._mark = source_mark(None, PARTITIONS)

    def rehearse(self, partition: int, record: Record) -> ReadingSteps[object]:
        """The reads."""
        there: set[int] = set()
        for n in range(self._rounds):
            numbers = list(range(n, 30, self._rounds))
            values = yield [keys.impression(0, str(number)) for number in numbers]
            there |= {number for number, value in zip(numbers, values, strict=True) if value is not None}
            for group in self._groups:
                if group <= there:
                    raise ValueError(sorted(group))
        self.read.append(there)
        return None

    async def step(self, partition: int, batch: Batch) -> None:
        """The reads, and a watermark."""
        self.follows(partition, batch.position, self._mark.next)
        for record in batch:
            await run_steps(self.rehearse(partition, record), self.at.store.read)
        await self.pass_by(partition, batch.position, batch.next_offset)

    async def pass_by(self, partition: int, position: int | None, next_offset: int) -> None:
        """The watermark."""
        mark = self._mark.moved(next_offset)
        await self.move(partition, self._mark.raw, mark.stored())
        self._mark = mark


@pytest.mark.parametrize("bad", [{7}, {0, 29}, {3, 4, 5}, set(range(0, 30, 2))], ids=len)
async def test_all_values_that_are_at_fault_alone_are_kept_aside_and_no_others(bench: Bench, bad: set[int]) -> None:
    """Among thirty that one record reads in three rounds; then it is handled with the rest."""
    await bench.put({keys.impression(0, str(n)): b"%d" % n for n in range(30)})
    stage = Reader(bench.at, [{n} for n in bad])
    await stage.handle(0, batch_of([Record(None, b"", n, AT) for n in range(3)]))
    assert {int(key.rsplit(b":", 1)[1]) for key, _ in bench.told} == bad
    assert {key for key in bench.state if key.startswith(BAD)} == {BAD + keys.impression(0, str(n)) for n in bad}
    assert stage.read[-3:] == [set(range(30)) - bad] * 3
    assert await bench.stands("signals") == 3
    assert bench.letters == []


async def test_values_that_are_at_fault_only_together_stop_the_partition(bench: Bench) -> None:
    """Nothing says which of the two is wrong: both stay where they are."""
    await bench.put({keys.impression(0, str(n)): b"%d" % n for n in range(30)})
    before = bench.state
    stage = Reader(bench.at, [{2, 21}])
    with capture_logs(), pytest.raises(Undecided, match=r"signals\[0\] at offset 5: ValueError: \[2, 21\]"):
        await stage.handle(0, batch_of([Record(None, b"", 5, AT)]))
    assert bench.state == before
    assert bench.told == []
    assert await bench.stands("signals") is None
