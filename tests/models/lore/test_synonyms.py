"""Synonyms: words whose queries lead to the same items, and nothing else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from models.lore.known_queries import KnownQueries
from models.lore.synonyms import Synonyms
from tests.models.lore.test_known_queries import query


def learnt(*queries: tuple[str, int], weight: float = 6.0) -> Synonyms:
    """Synonyms of queries given as their text and the item that was chosen after them."""
    table = KnownQueries()
    synonyms = Synonyms(table)
    for text, item in queries:
        row = table.put(query(text, weight, items=(item,)), text.split(), synonyms.forget)
        synonyms.learn(row)
    return synonyms


def terms(synonyms: Synonyms, word: str) -> list[str]:
    """A word's synonyms without their weights."""
    return [term for term, _ in synonyms.of(word)]


def test_words_whose_queries_agree_are_synonyms() -> None:
    """English, Chinese, and the one for the other, both ways, with a weight below 1."""
    found = learnt(("couch", 1), ("sofa", 1), ("couch cover", 2), ("sofa cover", 2), ("coffee", 3), ("咖啡", 3),
                   ("coffee bean", 4), ("咖啡 bean", 4))  # fmt: skip
    assert terms(found, "couch") == ["sofa"]
    assert terms(found, "sofa") == ["couch"]
    assert terms(found, "咖啡") == ["coffee"]
    assert all(0 < weight < 1 for _, weight in found.of("couch"))


def test_an_abbreviation_stands_for_the_words_that_it_shortens() -> None:
    """With the number that it ends in, and no other."""
    found = learnt(("mw3", 1), ("modern warfare 3", 1), ("mw3 xbox", 1), ("modern warfare 3 xbox", 1))
    assert sorted(terms(found, "mw3")) == ["3", "modern", "warfare"]
    assert terms(found, "modern") == []
    assert "3" not in terms(learnt(("mw", 1), ("modern warfare 3", 1), ("mw x", 1), ("modern warfare 3 x", 1)), "mw")


def test_numbers_and_versions_are_no_synonyms() -> None:
    """Who asks for the old one may take the new one: that does not make them the same."""
    found = learnt(("forza 3", 1), ("forza 4", 1), ("forza 3 xbox", 1), ("forza 4 xbox", 1), ("mw2", 2), ("mw3", 2),
                   ("mw2 xbox", 2), ("mw3 xbox", 2))  # fmt: skip
    assert not any(terms(found, word) for word in ("3", "4", "mw2", "mw3"))


def test_one_pair_of_queries_or_few_choices_are_not_enough() -> None:
    """Two pairs must speak for it, each query with the weight of two clicks."""
    four = (("couch", 1), ("sofa", 1), ("couch cover", 2), ("sofa cover", 2))
    assert terms(learnt(*four[:2]), "couch") == []
    assert terms(learnt(*four, weight=2.0), "couch") == []
    assert terms(learnt(("couch", 1), ("sofa", 2), ("couch cover", 3), ("sofa cover", 4)), "couch") == []


def test_words_that_go_together_are_no_synonyms() -> None:
    """`modern` and `warfare` lead to one item, and stand in one query."""
    apart = (("modern", 1), ("warfare", 1), ("modern xbox", 1), ("warfare xbox", 1))
    together = tuple((f"modern warfare {word}", 9) for word in ("a", "b", "c", "d"))
    assert "warfare" in terms(learnt(*apart), "modern")
    assert "warfare" not in terms(learnt(*apart, *together), "modern")


_queries = st.lists(
    st.tuples(st.lists(st.sampled_from("abcde"), min_size=1, max_size=3, unique=True), st.integers(1, 3),
              st.floats(1, 50)),
    max_size=25,
)  # fmt: skip


@given(_queries, st.randoms())
def test_what_is_learnt_depends_on_the_queries_and_not_on_their_order(
    given: list[tuple[list[str], int, float]], random: object
) -> None:
    """Queries replaced and pushed out on the way leave no trace."""
    last: dict[str, tuple[int, float]] = {}
    grown: dict[str, float] = {}
    long = KnownQueries(6), KnownQueries(6)
    first, second = map(Synonyms, long)
    for words, item, weight in given:
        text = " ".join(sorted(words))
        grown[text] = grown.get(text, 0.0) + weight
        last[text] = item, grown[text]
        first.learn(long[0].put(query(text, grown[text], items=(item, 9)), text.split(), first.forget))
    texts = list(last)
    random.shuffle(texts)  # type: ignore[attr-defined]
    for text in texts:
        item, weight = last[text]
        second.learn(long[1].put(query(text, weight, items=(item, 9)), text.split(), second.forget))
    assert first._pairs == second._pairs
    assert {word: first.of(word) for word in "abcde"} == {word: second.of(word) for word in "abcde"}
