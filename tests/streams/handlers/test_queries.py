"""The query handler with real models over a dict: what is read, ranked, answered and kept."""

from __future__ import annotations

import numpy as np
import pytest

from models.exploration.explore import policy
from models.features.registry import FEATURES
from models.ranking.weights import INITIAL, INPUTS, OPENING, OnlineWeights, apply, inputs_of
from models.retrieval.sources.registry import SOURCES
from state import keys
from state.impressions import decode as decode_shown
from streamrank_client.answers import Answer
from streamrank_client.events import Query, encode
from streamrank_client.fields import Filters, Range
from streamrank_client.making import behavior
from streamrank_client.vocabulary import SURFACES
from streams.handlers.queries import Answered
from tests.support.composing import Answering
from tests.support.driving import Ingest, records
from tests.support.small_log import START

NOW = START + 10 * 60_000


def ask(shelf: Answering, stored: dict[bytes, bytes], *queries: Query) -> Answered:
    """The answers to queries, and what is kept of them."""
    return shelf.answers(*queries, read=stored.get)


def one(shelf: Answering, stored: dict[bytes, bytes] | None = None, **given: object) -> Answer:
    """The answer to one query."""
    query = Query(**{"time": NOW, "request_id": "r1", "user_id": "u1", **given})  # type: ignore[arg-type]
    return shelf.answer(query, stored)


def clicked(*items: str) -> dict[bytes, bytes]:
    """What is stored after u1 clicked items, one a minute."""
    ingest = Ingest()
    events = [
        behavior("click", event_id=f"e{n}", user_id="u1", item_id=item, time=START + n * 60_000)
        for n, item in enumerate(items)
    ]
    ingest.fold(records(events))
    return ingest.all_stored


def test_a_search_finds_what_its_words_say_in_both_languages(shelf: Answering) -> None:
    """The first items hold the word; lexical and semantic found them."""
    for text, word in (("milk", "milk"), ("咖啡", "咖啡")):
        answer = one(shelf, text=text, limit=3)
        titles = [shelf.title(item.item_id) for item in answer.items]
        assert word in titles[0]
        assert {"lexical", "semantic"} & set(answer.items[0].sources)
        assert answer.surface == "search"
        assert answer.intent is not None
        assert 0 < answer.intent.confidence <= 1


def test_an_answer_tells_what_it_has_seen(shelf: Answering) -> None:
    """`seen` is the stored watermark; nothing where nothing is stored; the click is in the features."""
    answer = one(shelf, clicked("p1", "p9"), candidates=["p1", "p2"], explain=True)
    assert answer.seen is not None
    assert (answer.seen.partition, answer.seen.offset) == (0, 1)
    features = {item.item_id: item.features or {} for item in answer.items}
    assert features["p1"]["own_events"] == 1
    assert "own_events" not in features["p2"]
    assert one(shelf).seen is None


@pytest.mark.parametrize(
    "given", [{"text": "milk"}, {}, {"item_id": "p3"}, {"cart": ["p1"]}, {"candidates": ["p1", "p5"]}], ids=str
)
def test_reasons_add_up_to_the_score(shelf: Answering, given: dict[str, object]) -> None:
    """For every item, on every surface, up to rounding; also with weights learnt online."""
    width = len(INPUTS)
    weights = (*np.linspace(-0.1, 0.5, width - 1).tolist(), 0.9)
    learnt = OnlineWeights(version=7, names=INPUTS, weights=weights, scale=(1.0,) * width, pairs=9)
    learned = shelf.with_models(weights=dict.fromkeys(SURFACES, learnt))
    answer = one(learned, clicked("p1", "p9"), explain=True, **given)
    assert answer.weights_version == 7
    assert answer.items
    for item in answer.items:
        assert sum((item.reasons or {}).values()) == pytest.approx(item.score, abs=1e-4)
        assert set(item.features or {}) <= set(FEATURES)
        assert set(item.sources) <= set(SOURCES)


