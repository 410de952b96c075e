"""What a query's words may be found by: their own surface first, then what is as good or nearly so.

>>> words = Vocabulary()
>>> for word in ("hoodie", "wh1000xm5", "headphones", "playstation"): _ = words.number(word)
>>> held = lambda word: int(word in words)
>>> [[a.terms for a in one.ways] for one in sought([Word("hoodies", ("hoodies",))], words, held)]
[[('hoodies',), ('hoodie',)]]
>>> [one.ways[-1].terms for one in sought([Word("play", ("play",)), Word("station", ("station",))], words, held)]
[('playstation',), ('playstation',)]
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from models.items.vocabulary import Vocabulary
from models.text.stopwords import STOP_WORDS
from models.text.words import Word

#: what each way of finding a word is worth beside its own surface
FORM: Final = 0.8
JOINED: Final = 0.95
PARTS: Final = 0.8
GUESS: Final = 0.6
COMPOUND: Final = 0.4
#: beginnings and compounds that are looked for, the most frequent first
MOST: Final = 16
#: so many words of a query in a row may be one word of an item
RUN: Final = 5
#: of the pairs of characters of a Korean or Japanese word an item must hold this share
GRAMS: Final = 0.7
#: shorter words have too many longer ones
SHORTEST: Final = 3


@dataclass(frozen=True, slots=True)
class Way:
    """One way to find a word: an item that holds ``share`` of ``terms`` has it. ``weight``: how much it counts beside
    the word itself; ``holds``: whether such an item holds the word, or is merely near it.
    """

    terms: tuple[str, ...]
    weight: float
    holds: bool = True
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Sought:
    """A word of a query, ``name``d as it was read, and every way to find it. ``stop``: it says nothing about a product;
    ``exact``: it is a number or a model.
    """

    name: str
    ways: tuple[Way, ...]
    stop: bool = False
    exact: bool = False


Held = Callable[[str], int]


def sought(
    words: Sequence[Word], vocabulary: Vocabulary, held: Held, memo: dict[Word, tuple[Way, ...]] | None = None
) -> list[Sought]:
    """The distinct words of a query with the ways to find them; ``held`` says how many items hold a term.

    ``memo``: the ways of single words that were looked for before, the same while no item changes.
    """
    memo = {} if memo is None else memo
    apart = [one for word in words for one in _apart(word)]
    joined = _joined(apart, vocabulary, held)
    found: dict[str, Sought] = {}
    for place, word in enumerate(apart):
        if word not in memo:
            memo[word] = tuple(_ways(word, vocabulary, held))
        ways = (*memo[word], *joined.get(place, ()))
        known = found.get(word.text)
        if known is not None:
            ways = tuple(dict.fromkeys((*known.ways, *ways)))
        found[word.text] = Sought(word.text, ways, word.stop, word.exact)
    return list(found.values())


def with_way(one: Sought, way: Way) -> Sought:
    """The word with one way more."""
    return replace(one, ways=(*one.ways, way))


def _apart(word: Word) -> Iterator[Word]:
    """Hyphenated words of letters one by one: each is looked for, and in the query's order they are one word too."""
    if word.exact or word.grams or any(len(part) == 1 for part in word.parts):
        yield word
    else:
        yield from (Word(part, (part,)) for part in word.parts)


def _joined(words: Sequence[Word], vocabulary: Vocabulary, held: Held) -> dict[int, list[Way]]:
    """By place, the words of items that several words of the query in a row are (head phones, wh 1000 xm5, shou ji)."""
    found: dict[int, list[Way]] = {}
    for first in range(len(words)):
        text = words[first].text
        for last in range(first + 1, min(first + RUN, len(words))):
            text += words[last].text
            ways = [Way((text,), JOINED)] if held(text) else []
            ways += [Way((one,), GUESS) for one in vocabulary.sounding(text) if held(one)]
            for place in range(first, last + 1) if ways else ():
                found.setdefault(place, []).extend(ways)
    return found


def _ways(word: Word, vocabulary: Vocabulary, held: Held) -> Iterator[Way]:
    yield Way((word.text,), 1.0)
    forms = [form for form in vocabulary.forms(word.text) if held(form)]
    yield from (Way((form,), FORM) for form in forms)
    if len(word.parts) > 1:
        yield Way(word.parts, PARTS, share=GRAMS if word.grams else 1.0)
    known = held(word.text) or forms or (len(word.parts) > 1 and all(map(held, word.parts)))
    if word.text.isascii() and (word.stop or len(word.text) < SHORTEST - word.exact):
        return
    compounds = _frequent(vocabulary.compounds(word.text, sure=not known), held)
    if known:
        yield from (Way((one,), COMPOUND, not one.isascii()) for one in compounds)
        return
    yield from (Way((one,), GUESS) for one in _guessed(word.text, vocabulary, held))
    yield from (Way((one,), GUESS) for one in compounds)
    parts = vocabulary.split(word.text)
    if parts:
        yield Way(parts, GUESS)
        yield Way(parts[-1:], COMPOUND, holds=False)


def _guessed(text: str, vocabulary: Vocabulary, held: Held) -> list[str]:
    """What a word that no item holds may stand for: a form in another language, an umlaut written as two letters, a
    beginning, pinyin; the first of these that is held.
    """
    for some in (
        vocabulary.akin(text),
        [text.replace("ae", "a").replace("oe", "o").replace("ue", "u")] if text.isalpha() else [],
        vocabulary.starting(text),
        vocabulary.sounding(text) if text.isascii() else [],
    ):
        found = _frequent([one for one in some if one != text], held)
        if found:
            return found
    return []


def _frequent(words: Sequence[str], held: Held) -> list[str]:
    """The words that some item holds, the most frequent first, at most ``MOST``; stop words stand for nothing."""
    some = [(-held(word), word) for word in words if word not in STOP_WORDS]
    return [word for count, word in sorted(some)[:MOST] if count]
