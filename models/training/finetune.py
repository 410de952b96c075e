"""Fine-tune a sentence encoder on what was chosen after queries: contrastive, the other titles of a batch as negatives.

The loss is that of van den Oord et al., "Representation Learning with Contrastive Predictive Coding" (2018), over the
cosines of a batch in both directions. Titles chosen after the same query are no negatives of each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.base.arrays import Floats
from models.base.errors import ModelError
from models.text.words import normalise
from models.training.checkpoint import Checkpoint

#: The fewest pairs worth learning from: a few batches.
LEAST: Final = 64
TEMPERATURE, RATE, DECAY, WARM, BATCH, CUT = 0.05, 2e-5, 0.01, 0.1, 32, 5


@dataclass(frozen=True)
class TextPairs:
    """What was chosen after queries, in order of time: ``queries[i]`` led to ``items[i]``, a place in ``titles``."""

    queries: list[str]
    items: list[int]
    titles: list[str]

    def split(self, share: float) -> tuple[TextPairs, TextPairs]:
        """The first ``share`` of the pairs, and the rest."""
        cut = int(len(self.queries) * share)
        first, rest = slice(0, cut), slice(cut, None)
        return (
            TextPairs(self.queries[first], self.items[first], self.titles),
            TextPairs(self.queries[rest], self.items[rest], self.titles),
        )


@dataclass
class Judged:
    """MAP@5 of titles ranked by cosine, a value a judged pair: ``before`` and ``after``. ``unseen``: whether its query
    was not learnt from; ``texts``: its query as a number.
    """

    before: Floats
    after: Floats
    unseen: NDArray[np.bool_]
    texts: NDArray[np.int64]

    def figures(self) -> dict[str, float | str]:
        """The means, for a manifest."""
        found: dict[str, float | str] = {"finetune_tested": float(len(self.before))}
        for group, rows in (("all", np.ones(len(self.before), bool)), ("unseen", self.unseen)):
            if rows.any():
                found[f"finetune_map5_{group}_before"] = round(float(self.before[rows].mean()), 4)
                found[f"finetune_map5_{group}_after"] = round(float(self.after[rows].mean()), 4)
        return found


def finetune(
    checkpoint: Checkpoint,
    pairs: TextPairs,
    share: float = 0.9,
    epochs: int = 1,
    most: int = 2_000,
    rate: float = RATE,
    progress: Callable[[float], None] = lambda share: None,
) -> Judged:
    """Change the network of ``checkpoint`` by the first ``share`` of the pairs; judge it on the rest, ``most`` drawn.

    ``rate``: the learning rate's peak; the default is one for a trained network.

    TextPairs that repeat are learnt once an epoch. The same pairs and checkpoint give the same weights on one machine.
    Raises ``ModelError`` when there are too few pairs.
    """
    known, unseen = pairs.split(share)
    distinct = list(dict.fromkeys(zip(map(normalise, known.queries), known.items, strict=True)))
    if len(distinct) < LEAST or not unseen.queries:
        raise ModelError(
            f"The log has {len(distinct)} distinct pairs of a query and a title to learn from; {LEAST} are needed.",
            "name a log with searches and the clicks that repeat their text, or leave out --finetune.",
        )
    drawn = np.sort(np.random.default_rng(0).permutation(len(unseen.queries))[:most]).tolist()
    asked = [unseen.queries[n] for n in drawn], np.array([unseen.items[n] for n in drawn])
    before = map5(checkpoint, *asked, pairs.titles)
    _learn(checkpoint, distinct, pairs.titles, epochs, rate, progress)
    seen = {text for text, _ in distinct}
    new = np.array([normalise(text) not in seen for text in asked[0]])
    _, texts = np.unique(asked[0], return_inverse=True)
    return Judged(before, map5(checkpoint, *asked, pairs.titles), new, texts.astype(np.int64))


def map5(checkpoint: Checkpoint, queries: Sequence[str], items: np.ndarray, titles: Sequence[str]) -> Floats:
    """1 / place of each query's title among all of them by cosine, 0 below the fifth place, (n,)."""
    texts = list(dict.fromkeys(queries))
    place = {text: n for n, text in enumerate(texts)}
    cosines = checkpoint.encode(texts) @ checkpoint.encode(titles, passages=True).T
    rows = cosines[[place[text] for text in queries]]
    own = rows[np.arange(len(rows)), items][:, None]
    rank = 1 + (rows > own).sum(axis=1)
    found: Floats = np.where(rank <= CUT, 1 / rank, 0).astype(np.float32)
    return found


def contrast(queries: Tensor, titles: Tensor, same: Tensor) -> Tensor:
    """The loss of unit rows (n, width) of queries and titles; ``same`` (n, n): pairs that are no negatives."""
    logits = (queries @ titles.T) / TEMPERATURE
    logits = logits.masked_fill(same & ~torch.eye(len(same), dtype=torch.bool), float("-inf"))
    wanted = torch.arange(len(logits))
    loss: Tensor = (nn.functional.cross_entropy(logits, wanted) + nn.functional.cross_entropy(logits.T, wanted)) / 2
    return loss


def _learn(
    checkpoint: Checkpoint,
    pairs: Sequence[tuple[str, int]],
    titles: Sequence[str],
    epochs: int,
    rate: float,
    progress: Callable[[float], None],
) -> None:
    torch.manual_seed(0)
    network = checkpoint.network.train()
    chosen: dict[str, set[int]] = {}
    for text, item in pairs:
        chosen.setdefault(text, set()).add(item)
    steps = epochs * -(-len(pairs) // BATCH)
    optimiser = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min((step + 1) / (WARM * steps), 1 - step / (steps + 1))
    )
    done = 0
    for _ in range(epochs):
        for batch in torch.split(torch.randperm(len(pairs)), BATCH):
            some = [pairs[n] for n in batch.tolist()]
            same = torch.tensor([[item in chosen[text] for _, item in some] for text, _ in some])
            asked = checkpoint.vectors(checkpoint.tokens([text for text, _ in some]))
            found = checkpoint.vectors(checkpoint.tokens([titles[item] for _, item in some], passages=True))
            optimiser.zero_grad()
            torch.autograd.backward(contrast(asked, found, same))
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            done += 1
            progress(done / steps)
    network.eval()