def test_a_feed_that_opens_a_basket_has_weights_of_its_own(shelf: Answering) -> None:
    """Before the first event of an hour those of openings order it, afterwards those of the surface."""
    weights = {
        name: OnlineWeights(version=n, names=INPUTS, weights=INITIAL.weights, scale=INITIAL.scale, pairs=9)
        for n, name in enumerate(("home", "cart", OPENING), 1)
    }
    learned = shelf.with_models(weights=weights)
    answers = (
        one(learned),
        one(learned, clicked("p1")),
        one(learned, clicked("p1"), time=NOW + 3 * 3_600_000),
        one(learned, cart=["p1"]),
    )
    assert [answer.weights_version for answer in answers] == [3, 1, 3, 2]


def test_scores_fall_and_items_are_distinct(shelf: Answering) -> None:
    """Best first, none twice, at most as many as asked for."""
    for limit in (1, 10, 100):
        answer = one(shelf, clicked("p1", "p9"), limit=limit)
        scores = [item.score for item in answer.items]
        assert scores == sorted(scores, reverse=True)
        assert len({item.item_id for item in answer.items}) == len(answer.items) <= limit


def test_the_impression_keeps_what_was_served(shelf: Answering) -> None:
    """Items, propensities, text and features in the order shown; weights and text give the scores."""
    query = Query(time=NOW, request_id="r9", user_id="u1", text="milk", limit=5, explain=True)
    answers = ask(shelf, clicked("p1"), query)
    (name, value), _ = answers.expiring
    shown, answer = decode_shown(value), answers.answers[0]
    assert name == keys.impression(0, "r9")
    assert shown.items == [item.item_id for item in answer.items]
    assert shown.propensities == [item.propensity for item in answer.items] == [1.0] * 5
    assert (shown.user_id, shown.text, shown.surface, shown.artifact) == (
        "u1",
        "milk",
        "search",
        shelf.models.ranker.version,
    )
    assert shown.known is not None
    scores = apply(INITIAL, inputs_of(shown.features, shown.offline)) + shown.known.adjustments["text_match"]
    assert scores.tolist() == pytest.approx([item.score for item in answer.items], abs=1e-5)
    assert ask(shelf, {}, Query(time=NOW, request_id="r", candidates=["no"])).expiring == []


def test_queries_answered_together_get_what_each_would_get_alone(shelf: Answering) -> None:
    """The items of each, in the same order, and nearly the same scores (padding may change last digits)."""
    stored = clicked("p1", "p9")
    given: list[dict[str, object]] = [{"text": "milk"}, {}, {"item_id": "p3"}, {"text": "手机"}, {"user_id": None}]
    queries = [
        Query(**{"time": NOW, "request_id": f"r{n}", "user_id": "u1", **fields})  # type: ignore[arg-type]
        for n, fields in enumerate(given)
    ]
    together = ask(shelf, stored, *queries).answers
    for query, answer in zip(queries, together, strict=True):
        (alone,) = ask(shelf, stored, query).answers
        assert answer.request_id == query.request_id
        assert answer.user_id == query.user_id
        assert len(answer.items) == len(alone.items)
        np.testing.assert_allclose([i.score for i in answer.items], [i.score for i in alone.items], atol=0.02)


def test_the_same_query_gets_the_same_bytes(shelf: Answering) -> None:
    """With exploration too: its randomness comes from the request id."""
    swapping = shelf.with_plan(policy=policy(1.0))
    first, second = (encode(one(swapping, clicked("p1"), explain=True, request_id="same")) for _ in range(2))
    explored = {tuple(i.item_id for i in one(swapping, clicked("p1"), request_id=f"r{n}").items) for n in range(20)}
    assert first == second
    assert len(explored) > 5


def test_excluded_sold_out_and_filtered_items_are_not_shown(shelf: Answering) -> None:
    """Nor is the item of a similar query itself."""
    assert "p0" not in {i.item_id for i in one(shelf, text="milk", exclude=["p0"], limit=100).items}
    assert "p28" not in {i.item_id for i in one(shelf, limit=100).items}
    assert "p3" not in {i.item_id for i in one(shelf, item_id="p3", limit=100).items}
    cheap = one(shelf, limit=100, filters=Filters(price=Range(max=5.0), category=["dairy"]))
    catalogue = shelf.models.catalogue
    rows = [catalogue.row(item.item_id) for item in cheap.items]
    assert rows
    assert all(catalogue.price[row] <= 5 for row in rows)
