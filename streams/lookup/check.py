"""One line of the doctor's diagnosis."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec

#: clocks may differ by so many milliseconds
CLOCK_MS: Final = 1_000
State: TypeAlias = Literal["ok", "warn", "fail"]


class Check(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of the diagnosis; ``remedy`` is what to do, where something is to be done."""

    name: str
    state: State
    message: str
    remedy: str = ""
