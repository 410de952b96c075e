"""SearchSession text: a short search refines the one before it; what is kept of a search for the next one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from models.ask import Ask, AskedQuery, AskedText, Continued, Filter
from models.base.arrays import Mask, Rows
from models.items.attributes import one_of
from models.items.catalogue import Catalogue, title_key
from models.items.codes import folded
from models.retrieval.intent_candidates import sure, wants_no_product
from models.serving import Models
from models.text.refinement import Said, kind_of, points_back, said
from models.text.words import normalise
from state import sessions
from state.sessions import SHOWN, TEXTS, SearchSession
from streamrank_client.events import Query

#: A refinement has so many words at most; more is a query of its own.
WORDS: Final = 4
Word = tuple[str, str]


def continued(asked: AskedQuery, query: Query, value: bytes | None, models: Models) -> tuple[AskedQuery, AskedText]:
    """The query and its text; if the text refines the search before it, stored as ``value``, both ask for the two
    together.

    A text refines when nothing remains of it but what it says about the price, words of the search before, colours,
    sizes, or brands and attributes of the items shown or found then; in Chinese a short one that ends with 的 too. It
    must also be right: an item found then has what is new, and no other fits the text better by itself.
    """
    alone = asked, AskedText(query.text)
    previous = sessions.decode(value, query.time) if asked.surface == "search" and query.text.strip() else None
    if previous is None:
        return alone
    if query.offset:
        return _page_on(asked, query, previous, models) or alone
    meant = said(query.text)
    words = _refining(meant, query.text, previous, models)
    if words is None or (words and not _fits(words, meant, previous, models)):
        return alone
    low, high = _limits(meant, previous, models)
    kept = [word for word in previous.words if not any(_replaces(new, word) for new in words)]
    every = kept + [word for word in words if word not in kept]
    refined_from = " ".join([previous.text, *(word for word, _ in previous.words)])
    return _both(asked, refined_from, previous, every, low, high, models)


def _page_on(
    asked: AskedQuery, query: Query, previous: SearchSession, models: Models
) -> tuple[AskedQuery, AskedText] | None:
    """A further page of the search before asks for what page one asked for, and refines nothing again."""
    refined = previous.words or (previous.price_min, previous.price_max) != (None, None)
    if not refined or normalise(query.text) != normalise(previous.texts[-1]):
        return None
    low, high = previous.price_min, previous.price_max
    return _both(asked, previous.text, previous, list(previous.words), low, high, models)


def _both(
    asked: AskedQuery,
    refined_from: str,
    previous: SearchSession,
    every: list[Word],
    low: float | None,
    high: float | None,
    models: Models,
) -> tuple[AskedQuery, AskedText]:
    """What asks for the search before with these words, within these prices."""
    preferred: Rows = np.zeros(0, np.int32)
    if every:
        preferred = _having(every, _base(previous, models), models)
    if low is not None or high is not None:
        asked = replace(asked, filter=_within(asked.filter or Filter(), low, high))
    text = AskedText(
        asked=" ".join([previous.text, *(word for word, _ in every)]),
        refined_from=refined_from,
        continued=Continued(previous.text, tuple(every), low, high, tuple(previous.texts)),
        preferred=preferred,
    )
    return asked, text


def spoken_of(ask: Ask, query: Query, catalogue: Catalogue) -> Rows:
    """The product that a text speaks of without naming it, (0,) or (1,): a question is about the one that the user
    viewed last in the session.
    """
    if sure(ask, "product_question") and points_back(query.text):
        recent = ask.user.recent
        seen = (recent.weight > 0) & (recent.age <= sessions.LASTS_MS / 1000) & (recent.rows >= 0)
        if not catalogue.recommendable[catalogue.lexical.holding(ask.text.tokens)].any():
            return recent.rows[seen][:1]
    return ask.text.about


def remembered(ask: Ask, query: Query, rows: Rows, catalogue: Catalogue) -> SearchSession | None:
    """What to keep of an answered search that showed ``rows``, in order; None when it was for no product."""
    if ask.query.surface != "search" or not query.text.strip() or not len(rows) or len(ask.text.about) or query.offset:
        return None
    if wants_no_product(ask, catalogue):
        return None
    prices = catalogue.price_at(query.time, rows[:SHOWN])
    now = ask.text.continued or Continued(query.text)
    return SearchSession(
        time=query.time,
        text=now.text,
        words=list(now.words),
        price_min=now.low,
        price_max=now.high,
        shown=catalogue.keys[rows[:SHOWN]].tolist(),
        prices=[round(float(price), 6) if np.isfinite(price) else None for price in prices],
        texts=[*now.texts, query.text][-TEXTS:],
    )


def _refining(meant: Said, text: str, previous: SearchSession, models: Models) -> list[Word] | None:
    """The words by which the text refines, none for a mere price; None when it is a query of its own."""
    words = models.words.tokens(meant.rest) if meant.rest else []
    if not words:
        return [] if meant.about_price else None
    if len(words) > WORDS:
        return None
    whole = normalise(meant.rest)
    known = {*models.words.tokens(previous.text), *(word for word, _ in previous.words)}
    found = _found(previous, models)
    kind = _kind(whole, found, models)
    if kind:
        return [(whole, kind)]
    kinds = [(word, "known" if word in known else _kind(word, found, models)) for word in words]
    if all(kind for _, kind in kinds):
        refining = [word for word in kinds if word[1] != "known"]
        again = len(previous.texts) > 1 and normalise(text) == normalise(previous.texts[-1])
        return refining if refining or meant.about_price or again else None
    ends = normalise(text).rstrip("?!。 呢吗吧").endswith("的")
    return [(whole, "said")] if ends and not _is_category(words, models) else None


def _fits(words: Sequence[Word], meant: Said, previous: SearchSession, models: Models) -> bool:
    """Whether an item found before has the new words, and no other fits the text better by itself."""
    base = _base(previous, models)
    having = _having(words, base, models)
    tokens = models.words.tokens(meant.rest)
    if words[0][1] == "said" and not len(having):
        # the particle says that it goes on; nothing else holds the words either
        return not models.catalogue.recommendable[models.catalogue.lexical.holding(tokens)].any()
    return len(having) > 0 and not _better(normalise(meant.rest), base, models)


def _better(text: str, base: Mask, models: Models) -> bool:
    """Whether the text alone is the id, the title or the category of items that were not found before."""
    catalogue = models.catalogue
    key = title_key(text)
    fits: Mask = catalogue.title_keys == np.uint64(key) if key else np.zeros(len(catalogue), np.bool_)
    row = catalogue.row(text)
    if row >= 0:
        fits[row] = True
    fits &= catalogue.recommendable
    codes = [
        code for name in catalogue.categories.folded.get(folded(text), ()) for code in catalogue.categories.under(name)
    ]
    inside = np.isin(catalogue.category, codes) & catalogue.recommendable
    return bool((fits & ~base).any() or (inside.any() and not (inside & base).any()))


def _kind(word: str, found: Mask, models: Models) -> str:
    """What a word is among the items found: "brand", an attribute's name, "colour", "size"; "" when it is neither."""
    catalogue = models.catalogue
    listed = kind_of(word)
    if listed:
        return listed
    if np.isin(catalogue.brand[found], catalogue.brands.called(word)).any():
        return "brand"
    return next((f"attribute:{name}" for name in catalogue.attributes.names_of(word, found)), "")


