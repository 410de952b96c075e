"""BM25 as others have it, beside ours: Snowball's stems of English words, jieba's words of Chinese.

Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), with Lucene's idf.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

import jieba  # type: ignore[import-untyped]
import numpy as np
import Stemmer  # type: ignore[import-not-found]

from models.base.arrays import Doubles
from models.text.words import normalise

K1: Final = 1.2
B: Final = 0.75
_PIECES: Final = re.compile(r"[a-z0-9]+|[\u4e00-\u9fff]+")


class Bm25:
    """An index over texts that stays as it is.

    >>> index = Bm25(["red apples", "green apple", "red wine"])
    >>> scores = index.scores("red apple"); int(scores.argmax()), [round(float(s), 2) for s in scores]
    (0, [0.94, 0.47, 0.47])
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._stem = Stemmer.Stemmer("english").stemWord
        counts = [Counter(self._words(text)) for text in texts]
        lengths = np.array([sum(count.values()) for count in counts], np.float64)
        self._rows = len(texts)
        self._norm = K1 * (1 - B + B * lengths / max(lengths.mean(), 1e-9))
        self._postings: dict[str, list[tuple[int, int]]] = {}
        for row, count in enumerate(counts):
            for word, times in count.items():
                self._postings.setdefault(word, []).append((row, times))

    def scores(self, query: str) -> Doubles:
        """The score of each text (texts,); 0 where no word is held."""
        found = np.zeros(self._rows)
        for word in dict.fromkeys(self._words(query)):
            held = np.array(self._postings.get(word, ()), np.int64).reshape(-1, 2)
            rows, times = held[:, 0], held[:, 1]
            idf = np.log1p((self._rows - len(rows) + 0.5) / (len(rows) + 0.5))
            found[rows] += idf * (K1 + 1) * times / (times + self._norm[rows])
        return found

    def _words(self, text: str) -> list[str]:
        words: list[str] = []
        for piece in _PIECES.findall(normalise(text)):
            words += [self._stem(piece)] if piece.isascii() else jieba.lcut_for_search(piece)
        return words
