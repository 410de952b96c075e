"""The intent head on public data: BANKING77 and CLINC150, learnt whole, judged on their own tests."""

from __future__ import annotations

import csv
import gzip
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from models.text.encoder import Encoder
from models.training.intent import train_intent
from streams.artifacts.opening import artifact_path, head_encoder
from streams.offline.building.artifacts import ensure_encoders
from streams.settings import load

#: What is told of each set.
FIGURES: Final = (
    "train_texts",
    "test_texts",
    "intents",
    "test_accuracy",
    "test_calibration_error",
    "test_out_of_scope_texts",
    "test_out_of_scope_auroc",
    "test_out_of_scope_refused",
    "test_accuracy_unknown_is_wrong",
)


def measure(data: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Figures by set; ``data`` is the folder that holds ``banking77/`` and ``clinc150/``."""
    settings = load()
    ensure_encoders(settings)
    encoder = Encoder(artifact_path(settings, head_encoder(settings)), "cpu")
    found: dict[str, Any] = {"encoder": encoder.version}
    with tempfile.TemporaryDirectory() as folder:
        banking = data / "banking77"
        sets = {
            "banking77": (banking / "train.csv.gz", banking / "test.csv.gz"),
            "clinc150": _clinc(data / "clinc150" / "data_full.json.gz", Path(folder)),
        }
        for name, (train, test) in sets.items():
            say(f"{name}: encode and train")
            figures = train_intent(train, test, encoder, Path(folder) / name).manifest.figures
            found[name] = {figure: figures[figure] for figure in FIGURES if figure in figures}
    return found


def table(figures: dict[str, Any]) -> list[str]:
    """The figures as lines."""
    return [
        f"{name}: {figure} {value}"
        for name, own in figures.items()
        if isinstance(own, dict)
        for figure, value in own.items()
    ]


def _clinc(source: Path, folder: Path) -> tuple[Path, Path]:
    """CLINC150's JSON as two labelled files: train with val, and test, each with its texts out of scope."""
    parts = json.loads(gzip.decompress(source.read_bytes()))
    files = []
    for name, keys in (("train", ("train", "val", "oos_train", "oos_val")), ("test", ("test", "oos_test"))):
        path = folder / f"{name}.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("text", "intent"))
            writer.writerows(row for key in keys for row in parts[key])
        files.append(path)
    return files[0], files[1]
