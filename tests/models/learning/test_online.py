"""The online ranker learns from clicks, refuses what would poison it, and continues exactly."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.learning.online import (
    INITIAL,
    INPUTS,
    FeedbackError,
    OnlineRanker,
    OnlineWeights,
    PairwiseFeedback,
    StateError,
    apply,
    contributions,
    skipped_positions,
)
from models.ranking.weights import usable
from tests.support.examples import at_most

WIDTH = len(INPUTS)
number = st.floats(-1e6, 1e6, width=32)
rows = st.lists(st.lists(number, min_size=WIDTH, max_size=WIDTH), min_size=1, max_size=6)


def feedback(values: list[list[float]], weight: float = 1.0) -> PairwiseFeedback:
    """The first row was clicked, the others were passed over."""
    array = np.array(values, np.float32)
    return PairwiseFeedback(array[0], array[1:], weight)


def simulated(count: int, dead: str | None, seed: int) -> list[PairwiseFeedback]:
    """Clicks of users who follow the source ``covisits``; the offline score trusts ``dead`` instead."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        inputs = rng.normal(size=(6, WIDTH)).astype(np.float32)
        liked = inputs[:, INPUTS.index("covisits")]
        inputs[:, INPUTS.index("offline")] = rng.normal(size=6) if dead else liked
        best = int(np.argmax(liked))
        made.append(PairwiseFeedback(inputs[best], np.delete(inputs, best, axis=0)))
    return made


def test_before_the_first_click_the_score_is_the_offline_score() -> None:
    """The initial weights hand the offline score through unchanged."""
    inputs = np.random.default_rng(0).normal(size=(5, WIDTH)).astype(np.float32)
    assert np.array_equal(apply(INITIAL, inputs), inputs[:, -1])
    first = OnlineRanker().export()
    assert (first.weights, first.version) == (INITIAL.weights, 1)


def test_learning_prefers_what_was_clicked() -> None:
    """When the offline score turns to noise, the layer finds the source that users follow."""
    ranker = OnlineRanker(learning_rate=0.05)
    assert sum(ranker.learn(f) for f in simulated(600, dead="yes", seed=1)) == 3000
    weights, right, right_before = ranker.export(), 0, 0
    for f in simulated(200, dead="yes", seed=2):
        shown = np.concatenate([f.clicked[None], f.skipped])
        right += int(np.argmax(apply(weights, shown)) == 0)
        right_before += int(np.argmax(apply(INITIAL, shown)) == 0)
    assert right_before < 80 < 160 < right


def test_a_good_offline_score_keeps_its_place() -> None:
    """Where the offline score is right already, learning costs it little (each source that is noise costs 1 to 2 %)."""
    ranker = OnlineRanker()
    for f in simulated(300, dead=None, seed=3):
        ranker.learn(f)
    tests = simulated(200, dead=None, seed=4)
    shown = [np.concatenate([f.clicked[None], f.skipped]) for f in tests]
    assert sum(int(np.argmax(apply(ranker.export(), s)) == 0) for s in shown) >= 185


@at_most(40)
@given(before=st.lists(rows, max_size=8), after=st.lists(rows, max_size=8))
def test_training_continued_after_a_restore_equals_uninterrupted_training(
    before: list[list[list[float]]], after: list[list[list[float]]]
) -> None:
    """State and weights agree to the last bit, whatever was learnt before and after the restart."""
    whole = OnlineRanker()
    for values in before:
        whole.learn(feedback(values))
    restored = OnlineRanker.restore(whole.state())
    for values in after:
        assert restored.learn(feedback(values)) == whole.learn(feedback(values))
    assert restored.state() == whole.state()
    assert restored.export() == whole.export()


@at_most(60)
@given(values=rows, place=st.integers(0, 41), bad=st.sampled_from([np.nan, np.inf, -np.inf, 1e30]))
def test_one_bad_number_is_refused_and_changes_nothing(values: list[list[float]], place: int, bad: float) -> None:
    """NaN, infinity or a giant in any input raises an error that names it; the state stays as it was."""
    ranker = OnlineRanker()
    ranker.learn(feedback([[1.0] * WIDTH, [0.0] * WIDTH]))
    state = ranker.state()
    row, column = place // WIDTH % len(values), place % WIDTH
    values[row][column] = bad
    with pytest.raises(FeedbackError, match=f"feedback: {INPUTS[column]} is"):
        ranker.learn(feedback(values))
    assert ranker.state() == state


