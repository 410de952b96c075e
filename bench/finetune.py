"""Whether fine-tuning an encoder on a log's first half helps on its second: MAP@5 of titles ranked by cosine alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from models.evaluate.bootstrap import Draws
from models.training.checkpoint import read_checkpoint
from models.training.finetune import finetune
from streams.offline.building.encoders import pairs_of


def measure(folder: Path, log: Path, epochs: int, tests: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Figures with 95 % intervals (bootstrap over query texts), for all queries and for texts not learnt from."""
    checkpoint, pairs = read_checkpoint(folder), pairs_of(log)
    say(f"{len(pairs.queries)} pairs, {len(pairs.titles)} titles")
    told = iter(range(10, 101, 10))
    due = [next(told)]

    def progress(share: float) -> None:
        if 100 * share >= due[0]:
            say(f"learning: {due[0]} %")
            due[0] = next(told, 1000)

    judged = finetune(checkpoint, pairs, 0.5, epochs, tests, progress=progress)
    found: dict[str, Any] = {"checkpoint": checkpoint.name, "log": log.name, "epochs": epochs}
    for group, rows in (("all", np.ones(len(judged.before), bool)), ("unseen", judged.unseen)):
        draws = Draws(judged.texts)
        before, after = judged.before.astype(np.float64), judged.after.astype(np.float64)
        found[group] = {
            "tested": int(rows.sum()),
            "map@5": {
                name: _figure(draws.mean(values, rows))
                for name, values in (("before", before), ("after", after), ("difference", after - before))
            },
        }
    return found


def table(figures: dict[str, Any]) -> list[str]:
    """The figures as lines."""
    lines = []
    for group in ("all", "unseen"):
        for name, one in figures[group]["map@5"].items():
            lines.append(f"{group} ({figures[group]['tested']}): {name} {one['mean']} [{one['low']}, {one['high']}]")
    return lines


def _figure(interval: Any) -> dict[str, float]:
    return {name: round(float(getattr(interval, name)), 4) for name in ("mean", "low", "high")}
