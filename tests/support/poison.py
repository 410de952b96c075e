"""Records that no worker can use, for every topic, internal ones too: the same seed makes the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Final, NamedTuple

import msgspec
import numpy as np

from models.items.entries import Entry, encode_entry
from models.lore.known_queries import KnownQuery, encode_query
from models.ranking.weights import INITIAL, encode_weights
from models.shop.rule_book import RuleEntry, encode_rule
from streamrank_client.events import Item, Query, View, encode
from streamrank_client.vocabulary import COMPACT, WIDE, key
from streams.wire.signals import TOUCH, Signals, encode_signals

#: which partition a record goes to is its number modulo the topic's
COUNT: Final = 1_000
_TIME: Final = 1_760_000_000_000


class Poison(NamedTuple):
    """A record's key and value."""

    key: bytes
    value: bytes | None


def poison(topic: str, partitions: int, count: int = COUNT, seed: int = 3) -> list[Poison]:
    """So many records for a topic, a field of ``Topics``. ``partitions``: where a signals record must not come from."""
    random = Random(f"{seed} {topic}")
    kinds = _KINDS[topic](partitions)
    return [_one(random, topic, number, kinds) for number in range(count)]


def _one(random: Random, topic: str, number: int, kinds: Sequence[bytes]) -> Poison:
    good = kinds[0]
    value = random.choice((
        b"", b"null", b"[]", b"{}", b"not at all", b"\xc1", b"[" * 5_000, b'{"event":"nonsense","time":1}',
        b"\xff" + random.randbytes(random.randrange(60)), good[: random.randrange(1, len(good))], good + b"\x01",
        *kinds[1:], *kinds[1:],
    ))  # fmt: skip
    name = random.choice((*_NAMES.get(topic, ()), f"poison{number}")).encode()
    if topic in _COMPACTED and random.random() < 0.05:
        return Poison(b"\xff%d" % number, None)  # a tombstone that is no UTF-8
    return Poison(name, value)


def _behaviors(_: int) -> list[bytes]:
    good = encode(View(time=_TIME, event_id="poison", user_id="other", item_id="p1"))
    # good but for its key
    return [good, good, good.replace(b"item_id", b"item")]


def _items(_: int) -> list[bytes]:
    good = encode(Item(time=_TIME, item_id="other", title="poison"))
    return [good, good, good.replace(b'"poison"', b"7")]


def _queries(_: int) -> list[bytes]:
    good = encode(Query(time=_TIME, request_id="other", user_id="other"))
    return [good, good, good.replace(b'"time":', b'"time":-')]


def _signals(partitions: int) -> list[bytes]:
    touch = np.zeros(1, TOUCH)
    good = Signals(0, 0, b"", touch.tobytes(), b"")
    changed = (
        msgspec.structs.replace(good, source=partitions),
        msgspec.structs.replace(good, source=-1),
        msgspec.structs.replace(good, touches=good.touches[:-1]),
        msgspec.structs.replace(good, pairs=b"\x00" * 16),
    )
    older = msgspec.msgpack.encode((0, 0, b"", b"\x00" * 20, b""))
    return [encode_signals(good), older, *map(encode_signals, changed)]


def _feedback(_: int) -> list[bytes]:
    return [b'{"event":"feedback","source":{"partition":0,"offset":1},"surface":"search"}', b'{"event":"feedback"}']


def _catalogue(_: int) -> list[bytes]:
    good = Entry(
        "p1", key("p1"), _TIME, "poison", [], "", 1.0, None, True, {}, [], b"\0" * 2 * WIDE, b"\0" * 4 * COMPACT
    )
    changed: tuple[dict[str, object], ...] = (
        {"vector": np.full(WIDE, np.nan, "<f2").tobytes()},
        {"compact": good.compact[:-4]},
        {"vector": b""},
        {"price": float("nan")},
        {"price": -1.0},
        {"key": 1},
        {"item_id": "somebody else"},
        {"time": -1},
    )
    older = msgspec.msgpack.encode(msgspec.structs.astuple(good)[:9])
    return [encode_entry(good), older, *(encode_entry(msgspec.structs.replace(good, **one)) for one in changed)]


def _known(_: int) -> list[bytes]:
    good = KnownQuery("milk", key("milk"), _TIME // 1_000, 1.0, [key("p1")], [1.0], b"\0" * 4 * COMPACT)
    changed: tuple[dict[str, object], ...] = (
        {"compact": np.full(COMPACT, np.nan, "<f4").tobytes()},
        {"compact": b"1234"},
        {"weights": []},
        {"weight": float("inf")},
        {"key": 1},
        {"text": "somebody else"},
        {"time": -5},
    )
    older = msgspec.msgpack.encode(msgspec.structs.astuple(good)[:4])
    return [encode_query(good), older, *(encode_query(msgspec.structs.replace(good, **one)) for one in changed)]


def _rules(_: int) -> list[bytes]:
    good = RuleEntry("r1", "pin", ["p1"])
    whole = msgspec.structs.astuple(good)
    changed = [("r1", "throw", *whole[2:]), (*whole[:5], ["shelf"], *whole[6:]), ("somebody else", *whole[1:])]
    return [encode_rule(good), *map(msgspec.msgpack.encode, changed)]


def _weights(_: int) -> list[bytes]:
    changed: tuple[dict[str, object], ...] = (
        {"names": ("other",)},
        {"weights": ()},
        {"scale": tuple(0.0 for _ in INITIAL.scale)},
    )
    return [encode_weights(INITIAL), *(encode_weights(msgspec.structs.replace(INITIAL, **one)) for one in changed)]


#: by topic, a good record and what is wrong with others
_KINDS: Final[dict[str, Callable[[int], list[bytes]]]] = {
    "behavior_events": _behaviors, "item_events": _items, "query_events": _queries, "signals": _signals,
    "feedback": _feedback, "catalogue": _catalogue, "queries": _known, "rules": _rules, "ranker_weights": _weights,
}  # fmt: skip
_COMPACTED: Final = frozenset({"catalogue", "queries", "rules", "ranker_weights"})
#: keys in use, whose records must stay in force
_NAMES: Final = {
    "catalogue": ("p1", "p2", "p3"), "queries": ("milk",), "rules": ("r1",), "ranker_weights": ("search", "home"),
}  # fmt: skip
TOPICS: Final = tuple(_KINDS)
