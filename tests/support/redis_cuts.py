"""Where a connection to Redis is cut: each place of a batch's two round trips."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tests.support.proxy import Look, Verdict

_EXEC: Final = b"*1\r\n$4\r\nEXEC\r\n"


def _before_watch(to_server: bool, data: bytes) -> Verdict | None:
    return (b"", True) if to_server and b"$5\r\nWATCH" in data else None


def _before_exec(to_server: bool, data: bytes) -> Verdict | None:
    return (data.partition(_EXEC)[0], True) if to_server and data.endswith(_EXEC) else None


class _Answered:
    """Cuts the answer to a command, after ``share`` of it has come through."""

    def __init__(self, command: bytes, share: float) -> None:
        self._command, self._share = command, share
        self._asked = False

    def __call__(self, to_server: bool, data: bytes) -> Verdict | None:
        if to_server:
            self._asked = self._asked or self._command in data
            return None
        if not self._asked:
            return None
        self._asked = False
        return data[: int(len(data) * self._share)], True


#: by name, what makes a rule that returns a verdict where it cuts
PLACES: Final[dict[str, Callable[[], Callable[[bool, bytes], Verdict | None]]]] = {
    "before WATCH": lambda: _before_watch,
    "inside MGET's reply": lambda: _Answered(b"$5\r\nWATCH", 0.5),
    "between MULTI and EXEC": lambda: _before_exec,
    "after EXEC, before its reply": lambda: _Answered(_EXEC, 0.0),
}


def cutting(place: str, every: int, times: int) -> Look:
    """Cuts at a place, at every so many-th chance, so many times."""
    rule, chances, done = PLACES[place](), 0, 0

    def look(to_server: bool, data: bytes) -> Verdict:
        nonlocal chances, done
        verdict = rule(to_server, data) if done < times else None
        if verdict is None:
            return data, False
        chances += 1
        if chances % every:
            return data, False
        done += 1
        return verdict

    return look
