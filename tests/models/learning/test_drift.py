"""The drift alarm: soon after a fall, and never without one."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.base.errors import StateError
from models.learning.drift import DriftAlarm, alarms
from models.learning.loss import loss
from tests.support.examples import at_most

#: States that were stored when River kept the sums (commit 02163f0), by the number of losses seen of ``COURSE``: at the
#: beginning, before anything can be told, on the way, just after an alarm, at the end.
COURSE = [round(n * 37 % 11 / 20 + (0.3 if n >= 900 else 0), 3) for n in range(1_500)]
STORED = {
    0: (
        "8da66c61796f7574a133a47365656e00a6616c61726d7300a6726563656e74cb0000000000000000a66265666f7265cb0000"
        "000000000000a5757375616ccb0000000000000000a573696e6365cb0000000000000000a46d65616ecb0000000000000000"
        "a472697365cb0000000000000000a56c65617374cb7ff0000000000000a466616c6ccb0000000000000000a46d6f7374cbbf"
        "f0000000000000a4746f6c64c2"
    ),
    150: (
        "8da66c61796f7574a133a47365656ecc96a6616c61726d7300a6726563656e74cb3fcfbe76c8b43958a66265666f7265cb00"
        "00000000000000a5757375616ccb3fcfbe76c8b43958a573696e6365cb4062c00000000000a46d65616ecb3f8061c5d5497f"
        "50a472697365cbc01bd51dd562bfd2a56c65617374cbc01bd51dd562bfd2a466616c6ccb400055c4553a8073a46d6f7374cb"
        "4001706be52c964fa4746f6c64c2"
    ),
    700: (
        "8da66c61796f7574a133a47365656ecd02bca6616c61726d7300a6726563656e74cb3fcfed0a07db49e6a66265666f7265cb"
        "0000000000000000a5757375616ccb3fcff1f4e1dd7a05a573696e6365cb4085e00000000000a46d65616ecb3f61a5b119a9"
        "753ea472697365cbc0396313ea1b9410a56c65617374cbc0396313ea1b9410a466616c6ccb40309cec15e46c06a46d6f7374"
        "cb4030bc238515f133a4746f6c64c2"
    ),
    944: (
        "8da66c61796f7574a133a47365656ecd03b0a6616c61726d7301a6726563656e74cb3fd3dcee3912268da66265666f7265cb"
        "3fd0e5192a85a406a5757375616ccb3fd0e5192a85a406a573696e6365cb408d800000000000a46d65616ecb3f9003705d49"
        "1261a472697365cbc03441c1fb9b1cc6a56c65617374cbc03faf0967966dd6a466616c6ccb4042310a87512a47a46d6f7374"
        "cb4042310a87512a47a4746f6c64c3"
    ),
    1500: (
        "8da66c61796f7574a133a47365656ecd05dca6616c61726d7301a6726563656e74cb3fe119f95983acbfa66265666f7265cb"
        "3fd0e5192a85a406a5757375616ccb3fe19471734ac62da573696e6365cb4081600000000000a46d65616ecb3f5d3d0b5b9d"
        "9770a472697365cbc032e72ee06b23c5a56c65617374cbc032e72ee06b23c5a466616c6ccb402ce9f42aaed6cda46d6f7374"
        "cb402d630d71a6052da4746f6c64c2"
    ),
}


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


@at_most(30)
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


@pytest.mark.parametrize("seen", STORED)
def test_states_stored_with_river_are_continued(seen: int) -> None:
    """What was stored is what is stored now, and goes on to the same alarm and the same end."""
    alarm = DriftAlarm.restore(bytes.fromhex(STORED[seen]))
    assert alarm.state() == bytes.fromhex(STORED[seen])
    told = [place for place, loss in enumerate(COURSE[seen:], start=seen) if alarm.update(loss)]
    assert told == [place for place in [943] if place >= seen]
    assert alarm.state() == bytes.fromhex(STORED[1_500])


@pytest.mark.parametrize("state", [b"", b"\xc1", msgspec.msgpack.encode({"layout": "0"})])
def test_what_is_no_state_of_an_alarm_is_refused(state: bytes) -> None:
    """The error says which key to delete."""
    with pytest.raises(StateError, match="drift:"):
        DriftAlarm.restore(state)
