"""What the log teaches about queries, in answers: with real models over a dict."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.items.catalogue import Catalogue
from models.lore.known_queries import KnownQuery
from models.lore.query_lore import QueryLore
from models.sample import sample_entry
from state import keys, query_clicks
from state.records import QUERY_CLICK
from streamrank_client.answers import Answer, Understood
from streamrank_client.events import Query
from streamrank_client.vocabulary import key
from streams.artifacts.tables import Tables
from tests.support.composing import Answering
from tests.support.driving import PARTITIONS
from tests.support.small_log import START

NOW = START + 10 * 60_000


@pytest.fixture
def taught(shelf: Answering) -> Answering:
    """The shelf with nothing learnt about queries but its own words."""
    lore = QueryLore()
    lore.learn_words(shelf.models.catalogue.lexical)
    return shelf.with_models(lore=lore)


def chose(shop: Answering, stored: dict[bytes, bytes], text: str, *items: str) -> None:
    """Others chose these items after a text: its row is stored, and every query worker is told of it."""
    row, seconds = np.zeros(1, QUERY_CLICK), np.full(len(items), START // 1000, np.uint32)
    weight = np.full(len(items), 4, np.float32)
    query_clicks.fold(row, np.zeros(len(items), np.intp), np.array([key(i) for i in items], np.uint64), weight, seconds)
    stored[keys.query_clicks(PARTITIONS, key(text))] = row.tobytes()
    compact = shop.models.encoder.encode([text]).compact[0].astype("<f4").tobytes()
    shares = [4.0] * len(items)
    by = shop.models.catalogue.encoder
    known = KnownQuery(text, key(text), START // 1000, sum(shares), [key(i) for i in items], shares, compact, by)
    shop.tables.take_queries([(text, known)])


def asked(shop: Answering, stored: dict[bytes, bytes], text: str, explain: bool = True) -> Answer:
    """The answer to one search."""
    return shop.answer(Query(time=NOW, request_id="r1", text=text, explain=explain, limit=100), stored)


def test_what_was_chosen_after_a_query_like_this_one_is_found(taught: Answering) -> None:
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


def test_a_query_is_no_neighbour_of_its_own(taught: Answering) -> None:
    """Its own choices are the source query_clicks'; far ones and a text without letters have no neighbours."""
    stored: dict[bytes, bytes] = {}
    chose(taught, stored, "running shoe", "p30")
    for text in ("Running  SHOE", "牛奶", "…"):
        understood = asked(taught, stored, text).understood
        assert understood is None or understood.neighbours == []


def test_a_misspelt_word_finds_what_the_right_one_finds(taught: Answering) -> None:
    """The same items by words, told with and without explain; the meaning of what was typed keeps its say."""
    wrong, right = asked(taught, {}, "expresso"), asked(taught, {}, "espresso")
    assert wrong.understood is not None
    assert wrong.understood.corrected == "espresso"
    assert [(e.of, e.term, e.kind) for e in wrong.understood.expansions] == [("expresso", "espresso", "spelling")]
    by_words = [{i.item_id for i in one.items if "lexical" in i.sources} for one in (wrong, right)]
    assert by_words[0] == by_words[1] != set()
    plain = asked(taught, {}, "expresso", explain=False).understood
    assert plain is not None
    assert (plain.corrected, plain.words) == ("espresso", [])
    assert [(one.of, one.term) for one in plain.expansions] == [("expresso", "espresso")]


def test_a_word_learnt_from_others_finds_items_that_do_not_hold_it(taught: Answering) -> None:
    """`kola` is in no title, and its queries lead where those for `novel` lead."""
    catalogue = taught.models.catalogue
    novels = [item for item, title in zip(catalogue.ids, catalogue.titles, strict=True) if "novel" in title]
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


def test_how_a_text_was_understood_is_told_on_request_only(taught: Answering) -> None:
    """Its words with explain; nothing without where nothing was guessed, and nothing without a text."""
    assert asked(taught, {}, "milk", explain=False).understood is None
    assert asked(taught, {}, "milk").understood == Understood(words=["milk"])
    assert asked(taught, {}, "").understood is None


@pytest.mark.parametrize("searched", [True, False])
def test_only_who_answers_queries_learns_the_words_of_the_catalogue(shelf: Answering, searched: bool) -> None:
    """An ingest worker reads the same catalogue without their index."""
    models = replace(shelf.models, catalogue=Catalogue(), lore=QueryLore())
    Tables(models, searched=searched).take_items([("garden hose", sample_entry("garden hose"))])
    assert len(models.catalogue) == 1
    assert bool(len(models.lore.speller)) == searched


def test_a_slip_in_a_whole_query_finds_what_was_chosen_after_the_known_one(taught: Answering) -> None:
    """What was chosen after the query that was meant is found, and it is told without explain too."""
    stored: dict[bytes, bytes] = {}
    chose(taught, stored, "zx 12", "p30", "p31")
    wrong, right = asked(taught, stored, "xz 12"), asked(taught, stored, "ZX 12")
    assert wrong.understood is not None
    assert wrong.understood.corrected == "zx 12"
    assert right.understood is not None
    assert right.understood.corrected == ""
    assert {i.item_id for i in wrong.items if "query_clicks" in i.sources} == {"p30", "p31"}
    plain = asked(taught, stored, "xz 12", explain=False).understood
    assert plain is not None
    assert plain.corrected == "zx 12"


def test_a_text_that_was_chosen_after_keeps_its_own_choices(taught: Answering) -> None:
    """Though the workers were not told of it, and it looks like one that they know."""
    stored: dict[bytes, bytes] = {}
    chose(taught, stored, "xz 12", "p32")
    untold = QueryLore()
    untold.learn_words(taught.models.catalogue.lexical)
    taught = taught.with_models(lore=untold)
    chose(taught, stored, "zx 12", "p30", "p31")
    answer = asked(taught, stored, "xz 12")
    assert {i.item_id for i in answer.items if "query_clicks" in i.sources} == {"p32"}
