"""Building the item tower: a log's items as workers understand them, and what its users chose."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from models.base.artifact import Artifact
from models.items.catalogue import Catalogue
from streamrank_client.logs import Line, in_time_order, input_lines
from streamrank_client.routing import Head, head
from streams.artifacts import records
from streams.artifacts.opening import artifact_path, open_models, open_reading
from streams.artifacts.tables import Tables
from streams.policy.deployment import Deployment
from streams.settings import Settings
from streams.wire.messages import Record

if TYPE_CHECKING:  # training is loaded when something is built
    from models.training.item_tower import TowerChoices

    Steps = Callable[[str, float], None]

#: behaviours that choose an item, a rating of any height too, as co-visits count them
CHOOSING: Final = frozenset(("view", "click", "add_to_cart", "purchase", "rating"))
#: items that are understood together
TOGETHER: Final = 256


def build_item_tower(settings: Settings, out: Path, log: Path, seed: int, until: int | None, steps: Steps) -> Artifact:
    """Train an item tower on the events of ``log`` up to ``until`` (Unix ms; None: all) and write it to ``out``.

    Raises LogError where the log cannot be read, ``RankingsError`` where too little was chosen.
    """
    from models.training.item_tower import train

    encoder = Artifact.load(artifact_path(settings, "encoder"))
    known = [(found, line) for line in in_time_order(input_lines(log)) if (found := head(line.raw)) is not None]
    if until is not None:
        known = [(found, line) for found, line in known if found.time is not None and found.time <= until]
    catalogue = _catalogue(settings, known, steps)
    choices = _choices(known, catalogue)
    return train(catalogue, choices, encoder.version, out, log.name, seed, lambda share: steps("training", share))


def _catalogue(settings: Settings, known: Sequence[tuple[Head, Line]], steps: Steps) -> Catalogue:
    """The log's items, as a query worker holds them at its end."""
    from streams.handlers.catalogue import on_items
    from streams.handlers.steps import run_on
    from streams.offline.building.rankings import Unranked

    unranked: Any = Unranked()
    opened = open_reading(settings, unranked)
    tables = Tables(open_models(settings, opened=opened, searched=False), searched=False)
    named = Deployment.of(settings).topics
    known_records = [
        Record((found.item_id or "").encode(), line.raw, n, found.time or 0)
        for n, (found, line) in enumerate(known)
        if found.event in ("item", "item_update", "delete")
    ]
    newest = -1
    held: dict[bytes, bytes] = {}
    for start in range(0, len(known_records), TOGETHER):
        steps_of = on_items(known_records[start : start + TOGETHER], newest, 0, tables.models, named)
        changes = run_on(steps_of, held)
        held |= dict(changes.stored + changes.expiring)
        newest = changes.newest
        tables.take_items([records.item(m.key, m.value) for m in changes.messages])
        steps("understanding items", min(start + TOGETHER, len(known_records)) / len(known_records))
    return tables.models.catalogue


def _choices(known: Sequence[tuple[Head, Line]], catalogue: Catalogue) -> TowerChoices:
    """What users chose of the catalogue, in the log's order."""
    from models.training.item_tower import TowerChoices

    users: dict[str, int] = {}
    found: list[tuple[int, int]] = []
    for event, _ in known:
        if event.event in CHOOSING and event.user_id and event.item_id:
            row = catalogue.row(event.item_id)
            if row >= 0:
                found.append((users.setdefault(event.user_id, len(users)), row))
    user, row_of = np.array(found, np.int64).reshape(-1, 2).T
    return TowerChoices(user.copy(), row_of.copy())
