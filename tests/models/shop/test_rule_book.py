"""The shop's rules by hand: which hold for a query, and what they name in the catalogue."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.ask import Ruled
from models.items.catalogue import Catalogue
from models.sample import asked, sample, sample_entry
from models.shop.rule_book import RuleBook, RuleEntry, decode_rule, encode_rule
from models.shop.rules import Rules, allowed, mask
from streamrank_client.vocabulary import SURFACES

CATALOGUE = sample(
    ["a", "b", "c", "d"], category=[["x"], ["x", "y"], [], ["z"]], brand=["Oz", "", "Ur", "Oz"]
)  # fmt: skip
WORDS = st.lists(st.sampled_from(["red", "tea", "pot"]), unique=True, max_size=2)
ENTRY = st.builds(
    RuleEntry,
    rule_id=st.sampled_from(["r1", "r2", "r3"]),
    action=st.sampled_from(["pin", "bury", "hide"]),
    item_ids=st.lists(st.sampled_from("abcde"), max_size=2),
    surfaces=st.lists(st.sampled_from(SURFACES), max_size=2, unique=True),
    text=st.sampled_from(["", "red tea", "pot"]),
    position=st.integers(0, 3),
    valid_from=st.one_of(st.none(), st.integers(0, 4)),
    valid_to=st.one_of(st.none(), st.integers(0, 4)),
).flatmap(lambda e: WORDS.map(lambda words: with_words(e, words)))


def with_words(entry: RuleEntry, words: list[str]) -> RuleEntry:
    """The entry, matched by words where it has a text."""
    entry.words = words if entry.text else []
    return entry


def holds(entry: RuleEntry, surface: str, text: str, now: int) -> bool:
    """Whether a rule holds for a query, in plain words."""
    said = not entry.text or (set(entry.words) <= set(text.split()) if entry.words else entry.text == text)
    since = entry.valid_from is None or entry.valid_from <= now
    return (
        said and since and (not entry.surfaces or surface in entry.surfaces)
        and (entry.valid_to is None or now < entry.valid_to)
    )  # fmt: skip


def rows(found: Ruled) -> tuple[set[int], set[int], set[int]]:
    """Rows pinned, buried and hidden."""
    return {row for _, row in found.pins}, set(found.bury.rows.tolist()), set(found.hide.rows.tolist())


@given(
    st.lists(st.one_of(ENTRY, st.sampled_from(["r1", "r2"])), max_size=8),
    st.sampled_from(SURFACES),
    st.sampled_from(["", "red tea", "tea pot red", "pot"]),
    st.integers(0, 4),
)
def test_the_book_finds_what_reading_every_rule_would(
    changes: list[RuleEntry | str], surface: str, text: str, now: int
) -> None:
    """After any rules that came, were replaced or taken away, also when it was asked in between."""
    book, plain = RuleBook(), dict[str, RuleEntry]()
    for change in changes:
        if isinstance(change, str):
            book.delete(change)
            plain.pop(change, None)
        else:
            book.put(change)
            plain[change.rule_id] = change
        found = rows(book.find(surface, text, text.split(), now, CATALOGUE))
        held = [entry for entry in plain.values() if holds(entry, surface, text, now)]
        expected = tuple(
            {CATALOGUE.row(i) for e in held if e.action == action for i in e.item_ids} - {-1}
            for action in ("pin", "bury", "hide")
        )
        assert found == expected
    assert len(book) == len(plain)


def test_pins_come_in_the_order_of_their_places() -> None:
    """Then by rule id; the items of one rule in their order; an item that is pinned twice has the first place."""
    book = RuleBook()
    book.put(RuleEntry("r2", "pin", ["d", "a"], position=1))
    book.put(RuleEntry("r1", "pin", ["c"], position=1))
    book.put(RuleEntry("r3", "pin", ["c", "b"], position=0))
    pins = book.find("home", "", (), 0, CATALOGUE).pins
    assert [(position, CATALOGUE.ids[row]) for position, row in pins] == [(0, "c"), (0, "b"), (1, "d"), (1, "a")]


def test_a_rule_for_an_item_that_is_not_there_yet_holds_once_it_is() -> None:
    """Rules and items arrive in any order, and so do new brands and categories."""
    catalogue, book = sample(["a"]), RuleBook()
    book.put(RuleEntry("r1", "hide", ["new"]))
    book.put(RuleEntry("r2", "bury", category=["x"], brand=["Oz"]))
    before = book.find("home", "", (), 0, catalogue)
    assert rows(before) == (set(), set(), set())
    catalogue.upsert([sample_entry("new"), sample_entry("other", category=["x"], brand="Oz")])
    after = book.find("home", "", (), 0, catalogue)
    assert rows(after)[2] == {1}
    assert (after.bury.category.tolist(), after.bury.brand.tolist()) == ([0], [0])


@pytest.mark.parametrize(
    ("entry", "gone"),
    [(RuleEntry("r", "hide", ["b"]), {1}), (RuleEntry("r", "hide", category=["x"]), {0, 1}),
     (RuleEntry("r", "hide", brand=["Oz"]), {0, 3}), (RuleEntry("r", "hide", ["c"], ["y"], ["Oz"]), {0, 1, 2, 3}),
     (RuleEntry("r", "bury", ["b"]), set())],
)  # fmt: skip
def test_what_is_hidden_may_not_be_shown(entry: RuleEntry, gone: set[int]) -> None:
    """By item, by category with what is below it, by brand; the two ways to ask agree."""
    book = RuleBook()
    book.put(entry)
    ask = asked("home", ruled=book.find("home", "", (), 0, CATALOGUE))
    expected = [row not in gone for row in range(4)]
    assert mask(ask, CATALOGUE, Rules()).tolist() == expected
    assert allowed(np.arange(4, dtype=np.int32), ask, CATALOGUE).tolist() == expected
    assert CATALOGUE.recommendable.all()


def test_a_rule_survives_the_wire() -> None:
    """Every field comes back."""
    entry = RuleEntry("r1", "pin", ["a"], ["x"], ["Oz"], ["home"], "red tea", ["red"], 3, 1, 2)
    assert decode_rule(encode_rule(entry)) == entry


def test_an_empty_book_says_nothing() -> None:
    """Also of an empty catalogue."""
    assert rows(RuleBook().find("home", "", (), 0, Catalogue())) == (set(), set(), set())
