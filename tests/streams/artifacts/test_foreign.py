"""Records with vectors of another encoder: taken without them, and listed until one of the encoder in use comes."""

from __future__ import annotations

from models.items.entries import Entry
from models.sample import sample_entry
from streamrank_client.vocabulary import FIRST_ENCODER
from streams.artifacts.tables import Tables
from tests.support.composing import reading_models

OTHER = "0123456789ab"


def entry(time: int, encoder: str) -> Entry:
    """Of one item."""
    return sample_entry("tea", time=time, encoder=encoder)


def test_an_item_of_another_encoder_has_no_vector_and_is_listed_by_its_newest_entry() -> None:
    """It is found by its words; older entries change nothing, deleted items are not listed."""
    tables = Tables(reading_models(), encodes=True)
    catalogue, listed = tables.models.catalogue, tables.foreign.items
    tables.take_items([("tea", entry(5, FIRST_ENCODER))])
    assert catalogue.compact[0].any()
    tables.take_items([("tea", entry(4, OTHER))])
    assert catalogue.compact[0].any()
    assert not listed
    tables.take_items([("tea", entry(6, OTHER)), ("tea", entry(3, FIRST_ENCODER))])
    assert not catalogue.compact[0].any()
    assert not catalogue.vectors[0].any()
    assert catalogue.lexical.finds("tea")
    assert list(listed) == ["tea"]
    tables.take_items([("tea", entry(6, FIRST_ENCODER))])
    assert catalogue.compact[0].any()
    assert not listed
    tables.take_items([("tea", entry(7, OTHER)), ("tea", None)])
    assert not listed


def test_a_worker_that_encodes_no_items_lists_none() -> None:
    """It would only hold them in memory."""
    tables = Tables(reading_models())
    tables.take_items([("tea", entry(6, OTHER))])
    assert not tables.models.catalogue.compact[0].any()
    assert not tables.foreign.items
