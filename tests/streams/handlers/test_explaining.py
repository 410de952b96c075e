"""Explanations: contributions of every stage, which add up to the score."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.features.kernels import RECENT
from models.features.registry import FEATURES, GROUPS, INDEX
from models.ranking.explanations import reasons
from models.ranking.ranker import RankInput
from models.ranking.weights import INPUTS, OFFLINE, OnlineWeights, apply, inputs_of
from models.retrieval.sources.registry import SOURCES
from streamrank_client.answers import AnswerItem
from streamrank_client.events import Query
from tests.support.composing import Answering
from tests.support.examples import at_most
from tests.support.small_log import START


def explained(shelf: Answering, weights: OnlineWeights | None) -> list[AnswerItem]:
    """The items of an explained search, ranked with these online weights."""
    query = Query(time=START + 1, request_id="r1", text="milk", limit=20, explain=True)
    return shelf.with_models(weights={} if weights is None else {"search": weights}).answer(query).items


def learnt(**changed: float) -> OnlineWeights:
    """Weights with some changed from those at the start."""
    values = tuple(changed.get(name, 1.0 if name == "offline" else 0.0) for name in INPUTS)
    return OnlineWeights(version=3, names=INPUTS, weights=values, scale=(1.0,) * len(INPUTS), pairs=5)


@pytest.mark.parametrize(
    "weights",
    [None, learnt(lexical=0.7, offline=0.5), learnt(semantic=-2.0), learnt(offline=0.0, lexical=1.0)],
    ids=["at the start", "half", "against", "online alone"],
)
def test_reasons_add_up_for_any_weights(shelf: Answering, weights: OnlineWeights | None) -> None:
    """Groups, online weights and base together are the score; their names are groups or inputs."""
    items = explained(shelf, weights)
    names = {"base", "text_match", *GROUPS, *(f"online:{name}" for name in INPUTS[:OFFLINE])}
    assert len(items) == 20
    for item in items:
        reasons = item.reasons or {}
        assert reasons.keys() <= names
        assert sum(reasons.values()) == pytest.approx(item.score, abs=1e-4)
        assert all(abs(value) >= 5e-7 for value in reasons.values())


def test_an_online_weight_shows_by_its_name(shelf: Answering) -> None:
    """What the lexical source adds is its score times its weight; without learnt weights there is none."""
    assert not any(name.startswith("online:") for item in explained(shelf, None) for name in item.reasons or {})
    for item in explained(shelf, learnt(lexical=0.7)):
        lexical = (item.features or {}).get("lexical", 0.0)
        assert (item.reasons or {}).get("online:lexical", 0.0) == pytest.approx(0.7 * min(lexical, 8.0), abs=1e-4)


def test_base_is_the_same_for_the_whole_list(shelf: Answering) -> None:
    """It says nothing about one item."""
    assert len({(item.reasons or {}).get("base", 0.0) for item in explained(shelf, None)}) == 1


def test_every_source_is_a_line_of_its_own() -> None:
    """A source's score is a feature group of the source's name, with nothing else in it."""
    assert all(GROUPS[source] == (source,) for source in SOURCES)


weight = st.floats(-3, 3)


@at_most(60)
@given(
    size=st.integers(1, 25), seed=st.integers(0, 10_000), spread=st.sampled_from([0.0, 1e-6, 1.0, 1e3, 1e6]),
    weights=st.lists(weight, min_size=len(INPUTS), max_size=len(INPUTS)),
    scales=st.lists(st.floats(0.1, 10), min_size=len(INPUTS), max_size=len(INPUTS)),
    added=st.lists(weight, max_size=3), history=st.booleans(),
)  # fmt: skip
def test_contributions_add_up_whatever_the_features_weights_and_adjustments(
    shelf: Answering, size: int, seed: int, spread: float, weights: list[float], scales: list[float],
    added: list[float], history: bool,
) -> None:  # fmt: skip
    """Sources, groups, online weights and adjustments are the score, rounded as it is answered, to within 1e-4."""
    rng = np.random.default_rng(seed)
    features = (rng.normal(size=(size, len(FEATURES))) * spread * (rng.random(len(FEATURES)) < 0.6)).astype(np.float32)
    vectors = (rng.normal(size=(size, 64)) / 8).astype(np.float32)
    recent = (rng.normal(size=(RECENT, 64)) / 8).astype(np.float32)
    one = RankInput(features, vectors, recent, (rng.normal(size=RECENT) * history).astype(np.float32))
    online = OnlineWeights(version=3, names=INPUTS, weights=tuple(weights), scale=tuple(scales), pairs=5)
    adjustments = {f"adjustment {n}": (rng.normal(size=size) * by).astype(np.float32) for n, by in enumerate(added)}
    offline = shelf.models.ranker.score([one])[0]
    score = apply(online, inputs_of(features, offline))
    for more in adjustments.values():
        score = score + more
    order = rng.permutation(size)
    mixed = RankInput(features[order], vectors[order], recent, one.recent_weight)
    moved = {name: values[order] for name, values in adjustments.items()}
    found = reasons(shelf.models.ranker, mixed, offline[order], online, moved, np.arange(size))
    for values, place in zip(found, order.tolist(), strict=True):
        assert abs(sum(values.values()) - round(float(score[place]), 6)) < 1e-4


def test_what_one_source_adds_is_told_apart_from_its_group(shelf: Answering) -> None:
    """A list that differs by one source's score alone is explained by that source alone."""
    features = np.zeros((6, len(FEATURES)), np.float32)
    features[:, INDEX["lexical"]] = np.arange(6)
    blank = np.zeros((RECENT, 64), np.float32)
    one = RankInput(features, np.zeros((6, 64), np.float32), blank, np.zeros(RECENT, np.float32))
    found = reasons(
        shelf.models.ranker, one, shelf.models.ranker.score([one])[0], learnt(lexical=0.25), {}, np.arange(6)
    )
    assert {name for values in found for name in values} == {"base", "lexical", "online:lexical"}
