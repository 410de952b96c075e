"""The ranker's network: normalisation, attention over the user's recent items, and a small MLP, in one graph.

Each feature enters three times: its global quantile, the z-score of that quantile within the list, and the
z-score within the list of its signed logarithm. Beside them stand similarities with the user's recent items,
pooled by attention whose temperatures and projection are learnt.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.features.registry import INDEX
from models.retrieval.sources.registry import SOURCES
from streamrank_client.vocabulary import COMPACT as DIM

KNOTS: Final = 62
#: Knots are looked for in blocks of so many; BLOCK * BLOCK is at least KNOTS - 1.
BLOCK: Final = 8
#: Heads that compare vectors as they are, and heads that compare them through a learnt projection.
PLAIN: Final = 2
LEARNT: Final = 2
PROJECTED: Final = 16
LEAST_SPREAD: Final = 1e-3
#: Units of the MLP's layers.
HIDDEN: Final = (64, 32)
#: Log odds that a source's full score (1) adds when the training log never showed that source at work. A log of
#: purchases has no query clicks; those of the first shopper who searches must count all the same.
UNSEEN: Final = 3.0
#: But for this one: nearly every item has a cosine in the tower, and how much it is worth is another on every log.
UNSAID: Final = "tower"
#: Smaller values count as 0: between knots that lie closer a slope would overflow.
TINY: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Scales:
    """What normalisation knows of each feature's distribution.

    ``knots`` (F, KNOTS): ascending and distinct, padded at the end with infinity; ``ranks`` (F, KNOTS): share
    of values below a knot, plus half of those equal to it; ``median`` (F,): of the absolute values but 0, and
    infinity for a feature that was the same everywhere: what was never learnt must not move a score.
    """

    knots: NDArray[np.float32]
    ranks: NDArray[np.float32]
    median: NDArray[np.float32]


def fit_scales(features: NDArray[np.float32]) -> Scales:
    """Scales of the columns of ``features`` (t, F), t above 0.

    Half of a feature's knots are quantiles of all its values, half of those other than 0, denser in the
    tails: most features are 0 for nearly all candidates, and what matters lies in the rest. Values that tie
    make one knot at their middle rank.
    """
    count, width = features.shape
    knots = np.full((width, KNOTS), np.inf, np.float32)
    ranks = np.zeros((width, KNOTS), np.float32)
    median = np.full(width, np.inf, np.float32)
    half = np.linspace(0, 1, KNOTS // 2)
    levels = 0.5 - np.cos(np.pi * half) / 2
    for f in range(width):
        column = features[:, f]
        values = np.sort(np.where(np.abs(column) < TINY, np.float32(0), column))
        other = values[values != 0]
        parts = [np.quantile(v, levels, method="nearest") for v in (values, other) if len(v)]
        distinct = np.unique(np.concatenate(parts))
        below, upto = np.searchsorted(values, distinct, "left"), np.searchsorted(values, distinct, "right")
        knots[f, : len(distinct)] = distinct
        ranks[f, : len(distinct)] = (below + upto) / 2 / count
        if len(distinct) > 1:
            median[f] = np.median(np.abs(other))
    return Scales(knots, ranks, median)


class Normaliser(nn.Module):
    """Features to their three views; see the module's docstring."""

    knots: Tensor
    table: Tensor
    median: Tensor
    first: Tensor
    firsts: Tensor
    blocks: Tensor

    def __init__(self, scales: Scales) -> None:
        super().__init__()
        knots, ranks = scales.knots.astype(np.float64), scales.ranks.astype(np.float64)
        finite = np.isfinite(knots)
        step = np.zeros_like(knots)
        slope = np.zeros_like(knots)
        pairs = finite[:, 1:]
        step[:, :-1][pairs] = (knots[:, 1:] - np.where(finite, knots, 0)[:, :-1])[pairs]
        slope[:, :-1][pairs] = (ranks[:, 1:] - ranks[:, :-1])[pairs] / step[:, :-1][pairs]
        table = np.stack([np.where(finite, knots, 0), step, slope, ranks], axis=-1)
        width = len(knots)
        self.register_buffer("knots", torch.tensor(knots, dtype=torch.float32))
        padded = np.full((width, BLOCK * BLOCK), np.inf)
        padded[:, : KNOTS - 1] = knots[:, 1:]
        self.register_buffer("firsts", torch.tensor(padded[:, ::BLOCK], dtype=torch.float32))
        self.register_buffer("blocks", torch.tensor(padded.reshape(-1, BLOCK), dtype=torch.float32))
        self.register_buffer("table", torch.tensor(table.reshape(-1, 4), dtype=torch.float32))
        self.register_buffer("median", torch.tensor(scales.median))
        self.register_buffer("first", torch.arange(width) * KNOTS)

    def place(self, features: Tensor) -> Tensor:
        """Which knot lies at or below each value, counted by comparison: a graph of ONNX has no search.

        First which block of eight knots, then which of the eight: a quarter of the comparisons.
        """
        value = features.unsqueeze(-1)
        block = (value >= self.firsts[:, 1:]).to(torch.float32).sum(-1).to(torch.int64)
        near = nn.functional.embedding(block + self.first // KNOTS * BLOCK, self.blocks)
        within = (value >= near).to(torch.float32).sum(-1).to(torch.int64)
        return block * BLOCK + within

    def place_by_search(self, features: Tensor) -> Tensor:
        """The same by binary search, for training, where it is ten times faster."""
        flat = features.reshape(-1, features.shape[-1]).T.contiguous()
        found = torch.searchsorted(self.knots[:, 1:].contiguous(), flat, right=True)
        return found.T.reshape(features.shape)

    def quantile(self, features: Tensor, place: Tensor) -> Tensor:
        """Share of values below, between -0.5 and 0.5, linear between two knots."""
        cell = self.table[place + self.first]
        knot, step, slope, rank = cell.unbind(-1)
        inside = torch.minimum(torch.relu(features - knot), step)
        return rank + slope * inside - 0.5

    def logarithm(self, features: Tensor) -> Tensor:
        """Signed logarithm of the value over its median."""
        return torch.sign(features) * torch.log1p(features.abs() / self.median)

    def views(self, quantile: Tensor, logarithm: Tensor, stats: tuple[Tensor, ...]) -> Tensor:
        """The three views side by side (…, 3F), by the list's ``stats``."""
        mean_q, spread_q, mean_l, spread_l = stats
        in_list = ((quantile - mean_q) / spread_q).clamp(-4, 4)
        size = ((logarithm - mean_l) / spread_l).clamp(-8, 8)
        return torch.cat((quantile, in_list, size), dim=-1)


def list_stats(values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and spread of each feature over a list's real candidates, (B, 1, F) both.

    Counted from the first candidate's value, so that a feature that is the same for all is exactly its mean.
    """
    weight = mask.unsqueeze(-1)
    count = weight.sum(1, keepdim=True).clamp(min=1.0)
    origin = values[:, :1]
    away = (values - origin) * weight
    mean = away.sum(1, keepdim=True) / count
    centred = (away - mean) * weight
    # bounded before the root, whose slope at 0 is infinite: a list of equal values would make weights NaN
    variance = ((centred * centred).sum(1, keepdim=True) / count).clamp(min=LEAST_SPREAD**2)
    return origin + mean, variance.sqrt()


class Attention(nn.Module):
    """Similarity of each candidate with the user's recent items, pooled by softmax in several ways."""

    def __init__(self) -> None:
        super().__init__()
        self.project = nn.Linear(DIM, PROJECTED, bias=False)
        self.sharpness = nn.Parameter(torch.tensor([2.0, 10.0, 2.0, 10.0]))
        self.habit = nn.Parameter(torch.tensor([1.0, 0.3, 1.0, 0.3]))

    def products(self, candidates: Tensor, recent: Tensor) -> tuple[Tensor, Tensor]:
        """Similarities (B, N, R) of the vectors as they are, and of their projections."""
        return candidates @ recent.transpose(1, 2), self.project(candidates) @ self.project(recent).transpose(1, 2)

    def forward(self, candidates: Tensor, recent: Tensor, weight: Tensor) -> Tensor:
        """Pooled similarities (B, N, heads); 0 without recent items, disliked items count negative."""
        plain, learnt = self.products(candidates, recent)
        similar = torch.stack([plain] * PLAIN + [learnt] * LEARNT, dim=2)
        strength = torch.log(weight.abs() + 1e-6).view(weight.shape[0], 1, 1, weight.shape[1])
        logits = similar * self.sharpness.view(1, 1, -1, 1) + strength * self.habit.view(1, 1, -1, 1)
        padding = (weight == 0).to(torch.float32).view(weight.shape[0], 1, 1, weight.shape[1])
        share = torch.softmax(logits - padding * 1e4, dim=-1)
        signed = similar * torch.sign(weight).view(weight.shape[0], 1, 1, weight.shape[1])
        return (share * signed).sum(-1)


class RankerNetwork(nn.Module):
    """The whole ranker: what its graph takes and gives, see ``forward``."""

    temperature: Tensor
    prior: Tensor

    def __init__(self, scales: Scales, hidden: tuple[int, ...] = HIDDEN, dropout: float = 0.1) -> None:
        super().__init__()
        width = 3 * len(scales.knots) + 2 * (PLAIN + LEARNT)
        self.hidden = hidden
        self.normalise = Normaliser(scales)
        self.attend = Attention()
        layers: list[nn.Module] = []
        for before, after in pairwise((width, *hidden)):
            layers += [nn.Linear(before, after), nn.GELU(), nn.Dropout(dropout)]
        self.deep = nn.Sequential(*layers, nn.Linear(hidden[-1], 1))
        self.skip = nn.Linear(width, 1, bias=False)
        nn.init.zeros_(self.skip.weight)
        self.register_buffer("temperature", torch.ones(()))
        self.register_buffer("prior", _prior(scales))

    def head(self, views: Tensor, similar: Tensor, stats: tuple[Tensor, Tensor]) -> Tensor:
        """Scores (B, N) of the normalised inputs."""
        mean, spread = stats
        x = torch.cat((views, similar, ((similar - mean) / spread).clamp(-4, 4)), dim=-1)
        scores: Tensor = self.deep(x) + self.skip(x)
        return scores.squeeze(-1)

    def forward(
        self, features: Tensor, mask: Tensor, candidates: Tensor, recent: Tensor, recent_weight: Tensor
    ) -> Tensor:
        """Scores (B, N), 0 where ``mask`` (B, N) is 0.

        ``features`` (B, N, F), ``candidates`` (B, N, 64), ``recent`` (B, R, 64), ``recent_weight`` (B, R).
        """
        quantile = self.normalise.quantile(features, self.normalise.place(features))
        logarithm = self.normalise.logarithm(features)
        stats = (*list_stats(quantile, mask), *list_stats(logarithm, mask))
        similar = self.attend(candidates, recent, recent_weight)
        views = self.normalise.views(quantile, logarithm, stats)
        learnt = self.head(views, similar, list_stats(similar, mask)) * self.temperature
        return (learnt + features.clamp(0, 1) @ self.prior) * mask


def named(hidden: tuple[int, ...]) -> str:
    """A size as the manifest calls it.

    >>> named((64, 32))
    'mlp-64-32'
    """
    return "-".join(["mlp", *map(str, hidden)])


def _prior(scales: Scales) -> Tensor:
    """Weight (F,) of each feature beside the network: ``UNSEEN`` for sources silent in training, but for ``UNSAID``."""
    prior = torch.zeros(len(scales.knots))
    for name in SOURCES:
        if name != UNSAID and np.isinf(scales.median[INDEX[name]]):
            prior[INDEX[name]] = UNSEEN
    return prior
