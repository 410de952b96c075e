"""The bench of retraining on a tiny log, and what it takes for feedback."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from bench import retraining
from models.ranking.ranker import Ranker
from models.training.ranker import train
from models.training.rankings import Rankings
from tests.support.round_log import write_round
from tests.support.synthetic import rankings

pytestmark = pytest.mark.usefixtures("quick_judging")


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> tuple[Ranker, Rankings]:
    """A ranker of 300 lists of forty, and 200 others."""
    path = tmp_path_factory.mktemp("retraining") / "ranker"
    train(rankings(300), path)
    return Ranker(path, "cpu"), rankings(200, seed=5)


def test_feedback_is_what_was_chosen_among_what_the_ranker_shows(learnt: tuple[Ranker, Rankings]) -> None:
    """Its best twenty stand first, in its order; the twenty others of a list of forty are all kept; lists whose choice
    stands lower are none."""
    ranker, lists = learnt
    found = retraining.feedback(lists, ranker)
    places = []
    for i in range(len(lists)):
        order = np.argsort(-ranker.score([lists.rank_input(i)])[0], kind="stable")
        place = int(np.flatnonzero(lists.chosen[lists.rows(i)][order])[0])
        if place < 20:
            places.append(place)
    assert 100 < len(places) == len(found) < len(lists)
    assert [int(np.argmax(found.chosen[found.rows(i)])) for i in range(len(found))] == places
    assert set(np.diff(found.start).tolist()) == {40}


@pytest.mark.servers
def test_it_says_what_the_judge_saw_and_what_became_of_it(tmp_path: Path) -> None:
    """On a log where what follows is always the next item, 200 choices are enough."""
    log = write_round(tmp_path / "round.jsonl")
    figures = retraining.measure(log, "all", lists=400, tests=60, say=lambda _: None)
    json.dumps(figures)
    (row,) = figures["retrained"]
    assert (row["examples"], row["judged"]["lists"]) == (200, 100)
    assert row["better"] == (row["judged"]["low"] > 0)
    assert ("over_in_place" in row) == row["better"]
    assert len(retraining.table(figures)) == 2
