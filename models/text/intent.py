"""What a shopper wants: one of six intents, or of a shop's own, with a calibrated confidence, or ``unknown``.

The head is a small network on the encoder's vectors, made by ``models.training.intent``; its output is
divided by a temperature fitted on held-out folds (Guo et al., "On Calibration of Modern Neural Networks",
ICML 2017), so that of the answers given with confidence .8, four in five are right.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from models.base.artifact import Artifact, check_ports
from models.base.errors import ArtifactError
from models.base.onnx_session import Device, open_session

INTENTS = (
    "product_search",
    "product_question",
    "promotion",
    "category_browse",
    "order_service",
    "chitchat_other",
)
#: The intents that look for products.
PRODUCTS = ("product_search", "category_browse")
#: How much more likely a text looks for products if one item holds all its words, or something was chosen after it.
OF_SHOP = 8.0
#: The neutral label: no text, or no intent confident enough to change the answer.
UNKNOWN = "unknown"
HEAD = "head.json"


class Intent(msgspec.Struct, frozen=True):
    """A label of ``INTENTS`` or ``UNKNOWN``, and the best intent's probability, 0 to 1."""

    label: str
    confidence: float


class IntentHead(msgspec.Struct, frozen=True):
    """What the graph does not hold: the order of its outputs, and the confidence below which none counts."""

    labels: tuple[str, ...]
    threshold: float
    temperature: float


class IntentModel:
    """The intent artifact, opened for the encoder whose ``encoder_version`` it was trained on.

    Raises ``ArtifactError`` when it is missing, changed, of another kind, or made for another encoder.
    """

    def __init__(self, artifact_path: Path | str, encoder_version: str, device: Device = "cpu") -> None:
        artifact = Artifact.load(artifact_path)
        if artifact.manifest.kind != "intent":
            remedy = "point the intent setting at an intent artifact."
            raise ArtifactError(artifact.path, "kind", "intent", artifact.manifest.kind, remedy)
        artifact.require("encoder", encoder_version)
        self._session = open_session(artifact.graph, device)
        check_ports(artifact, self._session)
        self._head = _read_head(artifact)
        self.version = artifact.version
        self.threshold = self._head.threshold
        self.labels = self._head.labels
        self._of_shop = np.array([OF_SHOP if label in PRODUCTS else 1.0 for label in self.labels], np.float32)

    def probabilities(self, vectors: np.ndarray) -> np.ndarray:
        """Probabilities (n, intents) float32 in the order of ``labels`` for the encoder's vectors (n, 512).

        Row by row: a row's bytes do not depend on the others. An empty text's zeros give zeros.
        """
        found = np.zeros((len(vectors), len(self.labels)), np.float32)
        for row, vector in enumerate(vectors):
            if vector.any():
                found[row] = self._session.run({"vector": vector[None, :]})[0][0]
        return found

    def predict(self, vectors: np.ndarray, texts: Sequence[str] | None = None) -> list[Intent]:
        """The intent of each row of ``vectors`` (n, 512); ``UNKNOWN`` below the threshold.

        With ``texts``, one without a letter or digit ("?!", an emoji) is ``UNKNOWN`` with confidence 0.
        """
        probabilities = self.probabilities(vectors)
        if texts is not None:
            for row, text in enumerate(texts):
                if not any(character.isalnum() for character in text):
                    probabilities[row] = 0.0
        return [self.decide(row) for row in probabilities]

    def of_shop(self, probabilities: np.ndarray) -> np.ndarray:
        """Probabilities (n, intents) of texts that the shop's own titles or known queries hold: product searches."""
        likely = probabilities * self._of_shop
        found: np.ndarray = likely / np.maximum(likely.sum(axis=1, keepdims=True), np.float32(1e-9))
        return found

    def of_six(self, probabilities: np.ndarray) -> np.ndarray:
        """Probabilities (n, intents) as those of ``INTENTS``, (n, 6): 0 for one that this head does not know."""
        found = np.zeros((len(probabilities), len(INTENTS)), np.float32)
        for place, label in enumerate(INTENTS):
            if label in self.labels:
                found[:, place] = probabilities[:, self.labels.index(label)]
        return found

    def decide(self, probabilities: np.ndarray) -> Intent:
        """The intent that probabilities (intents,) stand for; ``UNKNOWN`` below the threshold."""
        best = int(probabilities.argmax())
        confidence = round(float(probabilities[best]), 4)
        return Intent(self.labels[best] if confidence >= self.threshold else UNKNOWN, confidence)


def _read_head(artifact: Artifact) -> IntentHead:
    remedy = "build it again with `streamrank artifact build intent`."
    try:
        head = msgspec.json.decode(artifact.file(HEAD).read_bytes(), type=IntentHead)
    except msgspec.DecodeError as error:
        raise ArtifactError(artifact.path, HEAD, "labels and threshold", str(error), remedy) from error
    outputs = artifact.manifest.outputs[0].shape[-1]
    if not len(head.labels) == len(set(head.labels)) == outputs or not 0 < head.threshold < 1:
        found = f"{head.labels} at {head.threshold}"
        raise ArtifactError(artifact.path, HEAD, f"{outputs} labels, a threshold in 0..1", found, remedy)
    return head
