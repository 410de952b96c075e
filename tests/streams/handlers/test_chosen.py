"""Queries told of: as they stand where their mass last doubled, however their choices are cut into batches."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.lore.known_queries import decode_query
from state.query_clicks import LANDMARK
from state.records import QUERY_CLICK
from streamrank_client.vocabulary import key
from streams.handlers.chosen import LONGEST, TOLD, ToldQuery, fold_choices, texts_of, told_message
from streams.wire.signals import CHOICE, Signals

#: a whole number of half-lives after the landmark, where one choice weighs a power of two
NOW = LANDMARK + 290 * 30 * 86_400
TEXTS = {n: f"q{n}" for n in range(1, 5)}


class Fold:
    """Rows of all queries, folded batch after batch; what was told last of each."""

    def __init__(self) -> None:
        self.rows = np.zeros(len(TEXTS), QUERY_CLICK)
        self.told: dict[int, ToldQuery] = {}
        self.times = 0

    def batch(self, choices: NDArray[Any]) -> list[ToldQuery]:
        """Fold one batch."""
        queries = np.array(sorted(TEXTS), np.uint64)
        found = fold_choices(self.rows, queries, np.searchsorted(queries, choices["query"]), choices, TEXTS)
        self.told |= {one.key: one for one in found}
        self.times += len(found)
        return found


def choices(*rows: tuple[int, int, float, int]) -> NDArray[Any]:
    """Choices as (query, item, weight, seconds after NOW)."""
    return np.array([(q, item, weight, NOW + at, n, 0) for n, (q, item, weight, at) in enumerate(rows)], CHOICE)


def cut(everything: NDArray[Any], at: Sequence[int]) -> Fold:
    """Fold in pieces, cut at these places."""
    fold = Fold()
    for start, end in pairwise(sorted({0, *(place for place in at if place < len(everything)), len(everything)})):
        fold.batch(everything[start:end])
    return fold


_seconds = st.integers(0, 90 * 86_400)
_choice = st.tuples(st.integers(1, 4), st.integers(1, 12), st.sampled_from((1.0, 2.0, 5.0)), _seconds)


@given(st.lists(_choice, max_size=40), st.lists(st.integers(1, 39), max_size=6))
def test_what_is_told_last_does_not_depend_on_the_cut(rows: list[tuple[int, int, float, int]], at: list[int]) -> None:
    """In order of time, in any pieces: the same weights, items and times, and never more often than one by one."""
    everything = choices(*sorted(rows, key=lambda row: row[3]))
    whole, pieces, single = cut(everything, []), cut(everything, at), cut(everything, range(40))
    for other in (pieces, single):
        assert whole.told.keys() == other.told.keys() == set(everything["query"].tolist())
        for query, one in whole.told.items():
            two = other.told[query]
            assert (one.text, one.time) == (two.text, two.time)
            assert one.weight == pytest.approx(two.weight, rel=1e-5)
            assert dict(zip(one.items, one.weights, strict=True)) == pytest.approx(
                dict(zip(two.items, two.weights, strict=True)), rel=1e-5
            )
        np.testing.assert_allclose(whole.rows["mass"], other.rows["mass"], rtol=1e-9)
    assert whole.times <= pieces.times <= single.times


def test_a_query_is_told_at_its_first_choice_and_at_each_doubling() -> None:
    """Of one moment: with the choices 1, 2, 4, 8, …"""
    fold = Fold()
    told = [bool(fold.batch(choices((1, 7, 1.0, 0)))) for _ in range(17)]
    assert [n for n, was in enumerate(told, 1) if was] == [1, 2, 4, 8, 16]


def test_a_query_in_use_is_told_again_when_its_old_weight_has_halved() -> None:
    """One choice every 30 days, the half-life, for a year."""
    fold = Fold()
    assert all(fold.batch(choices((1, 7, 1.0, month * 30 * 86_400))) for month in range(12))
    assert fold.told[1].weight == pytest.approx(2.0, rel=1e-3)


def test_the_heaviest_items_are_told_with_their_weights() -> None:
    """At most eight, heaviest first, decayed to the newest choice, with the weight of all."""
    weights = {item: float(item) for item in range(1, 12)} | {12: 70.0}  # the last choice doubles the mass
    (one,) = Fold().batch(choices(*((1, item, weight, 0) for item, weight in weights.items())))
    assert one.items[:2] == [12, 11]
    assert len(one.items) == TOLD
    assert one.weights == pytest.approx([weights[item] for item in one.items])
    assert one.weight == pytest.approx(sum(weights.values()))


def test_folding_again_before_it_is_stored_tells_the_same() -> None:
    """A worker that died after publishing publishes the same once more."""
    batch = choices((1, 7, 1.0, 0), (2, 8, 5.0, 3), (1, 9, 1.0, 9))
    assert Fold().batch(batch) == Fold().batch(batch)


def test_texts_too_long_to_be_asked_again_are_not_told() -> None:
    """Nor is an empty one, nor a query whose text did not come along."""
    long = "x" * (LONGEST + 1)
    assert texts_of([Signals(0, 0, b"", b"", b"", ["tea", long, ""])]) == {key("tea"): "tea"}
    rows = np.zeros(1, QUERY_CLICK)
    one = choices((9, 7, 1.0, 0))
    assert fold_choices(rows, np.array([9], np.uint64), np.zeros(1, np.intp), one, TEXTS) == []
    assert rows["mass"][0] > 0


def test_a_told_query_is_a_record_keyed_by_its_text() -> None:
    """With the text's vector, and the encoder that made it."""
    (one,) = Fold().batch(choices((3, 7, 2.0, 5)))
    message = told_message(one, np.eye(1, 64, dtype=np.float32)[0], "0123456789ab", "queries")
    assert (message.topic, message.key) == ("queries", b"q3")
    record = decode_query(message.value or b"")
    assert (record.text, record.key, record.time, record.items) == ("q3", 3, NOW + 5, [7])
    assert np.frombuffer(record.compact, "<f4").argmax() == 0
    assert record.encoder == "0123456789ab"
