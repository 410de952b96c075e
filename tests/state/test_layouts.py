"""Layouts of stored values: today's and older ones are read, anything else is told apart and never misread.

``data/version_1.json`` holds one value of each kind as commit 02163f0 stored it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from models.learning.drift import DriftAlarm
from models.learning.online import OnlineRanker
from models.learning.position_bias import PositionBias
from models.learning.silence import Silences
from state import impressions, keys, purchases, sessions
from state.contexts import encoder_id
from state.event_ids import BLOCKS, IdWindow
from state.layouts import (
    HEADER,
    LAYOUTS,
    NewerLayout,
    StoredValueError,
    UnreadableMark,
    UnreadableValue,
    packed,
    unpacked,
)
from state.marks import behavior_mark, next_of, source_mark
from state.records import CATEGORY_TREND, CONTEXT, COUNT, COVISIT, QUERY_CLICK, TOP, TREND
from streamrank_client.vocabulary import FIRST_ENCODER

_FILE: Final = json.loads((Path(__file__).parent / "data" / "version_1.json").read_text())
#: values of version 1 by key
FIRST: Final[Mapping[bytes, bytes]] = {key.encode(): bytes.fromhex(value) for key, value in _FILE["values"].items()}
#: kinds that have had a version 1
KINDS: Final = sorted(LAYOUTS.keys() - {b"stop", b"start", b"item", b"dis", b"day", b"idn"})
#: kinds of one size
SIZED: Final = (b"ctx", b"cov", b"qc", b"cnt", b"trend", b"ctr", b"ids")
#: kinds of which version 3 holds more
GROWN: Final = (b"cnt", b"trend", b"ctx")
#: kinds whose values are msgpack
STRUCTS: Final = (b"imp", b"ses", b"online", b"position_bias", b"drift", b"silence")
#: for each kind how its values of version 1 are read, and what is then to be seen in them
READ: Final[Mapping[bytes, tuple[Callable[[bytes], object], object]]] = {
    b"ctx": (lambda v: np.frombuffer(v, CONTEXT)[["events", "last"]][0].tolist(), (47, 1760134341300)),
    b"cov": (lambda v: np.count_nonzero(np.frombuffer(v, COVISIT)["follower"]), 102),
    b"qc": (lambda v: np.count_nonzero(np.frombuffer(v, QUERY_CLICK)["item"]), 21),
    b"cnt": (lambda v: np.frombuffer(v, COUNT)["kinds"][0].tolist(), [1, 14, 21, 9, 10, 3, 2, 8]),
    b"trend": (lambda v: np.count_nonzero(np.frombuffer(v, TREND)["item"]), 4 * 29),
    b"ctr": (lambda v: np.frombuffer(v, CATEGORY_TREND)["score"][0, :3].round().tolist(), [682.0, 682.0, 681.0]),
    b"own": (lambda v: purchases.read(v)["last"].tolist(), [20370, 20371, 20371]),
    b"ids": (lambda v: 3411224817739460165 in IdWindow([v] + [None] * (BLOCKS - 1), 174), True),
    b"imp": (lambda v: (impressions.decode(v).request_id, impressions.decode(v).features.shape), ("r190", (1, 76))),
    b"ses": (lambda v: getattr(sessions.stored(v), "text", None), "mlik"),
    b"online": (lambda v: OnlineRanker.restore(v).export().pairs, 1373),
    b"position_bias": (lambda v: PositionBias.restore(v).known, 10),
    b"drift": (lambda v: DriftAlarm.restore(v).seen, 106),
    b"silence": (lambda v: Silences.restore(v).state() == v, True),
}


def kind_of(key: bytes) -> bytes:
    """What a key begins with."""
    return key[: key.index(b":")]


def first_of(kind: bytes) -> tuple[bytes, bytes]:
    """A key of a kind, and its value of version 1."""
    return next((key, value) for key, value in FIRST.items() if kind_of(key) == kind)


def of_kinds(*kinds: bytes) -> list[object]:
    """Parameters: kinds with their names."""
    return [pytest.param(kind, id=kind.decode()) for kind in kinds]


def error_of(key: bytes, value: bytes) -> StoredValueError:
    """What reading a value raises."""
    with pytest.raises(StoredValueError) as raised:
        unpacked(key, value)
    assert raised.value.key == key
    return raised.value


def test_the_fixture_has_a_value_of_each_kind() -> None:
    """And a watermark of each topic that has one."""
    assert {kind_of(key) for key in FIRST} == set(KINDS)
    assert sum(kind_of(key) == b"wm" for key in FIRST) == 3
    assert READ.keys() == set(KINDS) - {b"wm"}


@pytest.mark.parametrize("kind", of_kinds(*READ))
def test_a_value_of_version_1_is_read_as_it_was(kind: bytes) -> None:
    """The payload is the value, and its reader finds in it what was stored; from then on it has today's header."""
    key, value = first_of(kind)
    payload = unpacked(key, value)
    assert payload == value or kind in GROWN
    read, expected = READ[kind]
    assert read(payload) == expected
    again = packed(key, payload)
    assert len(again) == len(payload) + HEADER
    assert unpacked(key, again) == payload


