"""Records of the broadcast topics, each read and checked alone: one that is not usable is skipped, and its predecessor
stays in force.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar

import msgspec

from models.base.errors import ModelError
from models.items.entries import Entry, check_entry, decode_entry
from models.lore.known_queries import KnownQuery, check_query, decode_query
from models.ranking.weights import OPENING, OnlineWeights, decode_weights, usable
from models.shop.rule_book import RuleEntry, decode_rule
from streamrank_client.errors import StreamrankError
from streamrank_client.vocabulary import SURFACES

T = TypeVar("T")
#: an item's id, and the item, None where it is deleted
ItemRecord: TypeAlias = tuple[str, Entry | None]
_LEARNERS: Final = {*SURFACES, OPENING}


class UnusableRecord(StreamrankError):
    """A record of a broadcast topic that says nothing usable.

    Operator action: `streamrank topics repair` publishes a good one in its place.
    """


class Table(NamedTuple):
    """How the records of a broadcast topic are read, by key and value, and what takes some of them in order.

    ``read`` raises UnusableRecord.
    """

    read: Callable[[bytes | None, bytes | None], Any]
    take: Callable[[Sequence[Any]], None]


def item(key: bytes | None, value: bytes | None) -> ItemRecord:
    """A record of the catalogue topic."""
    return _read(key, value, decode_entry, lambda entry: entry.item_id, check_entry)


def rule(key: bytes | None, value: bytes | None) -> tuple[str, RuleEntry | None]:
    """A record of the rules topic."""
    return _read(key, value, decode_rule, lambda entry: entry.rule_id)


def query(key: bytes | None, value: bytes | None) -> tuple[str, KnownQuery | None]:
    """A record of the queries topic."""
    return _read(key, value, decode_query, lambda entry: entry.text, check_query)


def weights(key: bytes | None, value: bytes | None) -> tuple[str, OnlineWeights | None]:
    """A record of the ranker-weights topic."""
    surface, own = _read(key, value, decode_weights)
    if surface not in _LEARNERS:
        raise UnusableRecord(f"there is no surface {surface!r}")
    if own is not None and not usable(own):
        raise UnusableRecord(f"version {own.version} does not fit this version's inputs, or is not finite")
    return surface, own


def _read(
    key: bytes | None,
    value: bytes | None,
    decode: Callable[[bytes], T],
    name_of: Callable[[T], str] | None = None,
    check: Callable[[T], None] = lambda _: None,
) -> tuple[str, T | None]:
    """The key as a text and the value decoded, which must be called like it. Raises UnusableRecord."""
    if not key:
        raise UnusableRecord("it has no key")
    try:
        name = key.decode()
        if value is None:
            return name, None
        found = decode(value)
        check(found)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ModelError) as error:
        raise UnusableRecord(str(error)) from None
    if name_of is not None and name_of(found) != name:
        raise UnusableRecord(f"its key is {name[:140]!r}, and its value is of {name_of(found)[:140]!r}")
    return name, found
