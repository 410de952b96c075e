"""What a shopper wants: one of six intents, or of a shop's own, with a calibrated confidence, or ``unknown``.

The head is a small network on the encoder's vectors, made by ``models.training.intent``; its output is
divided by a temperature fitted on held-out folds (Guo et al., "On Calibration of Modern Neural Networks",
ICML 2017), so that of the answers given with confidence .8, four in five are right.

The head learnt from as many texts of each intent. In a search box most texts look for products, so two things that it
cannot see count on top, as odds: that the text is brief, and that the shop's own titles or known queries hold it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from models.base.artifact import Artifact, check_ports
from models.base.errors import ArtifactError
from models.base.onnx_session import Device, open_session
from models.text.stopwords import STOP_WORDS
from models.text.words import normalise

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
#: A text of so many words, none of which is a stop word, is brief.
BRIEF_WORDS: Final = 2


class Intent(msgspec.Struct, frozen=True):
    """A label of ``INTENTS`` or ``UNKNOWN``, and the best intent's probability, 0 to 1."""

    label: str
    confidence: float


class IntentHead(msgspec.Struct, frozen=True):
    """What the graph does not hold: the order of its outputs, and the confidence below which none counts.

    ``thresholds``: those of labels that have one of their own. ``brief``: how much more likely a brief text looks for
    products than the graph says.
    """

    labels: tuple[str, ...]
    threshold: float
    temperature: float
    thresholds: Mapping[str, float] = msgspec.field(default_factory=dict)
    brief: float = 1.0


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
        self._thresholds = [self._head.thresholds.get(label, self.threshold) for label in self.labels]

    def probabilities(self, vectors: np.ndarray, texts: Sequence[str] | None = None) -> np.ndarray:
        """Probabilities (n, intents) float32 in the order of ``labels`` for the encoder's vectors (n, 512).

        With ``texts``, brief ones count as such, and one without a letter or digit ("?!", an emoji) gives zeros, as an
        empty one does. Row by row: a row's bytes do not depend on the others.
        """
        found = np.zeros((len(vectors), len(self.labels)), np.float32)
        for row, vector in enumerate(vectors):
            if vector.any() and (texts is None or any(map(str.isalnum, texts[row]))):
                found[row] = self._session.run({"vector": vector[None, :]})[0][0]
        if texts is not None:
            found = likelier_if_brief(found, texts, self.labels, self._head.brief)
        return found

    def predict(self, vectors: np.ndarray, texts: Sequence[str] | None = None) -> list[Intent]:
        """The intent of each row of ``vectors`` (n, 512); ``UNKNOWN`` below the threshold.

        ``texts``: as ``probabilities`` takes them; one without a letter or digit is ``UNKNOWN`` with confidence 0.
        """
        return [self.decide(row) for row in self.probabilities(vectors, texts)]

    def of_shop(self, probabilities: np.ndarray) -> np.ndarray:
        """Probabilities (n, intents) of texts that the shop's own titles or known queries hold: product searches."""
        return _likelier(probabilities, self.labels, OF_SHOP)

    def of_six(self, probabilities: np.ndarray) -> np.ndarray:
        """Probabilities (n, intents) as those of ``INTENTS``, (n, 6): 0 for one that this head does not know."""
        found = np.zeros((len(probabilities), len(INTENTS)), np.float32)
        for place, label in enumerate(INTENTS):
            if label in self.labels:
                found[:, place] = probabilities[:, self.labels.index(label)]
        return found

    def decide(self, probabilities: np.ndarray) -> Intent:
        """The intent that probabilities (intents,) stand for; ``UNKNOWN`` below its threshold."""
        best = int(probabilities.argmax())
        confidence = round(float(probabilities[best]), 4)
        return Intent(self.labels[best] if confidence >= self._thresholds[best] else UNKNOWN, confidence)


def likelier_if_brief(
    probabilities: np.ndarray, texts: Sequence[str], labels: Sequence[str], odds: float
) -> np.ndarray:
    """Probabilities (n, intents), in the order of ``labels``, with ``odds`` times the odds that a brief text looks for
    products; rows of zeros stay so.
    """
    found, brief = probabilities.copy(), np.fromiter(map(is_brief, texts), np.bool_, len(texts))
    found[brief] = _likelier(found[brief], labels, odds)
    return found


def _likelier(probabilities: np.ndarray, labels: Sequence[str], odds: float) -> np.ndarray:
    likely = probabilities * np.array([odds if label in PRODUCTS else 1 for label in labels], np.float32)
    found: np.ndarray = likely / np.maximum(likely.sum(axis=1, keepdims=True), np.float32(1e-9))
    return found


def is_brief(text: str) -> bool:
    """Whether a text is one or two words with spaces between them, and none is a stop word, as few sentences are.

    >>> [is_brief(text) for text in ("Test drive", "what's up", "nba", "吉他", "where is it")]
    [True, False, True, False, False]
    """
    words = normalise(text).split()
    letters = [part for word in words for part in _LETTERS.findall(word)]
    return 0 < len(words) <= BRIEF_WORDS and not _HAN.search(text) and STOP_WORDS.isdisjoint(letters)


def _read_head(artifact: Artifact) -> IntentHead:
    remedy = "build it again with `streamrank artifact build intent`."
    try:
        head = msgspec.json.decode(artifact.file(HEAD).read_bytes(), type=IntentHead)
    except msgspec.DecodeError as error:
        raise ArtifactError(artifact.path, HEAD, "labels and threshold", str(error), remedy) from error
    outputs = artifact.manifest.outputs[0].shape[-1]
    thresholds = (head.threshold, *head.thresholds.values())
    odd = not all(0 < threshold < 1 for threshold in thresholds) or head.brief <= 0
    if odd or not len(head.labels) == len(set(head.labels)) == outputs:
        found = f"{head.labels} at {thresholds}, brief {head.brief}"
        raise ArtifactError(artifact.path, HEAD, f"{outputs} labels, thresholds in 0..1, brief above 0", found, remedy)
    return head


_LETTERS: Final = re.compile("[a-z]+")
#: scripts that write words in a row
_HAN: Final = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\u0e00-\u0eff]")
