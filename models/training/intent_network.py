"""The intent head's network, and how it learns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import nn

from models.text.encoder import DIM
from models.text.intent import INTENTS, PRODUCTS

#: Unit vectors of 512 have entries near .04; the optimiser wants them near 1.
SCALE: Final = 20.0


@dataclass(frozen=True)
class Lesson:
    """How much a product text of another source counts beside one that was labelled by hand, and what it says: a
    product search for ``sure``, or one of the intents that look for products.
    """

    weight: float
    sure: bool


#: Of the networks in turn. Either lesson alone is worse: by the first categories take in small talk, by the second
#: fewer texts of other shops look for products.
LESSONS: Final = (Lesson(0.3, False), Lesson(0.2, True))


@dataclass(frozen=True)
class Recipe:
    """``folds`` of the training set that judge it, all of them or only the first; networks of ``hidden`` units.

    Each text is learnt from itself and from ``copies`` of it with one or two random edits in turn; ``rate``: of
    learning.
    """

    copies: int
    hidden: int
    epochs: int
    drop: float
    batch: int
    seeds: tuple[int, ...]
    folds: int
    judged_folds: int
    rate: float = 2e-3


#: Found on the six intents, and on BANKING77 and CLINC150 (docs/quality.md): many texts want a wider layer.
FEW: Final = Recipe(copies=10, hidden=384, epochs=10, drop=0.6, batch=64, seeds=(0, 1, 2), folds=5, judged_folds=5)
MANY: Final = Recipe(copies=1, hidden=512, epochs=30, drop=0.5, batch=128, seeds=(0, 1), folds=10, judged_folds=1)
#: The six intents with product texts of other sources beside them: larger batches, so that it takes minutes.
SIX: Final = Recipe(
    copies=6, hidden=384, epochs=10, drop=0.6, batch=256, seeds=(0, 0, 1, 1, 2), folds=5, judged_folds=1, rate=4e-3
)
MANY_TEXTS: Final = 4_000


class IntentNetwork(nn.Module):
    """vector (n, 512) -> logits (n, intents)."""

    def __init__(self, intents: int, hidden: int, drop: float) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(DIM, hidden), nn.Linear(hidden, intents)
        self.drop_in, self.drop = nn.Dropout(0.2), nn.Dropout(drop)

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        """Logits; dropout only while training."""
        hidden = torch.relu(self.first(self.drop_in(vectors * SCALE)))
        logits: torch.Tensor = self.second(self.drop(hidden))
        return logits


@dataclass(frozen=True, slots=True)
class TrainingVectors:
    """Vectors (n, 512) with their intents (n,) as places among ``count``, -1 for none of them; and vectors (m, 512) of
    product texts of other sources, which may be none.
    """

    vectors: np.ndarray
    intents: np.ndarray
    count: int
    products: np.ndarray


def fit(learnt: TrainingVectors, recipe: Recipe, seed: int, lesson: Lesson = LESSONS[0]) -> IntentNetwork:
    """One network, from scratch: AdamW, cross entropy with label smoothing .05, cosine.

    With each batch come as many product texts, drawn at random, for the ``lesson``. A text of none of the intents
    should get all of them alike (Hendrycks et al., "Deep Anomaly Detection with Outlier Exposure", ICLR 2019).
    """
    torch.manual_seed(seed)
    count, intents = learnt.count, learnt.intents
    network = IntentNetwork(count, recipe.hidden, recipe.drop)
    wanted = np.where(intents[:, None] < 0, 1 / count, np.eye(count)[intents]).astype(np.float32)
    x, y = torch.from_numpy(learnt.vectors), torch.from_numpy(wanted)
    products = torch.from_numpy(learnt.products)
    optimiser = torch.optim.AdamW(network.parameters(), lr=recipe.rate, weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, recipe.epochs)
    loss = nn.CrossEntropyLoss(label_smoothing=0.05)
    for _ in range(recipe.epochs):
        for batch in torch.split(torch.randperm(len(x)), recipe.batch):
            optimiser.zero_grad()
            total = loss(network(x[batch]), y[batch])
            if len(products):
                some = products[torch.randint(len(products), (len(batch),))]
                total = total + lesson.weight * _product_loss(network(some), lesson.sure)
            total.backward()
            optimiser.step()
        schedule.step()
    return network.eval()


def _product_loss(outputs: torch.Tensor, sure: bool) -> torch.Tensor:
    """Negative log likelihood that texts with these logits (n, 6) look for products."""
    wanted = [INTENTS.index(label) for label in (PRODUCTS[:1] if sure else PRODUCTS)]
    likely: torch.Tensor = torch.logsumexp(torch.log_softmax(outputs, dim=1)[:, wanted], dim=1)
    return -likely.mean()


def logits(networks: Sequence[IntentNetwork], vectors: np.ndarray) -> np.ndarray:
    """The networks' mean (n, intents) for vectors (n, 512)."""
    with torch.no_grad():
        outputs = [network(torch.from_numpy(vectors)) for network in networks]
    mean: np.ndarray = torch.stack(outputs).mean(0).numpy()
    return mean


def layers(network: IntentNetwork) -> tuple[np.ndarray, ...]:
    """Weights and biases of the first layer, and of the second."""
    tensors = (network.first.weight, network.first.bias, network.second.weight, network.second.bias)
    return tuple(tensor.detach().numpy() for tensor in tensors)
