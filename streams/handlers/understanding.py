"""How a query's text was understood, as an answer tells it."""

from __future__ import annotations

from models.ask import Ask, AskedText, Expansion
from streamrank_client.answers import NearQuery, Understood, WordExpansion


def understood(ask: Ask, explain: bool) -> Understood | None:
    """What an answer says of how an ask's text was read; None when there is nothing to say.

    >>> from models.sample import asked
    >>> understood(asked("home"), explain=True) is None
    True
    >>> understood(asked("search", asked="tea", tokens=("tea",)), explain=True).words
    ['tea']
    """
    text = ask.text
    guessed = [one for one in text.expansion if explain or _told(one, text)]
    if not (text.refined_from or text.corrected or guessed or (explain and text.asked)):
        return None
    found = Understood(refined_from=text.refined_from, corrected=text.corrected)
    found.expansions = [WordExpansion(one.term, one.of, one.kind, one.weight) for one in guessed]
    if explain:
        found.words = list(ask.text.tokens)
        found.neighbours = [NearQuery(near.text, round(min(near.cosine, 1.0), 4)) for near in ask.text.near]
    return found


def _told(one: Expansion, text: AskedText) -> bool:
    """Whether an answer tells of it unasked: what was read for a word, by its spelling or by the dictionary."""
    return one.kind == "dictionary" or (one.kind == "spelling" and one.term in text.tokens)
