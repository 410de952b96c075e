"""Every source, in the order of the score columns: those shipped, then those that installed packages add."""

from __future__ import annotations

from typing import Final

from models.base.plugins import installed
from models.retrieval.sources.base import Source
from models.retrieval.sources.context import UserContext
from models.retrieval.sources.covisits import Covisits
from models.retrieval.sources.covisits_basket import BasketCovisits
from models.retrieval.sources.covisits_wide import WideCovisits
from models.retrieval.sources.image import Image
from models.retrieval.sources.lexical import Lexical
from models.retrieval.sources.new_arrivals import NewArrivals
from models.retrieval.sources.popular import Popular
from models.retrieval.sources.query_clicks import QueryClicks
from models.retrieval.sources.query_neighbours import QueryNeighbours
from models.retrieval.sources.repurchase import Repurchase
from models.retrieval.sources.semantic import Semantic
from models.retrieval.sources.tower import TowerSource
from models.retrieval.sources.trending import Trending
from models.retrieval.sources.trending_category import TrendingCategory

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
    TowerSource(),
    BasketCovisits(),
    *installed("streamrank.sources", Source),  # type: ignore[type-abstract]
)
#: Every source by name, in the order of the columns of ``Candidates.scores``.
SOURCES: Final[dict[str, Source]] = {source.name: source for source in _ALL}
#: Each source's column there.
COLUMN: Final = {name: column for column, name in enumerate(SOURCES)}
