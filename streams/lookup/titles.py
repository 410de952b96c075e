"""Titles of items, for people who read answers: from what Redis holds of the items."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

import msgspec
from redis.exceptions import RedisError

from state import keys
from state.item_times import decode
from streamrank_client.partitioner import partition_for
from streams.handlers.item_changes import merged
from streams.settings import Settings
from streams.stores import open_store

__all__ = ["ItemTitles"]

#: nobody waits longer for titles, in seconds
PATIENCE_S: Final = 1.0


class ItemTitles:
    """Looks titles up; an async context manager. Where Redis does not answer, there are none from then on."""

    def __init__(self, settings: Settings) -> None:
        self._partitions = settings.partitions
        self._store = open_store(settings, look_only=True)
        self._away = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._store.close()

    async def of(self, item_ids: Sequence[str], patience_s: float = PATIENCE_S) -> dict[str, str]:
        """The titles of those items that are held and have one, by id."""
        if self._away or not item_ids:
            return {}
        wanted = [keys.item_times(partition_for(name.encode(), self._partitions), name) for name in item_ids]
        try:
            async with asyncio.timeout(max(0.0, min(patience_s, PATIENCE_S))):
                values = await self._store.read(wanted, lambda error: None)
        except (RedisError, OSError, TimeoutError):
            self._away = True
            return {}
        titles = {name: _title(value) for name, value in zip(item_ids, values, strict=True) if value is not None}
        return {name: title for name, title in titles.items() if title}


def _title(value: bytes) -> str:
    """The title in what is stored of an item; empty where there is none to be read."""
    try:
        item = merged(decode(value))
    except msgspec.DecodeError:
        return ""
    return item.title if item is not None else ""
