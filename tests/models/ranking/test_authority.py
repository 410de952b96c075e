"""Who has the say over a search's order, whatever the scores are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from models.ask import Ask, NamedItems, Ruled, Weighted
from models.base.arrays import Floats, Rows
from models.exploration.explore import epsilon_swap, shown
from models.items.catalogue import Catalogue
from models.ranking.authority import tiers
from models.ranking.order import Arranged, arrange
from models.retrieval.text_evidence import evidence
from models.sample import asked, sample, sample_entry
from streamrank_client.vocabulary import key

TITLES = ["steel pan", "pan steel lid", "steel pan lid", "oak pan", "wool hat", "red pan"]
CATALOGUE = sample(
    TITLES,
    item_id=[f"p{n}" for n in range(len(TITLES))],
    attributes=[{"sku": f"ab-{n}"} for n in range(len(TITLES))],
)
ROWS = np.arange(len(TITLES), dtype=np.int32)
#: the learnt scores say the opposite of the text
AGAINST = np.array([1, 2, 3, 4, 6, 5], np.float32)


def placed(ask: Ask, scores: Floats = AGAINST, catalogue: Catalogue = CATALOGUE) -> Arranged:
    """The final order of all items, as a query arranges them."""
    return arrange(ROWS, scores, ask, catalogue, tier=tiers(ask, ROWS, evidence(ask, catalogue, ROWS)))


def searched(text: str, **given: Any) -> Ask:
    """A search for a text whose words are split at spaces."""
    return asked("search", asked=text, tokens=tuple(text.lower().split()), **given)


def chosen(*rows: int, weight: float = 1.0) -> Weighted:
    """What was chosen after the text."""
    return Weighted(np.array(rows, np.int32), np.full(len(rows), weight, np.float32))


def test_what_fits_the_text_stands_before_what_scores_better() -> None:
    """The title that is the text, then those that hold all its words by score, then the rest by score."""
    assert placed(searched("Steel  PAN")).order.tolist() == [0, 2, 1, 4, 5, 3]


def test_what_was_chosen_after_the_text_stands_before_its_title() -> None:
    """But not a stray click among a hundred."""
    assert placed(searched("steel pan", choices=chosen(4))).order[:2].tolist() == [4, 0]
    few = Weighted(np.array([0, 4], np.int32), np.array([99, 1], np.float32))
    assert placed(searched("steel pan", choices=few)).order[:2].tolist() == [0, 2]


def test_a_refinement_stands_before_titles_and_choices() -> None:
    """What the shopper asked for last is asked for."""
    ask = searched("steel pan", refined_from="pan", preferred=np.array([5], np.int32), choices=chosen(4))
    assert placed(ask).order[:3].tolist() == [5, 4, 0]


@pytest.mark.parametrize("text", ["ab-3", "AB 3", "ab3"])
def test_an_identifier_stands_before_everything_but_pins(text: str) -> None:
    """Whatever was chosen after the text; a pin keeps its position, and what is buried stays last."""
    assert placed(searched(text, choices=chosen(4))).order[:2].tolist() == [3, 4]
    pinned = searched(text, ruled=Ruled(pins=((0, 1),)))
    assert placed(pinned).order[:2].tolist() == [1, 3]
    buried = searched(text, ruled=Ruled(bury=NamedItems(rows=np.array([3], np.int32))))
    assert placed(buried).order[-1] == 3


def test_exploration_moves_neither_pins_nor_identifiers() -> None:
    """However much is explored, the first position of a search for an identifier shows it."""
    arranged = placed(searched("ab-3", ruled=Ruled(pins=((1, 1),))))
    assert (arranged.order[:2].tolist(), arranged.pinned.tolist(), arranged.fixed.tolist()) == ([3, 1], [1], [0, 1])
    scores = AGAINST[arranged.order]
    for n in range(50):
        page = shown(scores, 3, f"r{n}", epsilon_swap(1.0), 0, arranged.fixed, arranged.late)
        assert page.order[:2].tolist() == [0, 1]


@pytest.mark.parametrize("surface", ["home", "similar", "cart"])
def test_feeds_have_no_tiers(surface: str) -> None:
    """A text on another surface than search and rerank asks for nothing."""
    ask = asked(surface, asked="steel pan", tokens=("steel", "pan"))
    rows: Rows = ROWS
    assert not tiers(ask, rows, evidence(ask, CATALOGUE, rows)).any()


@pytest.mark.parametrize(
    ("text", "right", "wrong"),
    [
        ("rtx 4060", "rtx 4060 card", "rtx 4070 card"),
        ("xbox 360", "xbox 360", "xbox one"),
        ("size 42 boot", "boot 42", "boot 43"),
    ],
)
def test_a_number_that_an_item_lacks_counts_against_it(text: str, right: str, wrong: str) -> None:
    """The item with the number stands first, though the other scores better."""
    catalogue = sample([wrong, right])
    rows = np.array([0, 1], np.int32)
    ask = searched(text)
    found = evidence(ask, catalogue, rows)
    assert found is not None
    assert found.share[1] > found.share[0] + 0.3
    order = arrange(rows, found.share, ask, catalogue, tier=tiers(ask, rows, found)).order
    assert order.tolist() == [1, 0]


def test_an_entry_of_before_is_found_by_its_words() -> None:
    """An entry whose fields were not told apart is searched as a title."""
    entry = sample_entry("old", key=key("old"), tokens=["old", "kettle"])
    catalogue = Catalogue(4)
    catalogue.upsert([entry])
    assert catalogue.lexical.holding(["kettles"]).tolist() == [0]
