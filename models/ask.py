"""One query as the models see it: the query, its text, its user and the crowd, each built once and frozen.

The query handler builds it from what was read, resolved to catalogue rows; sources, features, rankers and rules read
it, and write into results of their own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.base.arrays import Floats, Rows
from models.items.attributes import Wanted
from models.text.words import Word
from streamrank_client.vocabulary import COMPACT, Sort, Surface

#: intents that a text is told apart by, beside ``unknown``
INTENTS: Final = 6

#: shared by all asks: nothing can be written into an array without elements
_NO_ROWS: Final = np.zeros(0, np.int32)
_NO_FLOATS: Final = np.zeros(0, np.float32)
_NO_KINDS: Final = np.zeros(0, np.uint8)
_NO_MASS: Final = np.zeros((0, 3), np.float32)


def _rows() -> Rows:
    return _NO_ROWS


def _floats() -> Floats:
    return _NO_FLOATS


def _no_interest() -> Floats:
    return np.zeros(COMPACT, np.float32)


# ---------------------------------------------------------------- the query
@dataclass(frozen=True, slots=True)
class Filter:
    """Business filters of a query; None: no such filter. Prices in the catalogue's currency; ``attributes`` by
    name, all of which must hold.
    """

    category: tuple[str | tuple[str, ...], ...] | None = None
    brand: tuple[str, ...] | None = None
    price_min: float | None = None
    price_max: float | None = None
    in_stock: bool | None = None
    attributes: tuple[tuple[str, Wanted], ...] = ()


@dataclass(frozen=True, slots=True)
class AskedQuery:
    """What the query itself says, and how it is to be answered.

    ``now``: its time, Unix ms; ``image``: of the catalogue's dimension, unit length; ``candidates``: rows to re-rank
    (rerank surface only). The page has ``limit`` items from ``offset`` on. ``new_days``: how long an item is new.
    ``sort``: in which order all that matches is wanted, None for the most relevant.
    """

    now: int
    surface: Surface
    image: Floats | None = None
    candidates: Rows | None = None
    exclude: Rows = field(default_factory=_rows)
    filter: Filter | None = None
    limit: int = 10
    offset: int = 0
    new_days: float = 14.0
    sort: Sort | None = None


# ---------------------------------------------------------------- its text
@dataclass(frozen=True, slots=True)
class Expansion:
    """A word that is searched for beside, or for ``kind`` "spelling" perhaps instead of, the query's own word ``of``.

    ``kind``: "spelling", "synonym" or "dictionary"; ``weight``: 1 for a word that stands for ``of``, else how
    much it counts.
    """

    term: str
    of: str
    kind: str
    weight: float


@dataclass(frozen=True, slots=True)
class NearText:
    """A known query near this one in meaning; ``key``: its u64 key; ``cosine``: of the two compact vectors."""

    text: str
    key: int
    cosine: float


@dataclass(frozen=True, slots=True)
class Continued:
    """What a search that refines others keeps of them: the product's ``text``, the refining ``words`` with their
    kinds, price limits, the ``texts`` typed until now.
    """

    text: str
    words: tuple[tuple[str, str], ...] = ()
    low: float | None = None
    high: float | None = None
    texts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AskedText:
    """What is searched for, and how it was understood.

    ``asked``: the text; of one that refines the search before it, both together. Then ``refined_from`` is what was
    searched for until now, ``continued`` its parts, and ``preferred`` the rows that have what is asked for now.
    ``tokens``: its words by name, corrected; ``words``: as they were typed, but for prices that limit; ``corrected``:
    the text that was understood, where it is not ``asked``;
    ``known_as``: the known query that it was taken for, while nothing was chosen after the text itself;
    ``expansion``: how words were corrected, and what is searched for beside them; ``vector`` (512,) and ``compact``
    (64,): unit length, None without text; ``intent``: probabilities of the six intents in the order of
    ``models.text.intent.INTENTS``, zeros without text; ``meant``: the intent's label, one of a shop's own where it
    has its own intents, and its confidence; ``near``: known queries like it; ``about``: the row of the product that
    the text speaks of without naming it; ``unrelated``: the cosine of texts that have nothing to do with each other;
    ``product`` and ``product_compact``: the vectors of the product whose offers are hunted for, None where none is
    named.
    """

    asked: str = ""
    refined_from: str = ""
    continued: Continued | None = None
    preferred: Rows = field(default_factory=_rows)
    tokens: tuple[str, ...] = ()
    words: tuple[Word, ...] = ()
    corrected: str = ""
    known_as: str = ""
    expansion: tuple[Expansion, ...] = ()
    vector: Floats | None = None
    compact: Floats | None = None
    intent: Floats = field(default_factory=lambda: np.zeros(INTENTS, np.float32))
    meant: tuple[str, float] | None = None
    near: tuple[NearText, ...] = ()
    about: Rows = field(default_factory=_rows)
    unrelated: float = 0.0
    product: Floats | None = None
    product_compact: Floats | None = None


# ---------------------------------------------------------------- its user
@dataclass(frozen=True, slots=True)
class Recent:
    """The user's last events, newest first, at most 32, each array of shape (r,).

    ``rows``: catalogue rows (-1: the catalogue does not hold the item); ``age``: seconds before the query;
    ``weight``: the interest that the behaviour shows (``vocabulary.Kind``); ``kind``: its code.
    """

    rows: Rows = field(default_factory=_rows)
    age: Floats = field(default_factory=_floats)
    weight: Floats = field(default_factory=_floats)
    kind: NDArray[np.uint8] = field(default_factory=lambda: _NO_KINDS)


@dataclass(frozen=True, slots=True)
class Bought:
    """Items that the user bought, each array of shape (b,): on how many days, days from the first of them to the last,
    and days since the last.
    """

    rows: Rows = field(default_factory=_rows)
    count: Floats = field(default_factory=_floats)
    span: Floats = field(default_factory=_floats)
    since: Floats = field(default_factory=_floats)


@dataclass(frozen=True, slots=True)
class AskingUser:
    """Who asks: ``events``, how many were counted; ``short`` and ``long``, the interest, unit length or zeros (64,);
    ``recent``, the last events on items but those that are disliked; ``bought``, what may be bought again;
    ``disliked``, rows of what is not wanted now.
    """

    events: int = 0
    short: Floats = field(default_factory=_no_interest)
    long: Floats = field(default_factory=_no_interest)
    recent: Recent = field(default_factory=Recent)
    bought: Bought = field(default_factory=Bought)
    disliked: Rows = field(default_factory=_rows)


# ---------------------------------------------------------------- the crowd
@dataclass(frozen=True, slots=True)
class Weighted:
    """Catalogue rows with a weight each, shape (n,) both, best first."""

    rows: Rows = field(default_factory=_rows)
    weight: Floats = field(default_factory=_floats)


@dataclass(frozen=True, slots=True)
class Followers:
    """What came after the anchors, each array of shape (m,), in order of ``anchor``.

    ``anchor``: which anchor (0 is the newest); ``rows``: the follower's catalogue row (-1: not there); ``after``:
    decayed to now.
    """

    anchor: Rows = field(default_factory=_rows)
    rows: Rows = field(default_factory=_rows)
    after: Floats = field(default_factory=_floats)


@dataclass(frozen=True, slots=True)
class Companions:
    """What went with the anchors, each array of shape (m,), in order of ``anchor``, as in Followers.

    ``together`` and ``wide``: decayed to now.
    """

    anchor: Rows = field(default_factory=_rows)
    rows: Rows = field(default_factory=_rows)
    together: Floats = field(default_factory=_floats)
    wide: Floats = field(default_factory=_floats)


@dataclass(frozen=True, slots=True)
class Shelves:
    """What is popular in some categories, each array of shape (m,), in order of ``anchor``, a category's place.

    ``weight``: decayed to now; ``mass``: shape (anchors,), each category's share of interest.
    """

    anchor: Rows = field(default_factory=_rows)
    rows: Rows = field(default_factory=_rows)
    weight: Floats = field(default_factory=_floats)
    mass: Floats = field(default_factory=_floats)


@dataclass(frozen=True, slots=True)
class Crowd:
    """What others did.

    ``anchors``: rows whose co-visits were read: the cart's or the similar item's, then the user's recent distinct
    items, newest first; ``followers`` and ``companions``: theirs; ``anchor_mass`` (anchors, 3): each anchor's totals
    of ``after``, ``together`` and ``wide``, decayed to now. ``choices``: what was chosen after the query's text, or
    after ``AskedText.known_as``; ``near_choices``: what was chosen after known queries like it. ``trends``: one for
    each half-life of popularity (1, 7, 30, 180 days); ``shelves``: what is popular in the categories in question.
    """

    anchors: Rows = field(default_factory=_rows)
    followers: Followers = field(default_factory=Followers)
    companions: Companions = field(default_factory=Companions)
    anchor_mass: Floats = field(default_factory=lambda: _NO_MASS)
    choices: Weighted = field(default_factory=Weighted)
    near_choices: Weighted = field(default_factory=Weighted)
    trends: tuple[Weighted, ...] = ()
    shelves: Shelves = field(default_factory=Shelves)


# ---------------------------------------------------------------- the shop
@dataclass(frozen=True, slots=True)
class NamedItems:
    """Items that rules name: rows, codes of category paths, codes of brands, (n,) each, ascending."""

    rows: Rows = field(default_factory=_rows)
    category: Rows = field(default_factory=_rows)
    brand: Rows = field(default_factory=_rows)


@dataclass(frozen=True, slots=True)
class Ruled:
    """What the shop's rules by hand make of a query: ``pins`` are (position, row), by position, from 0, two for one
    position standing one behind the other; what is to ``bury`` stands behind all others, what is to ``hide`` is never
    shown.
    """

    pins: tuple[tuple[int, int], ...] = ()
    bury: NamedItems = field(default_factory=NamedItems)
    hide: NamedItems = field(default_factory=NamedItems)


@dataclass(frozen=True, slots=True)
class Ask:
    """One query, its text, who asks, what others did, and what the shop's rules by hand make of it."""

    query: AskedQuery
    text: AskedText = field(default_factory=AskedText)
    user: AskingUser = field(default_factory=AskingUser)
    crowd: Crowd = field(default_factory=Crowd)
    ruled: Ruled = field(default_factory=Ruled)

    @property
    def similar_to(self) -> int:
        """Row of the item that similar ones are wanted of, -1 where none is."""
        return int(self.crowd.anchors[0]) if self.query.surface == "similar" and len(self.crowd.anchors) else -1
