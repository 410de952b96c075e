"""The artifacts that answer: where they lie, opening them, and composing ``Models`` of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from models.base.artifact import Artifact, current_version, verify
from models.base.errors import ArtifactError
from models.base.paths import DATA
from models.items.catalogue import Catalogue
from models.lore.query_lore import QueryLore
from models.ranking.ranker import Ranker
from models.serving import Models
from models.text.encoder import Encoder
from models.text.intent import IntentModel
from models.text.translations import Translations
from models.text.words import Words
from models.tower.column import TowerColumn
from models.tower.item_tower import ItemTower
from streams.artifacts.kinds import KINDS, OPTIONAL, OWN
from streams.policy.experiment_file import Experiment
from streams.settings import Settings


@dataclass(frozen=True, slots=True)
class Opened:
    """The models in use; ``tower``: None where none was built; ``intent_encoder``: the one that the intent head reads,
    None where that is ``encoder``.
    """

    encoder: Encoder
    intent: IntentModel
    ranker: Ranker
    tower: ItemTower | None = None
    intent_encoder: Encoder | None = None


def artifact_path(settings: Settings, kind: str) -> Path:
    """The shop's own comes before one built for all, in ``settings.artifact_folder``, and that before the one shipped
    in ``DATA/artifacts``.
    """
    for folder in (settings.own_artifacts, settings.artifact_folder):
        if (folder / kind / "manifest.json").is_file():
            return folder / kind
    shipped = DATA / "artifacts" / kind
    return shipped if shipped.is_dir() else settings.artifact_folder / kind


def built_path(settings: Settings, kind: str) -> Path:
    """Where an artifact of this kind is to be built: what learns from a shop's log is its own, the rest is shared."""
    return (settings.own_artifacts if kind in OWN else settings.artifact_folder) / kind


def open_artifacts(settings: Settings) -> Opened:
    """Open all of them. Raises ModelError with what is wrong and what to do."""
    ranker = Ranker(artifact_path(settings, "ranker"), settings.device, settings.threads)
    opened = open_reading(settings, ranker)
    return replace(opened, tower=open_tower(settings, opened.encoder.version))


def open_reading(settings: Settings, ranker: Ranker) -> Opened:
    """Open what reads texts, beside a ``ranker``; raises as ``open_artifacts``."""
    encoder, other = open_encoders(settings)
    own = other if head_encoder(settings) == "intent-encoder" else None
    intent = IntentModel(artifact_path(settings, "intent"), (own or encoder).version)
    return Opened(encoder, intent, ranker, intent_encoder=own)


def open_encoders(settings: Settings) -> tuple[Encoder, Encoder | None]:
    """The encoder, and that of the intent head where it or the encoder needs one; raises as ``open_artifacts``."""
    device, threads = settings.device, settings.threads
    Artifact.load(artifact_path(settings, "encoder"))  # where it is missing, it is named first
    other = None
    if "intent-encoder" in needed(settings):
        other = Encoder(artifact_path(settings, "intent-encoder"), device, threads=threads)
    return Encoder(artifact_path(settings, "encoder"), device, threads=threads, beside=other), other


def head_encoder(settings: Settings) -> str:
    """The kind of the encoder that the intent head reads: ``encoder`` if it was made for it, else ``intent-encoder``.

    Raises ModelError where there is no intent head.
    """
    wanted = Artifact.load(artifact_path(settings, "intent")).manifest.requires.get("encoder")
    there = current_version(artifact_path(settings, "encoder"))
    return "encoder" if wanted in (None, there) else "intent-encoder"


def needed(settings: Settings) -> list[str]:
    """The kinds that a worker needs here, each after those that it was made for."""
    encoder = artifact_path(settings, "encoder")
    beside = current_version(encoder) is not None and "intent-encoder" in Artifact.load(encoder).manifest.requires
    own = ["intent-encoder"] if beside or head_encoder(settings) == "intent-encoder" else []
    return [*own, *KINDS]


def check_fit(artifact: Artifact, versions: Mapping[str, str], settings: Settings) -> None:
    """Check that an artifact was made for those in use, by kind; raises ArtifactError if not."""
    for kind, version in versions.items():
        head = artifact.manifest.kind == "intent" and kind in ("encoder", "intent-encoder")
        if not head:
            artifact.require(kind, version)
        elif kind == head_encoder(settings):
            artifact.require("encoder", version)


def open_tower(settings: Settings, encoder: str) -> ItemTower | None:
    """The item tower, None where none was built; raises as ``open_artifacts``, also when it is of another encoder."""
    path = artifact_path(settings, "item-tower")
    return ItemTower(path, encoder) if current_version(path) is not None else None


def versions(settings: Settings) -> dict[str, str | None]:
    """The version of each artifact on disk, None where there is none."""
    return {kind: current_version(artifact_path(settings, kind)) for kind in (*KINDS, *OPTIONAL)}


def open_rankers(settings: Settings, experiment: Experiment) -> dict[str, Ranker]:
    """The ranker of each arm that has one of its own, by arm. Raises ModelError as ``open_artifacts`` does.

    They stay as they are until the worker starts again: an arm is not swapped under an experiment.
    """
    rankers = {}
    for arm in experiment.arms:
        if arm.ranker is None:
            continue
        kind = verify(arm.ranker).manifest.kind
        if kind != "ranker":
            remedy = f"name a ranker's folder in [arms.{arm.name}] settings of the experiment {experiment.name}."
            raise ArtifactError(arm.ranker, "kind", "ranker", kind, remedy)
        rankers[arm.name] = Ranker(arm.ranker, settings.device, settings.threads)
    return rankers


def open_models(
    settings: Settings, experiment: Experiment | None = None, opened: Opened | None = None, *, searched: bool = True
) -> Models:
    """Everything that answers, with an empty catalogue; ``opened``: artifacts that are open already.

    ``searched``: whether it is to search; without, it has no item tower. Raises ModelError as ``open_artifacts`` does.
    """
    artifacts = opened or open_artifacts(settings)
    return Models(
        catalogue=Catalogue(image_dim=settings.image_dim, encoder=artifacts.encoder.version),
        words=Words.load(),
        translations=Translations.load(),
        encoder=artifacts.encoder,
        intent=artifacts.intent,
        ranker=artifacts.ranker,
        intent_encoder=artifacts.intent_encoder,
        lore=QueryLore(settings.queries),
        rankers=open_rankers(settings, experiment) if experiment is not None else {},
        tower=TowerColumn(artifacts.tower) if searched and artifacts.tower is not None else None,
    )
