"""Pictures from files, without an imaging library: arrays (.npy) and portable pixmaps (.ppm, .pgm)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.base.errors import ImageError

#: P5 (grey) or P6 (colour), width, height and largest value, with comments between them.
_HEAD: Final = re.compile(rb"P([56])" + rb"(?:\s|#[^\n]*\n)+(\d{1,6})" * 3 + rb"\s", re.DOTALL)
REMEDY: Final = "convert it first, for example with ImageMagick: `magick picture.jpg picture.ppm`."


def read_picture(path: Path | str) -> NDArray[np.uint8]:
    """The picture (h, w, 3) in a file of NumPy (uint8, (h, w, 3) or (h, w)), or a binary PPM or PGM.

    Raises ``ImageError`` naming the file when it cannot be read or is something else.
    """
    file = Path(path)
    try:
        if file.suffix == ".npy":
            return _coloured(file, np.load(file, allow_pickle=False))
        raw = file.read_bytes()
    except (OSError, ValueError) as error:
        raise ImageError(f"{file} cannot be read: {error}.", "check the path and the file.") from error
    head = _HEAD.match(raw)
    if head is None:
        raise ImageError(f"{file} is no .npy array and no binary PPM or PGM.", REMEDY)
    kind, width, height, largest = (int(group) for group in head.groups())
    channels = 3 if kind == 6 else 1
    if largest != 255 or len(raw) - head.end() < width * height * channels:
        found = f"values up to {largest}, {len(raw) - head.end()} bytes"
        raise ImageError(
            f"{file}: expected values up to 255 and {width * height * channels} bytes, found {found}.", REMEDY
        )
    pixels = np.frombuffer(raw, np.uint8, width * height * channels, head.end())
    return _coloured(file, pixels.reshape((height, width, channels)[: 3 if kind == 6 else 2]))


def _coloured(file: Path, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if (
        image.dtype != np.uint8
        or image.ndim not in (2, 3)
        or not image.size
        or (image.ndim == 3 and image.shape[2] != 3)
    ):
        found = f"{image.dtype} of shape {image.shape}"
        raise ImageError(
            f"{file}: expected uint8 of shape (height, width, 3) or (height, width), found {found}.", REMEDY
        )
    return np.repeat(image[:, :, None], 3, axis=2) if image.ndim == 2 else image
