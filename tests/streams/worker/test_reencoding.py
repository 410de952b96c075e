"""What another encoder encoded is encoded again: by whom, in slices, and never over something newer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import msgspec
import numpy as np

from models.items.entries import Entry, decode_entry
from models.lore.known_queries import KnownQuery
from models.sample import sample_entry
from models.text.encoder import EncodedTexts, Encoder
from state.item_times import ItemTimes
from state.item_times import encode as encode_times
from state.keys import item_times
from state.store import Store
from streamrank_client.events import Item, encode
from streamrank_client.vocabulary import COMPACT, FIRST_ENCODER, WIDE, key
from streams.artifacts.tables import Tables
from streams.worker.reencoding import Reencoding
from streams.worker.stages.items import SLICE, ItemStage
from tests.support.composing import reading_models
from tests.support.stages import Kept, published, workplace

OTHER = "0123456789ab"


class Held:
    """A store over a dict."""

    def __init__(self, values: dict[bytes, bytes]) -> None:
        self.values = values

    async def read(self, names: Sequence[bytes]) -> list[bytes | None]:
        """What is held."""
        await asyncio.sleep(0)
        return [self.values.get(name) for name in names]

    async def write(self, pairs: Sequence[tuple[bytes, bytes]]) -> None:
        """Hold these."""
        self.values.update(pairs)

    async def write_expiring(self, pairs: Sequence[tuple[bytes, bytes]], seconds: int) -> None:
        """Hold these."""
        self.values.update(pairs)


class Counting:
    """An encoder whose vectors are ones, and that keeps the texts of each call."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def encode(self, texts: Sequence[str], passages: bool = False) -> EncodedTexts:
        """Ones."""
        self.calls.append(list(texts))
        return EncodedTexts(np.ones((len(texts), WIDE), "f4"), np.ones((len(texts), COMPACT), "f4"))


class Place:
    """Tables that encode, a store, a publisher, and what encodes again for the only partition."""

    def __init__(self, *entries: Entry, owned: Sequence[int] = (0,), held: dict[bytes, bytes] | None = None) -> None:
        self.encoder = Counting()
        self.tables = Tables(replace(reading_models(), encoder=cast(Encoder, self.encoder)), encodes=True)
        self.take(*entries)
        self.kept = Kept()
        self.at = workplace(cast(Store, Held(held or {})), self.kept, self.tables)
        self.stage = ItemStage(self.at)
        self.again = Reencoding(self.at, lambda: owned, self.stage.publishing)

    def take(self, *entries: Entry) -> None:
        """Take entries as they are read from the catalogue topic."""
        self.tables.take_items([(entry.item_id, entry) for entry in entries])

    def entries(self) -> list[Entry]:
        """What was published to the catalogue topic."""
        return [decode_entry(value) for value in self.kept.of(self.at.deployment.topics.catalogue.name)]


def foreign(number: int, **given: Any) -> Entry:
    """An entry of another encoder."""
    name = f"p{number}"
    entry = sample_entry("tea", item_id=name, key=key(name), time=5, encoder=OTHER)
    return msgspec.structs.replace(entry, **given)


async def test_items_are_encoded_again_in_slices_and_once() -> None:
    """All else of an entry stays; what was published is not published again, read back or not."""
    count = SLICE + 3
    place = Place(*(foreign(n, words=[["black"]], price=2.0, first_time=1) for n in range(count)))
    assert not place.tables.models.catalogue.vectors.any()
    assert await place.again.round() == count
    assert max(map(len, place.encoder.calls)) == SLICE
    found = place.entries()
    assert sorted(entry.item_id for entry in found) == sorted(f"p{n}" for n in range(count))
    for entry in found:
        assert (entry.encoder, entry.time, entry.first_time) == (FIRST_ENCODER, 5, 1)
        assert (entry.price, entry.words) == (2.0, [["black"]])
        assert np.frombuffer(entry.compact, "<f4").all()
    assert await place.again.round() == 0
    place.take(*found)
    assert place.tables.models.catalogue.vectors.all()
    assert await place.again.round() == 0
    assert len(place.entries()) == count


async def test_slices_are_small_while_queries_come_in() -> None:
    """So that none waits long for the processor."""
    place = Place(*(foreign(n) for n in range(SLICE)))
    place.at.traffic.came()
    assert await place.again.round() == SLICE
    assert max(map(len, place.encoder.calls)) < SLICE


async def test_only_the_owner_of_its_partition_encodes_an_item() -> None:
    """Else two workers with two encoders would answer each other for ever."""
    place = Place(foreign(1), owned=())
    assert await place.again.round() == 0
    assert place.kept.messages == []
    assert list(place.tables.foreign.items) == ["p1"]


async def test_a_newer_event_of_the_item_wins() -> None:
    """One that is handled while the older entry is encoded is the last that is published."""
    place = Place(foreign(1))
    event = Item(time=9, item_id="p1", title="green tea")
    await asyncio.gather(place.again.round(), place.stage.step(0, published([event])))
    assert place.entries()[-1].title == "green tea"
    assert place.entries()[-1].time == 9
    assert await place.again.round() == 0


async def test_an_item_of_which_something_newer_is_held_is_left_alone() -> None:
    """The owner before published an entry of it, which has not been read yet."""
    newer = ItemTimes(time=9, item=encode(Item(time=9, item_id="p1", title="green tea")))
    place = Place(foreign(1), held={item_times(0, "p1"): encode_times(newer)})
    assert await place.again.round() == 0
    assert place.kept.messages == []


async def test_entries_of_the_first_release_get_terms_and_group() -> None:
    """They have no terms but the title's, and nothing is held of them; one without a title is encoded by its words."""
    old = foreign(1, title="<b>Tea</b>", brand="Farm", attributes={"item_group_id": "teas"})
    place = Place(old, foreign(2, title="", brand="Farm", category=["Dairy", "Milk"]))
    assert await place.again.round() == 2
    one, two = sorted(place.entries(), key=lambda entry: entry.item_id)
    assert (one.title, one.tokens, one.group_id) == ("Tea", ["Tea"], "teas")
    assert ["Farm"] in one.words
    assert two.title == ""
    assert place.encoder.calls[0] == ["Tea", "Farm Milk Dairy"]


async def test_a_description_that_is_held_is_read_again() -> None:
    """An item without a title is encoded by it, as it was at first."""
    item = Item(time=5, item_id="p2", description="a green tea")
    held = {item_times(0, "p2"): encode_times(ItemTimes(time=5, item=encode(item)))}
    place = Place(foreign(2, title=""), held=held)
    assert await place.again.round() == 1
    assert place.encoder.calls[0] == ["a green tea"]


async def test_known_queries_are_encoded_again_where_they_are_searched() -> None:
    """Until then their vectors are absent; nothing is published."""
    place = Place()
    blank = np.eye(1, COMPACT, dtype="<f4").tobytes()
    place.tables.take_queries([("tea", KnownQuery("tea", key("tea"), 0, 6.0, [7], [6.0], blank, OTHER))])
    known = place.tables.models.lore.table
    assert not known.compact.any()
    await place.again.round()
    assert known.compact.all()
    assert known.texts == ["tea"]
    assert not place.tables.foreign.queries
    assert place.kept.messages == []
