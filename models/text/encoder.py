"""Texts to vectors: one text at a time, so that a vector's bytes never depend on its neighbours."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from models.base.artifact import Artifact, check_ports
from models.base.errors import ArtifactError
from models.base.onnx_session import Device, open_session
from models.text.tokenizing import open_tokenizer
from models.text.words import normalise

#: Length of a vector, and of a compact one.
DIM, COMPACT = 512, 64
#: File of an exported checkpoint's artifact that says how its texts begin.
PREFIXES = "prefixes.json"
#: Tokens read of a text, begin and end marks included; a title or a query that is longer says no more.
MAX_TOKENS = 64
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

    def __init__(self, artifact_path: Path | str, device: Device = "auto", cache: int = 8192, threads: int = 1) -> None:
        artifact = Artifact.load(artifact_path)
        if artifact.manifest.kind != "encoder":
            remedy = "point the encoder's setting at an encoder artifact."
            raise ArtifactError(artifact.path, "kind", "encoder", artifact.manifest.kind, remedy)
        self._session = open_session(artifact.graph, device, threads)
        check_ports(artifact, self._session)
        self._tokenizer = open_tokenizer(artifact)
        self._prefixes = _read_prefixes(artifact)
        self._cache: OrderedDict[str, tuple[np.ndarray, np.ndarray]] = OrderedDict()
        self._cache_size = max(1, cache)
        self.version = artifact.version
        self.provider = self._session.provider
        self.warning = self._session.warning

    def encode(self, texts: Sequence[str], passages: bool = False) -> EncodedTexts:
        """Encode queries, or items' texts with ``passages``, normalised first.

        The two differ only for a checkpoint with prefixes. Raises ``TextError`` for what is not a string.
        """
        prefix = self._prefixes.passage if passages else self._prefixes.query
        vector = np.zeros((len(texts), DIM), np.float32)
        compact = np.zeros((len(texts), COMPACT), np.float32)
        for row, text in enumerate(texts):
            normal = normalise(text)[:MAX_CHARACTERS]
            if normal:
                vector[row], compact[row] = self._one(prefix + normal)
        return EncodedTexts(vector, compact)

    def token_ids(self, text: str) -> np.ndarray:
        """Piece numbers (1, tokens) int64 of a normalised text, cut to ``MAX_TOKENS`` with its end mark."""
        return np.array([self._tokenizer.ids(text, MAX_TOKENS)], np.int64)

    def is_word(self, word: str) -> bool:
        """Whether the tokenizer knows a normalised word as a whole: a common word of some language."""
        return self._tokenizer.is_word(word)

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


def _read_prefixes(artifact: Artifact) -> Prefixes:
    """Those of the artifact; none for one that has no such file, as the default encoder's."""
    if PREFIXES not in artifact.manifest.files:
        return Prefixes()
    try:
        return msgspec.json.decode(artifact.file(PREFIXES).read_bytes(), type=Prefixes)
    except msgspec.DecodeError as error:
        remedy = "build it again with `streamrank artifact build encoder --from FOLDER`."
        raise ArtifactError(artifact.path, PREFIXES, "the texts query and passage", error, remedy) from error
