"""The catalogue: stable rows, arrays, upserts and deletes."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.base.errors import ModelError
from models.items.catalogue import Catalogue, Entry, decode_entry, encode_entry
from streamrank_client.vocabulary import COMPACT as NARROW
from streamrank_client.vocabulary import WIDE, key


def entry(item_id: str, **changes: Any) -> Entry:
    """An entry with a vector of its own; ``changes`` replace fields."""
    rng = np.random.default_rng(key(item_id))
    wide, narrow = rng.standard_normal(WIDE), rng.standard_normal(NARROW)
    made = Entry(
        item_id,
        key(item_id),
        1_000,
        item_id.title(),
        ["food", "tea"],
        "Oz",
        2.5,
        None,
        True,
        {"size": "1 l"},
        ["tea", item_id],
        (wide / np.linalg.norm(wide)).astype("<f2").tobytes(),
        (narrow / np.linalg.norm(narrow)).astype("<f4").tobytes(),
    )
    return msgspec.structs.replace(made, **changes)


def test_a_promotion_holds_from_its_first_to_its_last_moment() -> None:
    """Outside of it the list price holds and there is no discount; an open side never ends."""
    catalogue = Catalogue()
    offer = {"price": 6.0, "list_price": 8.0}
    catalogue.upsert([entry("a", **offer), entry("b", list_price=8.0, price=9.0), entry("c", price=None)])
    assert catalogue.price_at(0).tolist()[:2] == [6, 9]
    catalogue.upsert([entry("d", **offer, valid_from=100, valid_to=200), entry("e", **offer, valid_from=150)])
    rows = np.array([0, 3, 4], np.int32)
    for now, prices in ((99, [6, 8, 8]), (100, [6, 6, 8]), (200, [6, 6, 6]), (201, [6, 8, 6])):
        assert catalogue.price_at(now, rows).tolist() == prices
        assert catalogue.price_at(now)[[0, 3, 4]].tolist() == prices
        assert catalogue.discount_at(now, rows).tolist() == [0.25 if price == 6 else 0 for price in prices]
    assert catalogue.discount_at(0)[[1, 2]].tolist() == [0, 0]
    catalogue.upsert([entry("d", **offer)])
    assert catalogue.price_at(0, rows).tolist() == [6, 6, 8]


def test_an_entry_survives_its_encoding() -> None:
    """The payload of a record gives the entry back."""
    made = entry("p1", attributes={"a": True, "b": 1.5, "c": "x", "d": ["y", "z"]})
    assert decode_entry(encode_entry(made)) == made


def test_a_payload_that_is_no_entry_is_refused() -> None:
    """Foreign bytes raise msgspec's error."""
    with pytest.raises(msgspec.DecodeError):
        decode_entry(b"\x93\x01\x02\x03")


def test_every_column_holds_what_the_entry_says() -> None:
    """One row, all its arrays."""
    catalogue = Catalogue()
    catalogue.upsert([entry("a", category=[]), entry("b", price=None, brand="", list_price=9.0, in_stock=False)])
    made = entry("b")
    assert catalogue.ids == ["a", "b"]
    assert catalogue.titles == ["A", "B"]
    assert catalogue.keys.tolist() == [key("a"), key("b")]
    assert catalogue.vectors[1].tobytes() == made.vector
    assert catalogue.compact[1].tobytes() == made.compact
    assert catalogue.price[0] == 2.5
    assert np.isnan(catalogue.price[1])
    assert np.isnan(catalogue.list_price[0])
    assert catalogue.list_price[1] == 9
    assert catalogue.brand.tolist() == [0, -1]
    assert catalogue.category.tolist() == [-1, 1]
    assert catalogue.category_path.tolist() == [[-1] * 4, [0, 1, -1, -1]]
    assert catalogue.in_stock.tolist() == [True, False]
    assert catalogue.recommendable.tolist() == [True, False]
    assert catalogue.first_time.tolist() == [1_000, 1_000]


def test_a_path_of_ten_levels_keeps_its_leaf() -> None:
    """``category_path`` holds four levels, ``category`` the whole path."""
    catalogue, path = Catalogue(), [f"c{i}" for i in range(10)]
    catalogue.upsert([entry("a", category=path)])
    assert catalogue.categories.paths[catalogue.category[0]] == tuple(path)
    assert catalogue.category_path[0].tolist() == [0, 1, 2, 3]


def test_a_deleted_item_keeps_its_row_and_an_upsert_revives_it() -> None:
    """Rows are stable through delete and revival, and the words follow."""
    catalogue = Catalogue()
    catalogue.upsert([entry("a"), entry("b")])
    catalogue.delete("a")
    assert (catalogue.row("a"), catalogue.alive.tolist(), len(catalogue)) == (0, [False, True], 2)
    assert catalogue.lexical.scores(["a"], 2).tolist() == [0, 0]
    catalogue.upsert([entry("c"), entry("a", title="again", time=5_000)])
    assert (catalogue.row("a"), catalogue.row("c"), catalogue.titles[0]) == (0, 2, "again")
    assert catalogue.alive.all()
    assert catalogue.first_time[0] == 1_000
    assert catalogue.lexical.scores(["a"], 3)[0] > 0


def test_unknown_items_have_row_minus_one() -> None:
    """By id and by key, in an empty catalogue too; deleting one does nothing."""
    catalogue = Catalogue()
    assert catalogue.row("a") == -1
    assert catalogue.rows(np.array([7, 0], np.uint64)).tolist() == [-1, -1]
    catalogue.delete("a")
    catalogue.upsert([])
    assert catalogue.version == 0
    catalogue.upsert([entry("a")])
    assert catalogue.rows(np.array([key("b"), key("a")], np.uint64)).tolist() == [-1, 0]


def test_the_version_counts_changes() -> None:
    """Anything derived from the arrays can be kept until the version moves."""
    catalogue = Catalogue()
    catalogue.upsert([entry("a")])
    before = catalogue.version
    catalogue.delete("a")
    assert catalogue.version > before
    before = catalogue.version
    catalogue.delete("a")
    assert catalogue.version == before


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"vector": b""}, "vector"),
        ({"compact": np.full(NARROW, np.nan, "<f4").tobytes()}, "compact"),
        ({"vector": np.full(WIDE, np.inf, "<f2").tobytes()}, "vector"),
        ({"key": 0}, "key"),
    ],
)
def test_a_broken_entry_changes_nothing(changes: dict[str, Any], field: str) -> None:
    """The error names the item and the field, and the good neighbour is not half there."""
    catalogue = Catalogue()
    with pytest.raises(ModelError, match=f"'bad': {field}"):
        catalogue.upsert([entry("good"), entry("bad", **changes)])
    assert len(catalogue) == 0
    assert catalogue.row("good") == -1


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 3)), max_size=30), st.integers(1, 5))
def test_batches_may_be_cut_anywhere(updates: list[tuple[str, int]], size: int) -> None:
    """The same entries in batches of any size, over any capacity, give the same arrays."""
    entries = [entry(name, price=float(price), time=i) for i, (name, price) in enumerate(updates)]
    one, many = Catalogue(), Catalogue(capacity=1)
    for made in entries:
        one.upsert([made])
    for start in range(0, len(entries), size):
        many.upsert(entries[start : start + size])
    assert one.ids == many.ids
    for name in ("keys", "vectors", "compact", "price", "first_time", "category_path", "alive"):
        np.testing.assert_array_equal(getattr(one, name), getattr(many, name))
    keys = np.array([key(name) for name in "abcdef"], np.uint64)
    assert one.rows(keys).tolist() == [one.row(name) for name in "abcdef"] == many.rows(keys).tolist()
