"""The `lightgbm` baseline: LambdaMART on the lists that the handlers logged, trained again every tenth of the log.

Burges, "From RankNet to LambdaRank to LambdaMART" (2010). The size is chosen once, on the last tenth of the first
half. Needs the extra `bench`; imported when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from models.base.arrays import Floats, Ints
from models.base.errors import ModelError
from models.evaluate.metrics import ndcg
from models.evaluate.results import Results

if TYPE_CHECKING:
    import lightgbm

LIGHTGBM: Final = "lightgbm"
#: leaves and trees, smallest first
SIZES: Final = ((7, 100), (15, 100), (15, 250), (31, 250))
#: of a list's candidates, so many are learnt from at most beside the chosen one
NEGATIVES: Final = 63


@dataclass(frozen=True)
class RankedRows:
    """Lists in order of the log: ``rows`` (L,): places in the journal; ``features``: (n, F) each; ``items``: (n,)
    each; ``target`` (L,): the place of what was chosen, -1 where it is not among them."""

    rows: Ints
    features: Sequence[Floats]
    items: Sequence[Ints]
    target: Ints


class Boosted:
    """Trains on the lists before a cut, and ranks those after it."""

    def __init__(self, ranked: RankedRows, seed: int = 0) -> None:
        self.ranked = ranked
        self.size = SIZES[0]
        self._seed = seed

    def run(
        self, cuts: Sequence[int], results: Results, progress: Callable[[int, int], None] = lambda done, total: None
    ) -> None:
        """Answer at the tested events of ``results``; ``cuts``: places in the journal where it is trained, ascending,
        the first at the half of the log."""
        rows, total = self.ranked.rows, len(SIZES) + len(cuts)
        tests = {int(row): test for test, row in enumerate(results.rows)}
        self.choose(cuts[0], lambda done: progress(done, total))
        for n, cut in enumerate(cuts):
            model = self.fit(np.flatnonzero(rows < cut), self.size)
            until = cuts[n + 1] if n + 1 < len(cuts) else np.inf
            for place in np.flatnonzero((rows >= cut) & (rows < until)).tolist():
                test = tests.get(int(rows[place]))
                if test is not None:
                    self._answer(model, place, test, results)
            progress(len(SIZES) + n + 1, total)

    def choose(self, half: int, progress: Callable[[int], None] = lambda done: None) -> None:
        """Take the ``size`` that ranks best on the last tenth of the first half, trained on what came before.

        ``half``: place in the journal; ``progress(sizes tried)``. Raises ModelError when no list can be learnt from.
        """
        rows = self.ranked.rows
        begin = half * 9 // 10
        before, last = np.flatnonzero(rows < begin), np.flatnonzero((rows >= begin) & (rows < half))
        gains = []
        for n, size in enumerate(SIZES):
            model = self.fit(before, size)
            gains.append(float(np.mean([ndcg(np.array([self._rank(model, place)]))[0] for place in last.tolist()])))
            progress(n + 1)
        self.size = SIZES[int(np.argmax(gains))]

    def fit(self, places: NDArray[np.intp], size: tuple[int, int]) -> lightgbm.Booster:
        """Trees trained on the lists at ``places`` that hold what was chosen; ``size``: leaves and trees.

        Raises ModelError when none does.
        """
        import lightgbm

        leaves, trees = size
        rng = np.random.default_rng(self._seed)
        parts, labels, groups = [], [], []
        for place in places.tolist():
            target = int(self.ranked.target[place])
            if target < 0:
                continue
            features = self.ranked.features[place]
            others = np.delete(np.arange(len(features)), target)
            kept = np.r_[target, rng.permutation(others)[:NEGATIVES]]
            parts.append(features[kept])
            labels.append(np.r_[1, np.zeros(len(kept) - 1)])
            groups.append(len(kept))
        if not parts:
            raise ModelError(
                f"lightgbm: none of {len(places)} lists before its first training held what was then chosen.",
                "use a longer log, or leave it out of --compare.",
            )
        data = lightgbm.Dataset(np.concatenate(parts), np.concatenate(labels), group=groups)
        # one thread: where others work too, its threads wait for each other, and two took many times as long as one
        settings = {
            "objective": "lambdarank", "num_leaves": leaves, "learning_rate": 0.05, "min_data_in_leaf": 50,
            "lambdarank_truncation_level": 20, "feature_fraction": 0.7, "bagging_fraction": 0.8, "bagging_freq": 1,
            "verbosity": -1, "num_threads": 1, "seed": self._seed, "deterministic": True, "force_row_wise": True,
        }  # fmt: skip
        return lightgbm.train(settings, data, trees)

    def scores(self, model: lightgbm.Booster, place: int) -> NDArray[np.float64]:
        """The scores (n,) of one list, higher is better."""
        return np.asarray(model.predict(self.ranked.features[place], num_threads=1), np.float64)

    def _order(self, model: lightgbm.Booster, place: int) -> NDArray[np.intp]:
        return np.argsort(-self.scores(model, place), kind="stable")

    def _rank(self, model: lightgbm.Booster, place: int) -> int:
        target = int(self.ranked.target[place])
        if target < 0:
            return 0
        return int(np.flatnonzero(self._order(model, place) == target)[0]) + 1

    def _answer(self, model: lightgbm.Booster, place: int, test: int, results: Results) -> None:
        if not len(self.ranked.items[place]):
            results.put(LIGHTGBM, test, 0, self.ranked.items[place])
            return
        order = self._order(model, place)
        target = int(self.ranked.target[place])
        rank = int(np.flatnonzero(order == target)[0]) + 1 if target >= 0 else 0
        results.put(LIGHTGBM, test, rank, self.ranked.items[place][order])
