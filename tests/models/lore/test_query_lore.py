"""What the log teaches about a query's words."""

from __future__ import annotations

import pytest

from models.items.bm25 import Bm25
from models.lore.query_lore import MOST_TERMS, QueryLore
from models.text.words import Words
from tests.models.lore.test_known_queries import query


def taught(titles: list[str], queries: list[tuple[str, int]] = []) -> tuple[QueryLore, Bm25]:  # noqa: B006
    """A lore with a catalogue's titles and queries with the item chosen after them."""
    lexical, lore = Bm25(), QueryLore()
    for row, title in enumerate(titles):
        lexical.put(row, title.split())
    lore.learn_words(lexical)
    for text, item in queries:
        lore.learn(query(text, 6.0, items=(item,)), text.split())
    return lore, lexical


GAMES = [
    "kinect sensor",
    "kinect game",
    "forza 4",
    "forza wheel",
    "modern warfare 3",
    "modern warfare 2",
    "gear",
    "gear",
]


def test_an_unknown_word_becomes_the_frequent_one_that_looks_like_it() -> None:
    """In the words, and in the text that is encoded; the change is told."""
    lore, lexical = taught(GAMES)
    found = lore.understand("froza kinnect 2手柄", ["froza", "kinnect", "2", "手柄"], lexical)
    assert found.tokens == ("forza", "kinect", "2", "手柄")
    assert found.corrected == "forza kinect 2手柄"
    assert [(one.of, one.term, one.kind, one.weight) for one in found.expansion] == [
        ("froza", "forza", "spelling", 1.0),
        ("kinnect", "kinect", "spelling", 1.0),
    ]


def test_a_word_of_the_catalogue_is_never_changed() -> None:
    """However frequent the word that looks like it."""
    lore, lexical = taught([*GAMES, "gearz"], [(f"gear {n}", 1) for n in range(50)])
    assert lore.understand("gearz", ["gearz"], lexical).tokens == ("gearz",)


def test_a_word_that_is_one_somewhere_is_not_changed() -> None:
    """The encoder's tokenizer knows common words that this shop does not sell."""
    lore, lexical = taught(GAMES)
    assert lore.understand("fear", ["fear"], lexical).tokens == ("gear",)
    assert lore.understand("fear", ["fear"], lexical, lambda word: word == "fear").tokens == ("fear",)


def test_a_word_of_several_queries_stands_unless_it_is_outnumbered() -> None:
    """Three queries make a word known; a word twenty times as frequent makes it a misspelling all the same."""
    own = [(f"warefare {n}", n) for n in "abc"]
    lore, lexical = taught(GAMES, [(text, 1) for text, _ in own])
    assert lore.understand("warefare", ["warefare"], lexical).tokens == ("warefare",)
    lore, lexical = taught(GAMES * 30, [(text, 1) for text, _ in own])
    assert lore.understand("warefare", ["warefare"], lexical).tokens == ("warfare",)


def test_a_query_is_expanded_by_at_most_three_words_of_the_catalogue() -> None:
    """Heaviest first; words that no title holds find nothing, and are left out."""
    words = ("settee", "sofa", "divan", "lounge", "seat")
    queries = [(f"{word} {what}".strip(), number) for number, what in enumerate(("", "cover", "bed"), 1)
               for word in ("couch", *words)]  # fmt: skip
    lore, lexical = taught(["sofa", "divan", "lounge", "settee"], queries)
    found = lore.understand("couch", ["couch"], lexical)
    assert found.tokens == ("couch",)
    assert found.corrected == ""
    assert len(found.expansion) == MOST_TERMS
    assert {one.kind for one in found.expansion} == {"synonym"}
    assert "seat" not in {one.term for one in found.expansion}
    assert all(0 < one.weight < 1 for one in found.expansion)


def test_another_character_of_a_chinese_word_is_told_as_a_spelling() -> None:
    """The log must say that both lead to the same items."""
    lore, lexical = taught(["帐篷", "帐篷 大"], [("帐篷", 1), ("账篷", 1), ("帐篷 大", 2), ("账篷 大", 2)])
    (one,) = lore.understand("账篷", ["账篷"], lexical).expansion
    assert (one.term, one.of, one.kind) == ("帐篷", "账篷", "spelling")


