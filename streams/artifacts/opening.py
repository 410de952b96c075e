"""The artifacts a worker uses: where they lie, opening them, and swapping in newer ones while it runs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from models.base.artifact import current_version, verify
from models.text.encoder import Encoder
from models.base.errors import ArtifactError, ModelError
from models.text.intent import IntentModel
from models.tower.item_tower import ItemTower
from models.ranking.ranker import Ranker
from streams.policy.experiment_file import Experiment
from streams.settings import Settings, checkout

if TYPE_CHECKING:
    from streams.handlers.brain import Brain

log = structlog.get_logger(__name__)

KINDS = ("encoder", "intent", "ranker")
#: what a worker uses where it is there
OPTIONAL = ("item-tower",)


@dataclass(frozen=True, slots=True)
class Opened:
    """The models in use; ``tower``: None where none was built."""

    encoder: Encoder
    intent: IntentModel
    ranker: Ranker
    tower: ItemTower | None = None


def artifact_path(settings: Settings, kind: str) -> Path:
    """A built artifact in ``settings.artifact_folder`` comes before the one shipped in ``data/artifacts``."""
    built = settings.artifact_folder / kind
    shipped = checkout() / "data" / "artifacts" / kind
    return built if (built / "manifest.json").is_file() or not shipped.is_dir() else shipped


def open_artifacts(settings: Settings) -> Opened:
    """Open all of them. Raises ModelError with what is wrong and what to do."""
    device = settings.device
    encoder = Encoder(artifact_path(settings, "encoder"), device, threads=settings.threads)  # type: ignore[arg-type]
    return Opened(
        encoder,
        IntentModel(artifact_path(settings, "intent"), encoder.version),
        Ranker(artifact_path(settings, "ranker"), device, settings.threads),  # type: ignore[arg-type]
        open_tower(settings, encoder.version),
    )


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
        rankers[arm.name] = Ranker(arm.ranker, settings.device, settings.threads)  # type: ignore[arg-type]
    return rankers


class Swapper:
    """Puts newer artifacts into a running worker's brain; one that does not verify leaves the old in place."""

    def __init__(self, settings: Settings, brain: Brain) -> None:
        self._settings = settings
        self._brain = brain
        self._known = self._refused = versions(settings)

    async def swap(self) -> bool:
        """As ``look``, on an event loop that goes on meanwhile; then the vectors of a new item tower, in slices."""
        # opening a model takes a moment: not on the event loop
        if not await asyncio.to_thread(self.look):
            return False
        for _ in iter(self._brain.grow, False):
            await asyncio.sleep(0)
        return True

    def look(self) -> bool:
        """Swap in what is new on disk. Returns whether anything was swapped.

        What is refused is looked at again the next time, in case it was still being copied, and logged once.
        """
        found = versions(self._settings)
        if found == self._known:
            return False
        try:
            for kind in found:
                if found[kind] not in (None, self._known[kind]):
                    verify(artifact_path(self._settings, kind))
            opened = open_artifacts(self._settings)
        except ModelError as error:
            self._refuse(found, str(error))
            return False
        if opened.encoder.version != self._brain.encoder.version:
            self._refuse(
                found, "a new encoder needs the item vectors anew: restart the workers, publish the items again"
            )
            return False
        old, self._known = self._known, found
        self._brain.intent, self._brain.ranker = opened.intent, opened.ranker
        if found["item-tower"] != old["item-tower"]:
            self._brain.replace_tower(opened.tower)
        log.info("artifacts swapped in", old=old, new=found)
        return True

    def _refuse(self, found: dict[str, str | None], reason: str) -> None:
        if found != self._refused:
            log.warning("new artifact refused, the old one stays", error=reason)
        self._refused = found