@pytest.mark.parametrize("kind", of_kinds(b"cnt", b"trend"))
def test_counts_and_trends_of_version_2_have_nothing_yet_at_six_hours(kind: bytes) -> None:
    """What was stored at the other half-lives is as it was, with a header or without one."""
    key, first = first_of(kind)
    payload = unpacked(key, b"%c%c%b" % (2, len(first) & 0xFF, first))
    assert payload == unpacked(key, first)
    if kind == b"cnt":
        assert payload[:-8] == first
        assert np.frombuffer(payload, COUNT)["popularity"][0, -1] == 0
    else:
        row, before = np.frombuffer(payload, TREND)[0], np.frombuffer(first, "<u8").reshape(2, 4, TOP)
        assert np.array_equal(row["item"][:4], before[0])
        assert np.array_equal(row["score"][:4].view("<u8"), before[1])
        assert not row["item"][4].any()
        assert not row["score"][4].any()


def test_a_context_of_version_2_has_sums_of_the_first_encoder() -> None:
    """All else is as it was, with a header or without one."""
    key, first = first_of(b"ctx")
    payload = unpacked(key, b"%c%c%b" % (2, len(first) & 0xFF, first))
    assert payload == unpacked(key, first)
    assert payload[:-4] == first
    assert np.frombuffer(payload, CONTEXT)["encoder"][0] == encoder_id(FIRST_ENCODER)


