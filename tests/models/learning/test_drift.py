"""The drift alarm: soon after a fall, and never without one."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.base.errors import StateError
from models.learning.drift import DriftAlarm, alarms
from models.learning.loss import loss


def losses(rng: np.random.Generator, count: int, hits: float) -> np.ndarray:
    """Losses of lists of 200 that hold what was chosen among their first ten with probability ``hits``."""
    places = np.where(rng.random(count) < hits, rng.integers(1, 11, count), rng.integers(11, 201, count))
    usual = rng.integers(1, 201, count)
    return np.array([loss(int(place), float(other)) for place, other in zip(places, usual, strict=True)])


@pytest.mark.parametrize(("before", "after"), [(0.4, 0.15), (0.5, 0.25), (0.9, 0.5)])
def test_a_fall_is_told_within_400_feedbacks(before: float, after: float) -> None:
    """In nineteen of twenty runs, whether lists were good or poor; never before the fall."""
    rng = np.random.default_rng(5)
    late = []
    for _ in range(20):
        told = alarms(np.concatenate([losses(rng, 3_000, before), losses(rng, 1_500, after)]))
        assert told
        late.append(told[0] - 3_000)
    assert sum(0 <= delay < 400 for delay in late) >= 19, late


@pytest.mark.parametrize("hits", [0.05, 0.18, 0.5, 0.9])
def test_25000_feedbacks_without_drift_raise_one_alarm_at_most(hits: float) -> None:
    """Noise alone does not add up."""
    assert len(alarms(losses(np.random.default_rng(11), 25_000, hits))) <= 1


@settings(max_examples=30)
@given(losses=st.lists(st.floats(0, 1), max_size=600), cut=st.integers(0, 600))
def test_an_alarm_continued_after_a_restore_equals_one_never_stopped(losses: list[float], cut: int) -> None:
    """State and alarms agree to the last bit, wherever the restart falls."""
    whole, told = DriftAlarm(), []
    for place, value in enumerate(losses):
        if place == cut:
            restored = DriftAlarm.restore(whole.state())
            assert restored.state() == whole.state()
            whole = restored
        told += [place] * whole.update(value)
    assert told == alarms(np.array(losses))
    assert (whole.seen, whole.alarms) == (len(losses), len(told))


def test_a_restart_just_after_an_alarm_begins_again_as_without_one() -> None:
    """That the alarm was raised is stored too: the next loss is the first of a new count."""
    alarm = DriftAlarm()
    while not alarm.update(float(alarm.seen > 500)):
        pass
    restored = DriftAlarm.restore(alarm.state())
    for one in (alarm, restored):
        one.update(0.25)
    assert restored.state() == alarm.state()


@pytest.mark.parametrize("state", [b"", b"\xc1", msgspec.msgpack.encode({"layout": "0"})])
def test_what_is_no_state_of_an_alarm_is_refused(state: bytes) -> None:
    """The error says which key to delete."""
    with pytest.raises(StateError, match="drift:"):
        DriftAlarm.restore(state)
