"""What a query's text says of an item by itself: which of its words the item holds, and whether it is named by it.

>>> from models.sample import asked, sample
>>> catalogue = sample(["red tea", "green tea", "wine"])
>>> found = evidence(asked("search", asked="red tea", tokens=("red", "tea")), catalogue, np.arange(3, dtype=np.int32))
>>> [round(float(one), 2) for one in found.share], found.all_words.tolist(), found.titled.tolist()
([1.0, 0.32, 0.0], [True, False, False], [True, False, False])
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.ask import Ask, AskedText
from models.base.arrays import Floats, Mask, Rows
from models.items.bm25 import Bm25
from models.items.catalogue import Catalogue, title_key
from models.items.sought import Sought, Way, with_way
from models.retrieval.intent_candidates import OFFER_WORDS, sure
from models.text.words import Word, singular
from streamrank_client.vocabulary import UNASKED

#: a number or a model counts so many times as much as another word as rare: another one is another product
EXACT: Final = 2.0
#: stop words count so much beside words that say something
STOP: Final = 0.25
#: a synonym that counts less is near the word and does not stand for it
SYNONYM: Final = 0.5


@dataclass(frozen=True, slots=True)
class Evidence:
    """Of n items, (n,) each: ``share``, how much of the text's words each holds, by their idf; ``all_words``, that it
    is named by all that matter; ``every_word``, that it is named by all, stop words too, where these make the name (the
    who, vitamin a); ``titled``, that its title is the text; ``identified``, that the text is an identifier of it.
    """

    share: Floats
    all_words: Mask
    every_word: Mask
    titled: Mask
    identified: Mask


def words_sought(text: AskedText, lexical: Bm25) -> list[Sought]:
    """The text's words with every way to find them, those that the lore adds too."""
    found = lexical.seek(text.words or [Word(token, (token,)) for token in text.tokens])
    for more in text.expansion:
        weight = 1.0 if more.kind == "spelling" else more.weight
        some = _ways_of(more.term, lexical)
        for place, one in enumerate(found):
            if more.of in (one.name, singular(one.name)) or any(more.of in way.terms for way in one.ways):
                for way in some:
                    added = Way(way.terms, way.weight * weight, way.holds and weight >= SYNONYM, way.share)
                    found[place] = with_way(found[place], added)
    return found


def _ways_of(term: str, lexical: Bm25) -> Sequence[Way]:
    """The first ways to find a word; of a phrase, all its words by the first way of each."""
    words = lexical.seek(term.split())
    if len(words) == 1:
        return words[0].ways[:4]
    terms = tuple(term for one in words for way in one.ways[:1] for term in way.terms)
    return [Way(terms, 1.0)] if all(one.ways for one in words) else []


def weights_of(words: list[Sought]) -> dict[str, float]:
    """How much each word counts in a score, where that is not 1: stop words little, but where they make the name."""
    if sum(not one.stop for one in words) < 2:
        return {}
    return {one.name: STOP for one in words if one.stop}


def identified(ask: Ask, catalogue: Catalogue) -> Rows:
    """Rows of which the text is an identifier, ascending; refinements are none."""
    if not ask.text.asked or ask.text.refined_from:
        return np.zeros(0, np.int32)
    return catalogue.identifiers.rows(ask.text.asked)


def evidence(ask: Ask, catalogue: Catalogue, rows: Rows) -> Evidence | None:
    """What the ask's text says of some rows; None where no text asks for anything."""
    if ask.query.surface in UNASKED or not ask.text.asked.strip():
        return None
    words = words_sought(ask.text, catalogue.lexical)
    offers = OFFER_WORDS if sure(ask, "promotion") else frozenset[str]()
    content = [one for one in words if not one.stop and singular(one.name) not in offers]
    content = content or words
    held = catalogue.lexical.held(content, rows)
    weight = held.idf * np.array([EXACT if one.exact else 1.0 for one in content], np.float32)
    share = weight @ held.anywhere / max(float(weight.sum()), 1e-9)
    nothing = np.zeros(len(rows), np.bool_)
    every: Mask = nothing
    if len(content) < 2 and len(words) > 1:
        every = np.logical_and.reduce(catalogue.lexical.held(words, rows).named)
    elif content and all(one.stop for one in content):
        every = np.logical_and.reduce(held.named)
    key = title_key(ask.text.asked)
    return Evidence(
        share=share.astype(np.float32),
        all_words=np.logical_and.reduce(held.named) if content else nothing,
        every_word=every,
        titled=catalogue.title_keys[rows] == np.uint64(key) if key else nothing,
        identified=np.isin(rows, identified(ask, catalogue)),
    )
