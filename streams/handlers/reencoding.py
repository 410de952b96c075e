"""Items whose vectors another encoder made: the same entries with those of the one in use."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from models.items import texts
from models.items.entries import Entry
from models.serving import Models
from models.text.markup import plain
from state.item_times import ItemTimes
from state.item_times import decode as decode_times
from streamrank_client.events import Item
from streams.handlers.catalogue import encoded_text
from streams.handlers.item_changes import group_of, merged

__all__ = ["HeldEntry", "encoded_again", "held_entry"]


class HeldEntry(msgspec.Struct, frozen=True):
    """An entry and the item that it was made of; ``newer``: whether what is held of the item is of later date, so that
    an entry of that is on its way.
    """

    entry: Entry
    item: Item
    newer: bool

    @property
    def text(self) -> str:
        """What is encoded of it."""
        return encoded_text(self.item)


def held_entry(entry: Entry, stored: bytes | None) -> HeldEntry:
    """An entry beside what is stored of its item; entries of streamrank 0.1 have nothing stored, and speak for
    themselves.
    """
    try:
        held = decode_times(stored)
    except msgspec.DecodeError:
        held = ItemTimes()
    item = merged(held) or Item(
        time=entry.time,
        item_id=entry.item_id,
        title=entry.title,
        brand=entry.brand,
        category=entry.category,
        attributes=entry.attributes,
    )
    return HeldEntry(entry, item, held.newest > entry.time)


def encoded_again(found: Sequence[HeldEntry], models: Models) -> list[Entry]:
    """The entries with vectors of the encoder in use, and with terms and a group where they are too old to have any."""
    encoded = models.encoder.encode([one.text for one in found], passages=True)
    return [
        msgspec.structs.replace(
            _brought_up(one, models),
            vector=encoded.vector[n].astype("<f2").tobytes(),
            compact=encoded.compact[n].astype("<f4").tobytes(),
            encoder=models.catalogue.encoder,
        )
        for n, one in enumerate(found)
    ]


def _brought_up(one: HeldEntry, models: Models) -> Entry:
    """The entry, or what an item event of now would make of one that streamrank 0.1 wrote."""
    entry, item = one.entry, one.item
    if entry.words:
        return entry
    title = plain(item.title)
    terms = texts.fields(models.words, title, item.brand, item.category, item.attributes, item.description)
    return msgspec.structs.replace(
        entry, title=title, tokens=terms[0], words=terms[1:], group_id=entry.group_id or group_of(item)
    )
