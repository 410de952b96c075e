"""Every source, in the fixed order of the score columns."""

from __future__ import annotations

from typing import Final

from models.sources.base import Source
from models.sources.context import UserContext
from models.sources.covisits import Covisits
from models.sources.covisits_basket import BasketCovisits
from models.sources.covisits_wide import WideCovisits
from models.sources.image import Image
from models.sources.lexical import Lexical
from models.sources.new_arrivals import NewArrivals
from models.sources.popular import Popular
from models.sources.query_clicks import QueryClicks
from models.sources.query_neighbours import QueryNeighbours
from models.sources.repurchase import Repurchase
from models.sources.semantic import Semantic
from models.sources.tower import Tower
from models.sources.trending import Trending
from models.sources.trending_category import TrendingCategory

_ALL: Final[tuple[Source, ...]] = (
    QueryClicks(),
    Covisits(),
    UserContext(),
    Semantic(),
    Lexical(),
    Trending(),
    WideCovisits(),
    Image(),
    QueryNeighbours(),
    TrendingCategory(),
    Popular(),
    Repurchase(),
    NewArrivals(),
    Tower(),
    BasketCovisits(),
)

#: Every source by name, in the order of the columns of ``Candidates.scores``.
SOURCES: Final[dict[str, Source]] = {source.name: source for source in _ALL}
