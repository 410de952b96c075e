"""The labelled intent set: ``data/intent/train.csv`` and ``test.csv``, columns text, intent, language."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.errors import ArtifactError
from models.intent import INTENTS

LANGUAGES = ("en", "zh")


@dataclass(frozen=True, slots=True)
class LabelledTexts:
    """n texts, their intents (n,) int64 as places in ``INTENTS``, and their languages."""

    texts: list[str]
    intents: np.ndarray
    languages: list[str]


def read_labelled(path: Path) -> LabelledTexts:
    """Read a labelled set; raises ``ArtifactError`` naming the line whose intent or language is unknown."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise ArtifactError(path, "file", "a labelled set", error.strerror, "restore it from git.") from error
    for number, row in enumerate(rows, start=2):
        for field, allowed in (("intent", INTENTS), ("language", LANGUAGES)):
            if row.get(field) not in allowed:
                where = f"line {number} {field}"
                raise ArtifactError(path, where, f"one of {allowed}", repr(row.get(field)), "correct the line.")
    intents = np.array([INTENTS.index(row["intent"]) for row in rows], np.int64)
    return LabelledTexts([row["text"] for row in rows], intents, [row["language"] for row in rows])
