"""The table from item keys to rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.items.key_index import KeyIndex

KEYS = st.lists(st.integers(1, 2**64 - 1) | st.integers(1, 40), unique=True, max_size=200)


@given(KEYS, st.lists(st.integers(0, 2**64 - 1), max_size=50))
def test_it_answers_as_a_dict_does(keys: list[int], others: list[int]) -> None:
    """Every stored key gives its row, everything else -1."""
    index, model = KeyIndex(), {key: row for row, key in enumerate(keys)}
    half = len(keys) // 2
    for part in (slice(0, half), slice(half, None)):
        index.put(np.array(keys[part], np.uint64), np.arange(len(keys), dtype=np.int32)[part])
    asked = keys + others
    assert index.get(np.array(asked, np.uint64)).tolist() == [model.get(key, -1) for key in asked]
    assert len(index) == len(keys)


def test_a_key_stored_twice_gives_the_later_row() -> None:
    """Storing a held key replaces its row and does not count it again."""
    index = KeyIndex()
    index.put(np.array([5], np.uint64), np.array([1], np.int32))
    index.put(np.array([5], np.uint64), np.array([2], np.int32))
    assert index.get(np.array([5], np.uint64)).tolist() == [2]
    assert len(index) == 1


def test_keys_that_collide_are_all_found() -> None:
    """Keys with equal low bits share a probe chain, across growth too."""
    keys = (np.arange(1, 3_000, dtype=np.uint64)) << np.uint64(40)
    index = KeyIndex()
    index.put(keys[:300], np.arange(300, dtype=np.int32))
    assert index.get(keys[:400]).tolist() == [*range(300), *[-1] * 100]


def test_key_zero_is_refused() -> None:
    """Key 0 marks an empty slot, so it cannot be stored, and is never found."""
    index = KeyIndex()
    with pytest.raises(ValueError, match=r"streamrank_client\.vocabulary\.key"):
        index.put(np.array([0], np.uint64), np.array([0], np.int32))
    assert index.get(np.array([0], np.uint64)).tolist() == [-1]
