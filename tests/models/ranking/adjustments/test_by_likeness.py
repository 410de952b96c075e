"""Similar items are alike, whatever is bought with them."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np
import pytest

from models.ask import Ask
from models.features.registry import FEATURES, INDEX
from models.items.catalogue import Catalogue
from models.ranking.adjustments.base import ScoredList
from models.ranking.adjustments.by_likeness import Likeness
from models.ranking.adjustments.registry import adjust
from models.ranking.ranker import Ranker
from models.retrieval.candidates import Candidates
from models.retrieval.sources.registry import SOURCES
from models.sample import asked, sample

COFFEE = ["grocery", "drinks", "coffee"]
CATALOGUE = sample(
    ["ground coffee", "coffee beans", "tea", "bananas", "mystery"],
    category=[COFFEE, COFFEE, ["grocery", "drinks", "tea"], ["grocery", "fruit"], []],
)
OTHERS = np.arange(1, 5, dtype=np.int32)


def scored(ask: Ask, catalogue: Catalogue, cosine: list[float], score: list[float]) -> ScoredList:
    """The four others, as the rankers left them."""
    features = np.zeros((len(OTHERS), len(FEATURES)), np.float32)
    features[:, INDEX["semantic"]] = cosine
    found = cast(Candidates, type("Found", (), {"rows": OTHERS}))
    return ScoredList(
        ask, catalogue, found, features, np.array(score, np.float32), cast(Ranker, None), tuple(SOURCES), None
    )


def similar() -> Ask:
    """What is like the ground coffee."""
    return asked("similar", anchors=np.array([0], np.int32))


def test_what_is_bought_with_it_stands_behind_what_is_like_it() -> None:
    """The rankers prefer bananas by far; coffee comes first, then tea, which shares two levels."""
    to = scored(similar(), CATALOGUE, [0.9, 0.5, 0.1, 0.1], [0.0, 0.0, 3.0, 0.0])
    added = adjust(to)
    assert set(added) == {"likeness"}
    total = to.score + added["likeness"]
    assert np.argsort(-total).tolist() == [0, 1, 2, 3]


def test_of_equally_alike_items_the_rankers_prefer_one() -> None:
    """Their score is on top."""
    twins = sample([f"coffee {n}" for n in range(5)], category=[COFFEE] * 5)
    to = scored(similar(), twins, [0.9] * 4, [0.0, 2.0, 1.0, 0.5])
    added = Likeness().added(to)
    assert added is not None
    assert np.argmax(to.score + added) == 1


@pytest.mark.parametrize("surface", ["home", "search", "cart"])
def test_other_surfaces_are_not_touched(surface: str) -> None:
    """Nothing is added there."""
    ask = asked(surface, anchors=np.array([0], np.int32))
    assert Likeness().added(scored(ask, CATALOGUE, [0.9, 0.5, 0.1, 0.1], [0.0] * 4)) is None


def test_an_unknown_item_and_a_shop_without_texts_leave_it_to_the_rankers() -> None:
    """Without an anchor nothing is added, and where no text is read neither."""
    assert Likeness().added(scored(asked("similar"), CATALOGUE, [0.0] * 4, [0.0] * 4)) is None
    to = replace(scored(similar(), CATALOGUE, [0.9, 0.5, 0.1, 0.1], [0.0] * 4), sources=("covisits",))
    assert Likeness().added(to) is None


def test_what_goes_into_one_basket_is_no_source_of_similar_items() -> None:
    """It is the cart's."""
    assert "similar" not in SOURCES["covisits_basket"].surfaces
    assert "cart" in SOURCES["covisits_basket"].surfaces
