"""Answers and behaviour joined by request id, summed by user: the figures of an experiment in bounded memory.

Answers and events come roughly in the order of their times. Whichever of the two comes first waits for the other, as
long as behaviour may be late: the join's own hours and ``SLACK_MS``. What lasts is one row of sums for each user.
"""

from __future__ import annotations

from array import array
from collections import deque
from dataclasses import dataclass, field
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.experiments.comparison import COLUMNS
from streamrank_client.vocabulary import DAY_MS, event_key, key

__all__ = ["Counted", "Given", "Join", "JoinedEvent"]

#: how late an event, or how far ahead an answer's time, may be and still find the other
SLACK_MS: Final = 2 * DAY_MS
#: kinds of behaviour that count -> their column
KINDS: Final = {"click": "clicks", "add_to_cart": "add_to_carts", "purchase": "purchases", "dwell": "dwell_seconds"}
_PLACE: Final = {name: n for n, name in enumerate(COLUMNS)}


class GivenItem(msgspec.Struct):
    """An item of an answer."""

    item_id: str


class Given(msgspec.Struct):
    """What of an answer is needed; ``error`` is there where a query was refused."""

    event: str
    time: int
    request_id: str = ""
    user_id: str | None = None
    experiment: str = ""
    arm: str = ""
    items: list[GivenItem] = []
    error: dict[str, object] | None = None


class JoinedEvent(msgspec.Struct):
    """What of a behaviour event is needed."""

    event: str
    time: int
    event_id: str = ""
    user_id: str = ""
    item_id: str = ""
    request_id: str | None = None
    milliseconds: int = 0


@dataclass(slots=True)
class Counted:
    """What was read, and what could not be used. ``moved``: users who had answers of more than one arm;
    ``anonymous``: answers to nobody, left out, since no behaviour can belong to them; ``repeated``: answers and
    events that came again; ``unmatched``: events whose answer was not found; ``misplaced``: events that name an
    answer of another user, without their item, or out of time; ``unreadable`` lines or records.
    """

    answers: int = 0
    events: int = 0
    moved: int = 0
    anonymous: int = 0
    repeated: int = 0
    unmatched: int = 0
    misplaced: int = 0
    unreadable: int = 0


@dataclass(slots=True)
class _Shown:
    """An answer that takes part: the row of its user's sums, its items as u64 keys, and which were clicked."""

    arm: str
    row: int
    user: int
    time: int
    items: array[int]
    clicked: int = 0


@dataclass(slots=True)
class _Sums:
    """A row of sums for each user of an arm, in the order of their first answers."""

    rows: dict[int, int] = field(default_factory=dict)
    values: NDArray[np.float64] = field(default_factory=lambda: np.zeros((64, len(COLUMNS))))

    def row(self, user: int) -> int:
        """The user's row, a new one for a new user."""
        found = self.rows.setdefault(user, len(self.rows))
        if found == len(self.values):
            self.values = np.concatenate([self.values, np.zeros_like(self.values)])
        return found

    def users(self) -> NDArray[np.float64]:
        """The rows in use, (users, columns)."""
        return self.values[: len(self.rows)]


