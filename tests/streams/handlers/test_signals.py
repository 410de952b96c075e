"""Signals: cut by owner, folded once, however often and in whatever pieces a batch is published."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from state import counts, covisits, keys, query_clicks, trends
from state.records import COUNT, COVISIT, QUERY_CLICK
from streamrank_client.errors import InvalidEvent
from streamrank_client.vocabulary import KINDS
from streams.handlers.signals import fold_signals, signals_in, strengths
from streams.wire.messages import Record
from streams.wire.packing import pack, unpacked
from streams.wire.signals import BACK, CHOICE, MOMENT, PAIR, SENT_PAIR, TOUCH, Signals, decode_signals, encode_signals
from tests.support.examples import at_most

NOW = 1_700_000_000
PARTITIONS = 3
Deltas = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]
#: of a row: total, items, sums
COVISITS = (("mass", "follower", ("after",)), ("mass", "neighbour", ("together", "wide")))
CLICKS = (("mass", "item", ("weight",)),)


def deltas_of(source: int, start: int, stop: int) -> Deltas:
    """What behaviour events ``start`` to ``stop`` of a source lead to: always the same for the same event."""
    pairs, touches, choices = [], [], []
    for event in range(start, stop):
        random = Random(source * 10_000 + event)
        offset, time = event - start, NOW + random.randrange(86_400)
        for _ in range(random.randrange(4)):
            row, item = random.randrange(1, 9), random.randrange(1, 20) << 32
            pairs.append((row, item, time, offset, random.randrange(1, 11), random.randrange(8), 0))
        if random.random() < 0.8:
            touches.append((random.randrange(1, 9), time, offset, 1.0, random.randrange(len(KINDS))))
        if random.random() < 0.4:
            choices.append((random.randrange(1, 6), random.randrange(1, 9), 2.0, time, offset, 0))
    return np.array(pairs, PAIR), np.array(touches, TOUCH), np.array(choices, CHOICE)


def published(source: int, start: int, cuts: Sequence[int], end: int) -> list[dict[int, Signals]]:
    """Records of a source's events from ``start`` to ``end``, one batch between each two cuts."""
    edges = sorted({start, *(cut for cut in cuts if start < cut < end), end})
    return [pack(source, a, *deltas_of(source, a, b), PARTITIONS) for a, b in pairwise(edges)]


class Receiver:
    """Signals workers of all partitions over a dict, storing after each call."""

    def __init__(self) -> None:
        self.store: dict[bytes, bytes] = {}
        self.marks = np.full((PARTITIONS, PARTITIONS), -1, np.int64)

    def fold(self, target: int, records: Sequence[Signals]) -> int:
        """Fold into one partition; returns how many values were read."""
        folding = fold_signals(records, self.marks[target], PARTITIONS, target)
        read = 0
        try:
            names = next(folding)
            read = len(names)
            folding.send([self.store.get(name) for name in names])
        except StopIteration as done:
            self.store.update(zip(done.value.pairs[::2], done.value.pairs[1::2], strict=True))
            self.marks[target] = done.value.marks
        return read

    def fold_all(self, batches: Sequence[dict[int, Signals]], together: int) -> None:
        """Each partition's records, ``together`` at a time."""
        for target in range(PARTITIONS):
            own = [batch[target] for batch in batches if target in batch]
            for start in range(0, len(own), together):
                self.fold(target, own[start : start + together])


def assert_same(left: dict[bytes, bytes], right: dict[bytes, bytes]) -> None:
    """Same keys, same integer counts to the bit, same decayed sums but for rounding."""
    assert left.keys() == right.keys()
    for name in left:
        if name.startswith(b"cnt:"):
            one, two = np.frombuffer(left[name], COUNT)[0], np.frombuffer(right[name], COUNT)[0]
            assert all(np.array_equal(one[field], two[field]) for field in ("kinds", "first", "last", "ratings"))
            np.testing.assert_allclose(one["popularity"], two["popularity"], rtol=1e-9)
        elif name.startswith((b"cov:", b"qc:")):
            layout = COVISIT if name.startswith(b"cov:") else QUERY_CLICK
            one, two = np.frombuffer(left[name], layout)[0], np.frombuffer(right[name], layout)[0]
            for mass, items, sums in COVISITS if name.startswith(b"cov:") else CLICKS:
                order, again = np.argsort(one[items]), np.argsort(two[items])
                np.testing.assert_allclose(one[mass], two[mass], rtol=1e-9)
                assert np.array_equal(one[items][order], two[items][again])
                for field in sums:
                    np.testing.assert_allclose(one[field][order], two[field][again], rtol=1e-5)


cuts = st.lists(st.integers(1, 59), max_size=6)


@at_most(60)
@given(cuts, cuts, st.integers(0, 40), st.integers(1, 5))
def test_a_batch_published_again_in_other_pieces_counts_once(
    first: list[int], second: list[int], back: int, together: int
) -> None:
    """A sender that died and began again at any earlier offset, cutting differently, changes nothing."""
    smooth, crashed = Receiver(), Receiver()
    for source in range(PARTITIONS):
        smooth.fold_all(published(source, 0, [], 60), 100)
        crashed.fold_all(published(source, 0, first, 40), together)
        crashed.fold_all(published(source, back, second, 60), together)
    assert np.array_equal(smooth.marks, crashed.marks)
    assert_same(smooth.store, crashed.store)


