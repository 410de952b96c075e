"""Train the intent head on the encoder's vectors and export it.

    python -m models.training.intent

Four small networks from four seeds, averaged: as one network it is their hidden layers side by side. Their
temperature and the confidence below which the label is ``unknown`` come from five folds of the training set;
the test set is only judged.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import numpy as np
import torch
from torch import nn

from models import artifact as artifacts
from models.artifact import Artifact, Manifest
from models.encoder import DIM, Encoder
from models.intent import HEAD, INTENTS, Head
from models.paths import DATA, ROOT
from models.session import Port
from models.training.intent_data import LabelledTexts, read_labelled
from models.training.intent_graph import intent_graph

TRAIN, TEST = DATA / "intent" / "train.csv", DATA / "intent" / "test.csv"
SHIPPED = DATA / "artifacts" / "intent"
SEEDS = (0, 1, 2, 3)
FOLDS = 5
HIDDEN = 192
EPOCHS = 50
#: Unit vectors of 512 have entries near .04; the optimiser wants them near 1.
SCALE = 20.0


class Network(nn.Module):
    """vector (n, 512) -> logits (n, 6)."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(DIM, HIDDEN), nn.Linear(HIDDEN, len(INTENTS))
        self.drop_in, self.drop = nn.Dropout(0.2), nn.Dropout(0.6)

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        """Logits; dropout only while training."""
        hidden = torch.relu(self.first(self.drop_in(vectors * SCALE)))
        logits: torch.Tensor = self.second(self.drop(hidden))
        return logits


def train_intent(train: Path, test: Path, encoder: Encoder, out: Path) -> Artifact:
    """Train on ``train``, judge on ``test`` (columns text, intent, language), write the artifact to ``out``.

    Takes about a minute on one core; the same files and encoder give the same figures. Raises
    ``ArtifactError`` when a file is missing, or a row has an unknown intent or language.
    """
    torch.set_num_threads(1)
    known, unseen = read_labelled(train), read_labelled(test)
    vectors, judged = encoder.encode(known.texts).vector, encoder.encode(unseen.texts).vector
    held_out = cross_validated(vectors, known.intents)
    temperature = fit_temperature(held_out, known.intents)
    threshold = fit_threshold(softmax(held_out / temperature), known.intents)
    networks = [fit(vectors, known.intents, seed) for seed in SEEDS]
    figures = {
        "train_texts": float(len(known.texts)),
        "cross_validated_accuracy": _accuracy(held_out, known.intents),
        **judge(softmax(_logits(networks, judged) / temperature), unseen, threshold),
    }
    graph = intent_graph([_layers(network) for network in networks], SCALE, temperature)
    head = msgspec.json.encode(Head(INTENTS, threshold, round(temperature, 4)))
    manifest = _manifest(encoder.version, figures)
    artifacts.write(out, manifest, {"model.onnx": graph, HEAD: head})
    return artifacts.verify(out)


def fit(vectors: np.ndarray, intents: np.ndarray, seed: int) -> Network:
    """One network, from scratch: AdamW, cross entropy with label smoothing .05, batches of 64, cosine."""
    torch.manual_seed(seed)
    network = Network()
    x, y = torch.from_numpy(vectors), torch.from_numpy(intents)
    optimiser = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, EPOCHS)
    loss = nn.CrossEntropyLoss(label_smoothing=0.05)
    for _ in range(EPOCHS):
        for batch in torch.split(torch.randperm(len(x)), 64):
            optimiser.zero_grad()
            loss(network(x[batch]), y[batch]).backward()
            optimiser.step()
        schedule.step()
    return network.eval()


def cross_validated(vectors: np.ndarray, intents: np.ndarray) -> np.ndarray:
    """Averaged logits (n, 6) of each row by networks that did not see it."""
    fold = np.random.default_rng(0).permutation(len(intents)) % FOLDS
    logits = np.zeros((len(intents), len(INTENTS)), np.float32)
    for i in range(FOLDS):
        inside, outside = fold != i, fold == i
        networks = [fit(vectors[inside], intents[inside], seed) for seed in SEEDS]
        logits[outside] = _logits(networks, vectors[outside])
    return logits


def fit_temperature(logits: np.ndarray, intents: np.ndarray) -> float:
    """The divisor of the logits with the least negative log likelihood, on a grid of 2 % steps."""
    grid = np.exp(np.arange(-1.5, 1.5, 0.02))
    rows = np.arange(len(intents))
    losses = [-np.log(softmax(logits / t)[rows, intents] + 1e-12).mean() for t in grid]
    return float(grid[int(np.argmin(losses))])


def fit_threshold(probabilities: np.ndarray, intents: np.ndarray) -> float:
    """The highest confidence, .30 to .50, below which labels are wrong at least as often as right.

    >>> p = np.array([[.45, .30, .25, 0, 0, 0], [.9, .1, 0, 0, 0, 0]])
    >>> fit_threshold(p, np.array([1, 0]))
    0.5
    """
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == intents
    best = 0.3
    for step in np.arange(0.3, 0.501, 0.05):
        below = confidence < step
        if below.any() and right[below].mean() <= 0.5:
            best = round(float(step), 2)
    return best


def judge(probabilities: np.ndarray, data: LabelledTexts, threshold: float) -> dict[str, float | str]:
    """Accuracy in all, by class and language, with the fallback, and the calibration error."""
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
    for language in sorted(set(data.languages)):
        of_language = np.array([one == language for one in data.languages])
        figures[f"test_accuracy_{language}"] = _share(right[of_language])
        for i, intent in enumerate(INTENTS):
            figures[f"test_accuracy_{intent}_{language}"] = _share(right[of_language & (data.intents == i)])
    return figures


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


def _logits(networks: list[Network], vectors: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        outputs = [network(torch.from_numpy(vectors)) for network in networks]
    mean: np.ndarray = torch.stack(outputs).mean(0).numpy()
    return mean


def _layers(network: Network) -> tuple[np.ndarray, ...]:
    tensors = (network.first.weight, network.first.bias, network.second.weight, network.second.bias)
    return tuple(tensor.detach().numpy() for tensor in tensors)


def _accuracy(logits: np.ndarray, intents: np.ndarray) -> float:
    return _share(logits.argmax(axis=1) == intents)


def _share(right: np.ndarray) -> float:
    return round(float(right.mean()), 4) if len(right) else 0.0


def _manifest(encoder_version: str, figures: dict[str, float | str]) -> Manifest:
    return Manifest(
        kind="intent",
        name="intent-six",
        created_from={
            "train": "data/intent/train.csv",
            "test": "data/intent/test.csv",
            "command": "streamrank artifact build intent",
        },
        inputs=(Port("vector", ("batch", DIM), "float32"),),
        outputs=(Port("probabilities", ("batch", len(INTENTS)), "float32"),),
        figures=figures,
        licence="Apache-2.0",
        requires={"encoder": encoder_version},
    )


if __name__ == "__main__":
    built = train_intent(TRAIN, TEST, Encoder(ROOT / ".cache" / "artifacts" / "encoder", "cpu"), SHIPPED)
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(built.manifest.figures), indent=2).decode() + "\n")
