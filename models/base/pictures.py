"""Pictures from files: JPEG, PNG, WebP and portable pixmaps by Pillow, and NumPy's arrays."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from models.base.errors import ImageError

#: Pillow reads dozens of formats; each decoder that is not needed is one that a hostile file cannot reach.
FORMATS: Final = ("JPEG", "PNG", "WEBP", "PPM")
#: A file of a few kilobytes may unpack to gigabytes: larger pictures are refused before their pixels are decoded.
MOST_PIXELS: Final = 64_000_000
REMEDY: Final = "save it as JPEG, PNG or WebP with 8 bits a channel."


def read_picture(path: Path | str) -> NDArray[np.uint8]:
    """The picture (h, w, 3) in a JPEG, PNG, WebP, PPM or PGM file, or in a NumPy file (uint8, (h, w, 3) or (h, w)).

    It is turned as its EXIF orientation says. Transparent parts are white, as on a page. Of an animation the first
    frame is read. Raises ``ImageError`` naming the file when it cannot be read, is something else, or has more than
    ``MOST_PIXELS`` pixels.
    """
    file = Path(path)
    try:
        return _array(file) if file.suffix == ".npy" else _decoded(file)
    except UnidentifiedImageError as error:
        raise ImageError(f"{file} is no JPEG, PNG, WebP, PPM or PGM picture, and no .npy array.", REMEDY) from error
    except Image.DecompressionBombError as error:
        raise _too_large(file, str(error)) from error
    # SyntaxError is what Pillow raises for a broken chunk of a PNG
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise ImageError(f"{file} cannot be read: {error}.", "check the path and the file.") from error


def _decoded(file: Path) -> NDArray[np.uint8]:
    with warnings.catch_warnings():
        # Pillow warns of pictures above its own bound, which is higher than this one
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        image: Image.Image = Image.open(file, formats=FORMATS)
    with image:
        width, height = image.size
        if width * height > MOST_PIXELS:
            raise _too_large(file, f"{width} x {height}, {width * height:,} pixels")
        if image.mode.startswith(("I", "F")):
            raise ImageError(f"{file}: expected 8 bits a channel, found more (Pillow's mode {image.mode}).", REMEDY)
        upright = ImageOps.exif_transpose(image)
        if upright.has_transparency_data:
            page = Image.new("RGBA", upright.size, "white")
            upright = Image.alpha_composite(page, upright.convert("RGBA"))
        return np.asarray(upright.convert("RGB"))


def _too_large(file: Path, found: str) -> ImageError:
    return ImageError(
        f"{file}: expected at most {MOST_PIXELS:,} pixels, found {found}.",
        "make it smaller: image encoders read a few hundred pixels a side.",
    )


def _array(file: Path) -> NDArray[np.uint8]:
    image: NDArray[np.uint8] = np.load(file, allow_pickle=False)
    grey = image.ndim == 2
    if image.dtype != np.uint8 or not image.size or not (grey or image.shape[2:] == (3,)):
        found = f"{image.dtype} of shape {image.shape}"
        raise ImageError(
            f"{file}: expected uint8 of shape (height, width, 3) or (height, width), found {found}.", REMEDY
        )
    return np.repeat(image[:, :, None], 3, axis=2) if grey else image
