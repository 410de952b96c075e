"""Train the ranker on logged rankings, judge it on the newest of them, train it on all, and write the artifact.

The recipe and what was tried besides are in docs/decisions/0003-ranker.md and 0021-newest-lists.md.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from models.evaluate.bootstrap import Interval
from models.ranking.ranker import Ranker
from models.training import export, figures
from models.training.figures import BASELINES, METRICS, interval, quality
from models.training.fitting import FittingProgress, fit, scores, temperature
from models.training.half import RankerPrecision
from models.training.network import HIDDEN, RankerNetwork, named
from models.training.rankings import Rankings, RankingsError

LEAST_LISTS: Final = 100
#: the newest lists judge: a tenth of all, or so many where that is more, but never more than half
LEAST_JUDGED: Final = 200
#: lists that the permutation importance is measured on, at most
IMPORTANCE_LISTS: Final = 400
#: sizes that the data choose from where that is wanted; the first one is the recipe's
SIZES: Final = (HIDDEN, (32, 16), (128, 64))
#: lists that there must be to choose, and those that each size is trained on for it, at most
LEAST_TO_CHOOSE: Final = 1_000
CHOICE_LISTS: Final = 3_000
#: with fewer users every list is taken for a user of its own
LEAST_USERS: Final = 20


class Comparison(msgspec.Struct, frozen=True):
    """NDCG@10 of two rankers on the same ``lists``, and by how much the ``new`` one's is higher, paired."""

    lists: int
    new: float
    old: float
    difference: Interval

    @property
    def better(self) -> bool:
        """Whether the new one is better by more than chance: the 95 % interval lies above 0."""
        return self.difference.low > 0


class TrainingReport(msgspec.Struct, frozen=True):
    """What training gave, on the newest lists (``judged_from``), before those were learnt too; ``trained``: the others.

    ``metrics``: by ranker or baseline, then by metric; ``gains``: relative gain in NDCG@10 over each
    baseline, paired; ``importance``: fall in NDCG@10 when a group of features is shuffled. ``network``: the size in
    use; ``sizes``: NDCG@10 of those that were compared, on the tenth before those. ``comparison``: with the ranker
    that it had to be better than. ``version``: that of the artifact; where none was ``written``, the judged one's.
    """

    version: str
    trained: int
    held_out: int
    seconds: float
    temperature: float
    metrics: dict[str, dict[str, Interval]]
    gains: dict[str, Interval]
    importance: dict[str, float]
    network: str = ""
    sizes: dict[str, Interval] = {}
    comparison: Comparison | None = None

    @property
    def written(self) -> bool:
        """Whether there is an artifact: always, unless it had to be better than another ranker and is not."""
        return self.comparison is None or self.comparison.better


def train(
    rankings: Rankings,
    out: Path | str,
    seed: int = 0,
    progress: FittingProgress | None = None,
    source: str = "",
    sizes: Sequence[tuple[int, ...]] = (HIDDEN,),
    about: Mapping[str, str] | None = None,
    precision: RankerPrecision = "float32",
    against: Ranker | None = None,
) -> TrainingReport:
    """Train on the older lists, judge on the newest (``judged_from``), then train on all and write that to ``out``.

    What is written has the figures and the temperature of the one that was judged: what is newest counts most after
    tastes have changed, and nothing is left to judge one by that has learnt it (docs/decisions/0021-newest-lists.md).

    ``progress`` is called with (step, steps, loss), from 1 again for each network; ``source`` names the log in the
    manifest, ``about`` says more of how it was made; ``sizes``: those that the data choose from, see ``choose``;
    ``precision``: that of the graph, which is the one that is judged. ``against``: a ranker that the judged one must be
    better than by more than chance on the same lists; else nothing is written.
    Raises ``RankingsError`` with fewer than 100 lists, ``SessionError`` when the export is not right.
    """
    began = time.perf_counter()
    if len(rankings) < LEAST_LISTS:
        raise RankingsError(
            f"{len(rankings)} rankings: too few to train on; at least {LEAST_LISTS} are needed.",
            "use a longer log.",
        )
    cut = judged_from(len(rankings))
    held = np.arange(cut, len(rankings))
    created_from = _told(rankings, source, seed) | dict(about or {})
    with _one_thread(), torch.random.fork_rng(devices=[]), tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(seed)
        hidden, compared = choose(rankings, cut, seed, sizes, progress)
        network = _fitted(rankings, cut, seed, hidden, progress)
        fair = temperature(network, rankings, held)
        network.temperature.fill_(fair)
        judged = Ranker(export.save(network, Path(folder) / "ranker", created_from, {}, precision).path, "cpu")
        report = msgspec.structs.replace(
            judge(judged, rankings, held, seed),
            trained=cut,
            temperature=fair,
            seconds=time.perf_counter() - began,
            network=named(hidden),
            sizes=compared,
            comparison=compare(judged, against, rankings, held, seed) if against is not None else None,
        )
        if not report.written:
            return report
        network = _fitted(rankings, len(rankings), seed, hidden, progress)
        network.temperature.fill_(fair)
        report = msgspec.structs.replace(report, seconds=time.perf_counter() - began)
        written = export.save(network, Path(out), created_from, _flat(report), precision)
    return msgspec.structs.replace(report, version=written.manifest.version)


