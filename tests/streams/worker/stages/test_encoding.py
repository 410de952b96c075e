"""Items are encoded beside the event loop, and published as one at a time would be."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import numpy as np

from models.text.encoder import EncodedTexts, Encoder
from state.store import Store
from streamrank_client.events import Delete, Item
from streams.artifacts.tables import Tables
from streams.wire.messages import Batch, Record
from streams.worker.stages.items import ItemStage
from tests.support.composing import reading_models
from tests.support.driving import DEPLOYMENT, batch_of
from tests.support.stages import Kept, published, workplace


class Remembering:
    """An encoder that remembers texts as the real one does, and in which thread each was encoded."""

    def __init__(self) -> None:
        self.threads: dict[str, int] = {}

    def encode(self, texts: Sequence[str], passages: bool = False) -> EncodedTexts:
        """A text's vector is its length."""
        assert passages
        for text in texts:
            self.threads.setdefault(text, threading.get_ident())
        sizes = np.array([[len(text)] for text in texts], "f4").reshape(-1, 1)
        return EncodedTexts(np.repeat(sizes, 512, axis=1), np.repeat(sizes, 64, axis=1))


class Empty:
    """A store that holds nothing, and keeps nothing."""

    async def read(self, names: Sequence[bytes]) -> list[bytes | None]:
        """Nothing is there."""
        return [None] * len(names)

    async def write(self, pairs: object) -> None:
        """Forget it."""

    async def write_expiring(self, pairs: object, seconds: int) -> None:
        """Forget it."""


async def outcome(batch: Batch) -> tuple[Remembering, Kept]:
    """What a stage publishes for a batch, and what encoded it."""
    encoder, publisher = Remembering(), Kept()
    tables = Tables(replace(reading_models(), encoder=cast(Encoder, encoder)))
    await ItemStage(workplace(cast(Store, Empty()), publisher, tables)).step(0, batch)
    return encoder, publisher


async def test_texts_are_encoded_in_other_threads() -> None:
    """Every title, and the words of an item without one; nothing is left for the event loop."""
    items = [Item(time=1, item_id=f"p{n}", title=f"tea {n}") for n in range(5)]
    encoder, _ = await outcome(
        published([*items, Item(time=1, item_id="q", brand="Farm"), Delete(time=1, item_id="r")])
    )
    assert encoder.threads.keys() == {*(item.title for item in items), "Farm"}
    assert threading.get_ident() not in encoder.threads.values()


async def test_a_record_that_is_broken_stops_nothing() -> None:
    """It becomes a dead letter, a tombstone a tombstone; the item beside them is published."""
    records = [Record(b"a", b"{", 0, 1), Record(b"b", None, 1, 1)]
    (item,) = published([Item(time=1, item_id="c", title="tea")], first=2)
    encoder, publisher = await outcome(batch_of([*records, item]))
    assert encoder.threads.keys() == {"tea"}
    topics = [message.topic for message in publisher.messages]
    assert topics == [DEPLOYMENT.topics.catalogue.name] * 2 + [DEPLOYMENT.topics.dead_letters.name]