class Join:
    """Takes answers and events; ``users`` are the sums of an experiment's users by arm.

    ``join_ms``: behaviour belongs to an answer that is at most so much older, or ``skew_ms`` newer; ``since`` and
    ``until``: only answers with a time in [since, until), Unix ms.
    """

    def __init__(
        self, experiment: str, join_ms: int, since: int = 0, until: int | None = None, skew_ms: int = 0
    ) -> None:
        self.experiment = experiment
        self.counted = Counted()
        #: times of the first and the last answer that takes part
        self.first: int | None = None
        self.last: int | None = None
        self._join_ms, self._skew_ms = join_ms, skew_ms
        self._since, self._until = since, until
        self._sums: dict[str, _Sums] = {}
        self._arm_of: dict[int, str] = {}
        self._moved: set[int] = set()
        #: by request id: answers, None for one that takes no part; events that came before their answer
        self._shown: dict[str, _Shown | None] = {}
        self._waiting: dict[str, list[JoinedEvent]] = {}
        self._ids: set[int] = set()
        self._order: deque[tuple[int, str, int]] = deque()
        self._newest = 0

    @property
    def users(self) -> dict[str, NDArray[np.float64]]:
        """By arm, a row of sums for each user, columns as ``models.experiments.comparison.COLUMNS``."""
        return {arm: sums.users() for arm, sums in sorted(self._sums.items())}

    def answer(self, given: Given) -> None:
        """Take one answer; the first one counts where a request was answered twice."""
        if given.request_id in self._shown:
            self.counted.repeated += 1
            return
        shown = self._enter(given) if self._takes_part(given) else None
        self._shown[given.request_id] = shown
        self._remember(given.time, given.request_id, 0)
        for event in self._waiting.pop(given.request_id, ()):
            self._count(event, shown)

    def event(self, event: JoinedEvent) -> None:
        """Take one behaviour event; those of other kinds, and those that name no answer, are passed by."""
        if event.event not in KINDS or event.request_id is None:
            return
        known = event_key(event.event_id, event.event, event.user_id, event.item_id)
        if known in self._ids:
            self.counted.repeated += 1
            return
        self._ids.add(known)
        self._remember(event.time, event.request_id, known)
        if event.request_id in self._shown:
            self._count(event, self._shown[event.request_id])
        else:
            self._waiting.setdefault(event.request_id, []).append(event)

    def flush(self) -> None:
        """Forget what waits: nothing that belongs to it will come."""
        self.counted.unmatched += sum(map(len, self._waiting.values()))
        self._shown.clear()
        self._waiting.clear()
        self._ids.clear()
        self._order.clear()
        self._newest = 0

    def _takes_part(self, given: Given) -> bool:
        if given.experiment != self.experiment or given.error is not None or given.time < self._since:
            return False
        if self._until is not None and given.time >= self._until:
            return False
        if given.user_id is None:
            self.counted.anonymous += 1
            return False
        return True

    def _enter(self, given: Given) -> _Shown:
        user = key(given.user_id or "")
        sums = self._sums.setdefault(given.arm, _Sums())
        row = sums.row(user)
        sums.values[row, _PLACE["answers"]] += 1
        sums.values[row, _PLACE["items"]] += len(given.items)
        self.counted.answers += 1
        if self._arm_of.setdefault(user, given.arm) != given.arm and user not in self._moved:
            self._moved.add(user)
            self.counted.moved += 1
        self.first = given.time if self.first is None else min(self.first, given.time)
        self.last = given.time if self.last is None else max(self.last, given.time)
        return _Shown(given.arm, row, user, given.time, array("Q", [key(item.item_id) for item in given.items]))

    def _count(self, event: JoinedEvent, shown: _Shown | None) -> None:
        if shown is None:
            return
        item = key(event.item_id)
        in_time = -self._skew_ms <= event.time - shown.time <= self._join_ms
        if not in_time or shown.user != key(event.user_id) or item not in shown.items:
            self.counted.misplaced += 1
            return
        self.counted.events += 1
        row = self._sums[shown.arm].values[shown.row]
        row[_PLACE[KINDS[event.event]]] += event.milliseconds / 1000 if event.event == "dwell" else 1
        if event.event == "click":
            bit = 1 << shown.items.index(item)
            row[_PLACE["answers_clicked"]] += not shown.clicked
            row[_PLACE["items_clicked"]] += not shown.clicked & bit
            shown.clicked |= bit

    def _remember(self, time: int, request_id: str, event: int) -> None:
        """Note what was taken (``event``: 0 for an answer), and forget what is too old for anything to belong to it."""
        self._newest = max(self._newest, time)
        self._order.append((time, request_id, event))
        oldest = self._newest - self._join_ms - SLACK_MS
        while self._order[0][0] < oldest:
            _, old, known = self._order.popleft()
            if known:
                self._ids.discard(known)
                self.counted.unmatched += len(self._waiting.pop(old, ()))
            else:
                self._shown.pop(old, None)
