"""Spelling: the nearest frequent word, and nothing that is a word, a number or a model."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import OSA

from models.lore.spelling import LONG, Speller, correctable, edits

WORDS = ("assassin", "battlefield", "borderland", "console", "controller", "forza", "gear", "halo", "kinect", "warfare")
_letters = st.text(string.ascii_lowercase[:4], max_size=9)


def speller(*words: str) -> Speller:
    """A speller that knows these words."""
    made = Speller()
    for word in words:
        made.add(word)
    return made


def often(word: str) -> int:
    """Every known word is used ten times."""
    return 10 if word in WORDS else 0


def plain_distance(one: str, other: str) -> int:
    """The restricted Damerau-Levenshtein distance, by its recursive definition."""
    if not one or not other:
        return len(one) + len(other)
    found = min(
        plain_distance(one[:-1], other) + 1,
        plain_distance(one, other[:-1]) + 1,
        plain_distance(one[:-1], other[:-1]) + (one[-1] != other[-1]),
    )
    if len(one) > 1 and len(other) > 1 and one[-1] == other[-2] and one[-2] == other[-1]:
        found = min(found, plain_distance(one[:-2], other[:-2]) + 1)
    return found


@given(st.text("abc", max_size=6), st.text("abc", max_size=6), st.integers(1, 2))
def test_the_distance_is_the_definitions_up_to_its_limit(one: str, other: str, most: int) -> None:
    """rapidfuzz's optimal string alignment is the restricted distance, beyond its cutoff one more than it."""
    assert OSA.distance(one, other, score_cutoff=most) == min(plain_distance(one, other), most + 1)


@given(st.lists(st.text("abcd", min_size=4, max_size=10), min_size=1, max_size=20), st.text("abcd", max_size=10))
def test_no_nearer_word_is_overlooked(words: list[str], typed: str) -> None:
    """The deletes find every word that comparing with all of them finds."""
    most = edits(typed)
    near = [(OSA.distance(typed, word, score_cutoff=most), word) for word in words if word != typed]
    expected = min((found for found in near if found[0] <= most), default=None)
    found = speller(*words).correct(typed, lambda word: 5)
    assert found == (expected[1] if expected is not None and correctable(typed) else None)


@given(st.sampled_from(WORDS), st.data())
def test_one_edit_anywhere_is_mended(word: str, data: st.DataObject) -> None:
    """A letter dropped, doubled, replaced or swapped with its neighbour leads back to the only word that is near."""
    place = data.draw(st.integers(0, len(word) - 1))
    typed = data.draw(
        st.sampled_from((
            word[:place] + word[place + 1 :],
            word[: place + 1] + word[place:],
            word[:place] + "z" + word[place + 1 :],
            word[:place] + word[place : place + 2][::-1] + word[place + 2 :],
        ))
    )  # fmt: skip
    corrected = speller(*WORDS).correct(typed, often)
    assert corrected == (word if correctable(typed) and typed != word else None)


def test_the_nearest_comes_before_the_most_frequent() -> None:
    """Then the more frequent, then the one that stands first in the alphabet."""
    uses = {"kinects": 900, "kinect": 3, "kinelt": 3, "gears": 4, "geals": 9}
    made = speller(*uses)
    assert made.correct("kinectt", lambda word: uses[word]) == "kinects"
    assert made.correct("kineet", lambda word: uses[word]) == "kinect"
    assert made.correct("geaks", lambda word: uses[word]) == "geals"
    uses = {"battlefields": 99, "battlefield": 2}
    assert speller(*uses).correct("battelfield", lambda word: uses[word]) == "battlefield"


@pytest.mark.parametrize("typed", ["mw3", "xbox360", "128gb", "2012", "手机売", "red", "héroe", ""])
def test_numbers_models_short_and_other_words_are_left(typed: str) -> None:
    """Only words of at least four ASCII letters are corrected."""
    assert speller("xbox", "redd", "heroe").correct(typed, lambda word: 100) is None


def test_two_edits_need_a_long_word() -> None:
    """From eight letters on."""
    assert speller(*WORDS).correct("asasin", often) is None
    assert len("asassins") == LONG
    assert speller(*WORDS).correct("asassins", often) == "assassin"


def test_rare_words_are_nothing_to_correct_to() -> None:
    """A word that is used once may be a misspelling itself."""
    assert speller("kinect").correct("kinnect", lambda word: 1) is None


@given(st.lists(st.text("abcd", min_size=4, max_size=10), min_size=1, max_size=12, unique=True), st.data())
def test_a_word_that_was_dropped_leaves_nothing_behind(words: list[str], data: st.DataObject) -> None:
    """The index is that of the words that stay, but for the order in which words share an entry."""
    gone = data.draw(st.lists(st.sampled_from(words), unique=True))
    dropped, fresh = speller(*words), speller(*(word for word in words if word not in gone))
    for word in gone:
        dropped.drop(word)
    for index, other in zip(dropped._by_left, fresh._by_left, strict=True):
        assert {left: set([found] if isinstance(found, str) else found) for left, found in index.items()} == {
            left: set([found] if isinstance(found, str) else found) for left, found in other.items()
        }
    assert len(dropped) == len(fresh)