def _found(previous: SearchSession, models: Models) -> Mask:
    """The items shown for the search before, and all that hold a word of it, (n,) bool."""
    out = _by_words(previous, models)
    shown = models.catalogue.rows(np.array(previous.shown, np.uint64))
    out[shown[shown >= 0]] = True
    return out


def _base(previous: SearchSession, models: Models) -> Mask:
    """The items among which a refinement looks: those that hold a word of the search before, else those shown."""
    by_words = _by_words(previous, models)
    return by_words if by_words.any() else _found(previous, models)


def _by_words(previous: SearchSession, models: Models) -> Mask:
    """The items that hold a word of the search before, (n,) bool."""
    held: Mask = models.catalogue.lexical.scores(models.words.tokens(previous.text), len(models.catalogue)) > 0
    return held


def _having(words: Sequence[Word], found: Mask, models: Models) -> Rows:
    """Rows of the items found that have every word: as an attribute, as their brand, or in their texts."""
    catalogue = models.catalogue
    out = found.copy()
    for word, _ in words:
        tokens = models.words.tokens(word)
        have = np.isin(catalogue.brand, catalogue.brands.called(word))
        for name in catalogue.attributes.names_of(word, found):
            have |= catalogue.attributes.match(name, one_of([word]), len(catalogue))
        some = [catalogue.lexical.scores([token], len(catalogue)) > 0 for token in tokens]
        out &= have | np.logical_and.reduce(some)
    return np.flatnonzero(out & catalogue.recommendable).astype(np.int32)


def _is_category(words: Sequence[str], models: Models) -> bool:
    return any(word in models.catalogue.categories.folded for word in words)


def _replaces(new: Word, old: Word) -> bool:
    """Whether a refining word takes an older one's place: another colour, another size, another brand."""
    return new[1] == old[1] != "said"


def _limits(meant: Said, previous: SearchSession, models: Models) -> tuple[float | None, float | None]:
    """The price limits in effect: those said now, those beyond the median of what was shown, or those of before.

    Lists end with items that are merely like what was searched for: where some of those shown hold the words, the
    median is that of these.
    """
    low, high = previous.price_min, previous.price_max
    if meant.low is not None or meant.high is not None:
        return meant.low, meant.high
    prices = np.array([np.nan if price is None else price for price in previous.prices], np.float32)
    shown = models.catalogue.rows(np.array(previous.shown, np.uint64))
    held = _by_words(previous, models)[shown] & (shown >= 0) & np.isfinite(prices)
    prices = prices[held] if held.any() else prices[np.isfinite(prices)]
    if meant.direction and len(prices):
        middle = np.float32(np.median(prices))
        if meant.direction < 0:
            return None, float(np.nextafter(middle, np.float32(-np.inf)))
        return float(np.nextafter(middle, np.float32(np.inf))), None
    return low, high


def _within(wanted: Filter, low: float | None, high: float | None) -> Filter:
    """The filter with these limits too, the narrower of each side."""
    lows = [value for value in (wanted.price_min, low) if value is not None]
    highs = [value for value in (wanted.price_max, high) if value is not None]
    return replace(wanted, price_min=max(lows, default=None), price_max=min(highs, default=None))
