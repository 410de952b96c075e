"""How texts are understood."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import numpy as np

from models.ask import AskedText
from models.sample import sample
from models.text.encoder import EncodedTexts, Encoder
from models.text.intent import IntentModel
from tests.support.composing import reading_models


class Constant:
    """An encoder that gives one number for everything, and notes what is read by its words."""

    unrelated = 0.0

    def __init__(self, value: float) -> None:
        self.value = value
        self.by_words: list[str] = []

    def encode(self, texts: Sequence[str], passages: bool = False, words: bool = False) -> EncodedTexts:
        """Rows of the number."""
        if words:
            self.by_words += texts
        return EncodedTexts(np.full((len(texts), 512), self.value, "f4"), np.full((len(texts), 64), self.value, "f4"))

    def is_word(self, word: str) -> bool:
        """All are."""
        return True


class Reading:
    """An intent head that keeps what it was given."""

    def __init__(self) -> None:
        self.given: list[float] = []

    def probabilities(self, vectors: np.ndarray, texts: Sequence[str]) -> np.ndarray:
        """One intent, certain."""
        self.given += vectors[:, 0].tolist()
        return np.ones((len(vectors), 1), "f4")

    def of_shop(self, probabilities: np.ndarray) -> np.ndarray:
        """The same for a text of the shop's."""
        return probabilities

    def of_six(self, probabilities: np.ndarray) -> np.ndarray:
        """None of the six."""
        return np.zeros((len(probabilities), 6), "f4")

    def decide(self, probabilities: np.ndarray) -> SimpleNamespace:
        """The one."""
        return SimpleNamespace(label="any", confidence=1.0)


def test_the_head_reads_its_own_encoder_and_search_the_other() -> None:
    """Texts have the vectors of the encoder; without an encoder of its own the head reads these, too."""
    head = Reading()
    models = replace(reading_models(), encoder=cast(Encoder, Constant(1.0)), intent=cast(IntentModel, head))
    (alone,) = models.understand([AskedText("tea")])
    (beside,) = replace(models, intent_encoder=cast(Encoder, Constant(2.0))).understand([AskedText("tea")])
    assert head.given == [1.0, 2.0]
    for text in (alone, beside):
        assert text.vector is not None
        assert text.vector[0] == 1.0


def test_a_text_of_which_no_item_holds_a_word_is_read_by_its_words() -> None:
    """As one in another language than the titles; one word that an item holds is enough for the sentence."""
    encoder = Constant(1.0)
    head = cast(IntentModel, Reading())
    models = replace(reading_models(), encoder=cast(Encoder, encoder), intent=head, catalogue=sample(["red tea"]))
    models.understand([AskedText(text) for text in ("tea", "thé", "rote Kanne", "tea for two")])
    assert set(encoder.by_words) >= {"thé", "rote Kanne"}
    assert not {"tea", "tea for two"} & set(encoder.by_words)