@at_most(30)
@given(st.integers(1, 40))
def test_the_same_records_folded_twice_change_nothing(together: int) -> None:
    """Everything redelivered is dropped: nothing is read, nothing is written, the marks stay."""
    receiver = Receiver()
    batches = [b for source in range(PARTITIONS) for b in published(source, 0, [7, 20, 33], 60)]
    receiver.fold_all(batches, together)
    store, marks = dict(receiver.store), receiver.marks.copy()
    for batch in batches:
        assert [receiver.fold(target, [record]) for target, record in batch.items()] == [0] * len(batch)
    assert receiver.store == store
    assert np.array_equal(receiver.marks, marks)


def test_every_delta_reaches_the_owner_of_its_row() -> None:
    """Packing loses no delta, changes none and keeps their order within a partition."""
    whole = deltas_of(1, 0, 200)
    records = pack(1, 0, *whole, PARTITIONS)
    for target in range(PARTITIONS):
        for got, owner, array in zip(unpacked(records[target]), ("row", "item", "query"), whole, strict=True):
            assert got.tolist() == array[array[owner] % PARTITIONS == target].tolist()


def test_an_event_is_told_once_to_each_partition_with_its_pairs() -> None:
    """Sixty pairs of thirty events need thirty moments of 16 bytes, and 16 bytes each."""
    both = [((3 * n, 3 * n + 3, 0), (3 * n + 3, 3 * n, BACK)) for n in range(30)]
    pairs = np.array([(row, item, NOW + n, n, 1, how, 0) for n in range(30) for row, item, how in both[n]], PAIR)
    [record] = pack(0, 0, pairs, np.zeros(0, TOUCH), np.zeros(0, CHOICE), PARTITIONS).values()
    assert (len(record.pairs), len(record.moments)) == (60 * 16, 30 * 16)


PAIR_OF_MOMENT_3 = np.array([(4, 3, 1, 0)], SENT_PAIR).tobytes()


@pytest.mark.parametrize(
    ("record", "field", "said"),
    [
        (Signals(0, 0, PAIR_OF_MOMENT_3, b"", b""), "pairs", "moment 3 of 0"),
        (Signals(0, 0, PAIR_OF_MOMENT_3, b"", b"", [], bytes(MOMENT.itemsize)), "pairs", "moment 3 of 1"),
        (Signals(0, 0, PAIR_OF_MOMENT_3[:-1], b"", b""), "pairs", "15 bytes, expected a multiple of 16"),
        (Signals(0, 0, b"", bytes(25), b""), "touches", "25 bytes, expected a multiple of 24"),
        (Signals(0, 0, b"", b"", bytes(31)), "choices", "31 bytes, expected a multiple of 32"),
        (Signals(0, 0, b"", b"", b"", [], bytes(1)), "moments", "1 bytes, expected a multiple of 16"),
    ],
)
def test_bytes_that_are_no_deltas_are_an_invalid_event(record: Signals, field: str, said: str) -> None:
    """It names the part that is wrong: a size that is no whole number of deltas, a moment that is not told."""
    with pytest.raises(InvalidEvent, match=said) as raised:
        unpacked(record)
    assert (raised.value.code, raised.value.field) == ("invalid", field)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (b"", "truncated"),
        (b"\xff not msgpack", "malformed|Expected"),
        (b"{}", "Expected"),
        (encode_signals(Signals(0, 0, b"", b"", b""))[:-1], "truncated"),
        (encode_signals(Signals(PARTITIONS, 0, b"", b"", b"")), "3: there are partitions 0 to 2"),
        (encode_signals(Signals(-1, 0, b"", b"", b"")), "-1: there are partitions 0 to 2"),
        (None, "truncated"),
    ],
)
def test_a_record_that_holds_no_signals_is_an_invalid_event(value: bytes | None, said: str) -> None:
    """Bytes of anything else, a tombstone, a source that there is not: a dead letter says what was wrong."""
    good = Record(None, encode_signals(Signals(2, 0, b"", b"", b"")), 0, 0)
    assert signals_in([good], PARTITIONS) == [Signals(2, 0, b"", b"", b"")]
    with pytest.raises(InvalidEvent, match=said):
        signals_in([good, Record(None, value, 1, 0)], PARTITIONS)