@pytest.mark.parametrize("kind", of_kinds(*GROWN))
def test_a_value_of_version_2_that_was_cut_or_has_grown_is_refused(kind: bytes) -> None:
    """Also by as many bytes as leave the byte of its length as it is."""
    key, first = first_of(kind)
    whole = b"%c%c%b" % (2, len(first) & 0xFF, first)
    for wrong in (whole[:-1], whole[: len(whole) // 2], whole + bytes(8), whole + bytes(256)):
        assert isinstance(error_of(key, wrong), UnreadableValue)


def test_a_watermark_of_version_1_holds_the_last_offset_and_today_the_next() -> None:
    """Its other numbers stay: events accepted, newest time, and how far each source has led."""
    behavior, signals, feedback = (keys.watermark(0, t) for t in ("behavior-events", "signals", "feedback"))
    mark = behavior_mark(unpacked(behavior, FIRST[behavior]))
    assert (mark.last, mark.next, mark.accepted, mark.newest) == (511, 512, 500, 1760137399216)
    for key, last in ((signals, 1695), (feedback, 748)):
        old, new = np.frombuffer(FIRST[key], "<i8"), unpacked(key, FIRST[key])
        assert (old[0], next_of(new)) == (last, last + 1)
        assert source_mark(new, 8).sources.tolist() == old[1:].tolist()
        assert unpacked(key, packed(key, new)) == new


@pytest.mark.parametrize("kind", of_kinds(*KINDS))
def test_a_value_that_is_longer_than_its_layout_is_refused(kind: bytes) -> None:
    """By one byte, by eight, and by as many as leave the byte of its length as it is."""
    key, value = first_of(kind)
    for more in (1, 8, 256):
        longer = packed(key, unpacked(key, value)) + bytes(more)
        if more == 256 and kind in (b"wm", *STRUCTS):
            assert len(unpacked(key, longer)) == len(longer) - HEADER  # as long as any, to be judged by its reader
            continue
        error = error_of(key, longer)
        assert type(error) is (UnreadableMark if LAYOUTS[kind].counts_twice else UnreadableValue)
        assert f"{len(longer)} bytes that are none of its layout" in error.reason


@pytest.mark.parametrize("kind", of_kinds(*SIZED, *STRUCTS))
def test_a_value_that_was_cut_is_refused(kind: bytes) -> None:
    """By one byte, by twelve, in the middle of its header, and down to nothing."""
    key, value = first_of(kind)
    whole = packed(key, unpacked(key, value))
    for cut in (whole[:-1], whole[:-12], whole[: len(whole) // 2], whole[:2], whole[:1], b""):
        error = error_of(key, cut)
        assert type(error) is (UnreadableMark if LAYOUTS[kind].counts_twice else UnreadableValue)


def test_purchases_that_were_cut_or_have_grown_are_refused() -> None:
    """Also where their length is one that purchases of version 1 could have: then their days give them away."""
    key, value = first_of(b"own")
    whole = packed(key, value)
    for cut in range(1, len(whole)):
        assert isinstance(error_of(key, whole[:-cut]), UnreadableValue)
    for more in range(1, 60):
        assert isinstance(error_of(key, whole + bytes(more)), UnreadableValue)
    assert unpacked(key, b"") == b""


bought = st.lists(st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 65_535)), max_size=150)


@given(bought)
def test_purchases_of_version_1_are_read_whatever_was_bought_when(events: list[tuple[int, int]]) -> None:
    """In any order of days."""
    items, days = np.array(events, np.uint64).reshape(-1, 2).T
    value = purchases.fold([None], np.zeros(len(events), np.intp), items, days.astype(np.int64))[0]
    assert unpacked(b"own:{0}:u1", value) == value


def test_a_watermark_that_was_cut_is_refused() -> None:
    """But by two bytes more than whole numbers: then it cannot be told from one of version 1."""
    key, value = first_of(b"wm")
    whole = packed(key, unpacked(key, value))
    for cut in range(1, len(whole) + 1):
        if cut % 8 != HEADER or cut > len(whole) - 16:
            assert isinstance(error_of(key, whole[: len(whole) - cut]), UnreadableMark)


@pytest.mark.parametrize("kind", of_kinds(*LAYOUTS))
def test_a_value_of_a_newer_version_is_told_and_left_alone(kind: bytes) -> None:
    """Whatever its size; with the version it has and the one that is known."""
    key = kind + b":{0}:x"
    for length in (0, 5, 300):
        error = error_of(key, b"%c%c%b" % (LAYOUTS[kind].version + 1, length & 0xFF, bytes(length)))
        assert isinstance(error, NewerLayout)
        today = LAYOUTS[kind].version
        assert f"its layout is version {today + 1}, and this streamrank knows up to {today}" in error.reason
        assert "serve with the newer one, or restore an older copy of Redis" in str(error)


def test_only_kinds_that_would_have_events_counted_twice_stop_their_partition() -> None:
    """Watermarks, event ids, and which histories have come; anything else may be absent."""
    assert {kind for kind, layout in LAYOUTS.items() if layout.counts_twice} == {b"wm", b"ids", b"idn"}


def test_a_reason_to_stop_never_had_another_version() -> None:
    """A text without a header is none of its layout."""
    key = keys.stopped(0, "signals")
    assert unpacked(key, packed(key, b"no place")) == b"no place"
    assert isinstance(error_of(key, b"no place"), UnreadableValue)


payloads = st.sampled_from(KINDS).flatmap(
    lambda kind: st.tuples(
        st.just(kind + b":{0}:x"),
        st.one_of(
            st.just(len(unpacked(*first_of(kind)))),
            st.integers(0, 44).map(lambda n: 10 * n),
            st.integers(2, 90).map(lambda n: 8 * n),
            st.integers(1, 700),
        )
        .filter(LAYOUTS[kind].fits)
        .flatmap(lambda length: st.randoms(use_true_random=False).map(lambda random: random.randbytes(length))),
    )
)


@given(payloads)
def test_what_is_packed_is_unpacked(of: tuple[bytes, bytes]) -> None:
    """Whatever the payload holds, however long one of its kind may be: never taken for another version."""
    key, payload = of
    value = packed(key, payload)
    assert len(value) == len(payload) + HEADER
    assert unpacked(key, value) == payload


@given(payloads)
def test_a_value_of_version_1_is_never_taken_for_todays(of: tuple[bytes, bytes]) -> None:
    """A payload as it was stored then is read whole; its watermark moved by one."""
    key, value = of
    assume(LAYOUTS[kind_of(key)].first(value))
    payload = unpacked(key, value)
    if kind_of(key) == b"wm":
        assert payload[8:] == value[8:]
        assert np.array_equal(np.frombuffer(payload, "<i8", 1), np.frombuffer(value, "<i8", 1) + 1)
    else:
        assert payload == value


@given(st.sampled_from(sorted(LAYOUTS)), st.binary(max_size=120))
def test_random_bytes_have_a_payload_of_their_kind_or_an_error(kind: bytes, value: bytes) -> None:
    """A newer version, none of the layout, or a payload that may be so long: nothing else comes out."""
    key, layout = kind + b":{0}:x", LAYOUTS[kind]
    try:
        payload = unpacked(key, value)
    except NewerLayout:
        assert layout.version < value[0] < 128
        assert value[1] == len(value) - HEADER & 0xFF
    except UnreadableMark:
        assert layout.counts_twice
    except UnreadableValue:
        assert not layout.counts_twice
    else:
        assert layout.fits(len(payload))
