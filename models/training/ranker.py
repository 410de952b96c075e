"""Train the ranker on logged rankings: listwise softmax of the chosen item against others of its list.

The recipe and what was tried besides are in docs/decisions/0003-ranker.md.
"""

from __future__ import annotations

import contextlib
import math
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.ranker import Ranker
from models.training import export, figures
from models.training.figures import BASELINES, METRICS, Interval
from models.training.network import Network, fit_scales, list_stats
from models.training.rankings import Rankings, RankingsError

EPOCHS: Final = 4
BATCH: Final = 64
NEGATIVES: Final = 63
RATE: Final = 2e-3
DECAY: Final = 0.01
WARM_UP: Final = 0.1
LEAST_LISTS: Final = 100
#: Rows that normalisation is fitted on, and lists that the permutation importance is measured on, at most.
SCALE_ROWS: Final = 500_000
IMPORTANCE_LISTS: Final = 400

Progress = Callable[[int, int, float], None]


class Report(msgspec.Struct, frozen=True):
    """What training gave, on the last tenth of the lists by time, which were not trained on.

    ``metrics``: by ranker or baseline, then by metric; ``gains``: relative gain in NDCG@10 over each
    baseline, paired; ``importance``: fall in NDCG@10 when a group of features is shuffled.
    """

    version: str
    trained: int
    held_out: int
    seconds: float
    temperature: float
    metrics: dict[str, dict[str, Interval]]
    gains: dict[str, Interval]
    importance: dict[str, float]


@dataclass
class _Data:
    """The rankings as tensors, with each list's statistics over all of its candidates."""

    rankings: Rankings
    features: Tensor
    vectors: Tensor
    stats: tuple[Tensor, ...]


def train(
    rankings: Rankings, out: Path | str, seed: int = 0, progress: Progress | None = None, source: str = ""
) -> Report:
    """Train on the first nine tenths, judge on the last, and write the artifact to ``out``.

    ``progress`` is called with (step, steps, loss); ``source`` names the log in the manifest.
    Raises ``RankingsError`` with fewer than 100 lists, ``SessionError`` when the export is not right.
    """
    began = time.perf_counter()
    if len(rankings) < LEAST_LISTS:
        raise RankingsError(
            f"{len(rankings)} rankings: too few to train on; at least {LEAST_LISTS} are needed.",
            "use a longer log.",
        )
    cut = len(rankings) * 9 // 10
    held = np.arange(cut, len(rankings))
    with _one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = fit(rankings, cut, np.random.default_rng(seed), progress)
        network.temperature.fill_(_temperature(network, rankings, held))
    created_from = {
        "source": source or "rankings",
        "lists": str(cut),
        "seed": str(seed),
        "torch": str(torch.__version__),
    }
    with tempfile.TemporaryDirectory() as folder:
        draft = export.save(network, Path(folder) / "ranker", created_from, {})
        report = judge(Ranker(draft.path, "cpu"), rankings, held, seed)
    report = msgspec.structs.replace(
        report,
        trained=cut,
        temperature=float(network.temperature),
        seconds=time.perf_counter() - began,
    )
    export.save(network, Path(out), created_from, _flat(report))
    return report


def fit(rankings: Rankings, cut: int, rng: np.random.Generator, progress: Progress | None = None) -> Network:
    """A network trained on the lists before ``cut``."""
    rows = int(rankings.start[cut])
    sample = rng.choice(rows, min(rows, SCALE_ROWS), replace=False)
    network = Network(fit_scales(rankings.features[np.sort(sample)]))
    data = _prepare(network, rankings, cut)
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
    steps = EPOCHS * math.ceil(cut / BATCH)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, steps))
    network.train()
    step = 0
    for _ in range(EPOCHS):
        order = rng.permutation(cut)
        for first in range(0, cut, BATCH):
            loss = _loss(network, data, order[first : first + BATCH], rng)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            step += 1
            if progress is not None:
                progress(step, steps, float(loss.detach()))
    return network.eval()


