"""Silent sources: told soon, by name, once; never without a silence."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.base.errors import StateError
from models.learning.silence import KNOWN, LEAST, Silences
from tests.support.examples import at_most

NAMES = ("covisits", "popular", "trending")


@pytest.mark.parametrize(("share", "within"), [(1.0, 50), (0.5, 50), (0.1, 250)])
def test_a_silence_is_told_within_400_lists(share: float, within: int) -> None:
    """The rarer a source used to speak, the longer it takes; it is told once."""
    rng = np.random.default_rng(2)
    silences = Silences()
    for spoke in rng.random(3_000) < share:
        assert not silences.update(["popular", "covisits"] if spoke else ["popular"])
    told = [n for n in range(1_000) if silences.update(["popular"]) == ["covisits"]]
    assert len(told) == 1
    assert told[0] <= within


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5, 0.99])
def test_25000_lists_without_a_silence_raise_nothing(share: float) -> None:
    """Rare and frequent sources alike."""
    rng = np.random.default_rng(8)
    silences = Silences()
    assert not any(silences.update(["covisits"] if spoke else []) for spoke in rng.random(25_000) < share)


def test_a_source_that_speaks_again_can_be_told_again() -> None:
    """Its silence ends with the first score."""
    silences = Silences()
    for _ in range(2 * KNOWN):
        silences.update(["covisits"])
    for _ in range(2):
        assert [silences.update([]) for _ in range(LEAST)] == [[]] * (LEAST - 1) + [["covisits"]]
        silences.update(["covisits"])


@at_most(40)
@given(lists=st.lists(st.lists(st.sampled_from(NAMES), unique=True), max_size=400), cut=st.integers(0, 400))
def test_counts_continued_after_a_restore_equal_those_never_stopped(lists: list[list[str]], cut: int) -> None:
    """What is stored and what is told agree, wherever the restart falls."""
    whole, restored = Silences(), Silences()
    for place, scored in enumerate(lists):
        if place == cut:
            restored = Silences.restore(restored.state())
        assert whole.update(scored) == restored.update(scored)
    assert whole.state() == restored.state()


@pytest.mark.parametrize(
    "state",
    [b"", msgspec.msgpack.encode({"layout": "0", "sources": {}}),
     msgspec.msgpack.encode({"layout": "1", "sources": {"covisits": {"scored": 9.0, "lists": 1.0}}})],
)  # fmt: skip
def test_what_is_no_such_state_is_refused(state: bytes) -> None:
    """The error says which key to delete."""
    with pytest.raises(StateError, match="silence:"):
        Silences.restore(state)
