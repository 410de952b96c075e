"""Images through the handlers: items that carry them, queries that ask with them, what is refused."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from models.features.registry import INDEX
from models.items.catalogue import Catalogue, decode_entry
from models.lore.query_lore import QueryLore
from models.ranking.weights import INPUTS
from streamrank_client.answers import Answer
from streamrank_client.errors import InvalidEvent
from streamrank_client.events import Item, Query, encode
from streamrank_client.making import behavior
from streams.handlers.asking import asked_query
from streams.handlers.catalogue import ItemChanges, on_items
from streams.handlers.images import item_image, query_image, unit_image
from streams.handlers.steps import run_on
from streams.policy.plans import plan_of
from streams.settings import Settings
from tests.support.composing import Answering, item_records, reading_models, take_changes, understood
from tests.support.driving import DEPLOYMENT, Ingest, records
from tests.support.small_log import START, items

DIM = 24
NOW = START + 10 * 60_000
_RANDOM = np.random.default_rng(12).standard_normal((80, DIM))
#: one picture each, of any length; every fifth item has none
PICTURES = [(row * (n + 1)).tolist() if n % 5 else None for n, row in enumerate(_RANDOM)]


def with_pictures() -> list[Item]:
    """80 items, 64 of which have a picture."""
    shelf = items()
    for n, item in enumerate(shelf):
        item.image_vector = PICTURES[n]
    return shelf


@pytest.fixture(scope="session")
def gallery(shelf: Answering) -> Answering:
    """The models in use, with a catalogue of 80 items, 64 of which have an image of 24 numbers."""
    mine = shelf.with_models(catalogue=Catalogue(image_dim=DIM), lore=QueryLore())
    mine.take(*with_pictures())
    return mine


def picture(n: int, noise: float = 0.2) -> list[float]:
    """What looks like item n, in other units."""
    blur = np.random.default_rng(n).standard_normal(DIM)
    found: list[float] = (0.01 * (_RANDOM[n] + noise * blur)).tolist()
    return found


def answer(shop: Answering, stored: dict[bytes, bytes] | None = None, **given: object) -> Answer:
    """The answer to one query."""
    query = Query(**{"time": NOW, "request_id": "r1", "user_id": "u1", "limit": 20, **given})  # type: ignore[arg-type]
    return shop.answer(query, stored)


def clicked(*names: str) -> dict[bytes, bytes]:
    """What is stored after u1 clicked items, one a minute."""
    ingest = Ingest()
    events = [
        behavior("click", event_id=f"e{n}", user_id="u1", item_id=name, time=START + n * 60_000)
        for n, name in enumerate(names)
    ]
    ingest.fold(records(events))
    return ingest.all_stored


def test_a_query_by_image_alone_is_a_search() -> None:
    """As a text is; what names items goes before it."""
    query = Query(time=0, request_id="r", image_vector=[1.0])
    assert query.answered_on == "search"
    assert Query(time=0, request_id="r", image_vector=[1.0], item_id="p1").answered_on == "similar"
    assert Query(time=0, request_id="r", image_vector=[1.0], surface="home").answered_on == "home"


def test_a_query_by_image_alone_finds_the_look_alike_first(gallery: Answering) -> None:
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


def test_the_order_of_an_image_search_follows_the_cosine(gallery: Answering) -> None:
    """The nearest stand before the farthest; an item without an image was not found by image."""
    found = answer(gallery, image_vector=picture(9), limit=60, explain=True)
    cosines = [(item.features or {}).get("image", 0.0) for item in found.items]
    assert np.corrcoef(cosines, -np.arange(len(cosines)))[0, 1] > 0.8
    for item in found.items:
        if int(item.item_id[1:]) % 5 == 0:
            assert "image" not in item.sources
            assert "image" not in (item.features or {})


def test_text_and_image_are_fused(gallery: Answering) -> None:
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


def test_similar_and_home_use_images_of_items(gallery: Answering) -> None:
    """The anchor's image on similar, those of what the user liked on home and cart."""
    for given in ({"item_id": "p9"}, {"cart": ["p9"]}, {}):
        found = answer(gallery, clicked("p9"), explain=True, limit=60, **given)
        named = {item.item_id: item for item in found.items if "image" in item.sources}
        assert named
        cosine = gallery.models.catalogue.images.cosines
        own = gallery.models.catalogue.images.vectors(np.array([9]))[0]
        for name, item in named.items():
            expected = cosine(np.array([gallery.models.catalogue.row(name)]), own)[0]
            assert (item.features or {})["image"] == pytest.approx(float(expected), abs=1e-3)


def test_the_online_ranker_learns_from_the_image_score() -> None:
    """It is one of its inputs, and a feature."""
    assert "image" in INPUTS
    assert {"image", "like_image_newest"} <= set(INDEX)


def test_the_same_image_gets_the_same_bytes(gallery: Answering) -> None:
    """Asked twice, in whatever units the vector comes."""
    first = answer(gallery, clicked("p2"), image_vector=picture(9), text="milk")
    again = answer(gallery, clicked("p2"), image_vector=picture(9), text="milk")
    larger = answer(gallery, clicked("p2"), image_vector=[4 * v for v in picture(9)], text="milk")
    assert encode(first) == encode(again) == encode(larger)


def handled(vector: Sequence[float] | None, dim: int) -> ItemChanges:
    """The changes that one item leads to."""

    item = Item(time=NOW, item_id="p1", title="tea", image_vector=None if vector is None else list(vector))
    return run_on(on_items(item_records([item]), -1, 0, reading_models(image_dim=dim), DEPLOYMENT.topics), {})


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
        asked_query(Query(time=0, request_id="r", image_vector=[1.0]), plan_of(Settings()), Catalogue(image_dim=3))


def test_very_large_and_very_small_numbers_have_a_direction() -> None:
    """Their squares would overflow or vanish."""
    for size in (1e300, 1e-300, 1.0):
        assert unit_image([3 * size, 4 * size], 2).tolist() == pytest.approx([0.6, 0.8])
    assert len(item_image([1e300, 1.0], 2)) == 4


def test_images_of_another_model_in_the_catalogue_are_left_out(shelf: Answering) -> None:
    """After the setting changed, until the items are published again: searched by text, not by image."""
    old = understood(shelf.with_models(catalogue=Catalogue(image_dim=DIM)).models, with_pictures())
    new = shelf.with_models(catalogue=Catalogue(image_dim=DIM + 1), lore=QueryLore())
    take_changes(new.tables, old)
    assert new.models.catalogue.images.odd == 64
    assert len(answer(new, text="milk").items) == 20