@pytest.mark.parametrize(
    ("touch", "choice", "said"),
    [
        ((3, NOW, 0, 1.0, len(KINDS)), None, f"kind {len(KINDS)}: there are {len(KINDS)} kinds"),
        ((3, NOW, 0, np.nan, 1), None, "no finite number"),
        (None, (3, 3, np.inf, NOW, 0, 0), "no finite number"),
    ],
)
def test_deltas_that_would_spoil_a_row_are_an_invalid_event(
    touch: tuple[float, ...] | None, choice: tuple[float, ...] | None, said: str
) -> None:
    """A kind that there is not, and sums that would never be finite again."""
    touches = np.array([touch] if touch else [], TOUCH).tobytes()
    choices = np.array([choice] if choice else [], CHOICE).tobytes()
    with pytest.raises(InvalidEvent, match=said):
        next(fold_signals([Signals(0, 0, b"", touches, choices)], np.full(PARTITIONS, -1, np.int64), PARTITIONS, 0))


def test_partitions_without_deltas_get_no_record() -> None:
    """A batch about one item makes one record, and an empty batch none."""
    empty = np.zeros(0, PAIR), np.zeros(0, TOUCH), np.zeros(0, CHOICE)
    assert pack(0, 5, *empty, PARTITIONS) == {}
    touches = np.array([(4, NOW, 0, 1.0, 1)], TOUCH)
    assert list(pack(0, 5, empty[0], touches, empty[2], PARTITIONS)) == [4 % PARTITIONS]


def test_folded_rows_are_what_the_folds_alone_make() -> None:
    """Stored co-visits, counts, query clicks and trends equal those computed without keys and records."""
    pairs, touches, choices = deltas_of(0, 0, 120)
    receiver = Receiver()
    receiver.fold_all([pack(0, 0, pairs, touches, choices, PARTITIONS)], 1)
    expected: dict[bytes, bytes] = {}
    for row in np.unique(pairs["row"]).tolist():
        own, value = pairs[pairs["row"] == row], np.zeros(1, COVISIT)
        where = np.zeros(len(own), np.intp)
        covisits.fold(value, where, own["item"], *strengths(own), own["time"])
        expected[keys.covisits(PARTITIONS, row)] = value.tobytes()
    for item in np.unique(touches["item"]).tolist():
        own, value = touches[touches["item"] == item], np.zeros(1, COUNT)
        counts.fold(value, np.zeros(len(own), np.intp), own["kind"], own["value"], own["time"])
        expected[keys.counts(PARTITIONS, item)] = value.tobytes()
    for query in np.unique(choices["query"]).tolist():
        own, value = choices[choices["query"] == query], np.zeros(1, QUERY_CLICK)
        query_clicks.fold(value, np.zeros(len(own), np.intp), own["item"], own["weight"], own["time"])
        expected[keys.query_clicks(PARTITIONS, query)] = value.tobytes()
    ranked = {name: receiver.store.pop(name) for name in map(keys.trends, range(PARTITIONS))}
    assert receiver.store == expected
    popular = trends.decayed(list(ranked.values()), NOW, 100)[0].item
    bought = touches[np.isin(touches["kind"], [code for code, kind in enumerate(KINDS) if kind.popularity])]
    assert set(popular.tolist()) == set(bought["item"].tolist())


def test_a_record_advances_its_own_source_only() -> None:
    """The mark of a source becomes the highest offset seen; the caller's array is left alone."""
    marks = np.full(PARTITIONS, -1, np.int64)
    touches = np.array([(3, NOW, 0, 1.0, 1), (6, NOW, 9, 1.0, 1)], TOUCH).tobytes()
    folding = fold_signals([Signals(1, 100, b"", touches, b"")], marks, PARTITIONS, 0)
    names = next(folding)
    assert names == [keys.counts(PARTITIONS, 3), keys.counts(PARTITIONS, 6), keys.trends(0)]
    with pytest.raises(StopIteration) as done:
        folding.send([None] * len(names))
    assert done.value.value.marks.tolist() == [-1, 109, -1]
    assert marks.tolist() == [-1, -1, -1]


def test_records_that_were_all_folded_before_still_ask_for_a_read() -> None:
    """The driver compares its watermark when it reads, so an old worker is found out even with nothing to add."""
    record = Signals(0, 0, b"", np.array([(3, NOW, 5, 1.0, 1)], TOUCH).tobytes(), b"")
    folding = fold_signals([record], np.array([5, -1, -1], np.int64), PARTITIONS, 0)
    assert next(folding) == []
    with pytest.raises(StopIteration) as done:
        folding.send([])
    assert done.value.value.pairs == []
    assert done.value.value.marks.tolist() == [5, -1, -1]


def test_a_delta_of_another_partition_is_refused() -> None:
    """Folding a row that another worker owns would make two writers: it names the row and whose it is."""
    record = Signals(0, 0, b"", np.array([(4, NOW, 0, 1.0, 1)], TOUCH).tobytes(), b"")
    said = "partition 0 of 3 holds a delta of 0000000000000004, which belongs to partition 1"
    with pytest.raises(InvalidEvent, match=said):
        next(fold_signals([record], np.full(PARTITIONS, -1, np.int64), PARTITIONS, 0))


def test_records_survive_the_wire() -> None:
    """A packed record is the same after msgpack."""
    for record in pack(2, 7, *deltas_of(2, 7, 50), PARTITIONS).values():
        assert decode_signals(encode_signals(record)) == record