@pytest.mark.parametrize("text", ["", "xbox360 mw3 128gb", "有什么优惠的咖啡", "the"])
def test_without_anything_learnt_words_stay_as_they_are(text: str) -> None:
    """An empty catalogue and no known queries."""
    tokens = Words.load().tokens(text)
    assert QueryLore().understand(text, tokens, Bm25()) == (tuple(tokens), (), "")


def test_only_words_of_the_catalogue_and_of_known_queries_are_corrected_to() -> None:
    """Where neither holds a word, nothing is near enough to be meant."""
    lore = QueryLore()
    assert lore.understand("whre is my ordr", ["whre", "ordr"], Bm25()).corrected == ""
    lore, lexical = taught(["order book"] * 2)
    assert lore.understand("ordr", ["ordr"], lexical).corrected == "order"


def test_a_query_nobody_asked_becomes_the_known_one_it_looks_like() -> None:
    """Short names and numbers too; of several the one with fewer edits, then the heavier."""
    lore, lexical = taught(["halo"], [("fifa 12", 1), ("mw3", 2), ("mw3s", 2)])
    lore.learn(query("nba 12", 600.0), ["nba", "12"])
    lore.learn(query("nfl 12", 60.0), ["nfl", "12"])
    wanted = {"fofa 12": "fifa 12", "m3w": "mw3", "n 12": "", "nb 12": "nba 12", "nfa 12": "nba 12"}
    for typed, known in wanted.items():
        assert lore.meant(typed, typed.split(), lexical) == known


def test_a_known_query_is_never_taken_for_another() -> None:
    """However much heavier the other; nor is one whose words stand together in a title, but for spaces."""
    lore, lexical = taught(["age of empires", "gears of war"], [("aged", 1)])
    lore.learn(query("rage", 6000.0), ["rage"])
    lore.learn(query("gears ofwar", 6000.0), ["gears", "ofwar"])
    lore.learn(query("age of empire", 6000.0), ["age", "of", "empire"])
    assert lore.meant("aged", ["aged"], lexical) == ""
    assert lore.meant("age", ["age"], lexical) == ""
    assert lore.meant("aage", ["aage"], lexical) == "rage"
    assert lore.meant("gears of war", ["gears", "of", "war"], lexical) == "gears ofwar"


def test_a_query_chosen_after_once_is_nothing_to_correct_to() -> None:
    """It may be a slip itself."""
    lore, lexical = taught([])
    lore.learn(query("forza", 2.0), ["forza"])
    assert lore.meant("forxa", ["forxa"], lexical) == ""


def test_a_flood_of_query_texts_leaves_no_more_behind_than_the_table_holds() -> None:
    """Thousands of texts, each of a few words that come several times, through a table of 60: what is kept of words,
    slips and pairs is what a lore has that knows the last 60 alone.
    """
    flooded, fresh = QueryLore(60), QueryLore(60)
    letters = "abcdefghij"
    texts = [
        f"w{letters[n % 10]}rd{letters[n // 40 % 10]}x{letters[n // 400 % 10]}y{letters[n // 4_000 % 10]} number{n}"
        for n in range(6_000)
    ]
    for n, text in enumerate(texts):
        flooded.learn(query(text, 6.0, time=n * 86_400, items=(n % 7 + 1,)), text.split())
    for n, text in list(enumerate(texts))[-60:]:
        fresh.learn(query(text, 6.0, time=n * 86_400, items=(n % 7 + 1,)), text.split())
    assert set(flooded.table.texts) == set(fresh.table.texts) == set(texts[-60:])
    assert flooded.table.holding.keys() == fresh.table.holding.keys()
    assert len(flooded.speller) <= len(flooded.table.holding)
    assert len(flooded.speller) == len(fresh.speller)
    assert flooded.speller._by_left[0].keys() == fresh.speller._by_left[0].keys()


def test_a_word_that_the_catalogue_has_too_stays_when_its_queries_leave() -> None:
    """What was learnt of queries leaves with them, and nothing else."""
    lore, lexical = QueryLore(3), Bm25()
    for n in range(3):
        lore.learn(query(f"kinect tablet {n}", 6.0, time=n), ["kinect", "tablet", f"{n}"])
    assert "kinect" in lore.speller
    assert "tablet" in lore.speller
    lexical.put(0, ["kinect"])
    lore.learn_words(lexical)
    for n in range(3):
        lore.learn(query(f"wine {n}", 60.0, time=n + 10**8), ["wine", f"{n}"])
    assert "kinect" in lore.speller
    assert "tablet" not in lore.speller
