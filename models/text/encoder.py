"""Texts to vectors: one text at a time, so that a vector's bytes never depend on its neighbours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from models.base.artifact import Artifact, check_ports
from models.base.errors import ArtifactError
from models.base.onnx_session import Device, OnnxSession, open_session
from models.text.tokenizing import Tokenizer, open_tokenizer
from models.text.words import normalise

#: Length of a vector, and of a compact one.
DIM, COMPACT = 512, 64
#: File of an exported checkpoint's artifact that says how its texts begin.
PREFIXES = "prefixes.json"
#: Input of a graph that takes the vectors of another encoder too.
BESIDE: Final = "beside"
#: The second graph of such an artifact: from the other encoder's vectors alone to vectors of this one.
WORDS_FILE: Final = "words.onnx"
#: Tokens read of a text, begin and end marks included; a title or a query that is longer says no more.
MAX_TOKENS = 64
#: Texts of different subjects: how near they are to each other is how near texts are that share nothing.
UNRELATED: Final = (
    "red cotton dress", "dog food", "engine oil 5w-30", "wireless headphones", "a novel about love", "garden chair",
    "电饭煲", "手机壳", "儿童积木", "今天天气怎么样",
)  # fmt: skip
#: Characters read of a text: cutting into pieces costs 0.4 µs a character.
MAX_CHARACTERS = 400


@dataclass(frozen=True, slots=True)
class EncodedTexts:
    """Unit rows for n texts: ``vector`` (n, 512) and ``compact`` (n, 64), float32; zeros for empty text."""

    vector: np.ndarray
    compact: np.ndarray


class Prefixes(msgspec.Struct, frozen=True):
    """What is put before a query and before an item's text: some checkpoints were trained so ("query: ")."""

    query: str = ""
    passage: str = ""


class Encoder:
    """The encoder artifact, opened. ``provider`` is the device in use; ``warning`` says why not CUDA, if so.

    ``cache`` bounds the texts whose vectors are kept (2.3 KiB each), least recently used first out.
    Raises ``ArtifactError`` when the artifact is missing, changed or of another kind.
    """

    def __init__(
        self,
        artifact_path: Path | str,
        device: Device = "auto",
        cache: int = 8192,
        threads: int = 1,
        beside: Encoder | None = None,
    ) -> None:
        """``beside``: another encoder, whose vectors this one's graph takes too, where it has such an input."""
        artifact = Artifact.load(artifact_path)
        if artifact.manifest.kind != "encoder":
            remedy = "point the encoder's setting at an encoder artifact."
            raise ArtifactError(artifact.path, "kind", "encoder", artifact.manifest.kind, remedy)
        self._session = open_session(artifact.graph, device, threads)
        check_ports(artifact, self._session)
        self._tokenizer = open_tokenizer(artifact)
        self._prefixes = _read_prefixes(artifact)
        self._beside = _check_beside(artifact, beside)
        by_words = None if self._beside is None else open_session(artifact.file(WORDS_FILE), device, threads)
        self._vectors = _remembering(self._session, self._tokenizer, self._beside, by_words, cache)
        self.name = artifact.manifest.name
        self.version = artifact.version
        self.provider = self._session.provider
        self.warning = self._session.warning
        #: mean cosine of texts that have nothing to do with each other
        self.unrelated = _mean_cosine(self.encode(UNRELATED).vector)

    def encode(self, texts: Sequence[str], passages: bool = False, words: bool = False) -> EncodedTexts:
        """Encode queries, or items' texts with ``passages``, normalised first.

        The two differ only for a checkpoint with prefixes. ``words``: queries by what their words mean, not by what
        the sentence does, which differs only where another encoder stands beside this one: it alone reads them. Such
        rows are longer than one, and their products with items are as those of other queries. Raises ``TextError``
        for what is not a string.
        """
        prefix = self._prefixes.passage if passages else self._prefixes.query
        vector = np.zeros((len(texts), DIM), np.float32)
        compact = np.zeros((len(texts), COMPACT), np.float32)
        for row, text in enumerate(texts):
            normal = normalise(text)[:MAX_CHARACTERS]
            if normal:
                vector[row], compact[row] = self._vectors(prefix, normal, words and self._beside is not None)
        return EncodedTexts(vector, compact)

    def token_ids(self, text: str) -> np.ndarray:
        """Piece numbers (1, tokens) int64 of a normalised text, cut to ``MAX_TOKENS`` with its end mark."""
        return _token_ids(self._tokenizer, text)

    def is_word(self, word: str) -> bool:
        """Whether the tokenizer knows a normalised word as a whole: a common word of some language."""
        return self._tokenizer.is_word(word)


def _mean_cosine(vectors: np.ndarray) -> float:
    """Of each two of some unit vectors (n, 512)."""
    among = np.sum(vectors.sum(axis=0, dtype=np.float64) ** 2)
    return float((among - len(vectors)) / (len(vectors) * (len(vectors) - 1)))


def _remembering(
    session: OnnxSession, tokenizer: Tokenizer, beside: Encoder | None, by_words: OnnxSession | None, size: int
) -> Callable[[str, str, bool], tuple[np.ndarray, np.ndarray]]:
    """From a prefix, a text and whether its words decide to its vector and its compact one, of which ``size`` are kept.

    ``by_words``: from the vectors of ``beside`` alone.

    The function holds the session and not the encoder, so that there is no cycle: an encoder that was swapped out goes
    at once. The collector would not come for one that was there when the worker froze its objects.
    """

    @lru_cache(maxsize=max(1, size))
    def vectors(prefix: str, text: str, words: bool) -> tuple[np.ndarray, np.ndarray]:
        other = {} if beside is None else {BESIDE: beside.encode([text]).vector}
        if words and by_words is not None:
            vector, compact = by_words.run(other)
        else:
            ids = _token_ids(tokenizer, prefix + text)
            vector, compact = session.run({"input_ids": ids, "attention_mask": np.ones_like(ids), **other})
        return vector[0], compact[0]

    return vectors


def _check_beside(artifact: Artifact, beside: Encoder | None) -> Encoder | None:
    """The other encoder where this one takes its vectors; raises ArtifactError if that is missing or another."""
    if BESIDE not in [port.name for port in artifact.manifest.inputs]:
        return None
    artifact.require("intent-encoder", beside.version if beside is not None else "none")
    return beside


def _token_ids(tokenizer: Tokenizer, text: str) -> np.ndarray:
    return np.array([tokenizer.ids(text, MAX_TOKENS)], np.int64)


def _read_prefixes(artifact: Artifact) -> Prefixes:
    """Those of the artifact; none for one that has no such file, as the small encoder's."""
    if PREFIXES not in artifact.manifest.files:
        return Prefixes()
    try:
        return msgspec.json.decode(artifact.file(PREFIXES).read_bytes(), type=Prefixes)
    except msgspec.DecodeError as error:
        remedy = "build it again with `streamrank artifact build encoder --from FOLDER`."
        raise ArtifactError(artifact.path, PREFIXES, "the texts query and passage", error, remedy) from error
