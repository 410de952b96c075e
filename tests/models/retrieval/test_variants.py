"""Variants: one of a group is a candidate, the one that fits best, chosen before lists are cut."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from models.ask import Filter, Ruled, Weighted
from models.items.attributes import one_of
from models.items.catalogue import Catalogue
from models.retrieval.candidates import retrieve
from models.sample import asked, sample

COLOURS = ("black", "white", "red", "green", "blue")
SHIRTS = [f"tee {colour} {size}" for colour in COLOURS for size in range(30)]
USED = ("trending", "lexical")
OTHERS = ["mug", "lamp", "tea", "wine"]


def shop(**changed: Any) -> Catalogue:
    """150 variants of one T-shirt, and four other items."""
    titles = SHIRTS + OTHERS
    columns: dict[str, Any] = {
        "group_id": ["tee"] * len(SHIRTS) + [""] * len(OTHERS),
        "attributes": [{"colour": title.split()[1]} if title in SHIRTS else {} for title in titles],
    }
    return sample(titles, **{**columns, **changed})


def found(
    catalogue: Catalogue, ask: Any, k_each: int = 10, sources: tuple[str, ...] = ("trending", "lexical")
) -> list[str]:
    """Candidates' titles."""
    (one,) = retrieve([ask], catalogue, sources, k_each=k_each, k_total=k_each)
    return [catalogue.titles[row] for row in one.rows]


def test_other_products_are_found_however_many_variants_are_more_popular() -> None:
    """A list of ten that all variants would fill holds one of them and the others."""
    catalogue = shop()
    trend = Weighted(np.arange(len(catalogue), dtype=np.int32), np.linspace(2, 1, len(catalogue), dtype=np.float32))
    ask = asked("home", trends=(trend,) * 4)
    assert sorted(found(catalogue, ask)) == sorted([SHIRTS[0], *OTHERS])


@pytest.mark.parametrize("colour", COLOURS)
def test_a_text_that_names_a_variant_gets_that_one(colour: str) -> None:
    """Whichever is the most popular."""
    catalogue = shop()
    trend = Weighted(np.arange(len(catalogue), dtype=np.int32), np.linspace(2, 1, len(catalogue), dtype=np.float32))
    ask = asked("search", tokens=("tee", colour, "7"), trends=(trend,) * 4)
    assert [title for title in found(catalogue, ask) if title in SHIRTS] == [f"tee {colour} 7"]


@pytest.mark.parametrize("colour", COLOURS)
def test_a_filter_that_names_a_variant_gets_that_one(colour: str) -> None:
    """So does what is in stock."""
    wanted = Filter(attributes=(("colour", one_of([colour])),))
    (only,) = found(shop(), asked("search", tokens=("tee",), filter=wanted))
    assert only.split()[1] == colour
    stock = [title in OTHERS or title.split()[1] == colour for title in SHIRTS + OTHERS]
    shirts = [t for t in found(shop(in_stock=stock), asked("search", tokens=("tee",))) if t in SHIRTS]
    assert len(shirts) == 1
    assert shirts[0].split()[1] == colour


def test_similar_leaves_out_the_items_own_group() -> None:
    """Only other products are like it."""
    catalogue = shop()
    ask = asked("similar", anchors=np.array([3], np.int32))
    assert not set(found(catalogue, ask, sources=("semantic", "trending"))) & set(SHIRTS)


def test_pins_and_rerank_keep_all_variants() -> None:
    """Pinned ones stand, and no other of their group beside them; who sends candidates has chosen them."""
    catalogue = shop()
    ask = asked("home", ruled=Ruled(pins=((0, 4), (1, 5))))
    assert [t for t in found(catalogue, ask, k_each=100) if t in SHIRTS] == [SHIRTS[4], SHIRTS[5]]
    given = np.arange(20, dtype=np.int32)
    assert found(catalogue, asked("rerank", candidates=given)) == SHIRTS[:20]


def test_items_without_a_group_are_items_of_their_own() -> None:
    """As in every shop that sends none."""
    catalogue = shop(group_id=[""] * (len(SHIRTS) + len(OTHERS)))
    assert len(found(catalogue, asked("search", tokens=("tee",)))) == 10
