"""From stored records to what the models are asked."""

from __future__ import annotations

import numpy as np
import pytest

from models.items.catalogue import Catalogue
from models.sample import sample
from state import keys
from state.records import CONTEXT, COVISIT, QUERY_CLICK, TREND
from state.sketch import LANDMARK
from streamrank_client.events import Query
from streamrank_client.making import behavior
from streamrank_client.vocabulary import POPULARITY_DAYS, key
from streams.handlers.asking import (
    ANCHORS,
    StoredUser,
    anchor_keys,
    anchor_rows,
    asked_query,
    asking_user,
    choices_of,
    trending,
)
from streams.policy.plans import plan_of
from streams.settings import Settings
from tests.support.driving import Ingest, records
from tests.support.small_log import START

NOW = START + 3_600_000
DAY = 86_400
PLAN = plan_of(Settings())


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    """p0 to p79."""
    return sample([f"p{n}" for n in range(80)])


def query(**given: object) -> Query:
    """A query an hour after the start."""
    return Query(**{"time": NOW, "request_id": "r1", **given})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "surface"),
    [
        ({}, "home"),
        ({"text": "tea"}, "search"),
        ({"text": "tea", "cart": ["p1"]}, "cart"),
        ({"text": "tea", "cart": ["p1"], "item_id": "p1"}, "similar"),
        ({"text": "tea", "item_id": "p1", "candidates": ["p1"]}, "rerank"),
        ({"text": "tea", "surface": "home"}, "home"),
    ],
    ids=str,
)
def test_the_surface_follows_from_what_is_given(given: dict[str, object], surface: str) -> None:
    """Unless it is named."""
    assert query(**given).answered_on == surface


def test_unknown_ids_are_left_out(catalogue: Catalogue) -> None:
    """Of candidates and exclusions; candidates that were given but are all unknown are none, not all."""
    ask = asked_query(query(candidates=["p1", "no", "p1"], exclude=["no", "p2"]), PLAN, catalogue)
    assert ask.candidates is not None
    assert ask.candidates.tolist() == [catalogue.row("p1")]
    assert ask.exclude.tolist() == [catalogue.row("p2")]
    none = asked_query(query(candidates=["no"]), PLAN, catalogue).candidates
    assert none is not None
    assert len(none) == 0
    assert asked_query(query(), PLAN, catalogue).candidates is None


def test_recent_events_are_newest_first_by_their_own_time(catalogue: Catalogue) -> None:
    """A late arrival stands where it happened; ages are seconds before the query, never below 0."""
    ingest = Ingest()
    times = ((1, 10), (2, 50), (3, 20), (4, 90))
    ingest.fold(
        records(
            [
                behavior("click", event_id=f"e{n}", user_id="u1", item_id=f"p{n}", time=START + minute * 60_000)
                for n, minute in times
            ]
        )
    )
    user, recent = asking_user(StoredUser(ingest.stored[keys.context(0, "u1")]), NOW, 0, catalogue)
    assert recent.tolist() == [key(f"p{n}") for n in (4, 2, 3, 1)]
    assert user.recent.age.tolist() == [0, 600, 2400, 3000]
    assert user.recent.weight.tolist() == [2, 2, 2, 2]
    assert user.events == 4
    assert np.linalg.norm(user.short) == pytest.approx(1, abs=1e-5)


def test_a_ring_that_wrapped_gives_its_32(catalogue: Catalogue) -> None:
    """Slots are places of arrival modulo 32."""
    row = np.zeros((), CONTEXT)
    row["events"] = 40
    row["item"] = [key(f"p{n if n >= 8 else 32 + n}") for n in range(32)]
    row["at"] = [1_000 + (n if n >= 8 else 32 + n) for n in range(32)]
    assert asking_user(StoredUser(row.tobytes()), NOW, 0, catalogue)[1].tolist() == [
        key(f"p{n}") for n in range(39, 7, -1)
    ]
    assert len(asking_user(StoredUser(), NOW, 0, catalogue)[1]) == 0