def judged_from(lists: int) -> int:
    """The first of the lists that judge: the newest tenth, or ``LEAST_JUDGED`` where that is more, at most half.

    That few are left to train the judged one costs what is written nothing, as it is trained on all; and with few
    that judge, nothing is better by more than chance (docs/decisions/0022-early-retraining.md).

    >>> judged_from(5000), judged_from(1000), judged_from(300)
    (4500, 800, 150)
    """
    return min(lists * 9 // 10, lists - min(LEAST_JUDGED, lists // 2))


def _fitted(
    rankings: Rankings, cut: int, seed: int, hidden: tuple[int, ...], progress: FittingProgress | None
) -> RankerNetwork:
    """The network of a seed: the same for the same lists, whatever was trained before it."""
    torch.manual_seed(seed)
    return fit(rankings, cut, np.random.default_rng(seed), progress, hidden)


def _told(rankings: Rankings, source: str, seed: int) -> dict[str, str]:
    """What the manifest says of where a ranker comes from."""
    told = {"source": source or "rankings", "lists": str(len(rankings)), "seed": str(seed)}
    return told | {"torch": str(torch.__version__)}


def compare(new: Ranker, old: Ranker, rankings: Rankings, held: NDArray[np.int64], seed: int = 0) -> Comparison:
    """Two rankers on the lists ``held``."""
    first, second = (figures.of_ranker(one, rankings, held.tolist())[:, 0] for one in (new, old))
    weight = rankings.weight[held]
    return Comparison(
        len(held),
        float(np.average(first, weights=weight)),
        float(np.average(second, weights=weight)),
        interval(first - second, _users(rankings, held), seed, weight),
    )


def choose(
    rankings: Rankings, cut: int, seed: int, sizes: Sequence[tuple[int, ...]], progress: FittingProgress | None = None
) -> tuple[tuple[int, ...], dict[str, Interval]]:
    """The size of the network, by lists before ``cut``: trained on the newest of them but a tenth, judged on that.

    The first of ``sizes`` is kept unless another one's NDCG@10 is higher by a paired 95 % interval above 0. Returns
    the size, and the NDCG@10 of each by its name. With fewer than ``LEAST_TO_CHOOSE`` lists nothing is compared.
    """
    if len(sizes) == 1 or cut < LEAST_TO_CHOOSE:
        return sizes[0], {}
    tenth = len(rankings) // 10
    some = rankings.part(max(0, cut - tenth - CHOICE_LISTS), cut)
    inner = len(some) - tenth
    lists = np.arange(inner, len(some))
    chosen = [some.chosen[some.rows(i)] for i in lists.tolist()]
    found: list[NDArray[np.float64]] = []
    for hidden in sizes:
        network = fit(some, inner, np.random.default_rng(seed), progress, hidden)
        scored = scores(network, some, lists)
        found.append(np.array([quality(one, own)[0] for one, own in zip(scored, chosen, strict=True)]))
    users, weight = _users(some, lists), some.weight[lists]
    gains = [interval(own - found[0], users, seed, weight) for own in found]
    best = max((n for n, gain in enumerate(gains) if gain.low > 0), key=lambda n: gains[n].mean, default=0)
    return sizes[best], {named(h): interval(own, users, seed, weight) for h, own in zip(sizes, found, strict=True)}


def judge(ranker: Ranker, rankings: Rankings, lists: NDArray[np.int64], seed: int = 0) -> TrainingReport:
    """Metrics of an artifact on these lists, beside the baselines."""
    found = {"ranker": figures.of_ranker(ranker, rankings, list(lists))}
    found |= {name: figures.of_feature(name, rankings, list(lists)) for name in BASELINES}
    users, weight = _users(rankings, lists), rankings.weight[lists]
    ndcg = {name: values[:, 0] for name, values in found.items()}
    gains = {}
    for name in BASELINES:
        base = max(float(np.average(ndcg[name], weights=weight)), 1e-9)
        gains[name] = interval((ndcg["ranker"] - ndcg[name]) / base, users, seed, weight)
    some = np.random.default_rng(seed).permutation(lists)[:IMPORTANCE_LISTS]
    return TrainingReport(
        version=ranker.version,
        trained=0,
        held_out=len(lists),
        seconds=0.0,
        temperature=0.0,
        metrics={
            name: {m: interval(values[:, k], users, seed, weight) for k, m in enumerate(METRICS)}
            for name, values in found.items()
        },
        gains=gains,
        importance=figures.importance(ranker, rankings, [int(i) for i in some], seed),
    )


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Small tensors: on a busy machine waiting for torch's second thread made a step 7 times slower.

    And one thread always adds up in the same order.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _users(rankings: Rankings, lists: NDArray[np.int64]) -> NDArray[np.int64]:
    """Who the lists were for; where the log knows next to no users, every list is its own."""
    users = rankings.user[lists]
    return users if len(np.unique(users)) >= LEAST_USERS else lists


def _flat(report: TrainingReport) -> dict[str, float | str]:
    """The report as the manifest's figures."""
    flat: dict[str, float | str] = {"trained_lists": report.trained, "held_out_lists": report.held_out}
    for name, metrics in report.metrics.items():
        for metric, value in metrics.items():
            flat[f"{metric} {name}"] = round(value.mean, 5)
    for name, gain in report.gains.items():
        flat[f"gain over {name}"] = f"{gain.mean:+.1%} [{gain.low:+.1%}, {gain.high:+.1%}]"
    for size, value in report.sizes.items():
        flat[f"ndcg@10 {size}, the tenth before"] = f"{value.mean:.4f} [{value.low:.4f}, {value.high:.4f}]"
    for group, fall in report.importance.items():
        flat[f"importance {group}"] = round(fall, 5)
    return flat | {"temperature": round(report.temperature, 4), "seconds": round(report.seconds, 1)}
