"""Explanations: contributions of every stage, which add up to the score."""

from __future__ import annotations

import pytest

from models.features import GROUPS
from models.weights import INPUTS, OFFLINE, OnlineWeights
from streams.brain import Brain
from streams.events import AnswerItem, Query
from streams.handlers.queries import on_queries
from tests.data.small_log import START
from tests.handlers.driving import TOPIC, run


def explained(brain: Brain, weights: OnlineWeights | None) -> list[AnswerItem]:
    """The items of an explained search, ranked with these online weights."""
    query = Query(time=START + 1, request_id="r1", text="milk", limit=20, explain=True)
    brain.weights = {} if weights is None else {"search": weights}
    try:
        answers, _ = run(on_queries([query], 0, TOPIC, brain), lambda _: None)
    finally:
        brain.weights = {}
    return answers.answers[0].items


def learnt(**changed: float) -> OnlineWeights:
    """Weights with some changed from those at the start."""
    values = tuple(changed.get(name, 1.0 if name == "offline" else 0.0) for name in INPUTS)
    return OnlineWeights(version=3, names=INPUTS, weights=values, scale=(1.0,) * len(INPUTS), pairs=5)


@pytest.mark.parametrize(
    "weights",
    [None, learnt(lexical=0.7, offline=0.5), learnt(semantic=-2.0), learnt(offline=0.0, lexical=1.0)],
    ids=["at the start", "half", "against", "online alone"],
)
def test_reasons_add_up_for_any_weights(shelf: Brain, weights: OnlineWeights | None) -> None:
    """Groups, online weights and base together are the score; their names are groups or inputs."""
    items = explained(shelf, weights)
    names = {"base", *GROUPS, *(f"online:{name}" for name in INPUTS[:OFFLINE])}
    assert len(items) == 20
    for item in items:
        reasons = item.reasons or {}
        assert reasons.keys() <= names
        assert sum(reasons.values()) == pytest.approx(item.score, abs=1e-3)
        assert all(abs(value) >= 5e-7 for value in reasons.values())


def test_an_online_weight_shows_by_its_name(shelf: Brain) -> None:
    """What the lexical source adds is its score times its weight; without learnt weights there is none."""
    assert not any(name.startswith("online:") for item in explained(shelf, None) for name in item.reasons or {})
    for item in explained(shelf, learnt(lexical=0.7)):
        lexical = (item.features or {}).get("lexical", 0.0)
        assert (item.reasons or {}).get("online:lexical", 0.0) == pytest.approx(0.7 * min(lexical, 8.0), abs=1e-4)


def test_base_is_the_same_for_the_whole_list(shelf: Brain) -> None:
    """It says nothing about one item."""
    assert len({(item.reasons or {}).get("base", 0.0) for item in explained(shelf, None)}) == 1
