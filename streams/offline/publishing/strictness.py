"""Fields of a log's events that no event has, told before anything is sent: they would have no effect."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from streamrank_client.errors import LogError
from streamrank_client.events import Event
from streamrank_client.logs import Line
from streamrank_client.shapes import unknown_fields

__all__ = ["refuse_unknown"]

#: how many are told
TOLD: Final = 5


def refuse_unknown(path: Path | str, lines: Iterable[Line]) -> None:
    """Raise LogError with the first lines that have a field which their event does not have; broken lines are left to
    the worker.
    """
    told: list[str] = []
    count = 0
    for number, raw in lines:
        try:
            unknown = unknown_fields(msgspec.json.decode(raw), Event)
        except (ValueError, RecursionError):
            continue
        told += [f"line {number}: {one.path}: {one.remedy}" for one in unknown[: TOLD - len(told)]]
        count += len(unknown)
    if count:
        more = f"; and {count - len(told)} more" if count > len(told) else ""
        raise LogError(f"'{path}': {'; '.join(told)}{more}: mend them, or publish without --strict")
