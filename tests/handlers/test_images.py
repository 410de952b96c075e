"""Images through the handlers: items that carry them, queries that ask with them, what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from models.features.registry import INDEX
from models.items.catalogue import Catalogue, decode_entry
from models.ranking.weights import INPUTS
from state import keys
from streamrank_client.answers import Answer
from streamrank_client.errors import InvalidEvent
from streamrank_client.events import Item, Query, encode
from streamrank_client.making import behavior
from streams.handlers.asking import new_ask, surface_of
from streams.handlers.brain import Brain
from streams.handlers.catalogue import ItemChanges, Understand, on_items
from streams.handlers.images import item_image, query_image, unit_image
from streams.handlers.queries import on_queries
from streams.wire.messages import Record
from tests.data.small_log import START, items
from tests.handlers.driving import TOPIC, Ingest, records, run

DIM = 24
NOW = START + 10 * 60_000
_RANDOM = np.random.default_rng(12).standard_normal((80, DIM))
#: one picture each, of any length; every fifth item has none
PICTURES = [(row * (n + 1)).tolist() if n % 5 else None for n, row in enumerate(_RANDOM)]


def published(brain: Brain, dim: int) -> list[tuple[bytes, bytes | None]]:
    """The catalogue records of 80 items with pictures, understood by a worker whose images have ``dim`` numbers."""
    how = replace(brain, catalogue=Catalogue(image_dim=dim)).understand_items()
    made: list[Record] = []
    for n, item in enumerate(items()):
        item.image_vector = PICTURES[n]
        made.append((item.item_id.encode(), encode(item), n, item.time, ()))
    changes = on_items(made, -1, "item-events", 0, "catalogue", how)
    assert changes.dead == []
    return [(message.key or b"", message.value) for message in changes.messages]


@pytest.fixture(scope="session")
def gallery(shelf: Brain) -> Brain:
    """The models in use, with a catalogue of 80 items, 64 of which have an image of 24 numbers."""
    mine = replace(shelf, catalogue=Catalogue(image_dim=DIM))
    mine.apply_catalogue(published(shelf, DIM))
    return mine


def picture(n: int, noise: float = 0.2) -> list[float]:
    """What looks like item n, in other units."""
    blur = np.random.default_rng(n).standard_normal(DIM)
    found: list[float] = (0.01 * (_RANDOM[n] + noise * blur)).tolist()
    return found


def answer(brain: Brain, stored: dict[bytes, bytes] | None = None, **given: object) -> Answer:
    """The answer to one query."""
    query = Query(**{"time": NOW, "request_id": "r1", "user_id": "u1", "limit": 20, **given})  # type: ignore[arg-type]
    answers, _ = run(on_queries([query], 0, TOPIC, brain), (stored or {}).get)
    return answers.answers[0]


def clicked(*names: str) -> dict[bytes, bytes]:
    """What is stored after u1 clicked items, one a minute."""
    ingest = Ingest()
    events = [
        behavior("click", event_id=f"e{n}", user_id="u1", item_id=name, time=START + n * 60_000)
        for n, name in enumerate(names)
    ]
    ingest.fold(records(events))
    assert ingest.mark is not None
    return {**ingest.stored, keys.watermark(0, TOPIC): ingest.mark}


def test_a_query_by_image_alone_is_a_search() -> None:
    """As a text is; what names items goes before it."""
    query = Query(time=0, request_id="r", image_vector=[1.0])
    assert surface_of(query) == "search"
    assert surface_of(Query(time=0, request_id="r", image_vector=[1.0], item_id="p1")) == "similar"
    assert surface_of(Query(time=0, request_id="r", image_vector=[1.0], surface="home")) == "home"


def test_a_query_by_image_alone_finds_the_look_alike_first(gallery: Brain) -> None:
    """Whatever else the user likes; the source and the adjustment are named, and reasons add up."""
    for n in (1, 9, 33, 58, 78):
        found = answer(gallery, clicked("p2", "p3"), image_vector=picture(n), explain=True)
        assert found.surface == "search"
        assert found.intent is None
        assert found.items[0].item_id == f"p{n}"
        assert "image" in found.items[0].sources
        for item in found.items:
            assert sum((item.reasons or {}).values()) == pytest.approx(item.score, abs=1e-3)
        assert (found.items[0].reasons or {})["image_match"] > 1
        assert (found.items[0].features or {})["image"] > 0.9


def test_the_order_of_an_image_search_follows_the_cosine(gallery: Brain) -> None:
    """The nearest stand before the farthest; an item without an image was not found by image."""
    found = answer(gallery, image_vector=picture(9), limit=60, explain=True)
    cosines = [(item.features or {}).get("image", 0.0) for item in found.items]
    assert np.corrcoef(cosines, -np.arange(len(cosines)))[0, 1] > 0.8
    for item in found.items:
        if int(item.item_id[1:]) % 5 == 0:
            assert "image" not in item.sources
            assert "image" not in (item.features or {})


def test_text_and_image_are_fused(gallery: Brain) -> None:
    """Both sources give candidates; of the items that the text names, the one that looks alike comes first."""
    both = answer(gallery, text="milk", image_vector=picture(41), explain=True)
    sources = {source for item in both.items for source in item.sources}
    assert {"image", "lexical"} <= sources
    text = [item.item_id for item in answer(gallery, text="coffee").items]
    alike = text[-1] if int(text[-1][1:]) % 5 else text[-2]
    fused = [item.item_id for item in answer(gallery, text="coffee", image_vector=picture(int(alike[1:]))).items]
    assert fused.index(alike) < text.index(alike)
    alone = [item.item_id for item in answer(gallery, image_vector=picture(int(alike[1:]))).items]
    assert fused != alone


def test_similar_and_home_use_images_of_items(gallery: Brain) -> None:
    """The anchor's image on similar, those of what the user liked on home and cart."""
    for given in ({"item_id": "p9"}, {"cart": ["p9"]}, {}):
        found = answer(gallery, clicked("p9"), explain=True, limit=60, **given)
        named = {item.item_id: item for item in found.items if "image" in item.sources}
        assert named
        cosine = gallery.catalogue.images.cosines
        own = gallery.catalogue.images.vectors(np.array([9]))[0]
        for name, item in named.items():
            expected = cosine(np.array([gallery.catalogue.row(name)]), own)[0]
            assert (item.features or {})["image"] == pytest.approx(float(expected), abs=1e-3)


