"""Image vectors by catalogue row: exact cosines, and a code of 512 bits an item that finds whom to compare.

A code is the signs of the vector after a random rotation: two unit vectors at angle a differ in about 512 a / π
bits (Charikar, "Similarity estimation techniques from rounding algorithms", 2002). The rotation is a seeded flip of
signs and a Walsh-Hadamard transform (Ailon and Chazelle, "The fast Johnson-Lindenstrauss transform", 2009):
additions in a fixed order, so a code's bytes depend neither on the batch nor on the machine. At 50,000 items all
Hamming distances take 0.25 ms; float32 projections to 64 dimensions cost more and find fewer of the nearest.

An item takes 2 bytes a dimension and 64 for its code; nothing is allocated before the first image.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.base.arrays import AnyRows, Floats

BITS: Final = 512
WORDS: Final = BITS // 64
SEED: Final = 20_150
#: Room for so many rows at first; pages that no row has touched are not resident.
CAPACITY: Final = 1 << 16

Code = NDArray[np.uint64]


class Images:
    """The catalogue's images; ``dim`` 0: none are kept. AnyRows without an image, or past the end, just have none.

    ``odd`` counts images that were not taken: of another dimension than ``dim``, or not finite.

    >>> images = Images(dim=4)
    >>> images.put(np.array([0, 2], np.int32), [np.eye(4)[1].astype("<f2").tobytes(), b""])
    >>> images.known(3).tolist(), images.cosines(np.array([0, 2]), np.eye(4, dtype=np.float32)[1]).tolist()
    ([True, False, False], [1.0, 0.0])
    """

    def __init__(self, dim: int = 0) -> None:
        self.dim = dim
        self.odd = 0
        self._has = np.zeros(0, np.bool_)
        self._vectors = np.zeros((0, dim), np.float16)
        self._codes = np.zeros((WORDS, 0), np.uint64)
        self._end = 0

    def __len__(self) -> int:
        """AnyRows up to the last that ever had an image."""
        return self._end

    def put(self, rows: AnyRows, raw: Sequence[bytes]) -> None:
        """Set the images of distinct rows: ``dim`` little-endian f2 each, unit length, or empty for none."""
        if not self.dim:
            return
        fits = np.array([len(one) == 2 * self.dim for one in raw], np.bool_)
        block = np.frombuffer(b"".join(one for one, fit in zip(raw, fits, strict=True) if fit), "<f2")
        block = block.reshape(-1, self.dim)
        finite = np.isfinite(block).all(axis=1)
        self.odd += sum(1 for one, fit in zip(raw, fits, strict=True) if one and not fit) + int((~finite).sum())
        taken, block = rows[fits][finite], block[finite]
        old = rows[rows < self._end]
        self._has[old] = False
        if not len(taken):
            return
        self._reach(int(taken.max()) + 1)
        self._vectors[taken], self._has[taken] = block, True
        self._codes[:, taken] = codes(block.astype(np.float32)).T

    def known(self, rows: int) -> NDArray[np.bool_]:
        """Whether each of the first ``rows`` rows has an image, (rows,)."""
        out = np.zeros(rows, np.bool_)
        end = min(rows, self._end)
        out[:end] = self._has[:end]
        return out

    def having(self, rows: AnyRows) -> AnyRows:
        """Those of some rows that have an image, in their order."""
        there = rows[(rows >= 0) & (rows < self._end)]
        return there[self._has[there]]

    def vectors(self, rows: AnyRows) -> Floats:
        """The images of rows that have one, (n, dim)."""
        return self._vectors[rows].astype(np.float32)

    def cosines(self, rows: AnyRows, direction: Floats) -> Floats:
        """Cosines of rows with a unit vector (dim,), (n,); 0 for a row without an image.

        Row by row: equal bytes whatever else is asked for.
        """
        out = np.zeros(len(rows), np.float32)
        place = np.flatnonzero((rows >= 0) & (rows < self._end))
        place = place[self._has[rows[place]]]
        out[place] = np.einsum("ij,j->i", self._vectors[rows[place]].astype(np.float32), direction)
        return out

    def distances(self, direction: Floats) -> NDArray[np.uint16]:
        """Bits in which each row's code differs from that of a vector (dim,), (len(self),); junk without image."""
        (code,) = codes(direction[None])
        out = np.zeros(self._end, np.uint16)
        for mine, column in zip(code, self._codes, strict=True):
            out += np.bitwise_count(column[: self._end] ^ mine)
        return out

    def _reach(self, end: int) -> None:
        """Make room for rows below ``end``."""
        if end > len(self._has):
            old, room = (self._has, self._vectors, self._codes), max(CAPACITY, end, len(self._has) * 3 // 2)
            # zeros and empty: pages that no row has touched are not resident
            self._has = np.zeros(room, np.bool_)
            self._vectors = np.empty((room, self.dim), np.float16)
            self._codes = np.empty((WORDS, room), np.uint64)
            if self._end:
                self._has[: self._end], self._vectors[: self._end] = old[0][: self._end], old[1][: self._end]
                self._codes[:, : self._end] = old[2][:, : self._end]
        self._end = max(self._end, end)


def codes(vectors: Floats) -> Code:
    """The code of each vector, (n, d) to (n, 8); each by itself, in the same bytes everywhere.

    >>> one = np.random.default_rng(0).standard_normal((2, 100)).astype(np.float32)
    >>> bool((codes(one)[1] == codes(one[1:])[0]).all()), int(np.bitwise_count(codes(one)[0] ^ codes(-one)[0]).sum())
    (True, 512)
    """
    dim = vectors.shape[1]
    width = max(BITS, 1 << (dim - 1).bit_length())
    # copies with signs of their own: a short vector alone would give the same bits again and again
    copies = width // dim
    turned = np.zeros((len(vectors), width), np.float32)
    turned[:, : copies * dim] = np.tile(vectors, copies)
    turned = _hadamard(turned * _signs(width))
    return np.packbits(turned[:, :BITS] > 0, axis=1, bitorder="little").view("<u8").astype(np.uint64)


@cache
def _signs(width: int) -> Floats:
    """Random signs, the same on every machine: a bit generator's raw numbers are promised to stay."""
    flips: Floats = 1 - 2 * (np.random.PCG64(SEED).random_raw(width) & np.uint64(1)).astype(np.float32)
    return flips


def _hadamard(x: Floats) -> Floats:
    """The fast Walsh-Hadamard transform of rows whose length is a power of two, not scaled."""
    rows, width = x.shape
    half = 1
    while half < width:
        pairs = x.reshape(rows, width // (2 * half), 2, half)
        x = np.stack((pairs[:, :, 0] + pairs[:, :, 1], pairs[:, :, 0] - pairs[:, :, 1]), axis=2).reshape(rows, width)
        half *= 2
    return x
