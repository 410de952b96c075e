"""Train the intent head on the encoder's vectors and export it.

Small networks from several seeds, averaged: as one network it is their hidden layers side by side. Their
temperature and the confidence below which the label is ``unknown`` come from held-out folds of the training set;
the test set is only judged.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import torch
from torch import nn

from models.base import artifact as artifacts
from models.base.artifact import Artifact, Manifest
from models.base.onnx_session import Port
from models.base.paths import DATA
from models.text.encoder import DIM, Encoder
from models.text.intent import HEAD, IntentHead
from models.training.intent_data import LabelledTexts, read_labelled, split, with_copies
from models.training.intent_graph import intent_graph

TRAIN, TEST = DATA / "intent" / "train.csv", DATA / "intent" / "test.csv"
#: Unit vectors of 512 have entries near .04; the optimiser wants them near 1.
SCALE = 20.0


@dataclass(frozen=True)
class Recipe:
    """``folds`` of the training set that judge it, all of them or only the first; networks of ``hidden`` units.

    Each text is learnt from itself and from ``copies`` of it with one or two random edits in turn.
    """

    copies: int
    hidden: int
    epochs: int
    drop: float
    batch: int
    seeds: tuple[int, ...]
    folds: int
    judged_folds: int


#: Found on the six intents, and on BANKING77 and CLINC150 (docs/quality.md): many texts want a wider layer.
FEW: Final = Recipe(copies=10, hidden=384, epochs=10, drop=0.6, batch=64, seeds=(0, 1, 2), folds=5, judged_folds=5)
MANY: Final = Recipe(copies=1, hidden=512, epochs=30, drop=0.5, batch=128, seeds=(0, 1), folds=10, judged_folds=1)
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


def train_intent(
    train: Path,
    test: Path | None,
    encoder: Encoder,
    out: Path,
    progress: Callable[[float], None] = lambda share: None,
) -> Artifact:
    """Train on ``train``, judge on ``test``, or on a fifth of ``train`` without it; write the artifact to ``out``.

    The files are what ``intent_data.read_labelled`` takes. Takes a minute for a thousand texts of six intents,
    a few for 15,000 of 150, on one core; the same files and encoder give the same figures. ``progress`` is told
    the share done. Raises ``ArtifactError`` when a file cannot be used.
    """
    torch.set_num_threads(1)
    known = read_labelled(train)
    known, unseen = (known, read_labelled(test, known.labels)) if test else split(known)
    recipe = FEW if len(known.texts) < MANY_TEXTS else MANY
    vectors, judged = with_copies(known.texts, recipe.copies, encoder), encoder.encode(unseen.texts).vector
    fits = len(recipe.seeds) * (recipe.judged_folds + 1)
    done = iter(range(1, fits + 1))

    def fit_some(places: np.ndarray) -> list[IntentNetwork]:
        networks = []
        for seed in recipe.seeds:
            learnt = vectors[:, places].reshape(-1, DIM), np.tile(known.intents[places], len(vectors))
            networks.append(fit(*learnt, len(known.labels), recipe, seed))
            progress(next(done) / fits)
        return networks

    logits, held_out = cross_validated(vectors[0], known.intents, recipe, fit_some)
    inside = held_out & (known.intents >= 0)
    temperature = fit_temperature(logits[inside], known.intents[inside])
    threshold = fit_threshold(softmax(logits[held_out] / temperature), known.intents[held_out])
    networks = fit_some(np.arange(len(known.texts)))
    figures = {
        "train_texts": float(len(known.texts)),
        "intents": float(len(known.labels)),
        "cross_validated_accuracy": _accuracy(logits[inside], known.intents[inside]),
        **judge(softmax(_logits(networks, judged) / temperature), unseen, threshold),
    }
    graph = intent_graph([_layers(network) for network in networks], SCALE, temperature)
    head = msgspec.json.encode(IntentHead(known.labels, threshold, round(temperature, 4)))
    manifest = _manifest(encoder.version, known.labels, figures, train, test)
    artifacts.write(out, manifest, {"model.onnx": graph, HEAD: head})
    return artifacts.verify(out)


def fit(vectors: np.ndarray, intents: np.ndarray, count: int, recipe: Recipe, seed: int) -> IntentNetwork:
    """One network, from scratch: AdamW, cross entropy with label smoothing .05, cosine.

    A text of none of the intents (-1) should get all of them alike (Hendrycks et al., "Deep Anomaly Detection with
    Outlier Exposure", ICLR 2019).
    """
    torch.manual_seed(seed)
    network = IntentNetwork(count, recipe.hidden, recipe.drop)
    wanted = np.where(intents[:, None] < 0, 1 / count, np.eye(count)[intents]).astype(np.float32)
    x, y = torch.from_numpy(vectors), torch.from_numpy(wanted)
    optimiser = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, recipe.epochs)
    loss = nn.CrossEntropyLoss(label_smoothing=0.05)
    for _ in range(recipe.epochs):
        for batch in torch.split(torch.randperm(len(x)), recipe.batch):
            optimiser.zero_grad()
            loss(network(x[batch]), y[batch]).backward()
            optimiser.step()
        schedule.step()
    return network.eval()


def cross_validated(
    vectors: np.ndarray, intents: np.ndarray, recipe: Recipe, fit_some: Callable[[np.ndarray], list[IntentNetwork]]
) -> tuple[np.ndarray, np.ndarray]:
    """Averaged logits (n, intents) of rows by networks that did not see them, and which rows those are, (n,)."""
    fold = np.random.default_rng(0).permutation(len(intents)) % recipe.folds
    logits = np.zeros((len(intents), int(intents.max()) + 1), np.float32)
    for i in range(recipe.judged_folds):
        logits[fold == i] = _logits(fit_some(np.flatnonzero(fold != i)), vectors[fold == i])
    return logits, fold < recipe.judged_folds


def fit_temperature(logits: np.ndarray, intents: np.ndarray) -> float:
    """The divisor of the logits with the least negative log likelihood, on a grid of 2 % steps."""
    grid = np.exp(np.arange(-1.5, 1.5, 0.02))
    rows = np.arange(len(intents))
    losses = [-np.log(softmax(logits / t)[rows, intents] + 1e-12).mean() for t in grid]
    return float(grid[int(np.argmin(losses))])


def fit_threshold(probabilities: np.ndarray, intents: np.ndarray) -> float:
    """The confidence below which a label is ``unknown``.

    With texts of none of the intents (-1): so high that one in twenty right labels is lost. Without: the highest,
    .30 to .50, below which labels are wrong as often as right.

    >>> p = np.array([[.45, .30, .25, 0, 0, 0], [.9, .1, 0, 0, 0, 0]])
    >>> fit_threshold(p, np.array([1, 0])), fit_threshold(p, np.array([-1, 0]))
    (0.5, 0.9)
    """
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == intents
    if (intents < 0).any():
        return min(math.floor(100 * float(np.quantile(confidence[right], 0.05))) / 100, 0.95)
    best = 0.3
    for step in np.arange(0.3, 0.501, 0.05):
        below = confidence < step
        if below.any() and right[below].mean() <= 0.5:
            best = round(float(step), 2)
    return best


def judge(probabilities: np.ndarray, data: LabelledTexts, threshold: float) -> dict[str, float | str]:
    """Accuracy in all, by class and language, with the fallback, the calibration error, and what is refused."""
    inside = np.flatnonzero(data.intents >= 0)
    strange = probabilities[data.intents < 0].max(axis=1)
    probabilities, data = probabilities[inside], data.taken(inside.tolist())
    right = probabilities.argmax(axis=1) == data.intents
    confidence = probabilities.max(axis=1)
    sure = confidence >= threshold
    figures: dict[str, float | str] = {
        "test_texts": float(len(right)),
        "test_accuracy": _share(right),
        "test_accuracy_unknown_is_wrong": _share(right & sure),
        "test_unknown": _share(~sure),
        "test_accuracy_when_known": _share(right[sure]),
        "test_calibration_error": calibration_error(confidence, right),
    }
    if len(strange):
        figures["test_out_of_scope_texts"] = float(len(strange))
        figures["test_out_of_scope_auroc"] = auroc(confidence, strange)
        figures["test_out_of_scope_refused"] = _share(strange < threshold)
    for language in sorted(set(data.languages) - {""}):
        of_language = np.array([one == language for one in data.languages])
        figures[f"test_accuracy_{language}"] = _share(right[of_language])
        for i, intent in enumerate(data.labels):
            figures[f"test_accuracy_{intent}_{language}"] = _share(right[of_language & (data.intents == i)])
    return figures


def auroc(inside: np.ndarray, outside: np.ndarray) -> float:
    """How often a text of the intents gets a higher confidence than one of none; ties count half.

    >>> auroc(np.array([.9, .8]), np.array([.1, .8]))
    0.875
    """
    ordered = np.sort(outside)
    below, level = np.searchsorted(ordered, inside, "left"), np.searchsorted(ordered, inside, "right")
    return round(float((below + level).mean() / (2 * len(outside))), 4)


def calibration_error(confidence: np.ndarray, right: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error over equal bins of confidence (Naeini et al., AAAI 2015).

    >>> calibration_error(np.array([.75, .75, .75, .75]), np.array([True, True, True, False]))
    0.0
    """
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    error = 0.0
    for i in range(bins):
        inside = place == i
        if inside.any():
            error += inside.mean() * abs(confidence[inside].mean() - right[inside].mean())
    return round(float(error), 4)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Rows that sum to one."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: np.ndarray = powers / powers.sum(axis=1, keepdims=True)
    return shares


def _logits(networks: list[IntentNetwork], vectors: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        outputs = [network(torch.from_numpy(vectors)) for network in networks]
    mean: np.ndarray = torch.stack(outputs).mean(0).numpy()
    return mean


def _layers(network: IntentNetwork) -> tuple[np.ndarray, ...]:
    tensors = (network.first.weight, network.first.bias, network.second.weight, network.second.bias)
    return tuple(tensor.detach().numpy() for tensor in tensors)


def _accuracy(logits: np.ndarray, intents: np.ndarray) -> float:
    return _share(logits.argmax(axis=1) == intents)


def _share(right: np.ndarray) -> float:
    return round(float(right.mean()), 4) if len(right) else 0.0


def _manifest(
    encoder_version: str, labels: Sequence[str], figures: dict[str, float | str], train: Path, test: Path | None
) -> Manifest:
    own = train == TRAIN
    return Manifest(
        kind="intent",
        name="intent-six" if own else f"intent-{train.name.split('.')[0]}",
        created_from={
            "train": "data/intent/train.csv" if own else train.name,
            "test": "data/intent/test.csv" if test == TEST else test.name if test else "a fifth of train",
            "command": "streamrank artifact build intent" + ("" if own else f" --data {train.name}"),
        },
        inputs=(Port("vector", ("batch", DIM), "float32"),),
        outputs=(Port("probabilities", ("batch", len(labels)), "float32"),),
        figures=figures,
        licence="Apache-2.0" if own else "that of the texts",
        requires={"encoder": encoder_version},
    )
