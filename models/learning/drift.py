"""The drift alarm: have the answers become worse for good?

Page and Hinkley's test (``models.learning.page_hinkley``) on how far each loss lies above what is usual. Usual is the
mean of about the last thousand losses: a log becomes harder and easier for months on end, and against the mean of all
before that was told as drift. What a loss is: ``models.learning.loss``. What is told and when, on public logs:
docs/quality.md.

>>> alarm = DriftAlarm()
>>> sum(alarm.update(0.2) for _ in range(1_000))
0
>>> next(n for n in range(400) if alarm.update(0.6))
30
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.base.errors import StateError
from models.learning.page_hinkley import PageHinkley
from models.learning.silence import Silences

#: losses before it can be told; what a loss may lie above the usual; how high the sum may rise
LEAST: Final = 200
SLACK: Final = 0.03
HEIGHT: Final = 11.0
#: the usual is the running mean of about so many losses
USUAL: Final = 1_000
#: the running mean forgets: it is that of about so many losses
RECENT: Final = 200
LAYOUT: Final = "3"


class _State(msgspec.Struct, frozen=True, kw_only=True):
    layout: str
    seen: int
    alarms: int
    recent: float
    before: float
    usual: float
    since: float
    mean: float
    rise: float
    least: float
    fall: float
    most: float
    told: bool


class DriftAlarm:
    """Fed with losses from 0 to 1 in order; after an alarm it begins again.

    ``seen`` and ``alarms`` count since the beginning; ``recent`` is the running mean of about the last RECENT losses;
    ``before``, of the last alarm, the usual that it rose above.
    """

    def __init__(self) -> None:
        self._test = PageHinkley(LEAST, SLACK, HEIGHT)
        self.seen = 0
        self.alarms = 0
        self.recent = 0.0
        self.before = 0.0
        self._usual = 0.0

    def update(self, loss: float) -> bool:
        """Take one loss; True when it raises the alarm."""
        since = 0.0 if self._test.told else self._test.n
        rise = loss - self._usual if since else 0.0
        self._usual += (loss - self._usual) / min(since + 1, USUAL)
        told = self._test.update(rise)
        self.seen += 1
        self.recent += (loss - self.recent) / min(self.seen, RECENT)
        if told:
            self.alarms += 1
            self.before = self._usual
        return told

    def state(self) -> bytes:
        """Everything that the alarm depends on, as msgpack: ``restore`` continues exactly."""
        test = self._test
        return msgspec.msgpack.encode(
            _State(
                layout=LAYOUT,
                seen=self.seen,
                alarms=self.alarms,
                recent=self.recent,
                before=self.before,
                usual=self._usual,
                since=test.n,
                mean=test.mean,
                rise=test.rise,
                least=test.lowest,
                fall=test.fall,
                most=test.highest,
                told=test.told,
            )
        )

    @classmethod
    def restore(cls, state: bytes) -> DriftAlarm:
        """The alarm that ``state`` was taken of. Raises StateError when it cannot be continued from."""
        remedy = "delete the key drift:* in Redis: the alarm begins again."
        try:
            saved = msgspec.msgpack.decode(state, type=_State)
        except msgspec.DecodeError as error:
            raise StateError(f"state of the drift alarm ({len(state)} bytes): {error}.", remedy) from error
        if saved.layout != LAYOUT or np.isnan([saved.recent, saved.usual, saved.mean, saved.rise, saved.least]).any():
            raise StateError(f"state of the drift alarm: layout {saved.layout!r}, mean {saved.mean}.", remedy)
        alarm = cls()
        alarm.seen, alarm.alarms, alarm.recent, alarm.before = saved.seen, saved.alarms, saved.recent, saved.before
        alarm._usual = saved.usual
        test = alarm._test
        test.n, test.mean, test.told = saved.since, saved.mean, saved.told
        test.rise, test.lowest, test.fall, test.highest = saved.rise, saved.least, saved.fall, saved.most
        return alarm


@dataclass(frozen=True, slots=True)
class Watch:
    """What is watched on one surface: the loss of what was chosen, and which sources say anything."""

    loss: DriftAlarm = field(default_factory=DriftAlarm)
    silences: Silences = field(default_factory=Silences)


def alarms(values: NDArray[np.float64]) -> list[int]:
    """The places in losses, (T,), at which the alarm is raised."""
    alarm = DriftAlarm()
    return [place for place, loss in enumerate(values.tolist()) if alarm.update(loss)]
