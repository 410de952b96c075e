"""Feedback: which behaviour answers which impression, and that each is learnt from once."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from models.features.registry import FEATURES as FEATURE_NAMES
from models.learning.loss import usual_place
from models.learning.online import INPUTS, OnlineRanker
from models.ranking.weights import OPENING
from state import keys
from state.event_ids import IdWindow, block_keys
from state.impressions import StoredImpression
from state.impressions import encode as encode_shown
from streamrank_client.events import Behavior
from streamrank_client.fields import Place
from streamrank_client.making import behavior
from streams.handlers.contexts import on_behavior
from streams.handlers.learning import on_feedback
from streams.wire.feedback import Feedback, decode_feedback, encode_feedback
from tests.support.driving import AT, DEPLOYMENT, TWELVE, Ingest, records, run

HOUR = 3_600_000
FEATURES = np.random.default_rng(3).random((3, len(FEATURE_NAMES))).astype(np.float32)


def ingest() -> Ingest:
    """A partition with the impression of request r1: p1, p2, p3 shown to u1."""
    shown = StoredImpression("r1", "u1", AT, "home", "control", "", ["p1", "p2", "p3"], [1.0, 0.75, 1.0], FEATURES,
                  np.array([3, 2, 1], np.float32), 4, "a1")  # fmt: skip
    return Ingest(stored={keys.impression(0, "r1"): encode_shown(shown)})


def test_what_a_version_with_other_features_showed_is_not_learnt_from() -> None:
    """Its features are other columns; the behaviour counts all the same."""
    narrow = StoredImpression(
        "r1", "u1", AT, "home", "control", "", ["p1", "p2", "p3"], [1.0, 0.75, 1.0], FEATURES[:, :-1],
        np.array([3, 2, 1], np.float32), 4, "a1",
    )  # fmt: skip
    found = Ingest(stored={keys.impression(0, "r1"): encode_shown(narrow)})
    found.fold(records([event()]))
    assert (found.feedback, found.dead, found.mark.accepted) == ([], [], 1)


def event(kind: str = "click", **changed: object) -> Behavior:
    """What u1 did a minute after r1."""
    given = {"event_id": "e", "user_id": "u1", "item_id": "p2", "request_id": "r1", "time": AT + 60_000}
    return behavior(kind, **{**given, **changed})


def test_a_click_on_an_answer_is_an_example_with_what_was_served() -> None:
    """Its place, the surface, the position, the propensity, and the inputs as they were: source scores and offline."""
    found = ingest()
    found.fold(records([event()], first=17, arrival=AT))
    (example,) = found.feedback
    assert example.source == Place(0, 17)
    assert (example.surface, example.kind, example.weight, example.chosen, example.propensity, example.arm) == (
        "home", "click", 1.0, 1, 0.75, "control",
    )  # fmt: skip
    inputs = np.array(example.inputs, np.float32)
    assert inputs.shape == (3, len(INPUTS))
    assert inputs[:, -1].tolist() == [3, 2, 1]
    assert example.usual == usual_place(FEATURES, 1)
    assert decode_feedback(encode_feedback(example)) == example


@pytest.mark.parametrize(("early", "joins"), [(0, True), (1_500, True), (5_000, True), (5_001, False), (60_000, False)])
def test_a_click_by_a_slow_clock_joins(early: int, joins: bool) -> None:
    """Up to the skew before what it answers; for the outcomes of arms as for the trainer."""
    found = ingest()
    deployment = replace(DEPLOYMENT, skew_ms=5_000)
    batch = records([event(time=AT - early)], arrival=AT)
    window = IdWindow([None] * len(block_keys(0)), 0)
    changes, _ = run(on_behavior(batch, found.mark, window, 0, TWELVE, deployment), found.stored.get)
    assert [len(changes.feedback), len(changes.outcomes)] == [joins, joins]


@pytest.mark.parametrize(("kind", "weight"), [("click", 1.0), ("add_to_cart", 1.5), ("purchase", 2.0)])
def test_stronger_behaviour_says_more(kind: str, weight: float) -> None:
    """A purchase is twice a click."""
    found = ingest()
    found.fold(records([event(kind)]))
    assert [(example.kind, example.weight) for example in found.feedback] == [(kind, weight)]


@pytest.mark.parametrize(
    "changed",
    [
        {"kind": "view"},
        {"kind": "dislike"},
        {"user_id": "u2"},
        {"item_id": "p9"},
        {"request_id": "r2"},
        {"request_id": None},
        {"time": AT - 1},
        {"time": AT + HOUR + 1},
    ],
    ids=str,
)
def test_what_does_not_answer_the_impression_is_no_feedback(changed: dict[str, object]) -> None:
    """Another kind, user, item or request, before it was shown or long after."""
    found = ingest()
    found.fold(records([event(**{"kind": "click", **changed})]))  # type: ignore[arg-type]
    assert found.mark.accepted == 1
    assert found.feedback == []


def example(offset: int, partition: int = 0, chosen: int = 2, **changed: object) -> Feedback:
    """An example from this place, in which the lexical source found the chosen item."""
    inputs = np.zeros((4, len(INPUTS)), np.float32)
    inputs[chosen, INPUTS.index("lexical")] = 1
    whole = Feedback(Place(partition, offset), "home", f"r{offset}", "u1", "p1", "click", AT, 1.0, chosen, 1.0,
                     "control", ["a", "b", "c", "d"], inputs.tolist())  # fmt: skip
    return msgspec.structs.replace(whole, **changed)


def test_each_example_is_learnt_from_once_in_any_delivery() -> None:
    """What was delivered again at or before its source's mark leaves the trainer's state as it is."""
    examples = [example(0), example(3), example(1, partition=2), example(4)]
    none = np.full(4, -1, np.int64)
    once, twice = {"home": OnlineRanker(0.1)}, {"home": OnlineRanker(0.1)}
    learnt = on_feedback(examples, none, once)
    assert (learnt.examples, learnt.pairs, learnt.surfaces) == (4, 4 * 3, ["home"])
    assert learnt.marks.tolist() == [4, -1, 1, -1]
    first = on_feedback(examples[:3], none, twice)
    again = on_feedback(examples, first.marks, twice)
    assert again.examples == 1
    assert np.array_equal(again.marks, learnt.marks)
    assert twice["home"].state() == once["home"].state()
    assert none.tolist() == [-1] * 4


def test_what_opens_a_basket_is_learnt_for_openings_too() -> None:
    """Its weights are those of the openings alone; the surface's learn from every example."""
    examples = [example(n, chosen=n % 3, opening=n % 2 == 0) for n in range(8)]
    none = np.full(4, -1, np.int64)
    both = {"home": OnlineRanker(0.1), OPENING: OnlineRanker(0.1)}
    learnt = on_feedback(examples, none, both)
    assert learnt.surfaces == ["home", OPENING]
    assert learnt.pairs == 8 * 3
    for name, own in (("home", examples), (OPENING, examples[::2])):
        alone = {"home": OnlineRanker(0.1)}
        on_feedback(own, none, alone)
        assert both[name].state() == alone["home"].state()
    assert on_feedback([example(0)], none, {"home": OnlineRanker(0.1), OPENING: OnlineRanker(0.1)}).surfaces == ["home"]


def test_a_clicked_items_source_gains_weight() -> None:
    """The lexical source found what was clicked: it counts more afterwards, the others as before."""
    rankers = {"home": OnlineRanker(0.1), "search": OnlineRanker(0.1)}
    on_feedback([example(n) for n in range(20)], np.full(4, -1, np.int64), rankers)
    weights = dict(zip(INPUTS, rankers["home"].export().weights, strict=True))
    assert weights["lexical"] > 0.1
    assert weights["semantic"] == 0
    assert rankers["search"].export().pairs == 0


def test_examples_of_an_unknown_surface_or_shape_teach_nothing() -> None:
    """They are passed by: another version wrote them."""
    rankers = {"home": OnlineRanker(0.1)}
    odd = [example(0, surface="shelf"), example(1, chosen=3, inputs=[[0.0] * 7]), example(2, inputs=[])]
    learnt = on_feedback(odd, np.full(4, -1, np.int64), rankers)
    assert (learnt.examples, learnt.surfaces) == (0, [])
