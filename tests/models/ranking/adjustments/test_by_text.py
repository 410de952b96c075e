"""The base of a search's score: words, meaning, and choices where the ranker has not learnt to judge them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pytest

from models.base.arrays import Floats
from models.features.registry import FEATURES, INDEX
from models.ranking.adjustments.base import STRENGTH, ScoredList
from models.ranking.adjustments.by_text import CHOICES, TextMatch
from models.retrieval.candidates import Candidates
from models.retrieval.sources.registry import SOURCES
from models.retrieval.text_evidence import evidence
from models.sample import asked, sample

SHELF = sample(["red tea cup", "red tea tin", "red tea box"])
ROWS = np.arange(3, dtype=np.int32)


@dataclass(frozen=True)
class Trained:
    """A ranker that has learnt to judge some sources."""

    known: tuple[str, ...]

    def knows(self, source: str) -> bool:
        """Whether it has learnt to judge it."""
        return source in self.known


def added(values: dict[str, list[float]], known: tuple[str, ...] = (), sources: tuple[str, ...] = ()) -> Floats:
    """What is added to three items that are alike, of which these features are known, all scored 0."""
    ask = asked("search", asked="red tea", tokens=("red", "tea"))
    features = np.zeros((3, len(FEATURES)), np.float32)
    for name, column in values.items():
        features[:, INDEX[name]] = column
    candidates = Candidates(ROWS, np.zeros((3, len(SOURCES)), np.float32))
    ranker: Any = Trained(known)
    score = np.zeros(3, np.float32)
    text = evidence(ask, SHELF, ROWS)
    found = TextMatch().added(
        ScoredList(ask, SHELF, candidates, features, score, ranker, sources or tuple(SOURCES), text)
    )
    return cast(Floats, found)


@pytest.mark.parametrize("source", ["query_clicks", "query_neighbours"])
def test_what_was_chosen_counts_where_the_ranker_never_saw_choices(source: str) -> None:
    """By its share; a ranker that knows the source, or a plan without it, adds nothing of it."""
    chosen = {source: [0.0, 0.25, 0.75]}
    by_choice = added(chosen)
    assert by_choice - by_choice[0] == pytest.approx([0, STRENGTH * CHOICES * 0.25, STRENGTH * CHOICES * 0.75])
    assert np.ptp(added(chosen, known=(source,))) == 0
    assert np.ptp(added(chosen, sources=("lexical", "semantic"))) == 0


def test_choices_after_many_like_texts_count_as_shares_of_the_most_chosen() -> None:
    """The neighbours' shares add up beyond 1; a single one's do not grow."""
    many = added({"query_neighbours": [0.0, 2.0, 4.0]})
    assert many - many[0] == pytest.approx([0, STRENGTH * CHOICES * 0.5, STRENGTH * CHOICES])
    few = added({"query_neighbours": [0.0, 0.1, 0.2]})
    assert few - few[0] == pytest.approx([0, STRENGTH * CHOICES * 0.1, STRENGTH * CHOICES * 0.2])
