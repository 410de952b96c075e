"""The shop's rules by hand: items pinned to a place, buried behind all others, or hidden.

A rule holds on its surfaces (none named: on all), for its text (none: for any query) and from ``valid_from`` until
``valid_to``. Rules without a text stand by surface and are resolved to rows once, until one begins, ends or changes;
those with a text are found by it, or by one of its words. So 10,000 rules cost a query some 20 µs.

>>> from models.sample import sample
>>> book = RuleBook()
>>> book.put(RuleEntry("r1", "pin", ["wine"], text="red tea", words=["red", "tea"], position=1))
>>> book.put(RuleEntry("r2", "hide", ["green tea"]))
>>> found = book.find("search", "strong red tea", ("strong", "red", "tea"), 0, sample(["green tea", "wine"]))
>>> found.pins, found.hide.rows.tolist()
(((1, 1),), [0])
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.ask import NamedItems as Named
from models.ask import Ruled
from models.items.catalogue import Catalogue
from streamrank_client.vocabulary import SURFACES, Surface

_END: Final = np.iinfo(np.int64).max


class RuleEntry(msgspec.Struct, array_like=True):
    """One rule as the ``rules`` topic carries it (a tombstone takes it away); a later one replaces it.

    ``action``: ``pin``, ``bury`` or ``hide``; ``surfaces``: none for all; ``text``: normalised, "" for any query;
    ``words``: its tokens, when a query that holds them all is meant, empty when only the very text is; ``valid_from``
    to ``valid_to`` (excluded): Unix ms, None: no bound.
    """

    rule_id: str
    action: Literal["pin", "bury", "hide"]
    item_ids: list[str] = []
    category: list[str] = []
    brand: list[str] = []
    surfaces: list[Surface] = []
    text: str = ""
    words: list[str] = []
    position: Annotated[int, msgspec.Meta(ge=0, le=1_000)] = 0
    valid_from: Annotated[int, msgspec.Meta(ge=0, lt=1 << 62)] | None = None
    valid_to: Annotated[int, msgspec.Meta(ge=0, lt=1 << 62)] | None = None


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(RuleEntry)


def encode_rule(entry: RuleEntry) -> bytes:
    """The rule as the payload of a record of the rules topic (msgpack array)."""
    return _encoder.encode(entry)


def decode_rule(payload: bytes) -> RuleEntry:
    """The rule in such a payload; raises msgspec.DecodeError when it is none."""
    return _decoder.decode(payload)


class RuleBook:
    """All rules by id; ``find`` says what they make of one query."""

    def __init__(self) -> None:
        self._rules: dict[str, RuleEntry] = {}
        self._standing: dict[str, _Standing] = {surface: _Standing() for surface in SURFACES}
        self._by_text: dict[str, dict[str, RuleEntry]] = {}
        self._by_word: dict[str, dict[str, RuleEntry]] = {}

    def __len__(self) -> int:
        """Rules in the book, in force or not."""
        return len(self._rules)

    def put(self, entry: RuleEntry) -> None:
        """Add a rule, or replace the one of its id."""
        self.delete(entry.rule_id)
        self._rules[entry.rule_id] = entry
        if not entry.text:
            for surface in entry.surfaces or SURFACES:
                self._standing[surface].put(entry)
            return
        shelf, name = self._shelf(entry)
        shelf.setdefault(name, {})[entry.rule_id] = entry

    def delete(self, rule_id: str) -> None:
        """Take a rule away; nothing happens when there is none of this id."""
        entry = self._rules.pop(rule_id, None)
        if entry is None:
            return
        if not entry.text:
            for surface in entry.surfaces or SURFACES:
                self._standing[surface].delete(rule_id)
            return
        shelf, name = self._shelf(entry)
        del shelf[name][rule_id]
        if not shelf[name]:
            del shelf[name]

    def find(self, surface: str, text: str, tokens: Sequence[str], now: int, catalogue: Catalogue) -> Ruled:
        """What the rules in force make of a query: ``text`` normalised and its ``tokens``, at ``now`` in Unix ms."""
        if not self._rules:
            return Ruled()
        standing = self._standing[surface].at(now, catalogue)
        said = [e for e in self._said(text, tokens) if _holds(e, now) and (not e.surfaces or surface in e.surfaces)]
        return standing.with_also(_Resolved(said, catalogue)) if said else standing.ruled

    def _said(self, text: str, tokens: Sequence[str]) -> list[RuleEntry]:
        """The rules with a text that is the query's, or whose words all are among its tokens."""
        if not text:
            return []
        found = list(self._by_text.get(text, {}).values())
        own = set(tokens)
        for word in sorted(own):
            found += [entry for entry in self._by_word.get(word, {}).values() if own.issuperset(entry.words)]
        return found

    def _shelf(self, entry: RuleEntry) -> tuple[dict[str, dict[str, RuleEntry]], str]:
        """Where a rule with a text lies: under the text, or under its longest word, the rarest by a guess."""
        if not entry.words:
            return self._by_text, entry.text
        return self._by_word, max(entry.words, key=lambda word: (len(word), word))


