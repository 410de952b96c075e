"""Position bias: examination found from explored clicks, kept exactly, and worth correcting for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.base.errors import ModelError
from models.exploration.explore import epsilon_swap, nothing, shown
from models.exploration.plackett_luce import PlackettLuce
from models.exploration.slates import Policy
from models.learning.position_bias import POSITIONS, PositionBias

EXAMINED = np.array([1.0, 0.7, 0.45, 0.3])


def learnt(policy: Policy, share: float, lists: int) -> PositionBias:
    """From clicks on lists in which relevance falls with rank, so that clicks alone would overstate the bias."""
    rng, bias = np.random.default_rng(11), PositionBias()
    new = np.arange(10) >= 6
    for n in range(lists):
        scores = -np.sort(-rng.normal(0, 1, 10))
        relevance = 1 / (1 + np.exp(-scores))
        one = shown(scores, 4, f"r{n}", policy, new=new, new_share=share)
        for k in np.flatnonzero(rng.random(4) < EXAMINED * relevance[one.order]).tolist():
            bias.learn(k, *one.exchange[k].tolist())
    return bias


@pytest.mark.parametrize(
    ("policy", "share", "lists", "near"),
    [
        (PlackettLuce(1.0), 0.0, 6_000, 0.08),
        (PlackettLuce(1.0, 1.0), 0.2, 8_000, 0.1),
        (epsilon_swap(1.0), 0.0, 12_000, 0.12),
    ],
    ids=["plackett-luce", "with a floor and new items", "epsilon-swap"],
)
def test_examination_is_found_from_what_exploration_exchanged(
    policy: Policy, share: float, lists: int, near: float
) -> None:
    """By every policy, though the better items stand above."""
    bias = learnt(policy, share, lists)
    assert bias.known == 4
    np.testing.assert_allclose(bias.examination()[:4], EXAMINED, atol=near)


def test_without_exploration_nothing_is_learnt_and_nothing_corrected() -> None:
    """The clicks on a list that is always the same tell nothing of its positions."""
    bias = learnt(nothing, 0.0, 200)
    assert bias.known == 0
    assert [bias.weight(k) for k in range(5)] == [1.0] * 5


def test_new_items_alone_tell_of_the_positions_that_they_get() -> None:
    """The first position is never given away, so all are relative to the second, which counts as the first does."""
    bias = learnt(nothing, 0.5, 12_000)
    found = bias.examination()
    assert found[1] == 1.0
    np.testing.assert_allclose(found[1:4], EXAMINED[1:] / EXAMINED[1], atol=0.12)


@given(st.lists(st.tuples(st.integers(-2, POSITIONS + 2), st.floats(0, 1), st.floats(0, 1)), max_size=40), st.data())
def test_a_restored_state_goes_on_as_the_first_would(
    clicks: list[tuple[int, float, float]], data: st.DataObject
) -> None:
    """Wherever it is cut, in equal bytes; weights stay within bounds."""
    cut = data.draw(st.integers(0, len(clicks)))
    whole, first = PositionBias(), PositionBias()
    for click in clicks:
        whole.learn(*click)
    for click in clicks[:cut]:
        first.learn(*click)
    second = PositionBias.restore(first.state())
    for click in clicks[cut:]:
        second.learn(*click)
    assert second.state() == whole.state()
    assert all(0 < whole.weight(k) <= 1 for k in range(POSITIONS + 3))


@pytest.mark.parametrize("numbers", [(-1, 0.5, 0.5), (POSITIONS, 0.5, 0.5), (0, float("nan"), 0.5), (0, 0.5, 1.5)])
def test_numbers_that_cannot_be_are_not_learnt(numbers: tuple[int, float, float]) -> None:
    """A feedback record is data from outside: what it says wrongly changes nothing."""
    bias = PositionBias()
    assert not bias.learn(*numbers)
    assert bias.state() == PositionBias().state()


@pytest.mark.parametrize("state", [b"", b"\xc0", b"\x83\xa6layout\xa12\xa6higher\x90\xa5lower\x90"])
def test_a_state_that_cannot_be_continued_from_is_refused(state: bytes) -> None:
    """The error says which key to delete."""
    with pytest.raises(ModelError, match="position_bias"):
        PositionBias.restore(state)
