"""Completing what a shopper types, from the tables that a query worker holds: nothing is read, nothing is stored."""

from __future__ import annotations

from models.ask import Ask, AskedText, AskingUser
from models.lore.completion import complete
from models.serving import Models
from models.shop.rules import mask
from models.text.words import normalise
from streamrank_client.answers import Answer, Suggestion
from streamrank_client.events import Query
from streams.handlers.asking import asked_query
from streams.policy.plans import Plan

__all__ = ["suggest"]


def suggest(query: Query, plan: Plan, models: Models) -> Answer:
    """The answer to a query that asks for suggestions: of what its filters, exclusions and the shop's rules allow."""
    catalogue = models.catalogue
    plain = normalise(query.text)
    ruled = models.rule_book.find("search", plain, tuple(models.words.tokens(plain)), query.time, catalogue)
    ask = Ask(asked_query(query, plan, catalogue), AskedText(query.text), AskingUser(), ruled=ruled)
    allowed = mask(ask, catalogue, plan.rules)
    completed = complete(query.text, models.lore.table, catalogue, models.words, allowed, query.limit)
    return Answer(
        time=query.time,
        request_id=query.request_id,
        user_id=query.user_id,
        surface=query.answered_on,
        suggestions=[
            Suggestion(one.text, one.kind, catalogue.ids[one.row] if one.row >= 0 else None) for one in completed
        ],
    )
