"""Which events are tested: a uniform sample of those that the task takes, fixed by a seed."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.base.arrays import Ints
from models.base.errors import ModelError
from models.evaluate.journal import Journal
from streamrank_client.vocabulary import FINDING

TASKS: Final = ("unseen", "repeat", "all")


def eligible(journal: Journal, task: str, surface: str | None = None) -> NDArray[np.bool_]:
    """Choices of items that the catalogue holds, as ``task`` takes them; with ``surface`` those that fit it.

    ``unseen``: the user's first event on the item; ``repeat``: a later one. ``search`` needs a text, ``home``
    none, ``similar`` an event of the user before, ``cart`` one in the same basket. Raises ModelError on others.

    >>> eligible(Journal.of(user=[0, 0, 0], item=[0, 1, 0], time=[0, 1, 2]), "repeat").tolist()
    [False, False, True]
    """
    if task not in TASKS:
        raise ModelError(f"task: {task!r} is none.", f"name one of {', '.join(TASKS)}.")
    item, line = journal.item, journal.line
    ok = journal.chosen & (journal.arrived[item] < line) & ~(journal.gone[item] < line)
    if task != "all":
        ok &= journal.first == (task == "unseen")
    if surface is None:
        return ok
    if surface not in FINDING:
        raise ModelError(f"surface: {surface!r} is not evaluated.", f"name one of {', '.join(FINDING)}.")
    fits = {
        "search": journal.text >= 0,
        "home": journal.text < 0,
        "similar": journal.place > journal.begin,
        "cart": ~journal.opens,
    }
    return ok & fits[surface]


def drawn(ok: NDArray[np.bool_], begin: float, end: float, tests: int, seed: int) -> Ints:
    """Places of at most ``tests`` true events between two shares of the log, drawn evenly, ascending.

    >>> drawn(np.ones(10, np.bool_), 0.5, 1.0, 3, seed=0).tolist()
    [7, 8, 9]
    """
    first, last = int(len(ok) * begin), int(len(ok) * end)
    places = first + np.flatnonzero(ok[first:last])
    if len(places) <= tests:
        return places
    return np.sort(np.random.default_rng(seed).choice(places, tests, replace=False))
