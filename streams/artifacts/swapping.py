"""Newer artifacts swapped into a running worker; one that does not verify leaves the old in place."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

import structlog

from models.base.artifact import verify
from models.base.errors import ModelError
from streams.artifacts.opening import Opened, artifact_path, open_artifacts, versions
from streams.artifacts.tables import Tables
from streams.settings import Settings

log = structlog.get_logger(__name__)


class _Newer(NamedTuple):
    """What was found on disk, opened; ``tower``: whether the item tower is another one."""

    opened: Opened
    tower: bool


class Swapper:
    """Looks for newer artifacts and puts them into ``tables``."""

    def __init__(self, settings: Settings, tables: Tables) -> None:
        self._settings = settings
        self._tables = tables
        self._known = self._refused = versions(settings)

    async def swap(self) -> bool:
        """Swap in what is new on disk; the vectors of a new item tower follow in slices. Whether anything was.

        What is refused is looked at again the next time, in case it was still being copied, and logged once.
        """
        # opening a model takes a moment: not on the event loop; it is put in place on it
        newer = await asyncio.to_thread(self._newer)
        if newer is None:
            return False
        self._tables.swap(newer.opened, tower=newer.tower)
        for _ in iter(self._tables.grow, False):
            await asyncio.sleep(0)
        return True

    def _newer(self) -> _Newer | None:
        """Newer artifacts, verified and opened; None where there are none, or they are refused."""
        found = versions(self._settings)
        if found == self._known:
            return None
        try:
            for kind in found:
                if found[kind] not in (None, self._known[kind]):
                    verify(artifact_path(self._settings, kind))
            opened = open_artifacts(self._settings)
        except ModelError as error:
            self._refuse(found, str(error))
            return None
        if opened.encoder.version != self._tables.models.encoder.version:
            self._refuse(
                found, "a new encoder needs the item vectors anew: restart the workers, publish the items again"
            )
            return None
        old, self._known = self._known, found
        log.info("artifacts swapped in", old=old, new=found)
        return _Newer(opened, found["item-tower"] != old["item-tower"])

    def _refuse(self, found: dict[str, str | None], reason: str) -> None:
        if found != self._refused:
            log.warning("new artifact refused, the old one stays", error=reason)
        self._refused = found
