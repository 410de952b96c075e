"""What the broadcast topics hold with vectors of another encoder than that in use."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from models.items.catalogue import Catalogue
from models.items.entries import encode_entry
from models.lore.known_queries import KnownQuery
from streams.artifacts.records import ItemRecord


class Foreign:
    """``items``: by id, the entries that are to be encoded again, without vectors and packed; ``queries``: by text,
    known queries likewise.
    """

    def __init__(self) -> None:
        self.items: dict[str, bytes] = {}
        self.queries: dict[str, KnownQuery] = {}

    def note_items(self, items: Iterable[ItemRecord], catalogue: Catalogue) -> None:
        """Records of the catalogue topic, in order, that the catalogue has taken."""
        for item_id, entry in items:
            if entry is None:
                self.items.pop(item_id, None)
            elif catalogue.stale(entry):
                continue
            elif entry.encoder == catalogue.encoder:
                self.items.pop(item_id, None)
            else:
                self.items[item_id] = encode_entry(msgspec.structs.replace(entry, vector=b"", compact=b""))

    def published(self, item_ids: Iterable[str]) -> None:
        """Entries of these items by the encoder in use are published."""
        for item_id in list(item_ids):
            self.items.pop(item_id, None)

    def note_query(self, query: KnownQuery, encoder: str) -> KnownQuery:
        """A record of the topic queries as ``encoder`` may use it: without its vector if that is of another one."""
        if query.encoder == encoder:
            self.queries.pop(query.text, None)
            return query
        self.queries[query.text] = without = msgspec.structs.replace(query, compact=bytes(len(query.compact)))
        return without
