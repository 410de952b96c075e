"""What rankers are retrained on: the list that was ranked comes back from the feedback that it led to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from models.base.arrays import Floats
from models.learning.position_bias import PositionBias
from models.ranking.ranker import RankInput
from models.serving import Models
from models.training.rankings import RankingsError
from streamrank_client.events import Query
from streamrank_client.fields import Place
from streamrank_client.making import behavior
from streamrank_client.vocabulary import key
from streams.handlers.keeping import SAMPLED
from streams.offline.retraining.logged_lists import answered, items_of, rankings_of
from streams.wire.feedback import Feedback, decode_feedback, encode_feedback
from tests.support.composing import Answering
from tests.support.driving import Ingest, records
from tests.support.small_log import START

NOW = START + 10 * 60_000


@pytest.fixture
def shop(shelf: Answering, monkeypatch: pytest.MonkeyPatch) -> tuple[Answering, list[RankInput]]:
    """The shelf as it is where rankers are retrained, and the lists that it has ranked."""
    ranked: list[RankInput] = []
    score = Models.score

    def kept(self: Models, lists: Sequence[RankInput], arms: Sequence[str | None]) -> list[Floats]:
        ranked.extend(lists)
        return score(self, lists, arms)

    monkeypatch.setattr(Models, "score", kept)
    return replace(shelf, deployment=replace(shelf.deployment, retrained=True)), ranked


def feedback(answering: Answering, clicked: Sequence[int] = (2,), **given: object) -> list[Feedback]:
    """Clicks on an answer to u1, who has done something before, as they come from the feedback topic."""
    ingest = Ingest()
    before = [
        behavior("click", event_id="e1", user_id="u1", item_id="p1", time=START),
        behavior("dislike", event_id="e2", user_id="u1", item_id="p9", time=START + 60_000),
    ]
    ingest.fold(records(before))
    query = Query(**{"time": NOW, "request_id": "r1", "user_id": "u1", **given})  # type: ignore[arg-type]
    found = answering.answers(query, read=ingest.stored.get)
    ingest.stored.update(found.expiring)
    items = [found.answers[0].items[n].item_id for n in clicked]
    events = [
        behavior("click", event_id=f"c{n}", user_id="u1", item_id=item, time=NOW + n, request_id="r1")
        for n, item in enumerate(items)
    ]
    ingest.fold(records(events, 2))
    return [decode_feedback(encode_feedback(one)) for one in ingest.feedback]


def rows(one: RankInput) -> Counter[bytes]:
    """The candidates of a list, in any order."""
    return Counter(
        features.tobytes() + vector.tobytes() for features, vector in zip(one.features, one.candidates, strict=True)
    )


def test_a_list_of_few_comes_back_to_the_last_bit(shop: tuple[Answering, list[RankInput]]) -> None:
    """All candidates, their features and vectors, and the user's recent items, with the item that was chosen."""
    answering, ranked = shop
    candidates = [f"p{n}" for n in range(24)]
    found = rankings_of(answered(feedback(answering, candidates=candidates, limit=8)), answering.models.catalogue)
    again, own = found.rank_input(0), ranked[-1]
    assert len(own.features) == len(again.features) == 24
    assert rows(again) == rows(own)
    assert np.array_equal(again.recent, own.recent)
    assert np.array_equal(again.recent_weight, own.recent_weight)
    assert (len(found), np.flatnonzero(found.chosen).tolist()) == (1, [2])


def test_a_long_list_keeps_its_length_by_candidates_that_stand_for_several(
    shop: tuple[Answering, list[RankInput]],
) -> None:
    """What was shown is there once; the drawn others fill the rest evenly, and all of them were ranked."""
    answering, ranked = shop
    found = rankings_of(answered(feedback(answering, limit=5)), answering.models.catalogue)
    again, own = rows(found.rank_input(0)), rows(ranked[-1])
    assert again.total() == own.total() > 2 * SAMPLED
    assert set(again) <= set(own)
    assert max(again.values()) - min(n for n in again.values() if n > 1) <= 1
    assert len(again) == 5 + SAMPLED


def test_the_sample_does_not_change_what_is_answered(shop: tuple[Answering, list[RankInput]]) -> None:
    """The same items whether rankers are retrained or not; without it feedback carries no list."""
    answering, _ = shop
    with_lists = feedback(answering)
    deployment = replace(answering.deployment, retrained=False)
    without = feedback(replace(answering, deployment=deployment))
    assert [msgspec.structs.replace(one, shown=b"") for one in with_lists] == without
    assert answered(without) == []
    assert len(with_lists[0].shown) < 6_000


def test_each_example_counts_once_and_choices_of_one_list_together(shop: tuple[Answering, list[RankInput]]) -> None:
    """A record that came again changes nothing; two clicks on an answer are one list; only the newest are taken."""
    answering, _ = shop
    clicks = feedback(answering, (4, 1))
    (own,) = answered([*clicks, *clicks])
    assert sorted(own.chosen) == [1, 4]
    other = [msgspec.structs.replace(one, request_id="r2", source=Place(1, one.source.offset)) for one in clicks]
    assert len(answered([*clicks, *other])) == 2
    assert len(answered([*clicks, *other], lists=1)) == 1
    assert {key(item) for item in own.shown.items} < items_of([own])


def test_choices_count_by_inverse_examination_where_positions_are_known(
    shop: tuple[Answering, list[RankInput]],
) -> None:
    """The click on a position that is looked at half as often counts twice as much."""
    answering, _ = shop
    bias = PositionBias()
    for position in [0] * 4_000 + [1] * 1_980:
        bias.learn(position, up=float(position == 1), down=float(position == 0))
    weights = [
        float(
            rankings_of(answered(feedback(answering, (place,)), {"home": bias}), answering.models.catalogue).weight[0]
        )
        for place in (0, 1)
    ]
    assert weights[1] / weights[0] == pytest.approx(2, rel=0.02)


def test_lists_of_other_features_are_left_out(shop: tuple[Answering, list[RankInput]]) -> None:
    """What an older version has logged cannot be trained on; with nothing else there is an error that says so."""
    answering, _ = shop
    (one,) = feedback(answering)
    broken = msgspec.structs.replace(one, shown=b"no list")
    assert answered([broken]) == []
    with pytest.raises(RankingsError, match="No rankings"):
        rankings_of([], answering.models.catalogue)
