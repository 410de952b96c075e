"""How a query's text was understood, as an answer tells it."""

from __future__ import annotations

from models.ask import Ask
from streamrank_client.answers import NearQuery, Understood, WordExpansion


def understood(ask: Ask, explain: bool) -> Understood | None:
    """What an answer says of how an ask's text was read; None when there is nothing to say.

    >>> from models.sample import asked
    >>> understood(asked("home"), explain=True) is None
    True
    >>> understood(asked("search", asked="tea", tokens=("tea",)), explain=True).words
    ['tea']
    """
    if not ask.text.refined_from and not (explain and ask.text.asked):
        return None
    found = Understood(refined_from=ask.text.refined_from)
    if explain:
        found.words = list(ask.text.tokens)
        found.corrected = ask.text.corrected
        found.expansions = [WordExpansion(e.term, e.of, e.kind, e.weight) for e in ask.text.expansion]
        found.neighbours = [NearQuery(near.text, round(min(near.cosine, 1.0), 4)) for near in ask.text.near]
    return found
