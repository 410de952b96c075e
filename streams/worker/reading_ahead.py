"""Texts of queries are encoded beside the event loop while they wait for their turn and for Redis."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from models.serving import Models
from streamrank_client.events import Query

__all__ = ["ReadingAhead"]


class ReadingAhead:
    """One thread that has the encoders remember texts. Who understands such a text later finds its vector there; the
    bytes are the same in whatever thread.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "encoder")

    def begin(self, query: Query, models: Models) -> asyncio.Future[None] | None:
        """Done once the query's text is encoded; None where it has none. Must be called in the event loop."""
        if query.suggest or not query.text.strip():
            return None
        try:
            read = models.reading(query.text)
        except Exception:
            return None  # it goes wrong again where the query is answered, and is told there
        return asyncio.get_running_loop().run_in_executor(self._thread, read)
