"""Random edits of a text, as people and their keyboards make them: to ask how much an answer loses by them.

>>> rng = np.random.default_rng(5)
>>> [edit("battlefield 3", kind, rng) for kind in KINDS]
['battlefoeld 3', 'attlefield 3', 'battlefiled 3', None, 'battlｅfield 3']
>>> edit("手机", "script", rng), edit("手機", "script", rng)
('手機', '手机')
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import Final

import numpy as np

from models.text.words import TRADITIONAL

#: a neighbouring key, a character left out, two neighbours swapped, simplified <-> traditional, full width
KINDS: Final = ("typo", "drop", "swap", "script", "width")
ROWS: Final = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
#: what full-width characters are above their ASCII ones
WIDE: Final = 0xFEE0


def edited(text: str, edits: int, rng: np.random.Generator) -> tuple[str, tuple[str, ...]]:
    """``text`` after ``edits`` edits, and their kinds, each drawn from those that it allows."""
    kinds: list[str] = []
    for _ in range(edits):
        for kind in rng.permutation(KINDS).tolist():
            changed = edit(text, kind, rng)
            if changed is not None:
                text = changed
                kinds.append(kind)
                break
    return text, tuple(kinds)


def edit(text: str, kind: str, rng: np.random.Generator) -> str | None:
    """``text`` with one edit of a kind at a random place; None where no place allows it."""
    places = _places(text, kind)
    if not places:
        return None
    at = places[int(rng.integers(len(places)))]
    if kind == "swap":
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    one = text[at]
    new = ""
    if kind == "typo":
        near = _near(one)
        new = near[int(rng.integers(len(near)))]
    elif kind == "script":
        new = _other_script()[one]
    elif kind == "width":
        new = chr(ord(one) + WIDE)
    return text[:at] + new + text[at + 1 :]


def _places(text: str, kind: str) -> list[int]:
    """Where an edit of a kind is possible. What is left must hold something."""
    if kind == "typo":
        return [n for n, one in enumerate(text) if _near(one)]
    if kind == "drop":
        return [n for n, one in enumerate(text) if one.isalnum()] if len(text) > 2 else []
    if kind == "swap":
        return [n for n, (a, b) in enumerate(pairwise(text)) if a.isalnum() and b.isalnum() and a != b]
    if kind == "script":
        return [n for n, one in enumerate(text) if one in _other_script()]
    return [n for n, one in enumerate(text) if one.isascii() and one.isalnum()]


def _near(one: str) -> str:
    """The keys beside a letter's, in its case; empty for what is no letter of the keyboard."""
    for row in ROWS:
        at = row.find(one.lower())
        if at >= 0:
            near = row[max(at - 1, 0) : at] + row[at + 1 : at + 2]
            return near.upper() if one.isupper() else near
    return ""


@lru_cache(maxsize=1)
def _other_script() -> dict[str, str]:
    """A character -> its form in the other script, both ways; a simplified one has its first traditional form."""
    found: dict[str, str] = {}
    for line in TRADITIONAL.read_text("utf-8").splitlines():
        if not line.startswith("#"):
            found.setdefault(line[0], line[2])
            found.setdefault(line[2], line[0])
    return found
