"""How much work one query may be: counted in candidates that a ranker scores, and never timed, so replays cut alike.

Ranking scores each candidate once; explaining scores it once for each group of features, and twice more.

>>> ranked(1_000, 10_000), explained(1_000, 10_000), cost(1_000, 10_000, explain=True)
(1000, 290, 9990)
>>> ranked(200, 10_000), explained(200, 10_000), cost(200, 10_000, explain=False)
(200, 200, 200)
"""

from __future__ import annotations

from typing import Final

from models.features.registry import GROUPS

#: times that an explanation scores a candidate: as served, with nothing revealed, then with one group more each
PASSES: Final = 2 + len(GROUPS)


def ranked(candidates: int, budget: int) -> int:
    """How many of so many candidates are ranked."""
    return min(candidates, budget)


def explained(candidates: int, budget: int) -> int:
    """Among how many of so many candidates, all of them ranked, an answer is explained."""
    return min(candidates, max(budget - candidates, 0) // PASSES)


def cost(candidates: int, budget: int, *, explain: bool) -> int:
    """What a query with so many candidates costs, never more than the budget."""
    some = ranked(candidates, budget)
    return some + explain * PASSES * explained(some, budget)
