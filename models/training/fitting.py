"""Fitting the ranker's network: listwise softmax of the chosen item against others of its list.

The recipe and what was tried besides are in docs/decisions/0003-ranker.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.base.arrays import Floats
from models.training.network import HIDDEN, RankerNetwork, fit_scales, list_stats
from models.training.rankings import Rankings

EPOCHS: Final = 4
BATCH: Final = 32
NEGATIVES: Final = 63
RATE: Final = 2e-3
DECAY: Final = 0.01
WARM_UP: Final = 0.1
#: a list that so many newer ones followed counts half, by 1 / (1 + age), and none counts less than this
RECENT_LISTS: Final = 1_000
LEAST_RECENT: Final = 0.2
#: rows that normalisation is fitted on, at most
SCALE_ROWS: Final = 500_000

#: called with (step, steps, loss)
FittingProgress = Callable[[int, int, float], None]


@dataclass
class _Data:
    """The rankings as tensors, with each list's statistics over all of its candidates, and its weight."""

    rankings: Rankings
    features: Tensor
    vectors: Tensor
    stats: tuple[Tensor, ...]
    weight: Tensor


def fit(
    rankings: Rankings,
    cut: int,
    rng: np.random.Generator,
    progress: FittingProgress | None = None,
    hidden: tuple[int, ...] = HIDDEN,
) -> RankerNetwork:
    """A network trained on the lists before ``cut``, the newest of them counting most, with ``hidden`` units in its
    layers.
    """
    rows = int(rankings.start[cut])
    sample = rng.choice(rows, min(rows, SCALE_ROWS), replace=False)
    network = RankerNetwork(fit_scales(rankings.features[np.sort(sample)]), hidden)
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


def scores(network: RankerNetwork, rankings: Rankings, lists: NDArray[np.int64]) -> list[Floats]:
    """The network's scores (n,) of each of these lists."""
    found = []
    with torch.no_grad():
        for i in lists.tolist():
            one = rankings.rank_input(i)
            inputs = (one.features, np.ones(len(one.features), np.float32), one.candidates, one.recent)
            found.append(network(*(torch.tensor(v)[None] for v in (*inputs, one.recent_weight)))[0].numpy())
    return found


def temperature(network: RankerNetwork, rankings: Rankings, lists: NDArray[np.int64]) -> float:
    """The factor on the scores with which softmax over whole lists fits what was chosen best.

    One number, so that judging on the same lists flatters nothing: it changes no order.
    """
    chosen = [rankings.chosen[rankings.rows(i)] for i in lists.tolist()]
    scored = list(zip(scores(network, rankings, lists), chosen, rankings.weight[lists].tolist(), strict=True))

    def loss(factor: float) -> float:
        total = 0.0
        for found, own, weight in scored:
            z = found.astype(np.float64) * factor
            total += weight * float(np.logaddexp.reduce(z) - z[own].mean())
        return total

    tried = np.exp(np.linspace(math.log(0.05), math.log(5.0), 47))
    return float(min(tried, key=loss))


def recency(lists: int) -> NDArray[np.float64]:
    """How much lists in order of time count, (lists,): the newest 1, those that many followed a fifth.

    >>> recency(9_001)[[0, 8_000, 9_000]].tolist()
    [0.2, 0.5, 1.0]
    """
    return np.maximum(1 / (1 + np.arange(lists)[::-1] / RECENT_LISTS), LEAST_RECENT)


def _prepare(network: RankerNetwork, rankings: Rankings, cut: int) -> _Data:
    """Statistics of each list by the fitted normalisation, a batch at a time."""
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
    recent = (rankings.weight[:cut] * recency(cut)).astype(np.float32)
    weight = torch.from_numpy(recent / recent.mean())
    return _Data(rankings, features, torch.from_numpy(rankings.vectors.copy()), stats, weight)


def _views(network: RankerNetwork, features: Tensor) -> tuple[Tensor, Tensor]:
    normalise = network.normalise
    quantile = normalise.quantile(features, normalise.place_by_search(features))
    return quantile, normalise.logarithm(features)


def _loss(network: RankerNetwork, data: _Data, lists: NDArray[np.int64], rng: np.random.Generator) -> Tensor:
    """Cross entropy of one chosen item, in the first place, against up to 63 others of its list, by its weight."""
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
    found = network.head(views, similar, list_stats(similar, real))
    found = found.masked_fill(real == 0, -1e9)
    each = nn.functional.cross_entropy(found, torch.zeros(len(lists), dtype=torch.int64), reduction="none")
    return (each * data.weight[torch.from_numpy(lists)]).mean()


def _rate(step: int, steps: int) -> float:
    """Linear warm-up, then half a cosine down to 0."""
    warm = max(1, int(WARM_UP * steps))
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))
