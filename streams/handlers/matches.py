"""What a result page says beside its items: how many match, and how they spread over facets."""

from __future__ import annotations

from models.ask import Ask
from models.items.catalogue import Catalogue
from models.retrieval.facets import facet
from models.retrieval.matches import how_many, matching
from models.shop.rules import Rules, mask
from streamrank_client.answers import FacetValue
from streamrank_client.events import Query


def counted_matches(
    ask: Ask, query: Query, catalogue: Catalogue, rules: Rules
) -> tuple[int | None, dict[str, list[FacetValue]]]:
    """How many items match a search, or a query that asks for facets or an order, None for others; and its facets."""
    if ask.query.surface == "rerank" or not (ask.query.surface == "search" or query.facets or query.sort):
        return None, {}
    matches = how_many(matching(ask, catalogue, mask(ask, catalogue, rules)), catalogue)
    found = {
        name: [FacetValue(n, value, low, high) for value, n, low, high in facet(name, ask, catalogue, rules)]
        for name in dict.fromkeys(query.facets)
    }
    return matches, found
