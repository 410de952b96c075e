"""What the models know of one query: the query, the user and the signals, resolved to catalogue rows.

The query handler fills it from what was read; sources, features, ranker and rules only read it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.attributes import Wanted

DIM: Final = 64

Rows = NDArray[np.int32]
Floats = NDArray[np.float32]


#: shared by all asks: nothing can be written into an array without elements
_NO_ROWS: Final = np.zeros(0, np.int32)
_NO_FLOATS: Final = np.zeros(0, np.float32)
_NO_KINDS: Final = np.zeros(0, np.uint8)
_NO_MASS: Final = np.zeros((0, 3), np.float32)


def _rows() -> Rows:
    return _NO_ROWS


def _floats() -> Floats:
    return _NO_FLOATS


@dataclass(slots=True)
class Recent:
    """The user's last events, newest first, at most 32, each array of shape (r,).

    ``rows``: catalogue rows (-1: the catalogue does not hold the item); ``age``: seconds before the query;
    ``weight``: of the behaviour (view 1, click 2, add to cart 3, purchase 5, dislike -4, …); ``kind``: its code.
    """

    rows: Rows = field(default_factory=_rows)
    age: Floats = field(default_factory=_floats)
    weight: Floats = field(default_factory=_floats)
    kind: NDArray[np.uint8] = field(default_factory=lambda: _NO_KINDS)


@dataclass(slots=True)
class Followers:
    """What came after the anchors, each array of shape (m,), in order of ``anchor``.

    ``anchor``: which anchor (0 is the newest); ``rows``: the follower's catalogue row (-1: not there); ``after``:
    decayed to now.
    """

    anchor: Rows = field(default_factory=_rows)
    rows: Rows = field(default_factory=_rows)
    after: Floats = field(default_factory=_floats)


@dataclass(slots=True)
class Neighbours:
    """What went with the anchors, each array of shape (m,), in order of ``anchor``, as in Followers.

    ``together`` and ``wide``: decayed to now.
    """

    anchor: Rows = field(default_factory=_rows)
    rows: Rows = field(default_factory=_rows)
    together: Floats = field(default_factory=_floats)
    wide: Floats = field(default_factory=_floats)


@dataclass(slots=True)
class Bought:
    """Items that the user bought, each array of shape (b,): on how many days, days from the first of them to the last,
    and days since the last.
    """

    rows: Rows = field(default_factory=_rows)
    count: Floats = field(default_factory=_floats)
    span: Floats = field(default_factory=_floats)
    since: Floats = field(default_factory=_floats)


@dataclass(slots=True)
class Relation:
    """What is popular in some categories, each array of shape (m,), in order of ``anchor``, a category's place.

    ``weight``: decayed to now; ``mass``: shape (anchors,), each category's share of interest.
    """

    anchor: Rows = field(default_factory=_rows)
    rows: Rows = field(default_factory=_rows)
    weight: Floats = field(default_factory=_floats)
    mass: Floats = field(default_factory=_floats)


@dataclass(slots=True)
class Weighted:
    """Catalogue rows with a weight each, shape (n,) both, best first."""

    rows: Rows = field(default_factory=_rows)
    weight: Floats = field(default_factory=_floats)


@dataclass(frozen=True, slots=True)
class Expansion:
    """A word that is searched for beside, or for ``kind`` "spelling" perhaps instead of, the query's own word ``of``.

    ``kind``: "spelling" or "synonym"; ``weight``: 1 for a word that stands for ``of``, else how much it counts.
    """

    term: str
    of: str
    kind: str
    weight: float


@dataclass(frozen=True, slots=True)
class Near:
    """A known query near this one in meaning; ``key``: its u64 key; ``cosine``: of the two compact vectors."""

    text: str
    key: int
    cosine: float


@dataclass(slots=True)
class Filter:
    """Business filters of a query; None: no such filter. Prices in the catalogue's currency; ``attributes`` by
    name, all of which must hold.
    """

    category: tuple[str, ...] | None = None
    brand: tuple[str, ...] | None = None
    price_min: float | None = None
    price_max: float | None = None
    in_stock: bool | None = None
    attributes: tuple[tuple[str, Wanted], ...] = ()


@dataclass(frozen=True, slots=True)
class Named:
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
    bury: Named = field(default_factory=Named)
    hide: Named = field(default_factory=Named)


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


@dataclass(slots=True)
class Ask:
    """One query as the models see it.

    A text that refines the search before it is asked together with it: ``text`` is both, ``refined_from`` what was
    searched for until now (``continued``: its parts), ``preferred`` the rows that have what is asked for now.
    ``about``: the row of the product that the text speaks of without naming it.

    The query: ``now``, its time, Unix ms; ``vector`` (512,) and ``compact`` (64,), the encoded text, unit length, None
    without text; ``image``, of the catalogue's dimension, unit length; ``intent``, probabilities of the six intents in
    ``models.intent.INTENTS`` order, zeros without text; ``meant``, the intent's label, one of a shop's own where it
    has its own intents, and its confidence; ``corrected``, the text that was understood, where it is not ``text``;
    ``expansion``, how its words were corrected and what is searched for beside them (``tokens`` hold corrected words);
    ``candidates``, rows to re-rank (rerank surface only). The page has ``limit`` items from ``offset`` on.

    What others did: ``choices``, what was chosen after this query text, or after ``known_as``, the known query that
    it was taken for, where nothing was; ``near``, known queries like it, and
    ``near_choices``, what was chosen after those; ``trends``, one per half-life of popularity (1, 7, 30, 180 days);
    ``shelves``, what is popular in the categories in question (``mass``: their shares of interest).

    The user: ``short``/``long``, the interest, unit length or zeros; ``anchors``, rows whose co-visits were read: the
    cart's or the similar item's, then the user's recent distinct items, newest first; ``followers`` and
    ``neighbours``, theirs; ``anchor_mass``, (anchors, 3), each anchor's totals of ``after``, ``together`` and ``wide``,
    decayed to now; ``bought``, what the user may buy again.

    The shop: ``ruled``, its rules; ``new_days``, how long an item is new. ``tables``: what sources have worked out of
    all this, once it is known.
    """

    now: int
    surface: str
    text: str = ""
    refined_from: str = ""
    continued: Continued | None = None
    preferred: Rows = field(default_factory=_rows)
    about: Rows = field(default_factory=_rows)
    tokens: tuple[str, ...] = ()
    vector: Floats | None = None
    compact: Floats | None = None
    image: Floats | None = None
    intent: Floats = field(default_factory=lambda: np.zeros(6, np.float32))
    meant: tuple[str, float] | None = None
    short: Floats = field(default_factory=lambda: np.zeros(DIM, np.float32))
    long: Floats = field(default_factory=lambda: np.zeros(DIM, np.float32))
    recent: Recent = field(default_factory=Recent)
    events: int = 0
    anchors: Rows = field(default_factory=_rows)
    followers: Followers = field(default_factory=Followers)
    neighbours: Neighbours = field(default_factory=Neighbours)
    anchor_mass: Floats = field(default_factory=lambda: _NO_MASS)
    shelves: Relation = field(default_factory=Relation)
    bought: Bought = field(default_factory=Bought)
    new_days: float = 14.0
    choices: Weighted = field(default_factory=Weighted)
    known_as: str = ""
    corrected: str = ""
    expansion: tuple[Expansion, ...] = ()
    near: tuple[Near, ...] = ()
    near_choices: Weighted = field(default_factory=Weighted)
    trends: tuple[Weighted, ...] = ()
    candidates: Rows | None = None
    exclude: Rows = field(default_factory=_rows)
    filter: Filter | None = None
    limit: int = 10
    tables: dict[str, Weighted] = field(default_factory=dict, repr=False)
    offset: int = 0
    ruled: Ruled = field(default_factory=Ruled)
