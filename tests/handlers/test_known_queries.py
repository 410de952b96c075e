"""What the log teaches about queries, in answers: with real models over a dict."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from models.items.catalogue import Catalogue, encode_entry
from models.lore.known_queries import KnownQuery, encode_query
from models.lore.query_lore import Lore
from models.sample import sample_entry
from state import keys, query_clicks
from state.records import QUERY_CLICK
from streamrank_client.answers import Answer, Understood
from streamrank_client.events import Query
from streamrank_client.vocabulary import key
from streams.handlers.brain import Brain
from streams.handlers.queries import on_queries
from tests.data.small_log import START
from tests.handlers.driving import TOPIC, run

NOW = START + 10 * 60_000


@pytest.fixture
def taught(shelf: Brain) -> Iterator[Brain]:
    """The shelf's brain with nothing learnt about queries but its own words."""
    shelf.lore = Lore()
    shelf.lore.learn_words(shelf.catalogue.lexical)
    yield shelf
    shelf.lore = Lore()
    shelf.lore.learn_words(shelf.catalogue.lexical)


def chose(brain: Brain, stored: dict[bytes, bytes], text: str, *items: str) -> None:
    """Others chose these items after a text: its row is stored, and every query worker is told of it."""
    row, seconds = np.zeros(1, QUERY_CLICK), np.full(len(items), START // 1000, np.uint32)
    weight = np.full(len(items), 4, np.float32)
    query_clicks.fold(row, np.zeros(len(items), np.intp), np.array([key(i) for i in items], np.uint64), weight, seconds)
    stored[keys.query_clicks(brain.partitions, key(text))] = row.tobytes()
    compact = brain.encoder.encode([text]).compact[0].astype("<f4").tobytes()
    shares = [4.0] * len(items)
    known = KnownQuery(text, key(text), START // 1000, sum(shares), [key(i) for i in items], shares, compact)
    brain.apply_queries([(text.encode(), encode_query(known))])


def asked(brain: Brain, stored: dict[bytes, bytes], text: str, explain: bool = True) -> Answer:
    """The answer to one search, read in three rounds."""
    query = Query(time=NOW, request_id="r1", text=text, explain=explain, limit=100)
    answers, rounds = run(on_queries([query], 0, TOPIC, brain), stored.get)
    assert rounds == 3
    return answers.answers[0]


def test_what_was_chosen_after_a_query_like_this_one_is_found(taught: Brain) -> None:
    """By its vector: neither a word nor a meaning of the items would; it is told under what name and how near."""
    stored: dict[bytes, bytes] = {}
    chose(taught, stored, "running shoe", "p30", "p31")
    answer = asked(taught, stored, "shoes for running")
    found = {item.item_id: item for item in answer.items}
    assert "query_neighbours" in found["p30"].sources
    assert (found["p30"].features or {})["query_neighbours"] > 0
    assert answer.understood is not None
    (near,) = answer.understood.neighbours
    assert near.text == "running shoe"
    assert 0.6 <= near.cosine <= 1


def test_a_query_is_no_neighbour_of_its_own(taught: Brain) -> None:
    """Its own choices are the source query_clicks'; far ones and a text without letters have no neighbours."""
    stored: dict[bytes, bytes] = {}
    chose(taught, stored, "running shoe", "p30")
    for text in ("Running  SHOE", "牛奶", "…"):
        understood = asked(taught, stored, text).understood
        assert understood is None or understood.neighbours == []


def test_a_misspelt_word_finds_what_the_right_one_finds(taught: Brain) -> None:
    """The same candidates and scores, but for what the query's own row would say."""
    wrong, right = asked(taught, {}, "expresso"), asked(taught, {}, "espresso")
    assert wrong.understood is not None
    assert wrong.understood.corrected == "espresso"
    assert [(e.of, e.term, e.kind) for e in wrong.understood.expansions] == [("expresso", "espresso", "spelling")]
    assert [(item.item_id, item.score) for item in wrong.items] == [(i.item_id, i.score) for i in right.items]


def test_a_word_learnt_from_others_finds_items_that_do_not_hold_it(taught: Brain) -> None:
    """`kola` is in no title, and its queries lead where those for `novel` lead."""
    titles = {i: t for i, t in zip(taught.catalogue.ids, taught.catalogue.titles, strict=True) if "novel" in t}
    novels = list(titles)
    stored: dict[bytes, bytes] = {}
    for word in ("kola", "novel"):
        chose(taught, stored, word, *novels[:2])
        chose(taught, stored, f"{word} new", *novels[1:2])
    answer = asked(taught, {}, "cheap kola")
    found = [item for item in answer.items if "lexical" in item.sources]
    assert {item.item_id for item in found} >= set(novels)
    assert answer.understood is not None
    (one,) = answer.understood.expansions
    assert (one.of, one.term, one.kind) == ("kola", "novel", "synonym")
    assert 0 < one.weight < 1


def test_how_a_text_was_understood_is_told_on_request_only(taught: Brain) -> None:
    """Its words with explain; nothing without, and nothing without a text."""
    assert asked(taught, {}, "milk", explain=False).understood is None
    assert asked(taught, {}, "milk").understood == Understood(words=["milk"])
    assert asked(taught, {}, "").understood is None


@pytest.mark.parametrize("answers", [True, False])
def test_only_who_answers_queries_learns_the_words_of_the_catalogue(shelf: Brain, answers: bool) -> None:
    """An ingest worker reads the same catalogue without their index."""
    brain = replace(shelf, catalogue=Catalogue(), lore=Lore(), answers=answers)
    brain.apply_catalogue([(b"garden hose", encode_entry(sample_entry("garden hose")))])
    assert len(brain.catalogue) == 1
    assert bool(len(brain.lore.speller)) == answers


def test_a_slip_in_a_whole_query_finds_what_was_chosen_after_the_known_one(taught: Brain) -> None:
    """Its candidates, scores and reasons are those of the query that was meant."""
    stored: dict[bytes, bytes] = {}
    chose(taught, stored, "zx 12", "p30", "p31")
    wrong, right = asked(taught, stored, "xz 12"), asked(taught, stored, "ZX 12")
    assert wrong.understood is not None
    assert wrong.understood.corrected == "zx 12"
    assert right.understood is not None
    assert right.understood.corrected == ""
    assert {i.item_id for i in wrong.items if "query_clicks" in i.sources} == {"p30", "p31"}
    scores = [[(item.item_id, item.score, item.reasons) for item in answer.items] for answer in (wrong, right)]
    assert scores[0] == scores[1]


def test_a_text_that_was_chosen_after_keeps_its_own_choices(taught: Brain) -> None:
    """Though the workers were not told of it, and it looks like one that they know."""
    stored: dict[bytes, bytes] = {}
    chose(taught, stored, "xz 12", "p32")
    taught.lore = Lore()
    taught.lore.learn_words(taught.catalogue.lexical)
    chose(taught, stored, "zx 12", "p30", "p31")
    answer = asked(taught, stored, "xz 12")
    assert {i.item_id for i in answer.items if "query_clicks" in i.sources} == {"p32"}
