"""Retrieval: a batch of asks to their candidates, one shared search for all that is dense.

>>> from models.sample import asked, sample
>>> catalogue = sample(["green tea", "red tea", "wine"])
>>> ask = asked("search", tokens=("red", "tea"))
>>> found = retrieve([ask], catalogue, ["lexical", "trending"], k_each=100, k_total=200)[0]
>>> [catalogue.ids[row] for row in found.rows], found.given[:, 4].tolist()
(['red tea', 'green tea', 'wine'], [True, True, False])
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from models.ask import Ask, Weighted
from models.base.arrays import Floats, Mask, Places, Rows
from models.base.errors import ModelError
from models.items.catalogue import Catalogue
from models.retrieval.fusion import joined
from models.retrieval.intent_candidates import named
from models.retrieval.matches import RATED, in_order, matching
from models.retrieval.sources.base import Search, Source, TableSource, liked
from models.retrieval.sources.registry import COLUMN, SOURCES
from models.retrieval.variants import beside_pins, chosen, without_variants
from models.shop.rules import PLAIN, Rules, allowed, mask
from models.tower.column import TowerColumn

#: from a source's name to a context that measures the time spent in it: clocks are the caller's
Timer = Callable[[str], AbstractContextManager[None]]
#: Directions in one pass over the compact vectors, and rows times directions in one matrix product. Small
#: products stay in the second cache and on OpenBLAS's fast path for narrow matrices: two directions over
#: 68,000 rows take 0.7 ms, in one product 1.0.
TOGETHER: Final = 8
BLOCK: Final = 8192


#: Surfaces that recommend to a user, of whose last items most sources speak.
FEEDS: Final = ("home", "cart")
#: The source that fills up an answer for which the others find too little.
FILLER: Final = "trending"


@dataclass(slots=True)
class Candidates:
    """What was found for one ask, (n,) distinct rows, best ranks first.

    ``scores``: (n, sources), a column a source in the order of ``SOURCES``: each row's true score from every source
    in use, named by it or not. ``given``: (n, sources) bool, which sources named it (empty when not kept).
    """

    rows: Rows
    scores: Floats
    given: Mask = field(default_factory=lambda: np.zeros((0, len(SOURCES)), np.bool_))

    def taken(self, order: Places) -> Candidates:
        """The candidates at the given places, in that order."""
        return Candidates(self.rows.take(order), self.scores.take(order, axis=0), self.given.take(order, axis=0))


def untimed(source: str) -> AbstractContextManager[None]:
    """Measures nothing."""
    return nullcontext()


def retrieve(
    asks: Sequence[Ask],
    catalogue: Catalogue,
    sources: Sequence[str],
    k_each: int,
    k_total: int,
    rules: Rules = PLAIN,
    timed: Timer = untimed,
    tower: TowerColumn | None = None,
) -> list[Candidates]:
    """Candidates of each ask: at most ``k_each`` of a source and ``k_total`` in all.

    On the rerank surface: the given rows that may be shown, in their order, whatever the limits. A candidate
    list does not depend on what else is in the batch. ``timed``: entered by name around each source (a shared matrix
    product counts for the source that needs it first); ``tower``: the item tower's vectors, None where there is none.
    Raises ModelError on an unknown source.
    """
    used = [SOURCES[name] for name in check(sources)]
    searches = [_search(ask, catalogue, tower, rules) for ask in asks]
    plans = [_plan(search, used) if search.ask.query.sort is None else [] for search in searches]
    products = _products([direction for plan in plans for _, found in plan for direction in found], catalogue)
    out: list[Candidates] = []
    for search, plan in zip(searches, plans, strict=True):
        if search.ask.query.surface == "rerank":
            out.append(_given_rows(search, used, rules))
            continue
        if search.ask.query.sort is not None:
            out.append(_in_order(search, used))
            continue
        lists: dict[str, Weighted] = {}
        for source, found in plan:
            with timed(source.name):
                search.dense[source.name] = tuple(next(products) for _ in found)
                lists[source.name] = without_variants(source, search, k_each)
        few = sum(len(one.rows) for one in lists.values()) < search.ask.query.limit
        if few and FILLER in sources and FILLER not in lists:
            lists[FILLER] = without_variants(SOURCES[FILLER], search, k_each)
        meant = named(search.ask, catalogue, k_each, search.allowed)
        united = _union(search, used, lists, k_total, meant.rows)
        out.append(_with_pinned(united, search, used, rules))
    return out


def check(sources: Sequence[str]) -> Sequence[str]:
    """The names as given; raises ModelError when one is no source."""
    for name in sources:
        if name not in SOURCES:
            remedy = f"set STREAMRANK_SOURCES to some of {', '.join(SOURCES)}."
            raise ModelError(f"sources: {name!r} is no source.", remedy)
    return sources


def _search(ask: Ask, catalogue: Catalogue, tower: TowerColumn | None, rules: Rules) -> Search:
    """Where the sources may look; what is to be re-ranked was found by others."""
    if ask.query.surface == "rerank":
        nowhere = np.zeros(0, np.bool_)
        return Search(ask, catalogue, tower, nowhere, nowhere)
    return Search(ask, catalogue, tower, _with_text(ask, catalogue, mask(ask, catalogue, rules)), liked(ask, catalogue))


def _with_text(ask: Ask, catalogue: Catalogue, allowed: Mask) -> Mask:
    """The rows that a search by text may show: one without a title only where it holds a word of the text."""
    if ask.query.surface != "search" or not ask.text.tokens or ask.query.image is not None or catalogue.titled.all():
        return allowed
    untitled = np.flatnonzero(~catalogue.titled).astype(np.int32)
    out = allowed.copy()
    out[untitled[catalogue.lexical.score(ask.text.tokens, untitled) == 0]] = False
    return out


def _plan(search: Search, used: Sequence[Source]) -> list[tuple[Source, list[Floats]]]:
    """The sources that give candidates for an ask, with the directions that each wants searched."""
    if not len(search.catalogue):
        return []
    surface = search.ask.query.surface
    return [(source, source.directions(search)) for source in used if surface in source.surfaces]


def _products(directions: Sequence[Floats], catalogue: Catalogue) -> Iterator[Floats]:
    """Products of each direction with every compact vector, (n,) each, in order, a few at a time."""
    vectors = catalogue.compact
    for start in range(0, len(directions), TOGETHER):
        some = np.stack(directions[start : start + TOGETHER], axis=1)
        out = np.empty((some.shape[1], len(vectors)), np.float32)
        step = BLOCK // some.shape[1]
        for row in range(0, len(vectors), step):
            out[:, row : row + step] = (vectors[row : row + step] @ some).T
        yield from out


def _given_rows(search: Search, used: Sequence[Source], rules: Rules) -> Candidates:
    given = search.ask.query.candidates
    rows = np.zeros(0, np.int32) if given is None else _distinct(given)
    rows = rows[allowed(rows, search.ask, search.catalogue, rules)]
    return Candidates(rows, _scores(search, used, rows), np.zeros((len(rows), len(SOURCES)), np.bool_))


def _in_order(search: Search, used: Sequence[Source]) -> Candidates:
    """All that matches in the order asked for, up to the end of the page; by rating, whatever may be on it."""
    query = search.ask.query
    assert query.sort is not None
    rows = in_order(matching(search.ask, search.catalogue, search.allowed), query.sort, query.now, search.catalogue)
    rows = rows[: RATED if query.sort == "rating" else query.offset + query.limit]
    return Candidates(rows, _scores(search, used, rows), np.zeros((len(rows), len(SOURCES)), np.bool_))


def _union(search: Search, used: Sequence[Source], lists: dict[str, Weighted], k_total: int, meant: Rows) -> Candidates:
    """The lists as one (``models.retrieval.fusion``); the rows that the text's meaning names are a list too, of no
    source.
    """
    order = [name for name in SOURCES if name in lists]
    named_rows = {"": meant, **{name: lists[name].rows for name in order}}
    rows, place = joined(named_rows, _weights(search.ask), sum(map(len, named_rows.values())))
    kept = chosen(search, rows)[:k_total]
    place = _moved(place, kept, len(rows))
    rows = rows.take(kept)
    scores = np.zeros((len(rows), len(SOURCES)), np.float32)
    given = np.zeros(scores.shape, np.bool_)
    if not len(rows):
        return Candidates(rows, scores, given)
    place = place[len(meant) :]
    column = np.repeat([COLUMN[name] for name in order], [len(lists[name].rows) for name in order])
    kept = np.flatnonzero(place >= 0)
    place, column = place.take(kept), column.take(kept)
    given[place, column] = True
    for number, source in enumerate(SOURCES.values()):
        if source not in used:
            continue
        if isinstance(source, TableSource):
            scores[:, number] = source.score(search, rows)
        elif len(others := np.flatnonzero(~given[:, number])):
            scores[others, number] = source.score(search, rows.take(others))
    # last, as a list's weights may differ from the table's: trending fills up with new items
    if len(place):
        scores[place, column] = np.concatenate([lists[name].weight for name in order]).take(kept)
    return Candidates(rows, scores, given)


def _moved(place: Rows, kept: Places, n: int) -> Rows:
    """Places among ``n`` rows as those among the rows that are kept, -1 for none."""
    new = np.full(n, -1, np.int32)
    new[kept] = np.arange(len(kept), dtype=np.int32)
    return new.take(place)


def _weights(ask: Ask) -> Mapping[str, float]:
    """How much each source's word counts: on feeds its own weight, elsewhere all count alike."""
    return {source.name: source.weight for source in SOURCES.values()} if ask.query.surface in FEEDS else {}


def _with_pinned(found: Candidates, search: Search, used: Sequence[Source], rules: Rules) -> Candidates:
    """The candidates, and behind them the pinned items that may be shown and that no source named."""
    if not search.ask.ruled.pins:
        return found
    pinned = np.array([row for _, row in search.ask.ruled.pins], np.int32)
    pinned = pinned[allowed(pinned, search.ask, search.catalogue, rules)]
    found = found.taken(beside_pins(found.rows, pinned, search.catalogue))
    more = pinned[~np.isin(pinned, found.rows)]
    none = np.zeros((len(more), len(SOURCES)), np.bool_)
    return Candidates(
        np.concatenate([found.rows, more]),
        np.concatenate([found.scores, _scores(search, used, more)]),
        np.concatenate([found.given, none]),
    )


def _scores(search: Search, used: Iterable[Source], rows: Rows) -> Floats:
    scores = np.zeros((len(rows), len(SOURCES)), np.float32)
    for column, source in enumerate(SOURCES.values()):
        if source in used and len(rows):
            scores[:, column] = source.score(search, rows)
    return scores


def _distinct(rows: Rows) -> Rows:
    """Rows without repeats, in order of first appearance."""
    _, first = np.unique(rows, return_index=True)
    return rows[np.sort(first)]
