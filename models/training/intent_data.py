"""Labelled texts: a CSV file with the columns text and intent, and optionally language.

``category`` and ``label`` are read as ``intent`` too. A text that belongs to none of the intents has the intent
``unknown`` or ``oos``: it teaches what to refuse.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from models.base.errors import ArtifactError
from models.base.paths import DATA
from models.evaluate.edits import edited
from models.text.encoder import Encoder
from models.text.intent import INTENTS, UNKNOWN

TRAIN, TEST = DATA / "intent" / "train.csv", DATA / "intent" / "test.csv"
#: Texts of people who look for a product, made from other sources (streams/offline/building/product_texts.py).
PRODUCT_TEXTS = DATA / "intent" / "products.csv"

COLUMNS: Final = ("intent", "category", "label")
OUT_OF_SCOPE: Final = frozenset({UNKNOWN, "oos"})
#: Fewest texts of an intent that can be learnt and judged.
LEAST: Final = 5
#: One in so many product texts is learnt with a slip.
SLIPS: Final = 5


@dataclass(frozen=True, slots=True)
class LabelledTexts:
    """n texts, their intents (n,) int64 as places in ``labels`` (-1: none of them), and their languages ("" unsaid)."""

    texts: list[str]
    intents: np.ndarray
    languages: list[str]
    labels: tuple[str, ...]

    def taken(self, places: Sequence[int]) -> LabelledTexts:
        """Some of the texts, in the order of ``places``."""
        texts, languages = [self.texts[i] for i in places], [self.languages[i] for i in places]
        return LabelledTexts(texts, self.intents[list(places)], languages, self.labels)


def read_labelled(path: Path, labels: tuple[str, ...] | None = None) -> LabelledTexts:
    """Read a ``.csv`` or ``.csv.gz`` file; ``labels``: the only ones allowed, by default those found.

    The six intents of a worker keep their own order, others are sorted. Raises ``ArtifactError`` that names the
    file, and the line and the column that cannot be used.
    """
    rows, column = _rows(path)
    found = {row[column] for row in rows} - OUT_OF_SCOPE
    if labels is None:
        labels = INTENTS if found == set(INTENTS) else tuple(sorted(found))
        few = [label for label in labels if sum(row[column] == label for row in rows) < LEAST]
        if len(labels) < 2 or few:
            what = f"{', '.join(few)}: fewer than {LEAST} texts" if few else f"{len(labels)} intents"
            raise ArtifactError(path, column, f"two or more intents of {LEAST} texts or more", what, "add texts.")
    for number, row in enumerate(rows, start=2):
        if row[column] not in labels and row[column] not in OUT_OF_SCOPE:
            where, remedy = f"row {number} {column}", "correct the row, or add the intent to the training texts."
            raise ArtifactError(path, where, f"one of {', '.join(labels[:10])}", repr(row[column]), remedy)
    place = {label: n for n, label in enumerate(labels)}
    intents = np.array([place.get(row[column], -1) for row in rows], np.int64)
    return LabelledTexts([row["text"] for row in rows], intents, [row.get("language") or "" for row in rows], labels)


def split(data: LabelledTexts, seed: int = 0) -> tuple[LabelledTexts, LabelledTexts]:
    """Four fifths to learn from and a fifth, of every intent, to be judged by."""
    order = np.random.default_rng(seed).permutation(len(data.texts))
    by_intent = order[np.argsort(data.intents[order], kind="stable")]
    test = np.zeros(len(order), np.bool_)
    test[by_intent[::5]] = True
    return data.taken(np.flatnonzero(~test).tolist()), data.taken(np.flatnonzero(test).tolist())


def with_copies(texts: Sequence[str], copies: int, encoder: Encoder) -> np.ndarray:
    """Vectors (1 + copies, n, 512) of texts, and of them with one, two, one, … random edits."""
    rng = np.random.default_rng(0)
    every = [texts, *([edited(text, 1 + copy % 2, rng)[0] for text in texts] for copy in range(copies))]
    return np.stack([encoder.encode(some).vector for some in every])


def with_slips(texts: Sequence[str], encoder: Encoder) -> np.ndarray:
    """Vectors (n, 512) of texts, of every fifth with one random edit."""
    rng = np.random.default_rng(0)
    slipped = [text if n % SLIPS else edited(text, 1, rng)[0] for n, text in enumerate(texts)]
    return encoder.encode(slipped).vector


def _rows(path: Path) -> tuple[list[dict[str, str]], str]:
    """The rows of a file, and which of its columns holds the intent."""
    remedy = "write one text and its intent a row, under the header text,intent."
    try:
        content = path.read_bytes()
        text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8-sig")
        with io.StringIO(text, newline="") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
            columns = reader.fieldnames or ()
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise ArtifactError(path, "file", "a CSV file", str(error), "name a readable file in UTF-8.") from error
    column = next((name for name in COLUMNS if name in columns), None)
    if column is None or "text" not in columns or not rows:
        raise ArtifactError(path, "header", "text,intent", ",".join(columns) or "nothing", remedy)
    for number, row in enumerate(rows, start=2):
        if not row.get("text") or not row.get(column):
            raise ArtifactError(path, f"row {number}", "a text and an intent", repr(dict(row)), remedy)
    return rows, column
