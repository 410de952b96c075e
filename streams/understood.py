"""How a query's text was understood, as an answer tells it."""

from __future__ import annotations

from msgspec import Struct

from models.ask import Ask


class WordExpansion(Struct):
    """A word that was searched for beside the query's own word ``of``, or for it when ``weight`` is 1.

    ``kind``: "spelling" or "synonym".
    """

    term: str
    of: str
    kind: str
    weight: float


class NearQuery(Struct):
    """A known query near this one in meaning, whose choices counted; ``cosine``: of their vectors, at most 1."""

    text: str
    cosine: float


class Understood(Struct, omit_defaults=True):
    """How the query's text was read. ``refined_from``: the search that it goes on from ("red" after "dress").

    With ``explain`` also: its ``words`` after correction, the ``corrected`` text where that is not what was typed,
    how words were corrected and what was searched for beside them, and the known queries like it.
    """

    refined_from: str = ""
    words: list[str] = []
    corrected: str = ""
    expansions: list[WordExpansion] = []
    neighbours: list[NearQuery] = []


def understood(ask: Ask, explain: bool) -> Understood | None:
    """What an answer says of how an ask's text was read; None when there is nothing to say.

    >>> understood(Ask(now=0, surface="home"), explain=True) is None
    True
    >>> understood(Ask(now=0, surface="search", text="tea", tokens=("tea",)), explain=True).words
    ['tea']
    """
    if not ask.refined_from and not (explain and ask.text):
        return None
    found = Understood(refined_from=ask.refined_from)
    if explain:
        found.words = list(ask.tokens)
        found.corrected = ask.corrected
        found.expansions = [WordExpansion(e.term, e.of, e.kind, e.weight) for e in ask.expansion]
        found.neighbours = [NearQuery(near.text, round(min(near.cosine, 1.0), 4)) for near in ask.near]
    return found
