"""Export a sentence encoder's checkpoint as an encoder artifact, checked against transformers (decision 0013).

::

    tokens ─> network ─> pooled, unit (n, width) ─> wide, unit (n, 512) ─> compact, unit (n, 64)

A width up to 512 is padded with zeros, which keeps every cosine; a larger one is projected on the 512 directions that
keep most of them, and both are projected on 64, fitted as ``models.training.projection`` does.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import torch
from torch import Tensor, nn

from models.base.arrays import Floats
from models.base.artifact import Artifact, Manifest, verify, write
from models.base.errors import SessionError
from models.base.onnx_session import open_session
from models.base.vectors import unit_rows
from models.text.encoder import COMPACT, DIM, PREFIXES, Encoder
from models.text.encoder_build import BuildSteps
from models.text.tokenizing import TOKENIZER_JSON
from models.training.checkpoint import Checkpoint, pooled
from models.training.projection import fit, intent_texts, preservation, product_titles
from models.training.text_graph import LEFT, TextPrecision, export, lower

#: Least cosine between the artifact and transformers, of any text that is checked.
LEAST: Final[dict[TextPrecision, float]] = {"float32": 0.999, "float16": 0.99, "int8": 0.99}
#: Texts to fit the projections on (of each kind at most), and to check.
FITTED, CHECKED, SEED = 3_000, 64, 7


class TextTower(nn.Module):
    """Tokens to ``vector`` (n, 512) and ``compact`` (n, 64), unit rows."""

    wide: Tensor | None
    small: Tensor

    def __init__(self, checkpoint: Checkpoint, wide: Floats | None, small: Floats) -> None:
        super().__init__()
        self.network, self.pooling = checkpoint.network, checkpoint.pooling
        self.pad = DIM - checkpoint.width
        self.register_buffer("wide", None if wide is None else torch.from_numpy(wide))
        self.register_buffer("small", torch.from_numpy(small))

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Both vectors of padded tokens (n, tokens)."""
        hidden = self.network(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        found = pooled(hidden, attention_mask, self.pooling)
        if self.wide is not None:
            vector = nn.functional.normalize(found @ self.wide, dim=-1)
        else:
            vector = nn.functional.pad(found, (0, self.pad))
        return vector, nn.functional.normalize(vector @ self.small, dim=-1)


def build_text_encoder(
    checkpoint: Checkpoint,
    out: Path,
    precision: TextPrecision = "float32",
    texts: Mapping[str, Sequence[str]] | None = None,
    made: Mapping[str, str] | None = None,
    figures: Mapping[str, float | str] | None = None,
    progress: BuildSteps | None = None,
) -> Artifact:
    """Export ``checkpoint`` into the folder ``out``; a minute or two for a small model on one core.

    ``texts``: ``titles`` and ``queries`` that the projections are fitted on, by default the shipped intent texts and
    the Complete Journey titles where that package is installed. ``made`` and ``figures`` are added to the manifest's.
    Raises ``SessionError`` when the artifact's vectors differ from transformers' by more than ``LEAST`` allows.
    """
    tell = progress or (lambda _step, _share: None)
    given = texts if texts is not None else default_texts()
    tell("fitting the projections", 0.1)
    titles = checkpoint.encode(given.get("titles", ()), passages=True)
    queries = checkpoint.encode(given.get("queries", ()))
    wide, small = maps(titles, queries)
    tower = TextTower(checkpoint, wide, small).eval()
    with tempfile.TemporaryDirectory() as folder:
        tell("exporting", 0.5)
        whole = Path(folder) / "model.onnx"
        export(tower, checkpoint, whole)
        for n, left in enumerate(LEFT):
            tell("checking against transformers", 0.6 + 0.1 * n)
            graph = lower(whole, precision, left)
            files: dict[str, bytes | Path] = {
                "model.onnx": graph,
                TOKENIZER_JSON: str(checkpoint.tokenizer.backend_tokenizer.to_str()).encode(),
                PREFIXES: msgspec.json.encode(checkpoint.prefixes),
            }
            manifest = _manifest(checkpoint, graph, precision, made or {}, given)
            worst = check(write(Path(folder) / "trial", manifest, files), checkpoint, wide, given)
            if worst >= LEAST[precision] or precision != "int8":
                break
        _enough(worst, precision)
        found = dict(figures or {}) | {"least_cosine_with_transformers": round(worst, 6)}
        if precision == "int8":
            found["left_in_float32"] = left
        found |= _kept(queries, titles, wide, small)
        write(out, msgspec.structs.replace(manifest, figures=found), files)
    tell("done", 1.0)
    return verify(out)


def default_texts() -> dict[str, list[str]]:
    """Texts of shops that everybody has: the intent texts, and the titles of a grocer, if they are installed."""
    try:
        titles = product_titles()
    except ModuleNotFoundError:
        titles = []
    return {"titles": _sample(titles), "queries": _sample(intent_texts())}


def maps(titles: Floats, queries: Floats) -> tuple[Floats | None, Floats]:
    """The matrices (width, 512), None where zeros are added instead, and (512, 64), of unit rows (n, width)."""
    weight = np.sqrt(max(len(titles), 1) / max(len(queries), 1)) if len(titles) else 1.0
    rows = np.concatenate([titles, queries * np.float32(weight)])  # both kinds count alike
    wide = fit(rows, DIM) if rows.shape[1] > DIM else None
    return wide, fit(widened(rows, wide), COMPACT)


def widened(rows: Floats, wide: Floats | None) -> Floats:
    """Rows (n, width) as rows (n, 512), not scaled."""
    if wide is not None:
        return rows @ wide
    return np.pad(rows, ((0, 0), (0, DIM - rows.shape[1])))


def check(built: Artifact, checkpoint: Checkpoint, wide: Floats | None, texts: Mapping[str, Sequence[str]]) -> float:
    """Least cosine between what serving gives and what transformers gives, over some of the texts of either kind."""
    encoder = Encoder(built.path, "cpu", cache=1)
    worst = 1.0
    for kind, passages in (("titles", True), ("queries", False)):
        some = _sample(texts.get(kind, ()), CHECKED)
        if some:
            wanted = unit_rows(widened(checkpoint.encode(some, passages), wide))
            found = encoder.encode(some, passages).vector
            worst = min(worst, float((wanted * found).sum(axis=1).min()))
    return worst


def _enough(worst: float, precision: TextPrecision) -> None:
    if not worst >= LEAST[precision]:
        raise SessionError(
            f"The exported encoder agrees with transformers to a cosine of {worst:.4f}; expected {LEAST[precision]}.",
            "build it with --precision float32, or report it with the versions of torch and onnxruntime.",
        )


def _kept(queries: Floats, titles: Floats, wide: Floats | None, small: Floats) -> dict[str, float | str]:
    """What 64 numbers keep of the cosines between (some) queries and titles, on the texts of the fit."""
    if len(titles) < 100 or not len(queries):
        return {}
    some = unit_rows(widened(queries[:500], wide))
    return {f"compact_{k}": v for k, v in preservation(some, unit_rows(widened(titles, wide)), small).items()}


def _manifest(
    checkpoint: Checkpoint, graph: Path, precision: str, made: Mapping[str, str], texts: Mapping[str, Sequence[str]]
) -> Manifest:
    session = open_session(graph, "cpu")
    counted = ", ".join(f"{len(some)} {kind}" for kind, some in texts.items())
    return Manifest(
        kind="encoder",
        name=checkpoint.name,
        created_from={"weights": checkpoint.name, "precision": precision, "projection": counted, **made},
        inputs=session.inputs,
        outputs=session.outputs,
        licence="that of the weights",
    )


def _sample(texts: Sequence[str], most: int = FITTED) -> list[str]:
    texts = [text for text in texts if text.strip()]
    if len(texts) <= most:
        return texts
    chosen = np.random.default_rng(SEED).choice(len(texts), most, replace=False)
    return [texts[n] for n in np.sort(chosen)]