def judge(ranker: Ranker, rankings: Rankings, lists: NDArray[np.int64], seed: int = 0) -> Report:
    """Metrics of an artifact on these lists, beside the baselines."""
    found = {"ranker": figures.of_ranker(ranker, rankings, list(lists))}
    found |= {name: figures.of_feature(name, rankings, list(lists)) for name in BASELINES}
    users = rankings.user[lists]
    if len(np.unique(users)) < 20:  # the log knows no users: every list is its own
        users = lists
    ndcg = {name: values[:, 0] for name, values in found.items()}
    gains = {}
    for name in BASELINES:
        base = max(float(ndcg[name].mean()), 1e-9)
        gains[name] = figures.interval((ndcg["ranker"] - ndcg[name]) / base, users, seed)
    some = np.random.default_rng(seed).permutation(lists)[:IMPORTANCE_LISTS]
    return Report(
        version=ranker.version,
        trained=0,
        held_out=len(lists),
        seconds=0.0,
        temperature=0.0,
        metrics={
            name: {m: figures.interval(values[:, k], users, seed) for k, m in enumerate(METRICS)}
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


def _prepare(network: Network, rankings: Rankings, cut: int) -> _Data:
    """Statistics of each list by the fitted normalisation, 64 lists at a time."""
    features = torch.from_numpy(rankings.features)
    parts: list[tuple[Tensor, ...]] = []
    with torch.no_grad():
        for first in range(0, cut, BATCH):
            spans = [rankings.rows(i) for i in range(first, min(first + BATCH, cut))]
            longest = max(span.stop - span.start for span in spans)
            place = np.array([[min(span.start + k, span.stop - 1) for k in range(longest)] for span in spans])
            mask = torch.tensor([[float(span.start + k < span.stop) for k in range(longest)] for span in spans])
            quantile, logarithm = _views(network, features[torch.from_numpy(place)])
            parts.append((*list_stats(quantile, mask), *list_stats(logarithm, mask)))
    stats = tuple(torch.cat(part) for part in zip(*parts, strict=True))
    return _Data(rankings, features, torch.from_numpy(rankings.vectors.copy()), stats)


def _views(network: Network, features: Tensor) -> tuple[Tensor, Tensor]:
    normalise = network.normalise
    quantile = normalise.quantile(features, normalise.place_by_search(features))
    return quantile, normalise.logarithm(features)


def _loss(network: Network, data: _Data, lists: NDArray[np.int64], rng: np.random.Generator) -> Tensor:
    """Cross entropy of one chosen item, in the first place, against up to 63 others of its list."""
    rows = np.zeros((len(lists), 1 + NEGATIVES), np.int64)
    mask = np.zeros(rows.shape, np.float32)
    for k, i in enumerate(lists):
        span = data.rankings.rows(int(i))
        chosen = data.rankings.chosen[span]
        others = rng.permutation(np.flatnonzero(~chosen))[:NEGATIVES]
        picked = np.concatenate([rng.choice(np.flatnonzero(chosen), 1), others]) + span.start
        rows[k, : len(picked)], rows[k, len(picked) :] = picked, picked[0]
        mask[k, : len(picked)] = 1
    real = torch.from_numpy(mask)
    place = torch.from_numpy(rows)
    quantile, logarithm = _views(network, data.features[place])
    views = network.normalise.views(quantile, logarithm, tuple(s[torch.from_numpy(lists)] for s in data.stats))
    recent = torch.from_numpy(data.rankings.recent[lists].astype(np.int64))
    weight = torch.from_numpy(data.rankings.recent_weight[lists])
    candidates = data.vectors[torch.from_numpy(data.rankings.vector[rows].astype(np.int64))]
    similar = network.attend(candidates, data.vectors[recent.clamp(min=0)], weight)
    scores = network.head(views, similar, list_stats(similar, real))
    scores = scores.masked_fill(real == 0, -1e9)
    return nn.functional.cross_entropy(scores, torch.zeros(len(lists), dtype=torch.int64))


def _rate(step: int, steps: int) -> float:
    """Linear warm-up, then half a cosine down to 0."""
    warm = max(1, int(WARM_UP * steps))
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def _temperature(network: Network, rankings: Rankings, lists: NDArray[np.int64]) -> float:
    """The factor on the scores with which softmax over whole lists fits what was chosen best.

    One number, so that judging on the same lists flatters nothing: it changes no order.
    """
    scored = []
    with torch.no_grad():
        for i in lists:
            one = rankings.rank_input(int(i))
            inputs = (one.features, np.ones(len(one.features), np.float32), one.candidates, one.recent)
            scores = network(*(torch.tensor(v)[None] for v in (*inputs, one.recent_weight)))[0].numpy()
            scored.append((scores, rankings.chosen[rankings.rows(int(i))]))

    def loss(factor: float) -> float:
        total = 0.0
        for scores, chosen in scored:
            z = scores.astype(np.float64) * factor
            total += float(np.logaddexp.reduce(z) - z[chosen].mean())
        return total

    tried = np.exp(np.linspace(math.log(0.05), math.log(5.0), 47))
    return float(min(tried, key=loss))


def _flat(report: Report) -> dict[str, float | str]:
    """The report as the manifest's figures."""
    flat: dict[str, float | str] = {"trained_lists": report.trained, "held_out_lists": report.held_out}
    for name, metrics in report.metrics.items():
        for metric, value in metrics.items():
            flat[f"{metric} {name}"] = round(value.mean, 5)
    for name, gain in report.gains.items():
        flat[f"gain over {name}"] = f"{gain.mean:+.1%} [{gain.low:+.1%}, {gain.high:+.1%}]"
    for group, fall in report.importance.items():
        flat[f"importance {group}"] = round(fall, 5)
    return flat | {"temperature": round(report.temperature, 4), "seconds": round(report.seconds, 1)}