def test_anchors_are_the_querys_own_items_then_liked_ones() -> None:
    """Each once, at most 31 after the query's own."""
    recent = np.array([key(f"p{n % 35}") for n in range(40)], np.uint64)
    liked = np.ones(40, np.bool_)
    liked[1] = liked[36] = False
    wanted = [key(f"p{n}") for n in (0, *range(2, 32))]
    assert anchor_keys(query(), recent, liked) == wanted
    assert anchor_keys(query(item_id="p5", cart=["p7"]), recent, liked)[:2] == [key("p5"), key("p0")]
    assert len(anchor_keys(query(cart=["p90", "p91"]), recent, liked)) == 2 + ANCHORS


def test_neighbours_are_decayed_and_known(catalogue: Catalogue) -> None:
    """Five years halve; neighbours that the catalogue does not hold are left out."""
    row = np.zeros((), COVISIT)
    grown = 2 ** ((NOW / 1000 - 1825 * DAY - LANDMARK) / (1825 * DAY))
    row["follower"][:2] = [key("p2") >> 32, key("gone") >> 32]
    row["neighbour"][:3] = [key("p1") >> 32, key("gone") >> 32, key("p2") >> 32]
    row["after"][:2], row["together"][0], row["mass"] = grown * 4, grown * 2, (grown * 12, grown * 2, grown * 8)
    row["wide"][:3] = grown * 6
    stored = {key("p9"): None, key("p8"): row.tobytes()}
    found = anchor_rows([key("p9"), key("p8")], stored, NOW, catalogue)
    assert found.anchors.tolist() == [catalogue.row("p9"), catalogue.row("p8")]
    assert (found.followers.anchor.tolist(), found.companions.anchor.tolist()) == ([1], [1, 1])
    assert found.followers.rows.tolist() == [catalogue.row("p2")]
    assert found.companions.rows.tolist() == [catalogue.row("p1"), catalogue.row("p2")]
    assert found.followers.after.tolist() == pytest.approx([2])
    assert found.companions.together.tolist() == pytest.approx([1, 0])
    assert found.companions.wide.tolist() == pytest.approx([3, 3])
    assert found.anchor_mass.tolist() == [[0, 0, 0], pytest.approx([6, 1, 4])]
    assert len(anchor_rows([], {}, NOW, catalogue).anchors) == 0


def test_choices_are_best_first(catalogue: Catalogue) -> None:
    """Heaviest first, empty slots and unknown items left out; nothing stored, nothing chosen."""
    row = np.zeros((), QUERY_CLICK)
    grown = 2 ** ((NOW / 1000 - LANDMARK) / (30 * DAY))
    row["item"][:3], row["weight"][:3] = [key("p1"), key("p2"), key("gone")], [grown, grown * 3, grown * 9]
    assert len(choices_of(None, NOW, catalogue).rows) == 0
    choices = choices_of(row.tobytes(), NOW, catalogue)
    assert choices.rows.tolist() == [catalogue.row("p2"), catalogue.row("p1")]
    assert choices.weight.tolist() == pytest.approx([3, 1])


def test_trends_of_all_partitions_are_one_list_a_half_life(catalogue: Catalogue) -> None:
    """Best first over partitions; no partition has any, no trends."""
    one, two = np.zeros((), TREND), np.zeros((), TREND)
    one["item"][:, 0], two["item"][:, 0] = key("p1"), key("p2")
    for place, days in enumerate(POPULARITY_DAYS):
        one["score"][place, 0] = NOW / 1000 / (days * DAY) + 1
        two["score"][place, 0] = NOW / 1000 / (days * DAY) + 2
    found = trending([one.tobytes(), None, two.tobytes()], NOW, catalogue)
    assert [trend.rows.tolist() for trend in found] == [[catalogue.row("p2"), catalogue.row("p1")]] * len(
        POPULARITY_DAYS
    )
    assert found[0].weight.tolist() == pytest.approx([4, 2], rel=1e-3)
    assert trending([None, None], NOW, catalogue) == ()
