"""Building the artifacts: encoder, intent, ranker, item tower, image encoder.

All but the default encoder need extra `train`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from models.base.artifact import Artifact
from models.text.encoder import Encoder
from models.text.encoder_build import BuildSteps, build_encoder
from models.text.intent import IntentModel
from streamrank_client.errors import SettingsError
from streams.artifacts.opening import Opened, artifact_path, open_models, open_tower
from streams.offline.building.encoders import EncoderOrder, build_encoder_of
from streams.offline.building.towers import build_item_tower
from streams.policy.deployment import Deployment
from streams.settings import Settings

__all__ = ["BuildSteps", "build", "ensure_encoder"]


async def build(
    kind: str,
    settings: Settings,
    out: Path,
    steps: BuildSteps,
    *,
    log: Path | None = None,
    lists: int = 15_000,
    seed: int = 0,
    data: Path | None = None,
    test: Path | None = None,
    source: Path | None = None,
    precision: str = "float32",
    encoder: EncoderOrder | None = None,
    position_bias: bool = False,
    until: int | None = None,
) -> Artifact:
    """Build the artifact of ``kind`` into the folder ``out``.

    ``log`` (ranker, item-tower): the event log to learn from; ``until`` (item-tower): leave out what is later, Unix ms;
    ``lists`` (ranker): rankings sampled from the log; ``position_bias``: learn from
    what was chosen of the answers in it, each by the inverse examination of its position. ``data`` (intent): labelled
    texts, by default the shipped ones, and ``test``: those that judge, by default a fifth of ``data``.
    ``source`` (image-encoder): a Hugging Face folder with a vision tower; ``precision`` (image-encoder, ranker): that
    of the graph. ``encoder``: the checkpoint that is wanted instead of the default encoder.
    Raises SettingsError where the log or the extra `train` is missing or a ranker cannot have the ``precision``,
    ModelError and LogError where they cannot be used.
    """
    if kind == "ranker" and precision not in ("float32", "float16"):
        raise SettingsError(
            f"artifact build ranker: --precision is '{precision}', and a ranker is float32 or float16: "
            "leave the option out, or give --precision float16 for workers on CUDA"
        )
    if kind == "encoder" and (encoder is None or encoder.default):
        return build_encoder(out, steps)
    if find_spec("torch") is None:
        raise SettingsError(
            f"artifact build {kind} needs torch: install the extra `train` (in a checkout: make test-install)"
        )
    if kind == "encoder" and encoder is not None:
        return build_encoder_of(encoder, out, steps)
    if kind == "intent":
        return _intent(settings, out, steps, data, test)
    if kind == "image-encoder":
        return _image_encoder(out, source, precision, steps)
    if log is None:
        raise SettingsError(f"artifact build {kind} learns from an event log: name it with --log LOG")
    if kind == "item-tower":
        return build_item_tower(settings, out, log, seed, until, steps)
    return await _ranker(settings, out, log, lists, seed, steps, position_bias, precision)


def _intent(settings: Settings, out: Path, steps: BuildSteps, data: Path | None, test: Path | None) -> Artifact:
    from models.training.intent import PRODUCT_TEXTS, TEST, TRAIN, train_intent

    steps("training", 0.0)
    train, judge = (data, test) if data else (TRAIN, test or TEST)
    products = PRODUCT_TEXTS if data is None else None
    return train_intent(train, judge, _encoder(settings), out, lambda share: steps("training", share), products)


def _image_encoder(out: Path, source: Path | None, precision: str, steps: BuildSteps) -> Artifact:
    if source is None:
        raise SettingsError("artifact build image-encoder exports a model: name its Hugging Face folder with --from")
    from models.training.image_encoder import build_image_encoder

    return build_image_encoder(source, out, precision, steps)  # type: ignore[arg-type]


async def _ranker(
    settings: Settings,
    out: Path,
    log: Path,
    lists: int,
    seed: int,
    steps: BuildSteps,
    position_bias: bool,
    precision: str,
) -> Artifact:
    """Log rankings while replaying ``log`` on an embedded Valkey, then train on them."""
    from models.training.ranker import SIZES, train
    from streamrank_client.logs import input_lines, read_lines
    from streams.offline.building.chosen_answers import chosen_answers
    from streams.offline.building.rankings import LoggedLists, Unranked, log_rankings
    from streams.offline.servers import EmbeddedRedis

    answers = None
    if position_bias:
        deployment = Deployment.of(settings)
        answers = chosen_answers(log.name, read_lines(log), deployment.join_ms, deployment.skew_ms)
    plan = LoggedLists(lists=lists, seed=seed, chosen=answers.lists if answers is not None else None)
    encoder = _encoder(settings)
    intent = IntentModel(artifact_path(settings, "intent"), encoder.version)
    unranked: Any = Unranked()  # lists are logged as they are found, before any ranking
    opened = Opened(encoder, intent, unranked, open_tower(settings, encoder.version))
    with EmbeddedRedis() as redis:
        rankings, _ = await log_rankings(
            input_lines(log), settings, redis.redis, open_models(settings, opened=opened), plan,
            lambda done, total: steps("logging rankings", done / max(total, 1)),
        )  # fmt: skip
    steps("logging rankings", 1.0)
    about = answers.examination() if answers is not None else {}
    train(
        rankings, out, seed, lambda done, total, _: steps("training", done / max(total, 1)), log.name, SIZES, about,
        precision,  # type: ignore[arg-type]
    )  # fmt: skip
    return Artifact.load(out)


def ensure_encoder(settings: Settings, steps: Callable[[], AbstractContextManager[BuildSteps]]) -> None:
    """Build the encoder artifact unless it is there; ``steps`` opens a progress bar if it is built."""
    path = artifact_path(settings, "encoder")
    if not (path / "manifest.json").is_file():
        with steps() as progress:
            build_encoder(path, progress)


def _encoder(settings: Settings) -> Encoder:
    return Encoder(artifact_path(settings, "encoder"), "cpu")