class _Standing:
    """The rules without a text of one surface."""

    def __init__(self) -> None:
        self._rules: dict[str, RuleEntry] = {}
        self._entries: list[RuleEntry] | None = None
        self._bounds: NDArray[np.int64] = np.zeros((2, 0), np.int64)
        self._resolved: tuple[bytes, _Resolved] | None = None

    def put(self, entry: RuleEntry) -> None:
        self._rules[entry.rule_id] = entry
        self._entries = None

    def delete(self, rule_id: str) -> None:
        del self._rules[rule_id]
        self._entries = None

    def at(self, now: int, catalogue: Catalogue) -> _Resolved:
        """The rules in force at ``now``, resolved; anew only where something has changed since the last time."""
        if self._entries is None:
            self._entries = [self._rules[rule_id] for rule_id in sorted(self._rules)]
            starts = [-1 if e.valid_from is None else e.valid_from for e in self._entries]
            ends = [_END if e.valid_to is None else e.valid_to for e in self._entries]
            self._bounds = np.array([starts, ends], np.int64).reshape(2, -1)
            self._resolved = None
        active = (self._bounds[0] <= now) & (now < self._bounds[1])
        key = active.tobytes()
        if self._resolved is None or self._resolved[0] != key or self._resolved[1].stale(catalogue):
            entries = [self._entries[n] for n in np.flatnonzero(active)]
            self._resolved = key, _Resolved(entries, catalogue)
        return self._resolved[1]


class _Resolved:
    """Rules in force, their items, categories and brands as rows and codes of the catalogue."""

    def __init__(self, entries: Sequence[RuleEntry], catalogue: Catalogue) -> None:
        self._missing: list[str] = []
        self._seen = len(catalogue)
        self._codes = _codes(catalogue) if any(e.category or e.brand for e in entries) else None
        self._pins: list[tuple[int, str, int, int]] = []
        for entry in entries:
            if entry.action == "pin":
                rows = self._rows(entry.item_ids, catalogue)
                self._pins += [(entry.position, entry.rule_id, n, row) for n, row in enumerate(rows)]
        bury, hide = (self._named([e for e in entries if e.action == action], catalogue) for action in ("bury", "hide"))
        self.ruled = Ruled(_places(self._pins), bury, hide)

    def with_also(self, others: _Resolved) -> Ruled:
        """What these rules and others make of a query together."""
        bury, hide = _both(self.ruled.bury, others.ruled.bury), _both(self.ruled.hide, others.ruled.hide)
        return Ruled(_places(self._pins + others._pins), bury, hide)

    def stale(self, catalogue: Catalogue) -> bool:
        """Whether the catalogue has since got an item, category or brand that might be meant."""
        if self._codes is not None and self._codes != _codes(catalogue):
            return True
        if self._missing and self._seen != len(catalogue):
            self._seen = len(catalogue)
            return any(catalogue.row(item_id) >= 0 for item_id in self._missing)
        return False

    def _rows(self, item_ids: Iterable[str], catalogue: Catalogue) -> list[int]:
        found = [(item_id, catalogue.row(item_id)) for item_id in item_ids]
        self._missing += [item_id for item_id, row in found if row < 0]
        return [row for _, row in found if row >= 0]

    def _named(self, entries: Sequence[RuleEntry], catalogue: Catalogue) -> Named:
        rows = {row for entry in entries for row in self._rows(entry.item_ids, catalogue)}
        categories = {name for entry in entries for name in entry.category}
        brands = {code for entry in entries for name in entry.brand for code in catalogue.brands.alike(name)}
        codes = {code for name in categories for code in catalogue.categories.under(name)}
        return Named(*(np.array(sorted(some), np.int32) for some in (rows, codes, brands)))


def _both(some: Named, others: Named) -> Named:
    pairs = ((some.rows, others.rows), (some.category, others.category), (some.brand, others.brand))
    return Named(*(np.union1d(a, b) if len(a) and len(b) else a if len(a) else b for a, b in pairs))


def _codes(catalogue: Catalogue) -> tuple[int, int]:
    return len(catalogue.categories.paths), len(catalogue.brands.names)


def _holds(entry: RuleEntry, now: int) -> bool:
    return (entry.valid_from is None or entry.valid_from <= now) and (entry.valid_to is None or now < entry.valid_to)


def _places(pins: list[tuple[int, str, int, int]]) -> tuple[tuple[int, int], ...]:
    """(position, row) by position, rule id and place in the rule; of an item that is pinned twice the first counts.

    ``pins`` are (position, rule id, place in the rule, row).
    """
    first: dict[int, int] = {}
    for position, _, _, row in sorted(pins):
        first.setdefault(row, position)
    return tuple((position, row) for row, position in first.items())
