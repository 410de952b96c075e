"""Known queries: the heaviest stay, in whatever order they come, and the nearest are found."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.base.errors import ModelError
from models.lore.known_queries import HALF_LIFE, KnownQueries, KnownQuery, decode_query, encode_query
from state.query_clicks import HALF_LIFE_DAYS


def query(text: str, weight: float = 2.0, time: int = 0, items: tuple[int, ...] = (7,)) -> KnownQuery:
    """A query whose key and vector follow from its text."""
    number = sum(ord(letter) * 31**place for place, letter in enumerate(text)) + 1
    vector = np.random.default_rng(number).normal(size=64)
    compact = (vector / np.linalg.norm(vector)).astype("<f4").tobytes()
    return KnownQuery(text, number, time, weight, list(items), [weight / len(items)] * len(items), compact)


def vector(text: str) -> np.ndarray:
    """The vector of such a query."""
    return np.frombuffer(query(text).compact, "<f4")


_records = st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 5), st.integers(0, 3)), max_size=30)


@given(_records, st.randoms(), st.integers(0, 5))
def test_the_same_queries_are_known_in_whatever_order_they_come(
    records: list[tuple[str, int, int]], random: object, limit: int
) -> None:
    """Each query's weight grows from record to record; the table holds the heaviest, with their last content."""
    grown: dict[str, int] = {}
    told: list[KnownQuery] = []
    for text, more, months in records:
        grown[text] = grown.get(text, 0) + 1 + more
        told.append(query(text, weight=2.0 ** (grown[text] - months), time=months * HALF_LIFE, items=(len(told) + 1,)))
    order = list(range(len(told)))
    random.shuffle(order)  # type: ignore[attr-defined]
    last = {record.text: record for record in told}
    compacted = [told[place] for place in order if told[place] is last[told[place].text]]
    held = []
    for run in (told, compacted):
        table = KnownQueries(limit)
        for record in run:
            table.put(record, record.text)
        held.append({text: (table.items[row], table.weights[row]) for row, text in enumerate(table.texts)})
    assert held[0] == held[1]
    heaviest = sorted(last.values(), key=lambda one: (grown[one.text], one.key))[::-1][:limit]
    assert set(held[0]) == {one.text for one in heaviest}


@given(_records)
def test_words_are_counted_in_the_queries_that_are_held(records: list[tuple[str, int, int]]) -> None:
    """Queries that leave or change take their words with them."""
    table = KnownQueries(3)
    for number, (text, more, _) in enumerate(records):
        table.put(query(text, weight=float(more + 1)), [text, "abc"[number % 3]])
    for word in "abcdefgh":
        assert table.frequency(word) == sum(word in tokens for tokens in table.tokens)
    assert set(table.holding) == {word for tokens in table.tokens for word in tokens}


def test_the_nearest_come_first_without_the_query_itself() -> None:
    """Those at the least cosine and above, at most as many as asked for."""
    table = KnownQueries()
    for number in range(300):
        table.put(query(f"q{number}"), ["q"])
    wanted = vector("q7")
    cosines = {text: float(np.dot(vector(text), wanted)) for text in table.texts}
    best = sorted((text for text in cosines if text != "q7"), key=lambda text: -cosines[text])
    found = table.near(wanted, 5, 0.1, exclude=(query("q7").key,))
    assert [near.text for near in found] == best[:5]
    assert [near.cosine for near in found] == pytest.approx([cosines[text] for text in best[:5]], abs=1e-5)
    assert table.near(wanted, 500, 0.2) == [near for near in table.near(wanted, 500, 0.0) if near.cosine >= 0.2]
    assert table.near(wanted, 1, 0.0)[0].text == "q7"
    assert KnownQueries().near(wanted, 5, 0.0) == []


def test_a_vector_of_another_size_is_refused() -> None:
    """The error names the query, and says what to do."""
    broken = query("tea")
    broken.compact = b"1234"
    with pytest.raises(ModelError, match=r"'tea'.*64 finite numbers.*topics repair"):
        KnownQueries().put(broken, ["tea"])


def test_weights_decay_as_what_is_stored_does() -> None:
    """The half-life is that of the query clicks; a record survives the wire."""
    assert HALF_LIFE == HALF_LIFE_DAYS * 86_400
    assert decode_query(encode_query(query("tea"))) == query("tea")
