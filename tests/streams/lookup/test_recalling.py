"""Stored answers explained: from what the impression keeps, the answer's own explanation and more."""

from __future__ import annotations

import re

import msgspec
import numpy as np
import pytest

from models.features.registry import GROUPS
from models.ranking.weights import INPUTS, OnlineWeights
from models.retrieval.sources.registry import SOURCES
from state import covisits, keys
from state.impressions import StoredImpression, decode, encode
from state.records import COVISIT
from streamrank_client.answers import Answer
from streamrank_client.events import Query
from streamrank_client.making import behavior
from streamrank_client.vocabulary import SURFACES, key
from streams.lookup.recalling import recall
from streams.lookup.stored_answer import StoredAnswer
from tests.support.composing import Answering
from tests.support.driving import PARTITIONS, Ingest, records
from tests.support.small_log import START

NOW = START + 10 * 60_000


@pytest.fixture
def shop(shelf: Answering) -> Answering:
    """The shelf with weights learnt online on every surface."""
    learnt = OnlineWeights(
        version=7, names=INPUTS, weights=(0.3,) * (len(INPUTS) - 1) + (0.9,), scale=(1.5,) * len(INPUTS), pairs=9
    )
    return shelf.with_models(weights=dict.fromkeys(SURFACES, learnt))


