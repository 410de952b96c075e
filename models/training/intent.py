"""Train the intent head on the encoder's vectors and export it.

Small networks from several seeds, averaged: as one network it is their hidden layers side by side. Their
temperature, and for labels of a shop's own the confidence below which the label is ``unknown``, come from held-out
folds of the training set; the test set is only judged. The six intents' constants below were found on the held-out sets
of docs/quality.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import torch

from models.base import artifact as artifacts
from models.base.artifact import Artifact, Manifest
from models.base.onnx_session import Port
from models.text.encoder import DIM, Encoder
from models.text.intent import HEAD, PRODUCTS, IntentHead, likelier_if_brief
from models.training.intent_data import TEST, TRAIN, read_labelled, split, with_copies, with_slips
from models.training.intent_figures import fit_temperature, fit_threshold, judge, share, softmax
from models.training.intent_graph import intent_graph
from models.training.intent_network import (
    FEW,
    LESSONS,
    MANY,
    MANY_TEXTS,
    SCALE,
    SIX,
    IntentNetwork,
    Recipe,
    TrainingVectors,
    fit,
    layers,
    logits,
)

#: The least confidence in one of the six: less in those that look for products, the likeliest guess in a search box.
THRESHOLD: Final = 0.48
PRODUCT_THRESHOLD: Final = 0.35
#: How much more likely a brief text looks for products than the head says, which learnt as many texts of each intent.
BRIEF: Final = 10.0


def train_intent(
    train: Path,
    test: Path | None,
    encoder: Encoder,
    out: Path,
    progress: Callable[[float], None] = lambda share: None,
    products: Path | None = None,
) -> Artifact:
    """Train on ``train``, judge on ``test``, or on a fifth of ``train`` without it; write the artifact to ``out``.

    ``products``: texts of the six intents' product searches from other sources. The files are what
    ``intent_data.read_labelled`` takes. Takes a minute for a thousand texts of six intents, a few with products or for
    15,000 of 150, on one core; the same files and encoder give the same figures. ``progress`` is told the share done.
    Raises ``ArtifactError`` when a file cannot be used.
    """
    torch.set_num_threads(1)
    known = read_labelled(train)
    known, unseen = (known, read_labelled(test, known.labels)) if test else split(known)
    recipe = SIX if products else FEW if len(known.texts) < MANY_TEXTS else MANY
    others = with_slips(read_labelled(products, known.labels).texts, encoder) if products else _no_vectors()
    vectors, judged = with_copies(known.texts, recipe.copies, encoder), encoder.encode(unseen.texts).vector
    fits = len(recipe.seeds) * (recipe.judged_folds + 1)
    done = iter(range(1, fits + 1))

    def fit_some(places: np.ndarray) -> list[IntentNetwork]:
        intents = np.tile(known.intents[places], len(vectors))
        learnt = TrainingVectors(vectors[:, places].reshape(-1, DIM), intents, len(known.labels), others)
        networks = []
        for n, seed in enumerate(recipe.seeds):
            networks.append(fit(learnt, recipe, seed, LESSONS[n % len(LESSONS)]))
            progress(next(done) / fits)
        return networks

    outputs, held_out = cross_validated(vectors[0], known.intents, recipe, fit_some)
    inside = held_out & (known.intents >= 0)
    temperature = fit_temperature(outputs[inside], known.intents[inside])
    threshold = fit_threshold(softmax(outputs[held_out] / temperature), known.intents[held_out])
    thresholds: dict[str, float] = {}
    if products:
        threshold, thresholds = THRESHOLD, dict.fromkeys(PRODUCTS, PRODUCT_THRESHOLD)
    networks = fit_some(np.arange(len(known.texts)))
    least = np.array([thresholds.get(label, threshold) for label in known.labels])
    brief = BRIEF if products else 1.0
    served = likelier_if_brief(softmax(logits(networks, judged) / temperature), unseen.texts, known.labels, brief)
    figures = {
        "train_texts": float(len(known.texts)),
        "intents": float(len(known.labels)),
        "cross_validated_accuracy": share(outputs[inside].argmax(axis=1) == known.intents[inside]),
        **judge(served, unseen, least),
    }
    if products:
        figures["product_texts"] = float(len(others))
    graph = intent_graph([layers(network) for network in networks], SCALE, temperature)
    head = msgspec.json.encode(IntentHead(known.labels, threshold, round(temperature, 4), thresholds, brief))
    manifest = _manifest(encoder.version, known.labels, figures, train, test)
    artifacts.write(out, manifest, {"model.onnx": graph, HEAD: head})
    return artifacts.verify(out)


def _no_vectors() -> np.ndarray:
    return np.zeros((0, DIM), np.float32)


def cross_validated(
    vectors: np.ndarray, intents: np.ndarray, recipe: Recipe, fit_some: Callable[[np.ndarray], list[IntentNetwork]]
) -> tuple[np.ndarray, np.ndarray]:
    """Averaged logits (n, intents) of rows by networks that did not see them, and which rows those are, (n,)."""
    fold = np.random.default_rng(0).permutation(len(intents)) % recipe.folds
    outputs = np.zeros((len(intents), int(intents.max()) + 1), np.float32)
    for i in range(recipe.judged_folds):
        outputs[fold == i] = logits(fit_some(np.flatnonzero(fold != i)), vectors[fold == i])
    return outputs, fold < recipe.judged_folds


def _manifest(
    encoder_version: str, labels: Sequence[str], figures: dict[str, float | str], train: Path, test: Path | None
) -> Manifest:
    own = train == TRAIN
    return Manifest(
        kind="intent",
        name="intent-six" if own else f"intent-{train.name.split('.')[0]}",
        created_from={
            "train": "data/intent/train.csv, data/intent/products.csv" if own else train.name,
            "test": "data/intent/test.csv" if test == TEST else test.name if test else "a fifth of train",
            "command": "streamrank artifact build intent" + ("" if own else f" --data {train.name}"),
        },
        inputs=(Port("vector", ("batch", DIM), "float32"),),
        outputs=(Port("probabilities", ("batch", len(labels)), "float32"),),
        figures=figures,
        licence="Apache-2.0" if own else "that of the texts",
        requires={"encoder": encoder_version},
    )