def test_the_online_ranker_learns_from_the_image_score() -> None:
    """It is one of its inputs, and a feature."""
    assert "image" in INPUTS
    assert {"image", "like_image_newest"} <= set(INDEX)


def test_the_same_image_gets_the_same_bytes(gallery: Brain) -> None:
    """Asked twice, in whatever units the vector comes."""
    first = answer(gallery, clicked("p2"), image_vector=picture(9), text="milk")
    again = answer(gallery, clicked("p2"), image_vector=picture(9), text="milk")
    larger = answer(gallery, clicked("p2"), image_vector=[4 * v for v in picture(9)], text="milk")
    assert encode(first) == encode(again) == encode(larger)


def handled(vector: Sequence[float] | None, dim: int) -> ItemChanges:
    """The changes that one item leads to."""

    def encode_texts(texts: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return np.ones((len(texts), 512), np.float32), np.ones((len(texts), 64), np.float32)

    item = Item(time=NOW, item_id="p1", title="tea", image_vector=None if vector is None else list(vector))
    record: Record = (b"p1", encode(item), 0, NOW, ())
    return on_items([record], -1, "item-events", 0, "catalogue", Understand(encode_texts, str.split, dim))


def test_an_items_image_is_kept_at_unit_length() -> None:
    """In float16; without an image the entry has none, and so where images are off."""
    entry = decode_entry(handled([3.0, 4.0], 2).messages[0].value or b"")
    assert np.frombuffer(entry.image, "<f2").tolist() == pytest.approx([0.6, 0.8], abs=1e-3)
    assert decode_entry(handled(None, 2).messages[0].value or b"").image == b""
    off = handled([3.0, 4.0], 0)
    assert off.dead == []
    assert decode_entry(off.messages[0].value or b"").image == b""


@pytest.mark.parametrize(("vector", "said"), [([1.0], "has 1 numbers"), ([0.0, 0.0], "is all zeros")], ids=str)
def test_an_item_with_a_wrong_image_is_a_dead_letter(vector: list[float], said: str) -> None:
    """It names the field and the setting; the item is not half taken."""
    changes = handled(vector, 2)
    assert changes.messages == []
    (letter,) = changes.dead
    assert (letter.code, letter.field) == ("invalid", "image_vector")
    assert said in letter.reason
    assert "STREAMRANK_IMAGE_DIM" in letter.reason


def test_a_wrong_image_in_a_query_is_an_error() -> None:
    """Of another length, of no direction, or where images are off."""
    for vector, dim in (([1.0], 2), ([0.0, 0.0], 2), ([float("inf"), 1.0], 2), ([float("nan"), 1.0], 2), ([1.0], 0)):
        with pytest.raises(InvalidEvent, match="STREAMRANK_IMAGE_DIM") as error:
            query_image(vector, dim)
        assert error.value.field == "image_vector"
    assert query_image(None, 0) is None
    with pytest.raises(InvalidEvent):
        new_ask(Query(time=0, request_id="r", image_vector=[1.0]), Catalogue(image_dim=3))


def test_very_large_and_very_small_numbers_have_a_direction() -> None:
    """Their squares would overflow or vanish."""
    for size in (1e300, 1e-300, 1.0):
        assert unit_image([3 * size, 4 * size], 2).tolist() == pytest.approx([0.6, 0.8])
    assert len(item_image([1e300, 1.0], 2)) == 4


def test_images_of_another_model_in_the_catalogue_are_left_out(shelf: Brain) -> None:
    """After the setting changed, until the items are published again: searched by text, not by image."""
    new = replace(shelf, catalogue=Catalogue(image_dim=DIM + 1))
    new.apply_catalogue(published(shelf, DIM))
    assert new.catalogue.images.odd == 64
    assert len(answer(new, text="milk").items) == 20