def followed(item: int, times: int) -> bytes:
    """The co-visits of an item that one other came after, so many times."""
    row, many = np.zeros(1, COVISIT), np.ones(times, np.float32)
    at = np.full(times, NOW // 1000, np.uint32)
    covisits.fold(row, np.zeros(times, np.intp), np.full(times, item, np.uint64), many, many, many, at)
    return row.tobytes()


def answered(shop: Answering, **given: object) -> tuple[Answer, StoredImpression]:
    """An answer to u1, who clicked p1 and bought p9, and its impression as stored."""
    ingest = Ingest(catalogue=shop.models.catalogue)
    events = [
        behavior("click", event_id="e1", user_id="u1", item_id="p1", time=START),
        behavior("purchase", event_id="e2", user_id="u1", item_id="p9", time=START + 60_000),
        behavior("click", event_id="e3", user_id="u1", item_id="unheard of", time=START + 61_000),
    ]
    ingest.fold(records(events))
    ingest.stored[keys.covisits(PARTITIONS, key("p1"))] = followed(key("p2"), 20)
    query = Query(**{"time": NOW, "request_id": "r1", "user_id": "u1", **given})  # type: ignore[arg-type]
    found = shop.answers(query, read=ingest.stored.get)
    stored = dict(found.expiring)
    return found.answers[0], decode(stored[keys.impression(0, "r1")])


def recalled(shop: Answering, **given: object) -> tuple[Answer, StoredAnswer]:
    """An answer, and what is made of its impression later."""
    answer, shown = answered(shop, **given)
    return answer, recall(shown, shop.models)


@pytest.mark.parametrize(
    "given", [{"text": "milk"}, {}, {"item_id": "p3"}, {"cart": ["p1"]}, {"candidates": ["p1", "p5"]}], ids=str
)
def test_an_explained_answer_is_explained_again_in_the_same_way(shop: Answering, given: dict[str, object]) -> None:
    """With `explain` the whole list is kept: contributions, features and scores are the answer's own."""
    answer, stored = recalled(shop, explain=True, limit=5, **given)
    assert stored.notes == []
    assert stored.weights_version == 7
    for item, own in zip(answer.items, stored.items, strict=True):
        assert (item.item_id, item.score, item.propensity) == (own.item_id, own.score, own.propensity)
        assert item.features == own.features
        for name in {*own.reasons, *(item.reasons or {})}:
            assert own.reasons.get(name, 0.0) == pytest.approx((item.reasons or {}).get(name, 0.0), abs=2e-4)


@pytest.mark.parametrize("explain", [True, False])
def test_what_is_recalled_adds_up_to_the_score(shop: Answering, explain: bool) -> None:
    """Also where only the items shown are kept: then a line says what the others changed."""
    _, stored = recalled(shop, explain=explain, limit=5)
    assert len(stored.items) == 5
    assert bool(stored.notes) is not explain
    for item in stored.items:
        assert abs(sum(item.reasons.values()) - item.score) < 1e-4


def test_it_says_what_was_known_then(shop: Answering) -> None:
    """Recent items with titles, kinds and age, anchors, interests, events; candidates by source and in all."""
    answer, stored = recalled(shop, explain=True)
    titles = {item: shop.title(item) for item in ("p1", "p9")}
    recent = [(one.item_id, one.title, one.kind, one.seconds, one.weight) for one in stored.known.recent]
    assert recent == [("p9", titles["p9"], "purchase", 540, 5), ("p1", titles["p1"], "click", 600, 2)]
    assert (stored.known.events, stored.known.long_interest) == (3, bool(shop.models.catalogue.compact.any()))
    assert [anchor.item_id for anchor in stored.known.anchors] == ["p9", "p1"]
    assert set(stored.candidates) - {"all"} <= set(SOURCES)
    assert stored.candidates["all"] >= len(answer.items)
    named = {source for item in answer.items for source in item.sources}
    assert named <= set(stored.candidates)


def test_a_group_left_out_changes_the_order_as_ranking_without_it_does(shop: Answering) -> None:
    """The order without a group is that of scores with the group at its mean; all groups that differ are there."""
    answer, shown = answered(shop, text="milk", explain=True, limit=20)
    stored = recall(shown, shop.models)
    by_group = {one.group: one for one in stored.left_out}
    assert set(by_group) <= set(GROUPS)
    assert "lexical" in by_group
    assert "situation" not in by_group
    moved = [one for one in stored.left_out if one.moves]
    assert moved == stored.left_out[: len(moved)]
    assert moved
    for one in stored.left_out:
        assert sorted(one.order) == sorted(item.item_id for item in answer.items)
        assert sum(one.moves.values()) == 0
        for item, places in one.moves.items():
            assert stored.by_score.index(item) - one.order.index(item) == places


def test_without_online_weights_and_words_lexical_decides_nothing(shop: Answering) -> None:
    """A group that no candidate has is no line of what the order hangs on."""
    _, stored = recalled(shop)
    assert "lexical" not in {one.group for one in stored.left_out}


def test_a_replaced_ranker_and_an_old_record_are_told(shop: Answering) -> None:
    """The answer's ranker gone: explained by the one in use. Stored by an earlier version: the items alone."""
    _, shown = answered(shop, explain=True)
    other = recall(msgspec.structs.replace(shown, artifact="gone"), shop.models)
    assert "gone" in other.notes[0]
    assert all(abs(sum(item.reasons.values()) - item.score) < 1e-4 for item in other.items)
    old = recall(msgspec.structs.replace(shown, known=None), shop.models)
    assert [item.item_id for item in old.items] == shown.items
    assert (old.left_out, old.candidates) == ([], {})
    assert "ask again" in old.notes[0]
    narrow = recall(msgspec.structs.replace(shown, features=shown.features[:, :-1]), shop.models)
    assert "another version" in narrow.notes[0]
    assert all(item.reasons == {} for item in narrow.items)


def test_an_item_that_is_gone_is_explained_without_its_title(shop: Answering) -> None:
    """An id that the catalogue never held stands as it is."""
    _, shown = answered(shop, explain=True, limit=3)
    stored = recall(msgspec.structs.replace(shown, items=["no such", *shown.items[1:]]), shop.models)
    assert (stored.items[0].item_id, stored.items[0].title) == ("no such", "")
    assert np.isfinite([item.score for item in stored.items]).all()


def test_nothing_that_is_kept_changes_the_answer(shop: Answering) -> None:
    """With and without `explain`: the same items and scores, and a record that is larger only with it."""
    plain, small = answered(shop, limit=5)
    explained, large = answered(shop, limit=5, explain=True)
    assert [(i.item_id, i.score) for i in plain.items] == [(i.item_id, i.score) for i in explained.items]
    assert small.known is not None
    assert large.known is not None
    assert small.known.others == b""
    assert len(large.known.others) == 8 * (large.known.found - 5)


def test_every_item_says_in_words_why_it_is_shown(shop: Answering) -> None:
    """In the language asked for, naming what is true: the text of the search; without a language nothing is said."""
    english, _ = answered(shop, text="milk", explain=True, language="en", limit=5)
    chinese, _ = answered(shop, text="milk", explain=True, language="zh", limit=5)
    assert all(item.why for item in english.items)
    assert any("“milk”" in (item.why or "") for item in english.items)
    for one, other in zip(english.items, chinese.items, strict=True):
        assert one.reasons == other.reasons
        assert one.why is not None
        assert other.why is not None
        assert one.why.endswith(".")
        assert other.why.endswith("。")
    plain, _ = answered(shop, text="milk", explain=True)
    assert [item.why for item in plain.items] == [None] * len(plain.items)


def test_a_home_feed_names_what_the_user_did(shop: Answering) -> None:
    """Every title that is named is that of an item in the user's ring, with what was done."""
    answer, stored = answered(shop, explain=True, language="en", limit=20)
    told = [item.why for item in answer.items if item.why]
    assert told
    assert stored.known is not None
    mine = {shop.title(item): verb for item, verb in (("p1", "clicked"), ("p9", "bought"))}
    named = [(title, why) for why in told for title in re.findall("“(.+?)”", why) if "where you looked" not in why]
    assert named
    for title, why in named:
        assert mine[title] in why


def test_what_is_kept_costs_less_than_alike_columns_save(shop: Answering) -> None:
    """A plain answer's record is smaller than its features alone would be with every column in full."""
    _, shown = answered(shop, text="milk", limit=10)
    assert len(encode(shown)) < shown.features.nbytes
