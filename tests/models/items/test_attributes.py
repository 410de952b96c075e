"""Attributes as columns: what matches, whatever came before."""

from __future__ import annotations

from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.items import attributes as module
from models.items.attributes import Attributes, Wanted, between, one_of
from models.text.words import normalise

Value: TypeAlias = bool | float | str | list[str]
TEXTS = st.sampled_from(["red", "RED", "blue", "ＢＬＵＥ", "true", ""])
NUMBERS = st.sampled_from([-1.0, 0.0, 1.0, 2.5])
VALUES: st.SearchStrategy[Value] = st.one_of(st.booleans(), NUMBERS, TEXTS, st.lists(TEXTS, max_size=3))
ITEM = st.dictionaries(st.sampled_from(["a", "b", "c"]), VALUES, max_size=3)
ONE = st.one_of(st.booleans(), NUMBERS, TEXTS)


def matches(value: Value | None, wanted: list[bool | float | str]) -> bool:
    """Whether a value is one of those wanted, in plain words."""

    def plain(one: bool | float | str) -> tuple[str, object]:
        return type(one).__name__, normalise(one) if isinstance(one, str) else one

    own = value if isinstance(value, list) else [] if value is None else [value]
    return bool({plain(one) for one in own} & {plain(one) for one in wanted})


@given(st.lists(st.tuples(st.integers(0, 5), ITEM), max_size=40), st.lists(ONE, max_size=3), st.integers(0, 8))
def test_columns_match_what_a_dictionary_would(
    puts: list[tuple[int, dict[str, Value]]], wanted: list[bool | float | str], spare: int
) -> None:
    """After any changes of any items, whether or not old pairs have been cleared away."""
    before, module.SPARE = module.SPARE, spare  # type: ignore[misc]
    try:
        held, plain = Attributes(), dict[int, dict[str, Value]]()
        for row, attributes in puts:
            held.put(row, attributes)
            plain[row] = attributes
    finally:
        module.SPARE = before  # type: ignore[misc]
    for name in "abcd":
        own = [plain.get(row, {}).get(name) for row in range(6)]
        assert held.match(name, one_of(wanted), 6).tolist() == [matches(value, wanted) for value in own]
        within = [isinstance(v, float) and not isinstance(v, bool) and 0 <= v <= 1 for v in own]
        assert held.match(name, between(0, 1), 6).tolist() == within


@pytest.mark.parametrize(
    ("wanted", "rows"),
    [(between(None, None), [0, 1]), (between(40, None), [1]), (between(None, 39.5), [0]), (one_of([39, 40.0]), [0, 1]),
     (one_of(["39"]), []), (one_of([]), []), (Wanted(), [])],
)  # fmt: skip
def test_numbers_are_compared_as_numbers(wanted: Wanted, rows: list[int]) -> None:
    """A side left out is open; a text is no number; wanting nothing finds nothing."""
    held = Attributes()
    held.put(0, {"size": 39.0})
    held.put(1, {"size": 40.0})
    held.put(2, {"size": "40"})
    assert [row for row, found in enumerate(held.match("size", wanted, 4)) if found] == rows


def test_an_item_that_changes_often_keeps_no_more_than_it_has() -> None:
    """Pairs of earlier generations are cleared away, so memory does not grow with the number of events."""
    held = Attributes()
    for n in range(20_000):
        held.put(0, {"n": float(n), "same": "x"})
    assert held._pairs <= 2 * held._live + module.SPARE
    assert sum(len(c.rows) for c in (held._texts, *held._numbers.values())) == held._pairs
    assert held.match("n", one_of([19_999]), 1).all()


def test_names_without_end_are_not_all_indexed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first names are; the others are counted."""
    monkeypatch.setattr(module, "MOST_NAMES", 3)
    held = Attributes()
    held.put(0, {f"n{n}": 1.0 for n in range(5)})
    assert held.left_out == 2
    assert [bool(held.match(f"n{n}", one_of([1]), 1)[0]) for n in range(5)] == [True, True, True, False, False]
