"""Building the artifacts: encoder, intent, ranker, item tower, image encoder.

All but the default encoder need extra `train`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from models.base.artifact import Artifact, current_version
from models.ranking.floor import for_others
from models.text.e5_build import build_e5
from models.text.encoder import Encoder
from models.text.encoder_build import BuildSteps, build_encoder
from streamrank_client.errors import SettingsError
from streams.artifacts.opening import artifact_path, needed, open_models, open_reading, open_tower
from streams.offline.building.encoders import EncoderOrder, build_encoder_of, build_without_torch
from streams.offline.building.towers import build_item_tower
from streams.policy.deployment import Deployment
from streams.settings import Settings

__all__ = ["BuildSteps", "build", "ensure_encoders"]


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
    for_other_shops: bool = False,
) -> Artifact:
    """Build the artifact of ``kind`` into the folder ``out``.

    ``log`` (ranker, item-tower): the event log to learn from; ``until`` (item-tower): leave out what is later, Unix ms;
    ``lists`` (ranker): rankings sampled from the log; ``position_bias``: learn from
    what was chosen of the answers in it, each by the inverse examination of its position. ``data`` (intent): labelled
    texts, by default the shipped ones, and ``test``: those that judge, by default a fifth of ``data``.
    ``for_other_shops`` (ranker): put the floor under it for shops whose log it has not learnt; then ``source`` may be
    a ranker that is trained already. ``source`` (image-encoder): a Hugging Face folder with a vision tower;
    ``precision`` (image-encoder, ranker): that of the graph. ``encoder``: the checkpoint that is wanted instead of the
    default encoder.
    Raises SettingsError where the log or the extra `train` is missing or a ranker cannot have the ``precision``,
    ModelError and LogError where they cannot be used.
    """
    if kind == "ranker" and precision not in ("float32", "float16"):
        raise SettingsError(
            f"artifact build ranker: --precision is '{precision}', and a ranker is float32 or float16: "
            "leave the option out, or give --precision float16 for workers on CUDA"
        )
    if kind == "ranker" and source is not None:
        if not for_other_shops:
            raise SettingsError(
                "artifact build ranker: --from takes a ranker that is trained already: add --for-other-shops, or train "
                "one with --log LOG"
            )
        return for_others(Artifact.load(source), out)
    if kind in ("encoder", "intent-encoder"):
        built = build_without_torch(kind, encoder or EncoderOrder(), out, steps)
        if built is not None:
            return _with_heads_own(kind, settings, built, steps)
    if find_spec("torch") is None:
        raise SettingsError(
            f"artifact build {kind} needs torch: install the extra `train` (in a checkout: make test-install)"
        )
    if kind in ("encoder", "intent-encoder"):
        return _with_heads_own(kind, settings, build_encoder_of(encoder or EncoderOrder(), out, steps), steps)
    if kind == "intent":
        return _intent(settings, out, steps, data, test)
    if kind == "image-encoder":
        return _image_encoder(out, source, precision, steps)
    if log is None:
        raise SettingsError(f"artifact build {kind} learns from an event log: name it with --log LOG")
    if kind == "item-tower":
        return build_item_tower(settings, out, log, seed, until, steps)
    trained = await _ranker(settings, out, log, lists, seed, steps, position_bias, precision)
    return for_others(trained, out) if for_other_shops else trained


def _intent(settings: Settings, out: Path, steps: BuildSteps, data: Path | None, test: Path | None) -> Artifact:
    from models.training.intent import train_intent
    from models.training.intent_data import PRODUCT_TEXTS, TEST, TRAIN

    steps("training", 0.0)
    train, judge = (data, test) if data else (TRAIN, test or TEST)
    kind = "encoder" if current_version(artifact_path(settings, "intent-encoder")) is None else "intent-encoder"
    encoder = Encoder(artifact_path(settings, kind), "cpu")
    products = PRODUCT_TEXTS if data is None else None
    return train_intent(train, judge, encoder, out, lambda share: steps("training", share), products)


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
    unranked: Any = Unranked()  # lists are logged as they are found, before any ranking
    opened = open_reading(settings, unranked)
    opened = replace(opened, tower=open_tower(settings, opened.encoder.version))
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


def _silently() -> AbstractContextManager[BuildSteps]:
    return nullcontext(lambda step, share: None)


def ensure_encoders(settings: Settings, steps: Callable[[], AbstractContextManager[BuildSteps]] = _silently) -> None:
    """Build the encoder, and that of the intent head, where they are missing; ``steps`` opens a bar for each."""
    if current_version(artifact_path(settings, "encoder")) is None:
        with steps() as progress:
            build_e5(artifact_path(settings, "encoder"), progress)
    if "intent-encoder" in needed(settings) and current_version(artifact_path(settings, "intent-encoder")) is None:
        with steps() as progress:
            build_encoder(artifact_path(settings, "intent-encoder"), progress)


def _with_heads_own(kind: str, settings: Settings, built: Artifact, steps: BuildSteps) -> Artifact:
    """An encoder that was built where workers look; beside it that of the intent head, if it is another and missing."""
    if kind == "encoder" and built.path == artifact_path(settings, kind):
        ensure_encoders(settings, lambda: nullcontext(steps))
    return built