@at_most(60)
@given(lists=st.lists(rows, max_size=20), weight=st.floats(0.1, 100))
def test_weights_stay_finite_and_usable(lists: list[list[list[float]]], weight: float) -> None:
    """No finite feedback makes weights that a worker would refuse."""
    ranker = OnlineRanker(learning_rate=1.0)
    for values in lists:
        ranker.learn(feedback(values, weight))
    assert usable(ranker.export())


@given(values=rows)
def test_contributions_add_up_to_the_score(values: list[list[float]]) -> None:
    """Explanations of the online layer are the score, cut into pieces."""
    ranker = OnlineRanker()
    ranker.learn(feedback([[2.0] * WIDTH, [-1.0] * WIDTH]))
    inputs, weights = np.array(values, np.float32), ranker.export()
    assert contributions(weights, inputs).sum(axis=1) == pytest.approx(apply(weights, inputs), abs=1e-3)


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), 101.0])
def test_a_weight_out_of_range_is_refused(weight: float) -> None:
    """A negative weight would learn the opposite; NaN would end all learning."""
    with pytest.raises(FeedbackError, match="weight"):
        OnlineRanker().learn(feedback([[1.0] * WIDTH, [0.0] * WIDTH], weight))


def test_another_width_is_refused() -> None:
    """Feedback logged by a version with other inputs is not learnt by place."""
    with pytest.raises(FeedbackError, match=rf"expected \({WIDTH},\)"):
        OnlineRanker().learn(PairwiseFeedback(np.ones(6, np.float32), np.ones((1, 6), np.float32)))


def test_a_click_without_anything_skipped_teaches_nothing() -> None:
    """An answer of one item has no pairs."""
    nothing = PairwiseFeedback(np.ones(WIDTH, np.float32), np.zeros((0, WIDTH), np.float32))
    assert OnlineRanker().learn(nothing) == 0


def test_broken_states_are_refused() -> None:
    """Bytes that are no state, or one of other inputs, say what to do."""
    with pytest.raises(StateError, match="begin again"):
        OnlineRanker.restore(b"\x00")
    other = msgspec.msgpack.decode(OnlineRanker().state())
    other["names"] = list(reversed(INPUTS))
    with pytest.raises(StateError, match="expected '1' with query_clicks"):
        OnlineRanker.restore(msgspec.msgpack.encode(other))


@pytest.mark.parametrize(("field", "number"), [("rows", np.nan), ("rows", 0.0), ("squares", -1.0), ("weights", np.inf)])
def test_a_state_with_numbers_that_learning_cannot_go_on_from_is_refused(field: str, number: float) -> None:
    """Nothing would ever be finite again."""
    state = msgspec.msgpack.decode(OnlineRanker().state())
    state[field] = number if field == "rows" else [number, *state[field][1:]]
    with pytest.raises(StateError, match="not finite"):
        OnlineRanker.restore(msgspec.msgpack.encode(state))


def test_weights_of_another_version_are_not_usable() -> None:
    """A worker keeps its old weights when new ones name other inputs or hold NaN."""
    assert usable(INITIAL)
    assert not usable(msgspec.structs.replace(INITIAL, names=INPUTS[:3]))
    assert not usable(msgspec.structs.replace(INITIAL, weights=(float("nan"),) * WIDTH))
    assert not usable(msgspec.structs.replace(INITIAL, scale=(0.0,) * WIDTH))


def test_weights_survive_the_wire() -> None:
    """Exported weights decode to themselves."""
    weights = OnlineRanker().export()
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(weights), type=OnlineWeights) == weights


@given(position=st.integers(0, 30), shown=st.integers(0, 20), chosen=st.lists(st.integers(0, 20)))
def test_skipped_positions_are_all_others_that_were_shown(position: int, shown: int, chosen: list[int]) -> None:
    """Never the click itself, never one chosen before, never one not shown; above the click and below it."""
    skipped = skipped_positions(position, shown, chosen)
    assert set(skipped) == set(range(shown)) - {position, *chosen}


def test_one_choice_at_the_bottom_of_a_list_does_not_turn_the_order_round() -> None:
    """Twenty items were shown, the last was chosen against the offline ranker's word: its weight stays near 1."""
    inputs = np.zeros((20, len(INPUTS)), np.float32)
    inputs[:, INPUTS.index("offline")] = np.linspace(10, -10, 20)
    ranker = OnlineRanker()
    ranker.learn(PairwiseFeedback(inputs[19], inputs[:19]))
    assert ranker.export().weights[INPUTS.index("offline")] > 0.7
