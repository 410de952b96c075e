"""Pictures from files: each format, upright, on white, within bounds; what is none is named."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import strategies as st
from PIL import Image

from models.base.errors import ImageError
from models.base.pictures import MOST_PIXELS, read_picture
from tests.support.examples import at_most

RNG = np.random.default_rng(1)
NOISE = RNG.integers(0, 256, (3, 5, 3), dtype=np.uint8)
SMOOTH = np.kron(RNG.integers(60, 200, (2, 3, 3), dtype=np.uint8), np.ones((16, 16, 1), np.uint8))


def encoded(pixels: np.ndarray, kind: str, **options: Any) -> bytes:
    """A picture's file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def rotated(orientation: int) -> Image.Exif:
    """EXIF data that say how the camera was held."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.png", encoded(NOISE, "PNG")),
        ("a.webp", encoded(NOISE, "WEBP", lossless=True)),
        ("a.ppm", b"P6\n# made by hand\n5 3\n255\n" + NOISE.tobytes()),
        ("shop_17", encoded(NOISE, "PNG")),
    ],
)
def test_the_pixels_of_a_file_are_read_exactly(tmp_path: Path, name: str, content: bytes) -> None:
    """A file's format is told from its content, so its name does not matter."""
    (tmp_path / name).write_bytes(content)
    assert np.array_equal(read_picture(tmp_path / name), NOISE)


def test_an_array_is_a_picture(tmp_path: Path) -> None:
    """Bytes of height x width x 3."""
    np.save(tmp_path / "a.npy", NOISE)
    assert np.array_equal(read_picture(tmp_path / "a.npy"), NOISE)


def test_a_jpeg_is_read_up_to_what_it_lost(tmp_path: Path) -> None:
    """Large even patches of medium colours lose next to nothing."""
    (tmp_path / "a.jpg").write_bytes(encoded(SMOOTH, "JPEG", quality=95, subsampling=0))
    assert np.abs(read_picture(tmp_path / "a.jpg").astype(int) - SMOOTH).mean() < 3


def test_grey_pictures_have_three_equal_channels(tmp_path: Path) -> None:
    """Files and arrays alike."""
    grey = NOISE[:, :, 0]
    np.save(tmp_path / "a.npy", grey)
    (tmp_path / "a.pgm").write_bytes(b"P5 5 3 255\n" + grey.tobytes())
    (tmp_path / "a.png").write_bytes(encoded(grey, "PNG"))
    for name in ("a.npy", "a.pgm", "a.png"):
        assert np.array_equal(read_picture(tmp_path / name), np.repeat(grey[:, :, None], 3, axis=2))


@pytest.mark.parametrize(
    ("orientation", "turned"),
    [(1, NOISE), (3, NOISE[::-1, ::-1]), (6, np.rot90(NOISE, -1)), (8, np.rot90(NOISE))],
)
def test_a_picture_is_turned_as_the_camera_was_held(tmp_path: Path, orientation: int, turned: np.ndarray) -> None:
    """As every browser shows it; without this a telephone's portrait lies on its side."""
    (tmp_path / "a.png").write_bytes(encoded(NOISE, "PNG", exif=rotated(orientation)))
    assert np.array_equal(read_picture(tmp_path / "a.png"), turned)


def test_what_is_transparent_is_white(tmp_path: Path) -> None:
    """Whatever colour is stored there: cut-out product pictures mostly store black."""
    pixels = np.zeros((1, 2, 4), np.uint8)
    pixels[0, 1] = (10, 20, 30, 255)
    (tmp_path / "a.png").write_bytes(encoded(pixels, "PNG"))
    assert read_picture(tmp_path / "a.png").tolist() == [[[255, 255, 255], [10, 20, 30]]]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("none.jpg", None, "cannot be read"),
        ("a.jpg", b"\xff\xd8\xff\xe0", "no JPEG, PNG, WebP"),
        ("a.gif", encoded(NOISE, "GIF"), "no JPEG, PNG, WebP"),
        ("a.ppm", b"P6 5 3 255\nshort", "truncated"),
        ("a.png", encoded(np.zeros((2, 2), np.uint16), "PNG"), "8 bits a channel"),
        ("a.npy", b"no array", "cannot be read"),
    ],
)
def test_what_is_no_picture_names_the_file(tmp_path: Path, name: str, content: bytes | None, said: str) -> None:
    """What was expected and what to do."""
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ImageError, match=said) as error:
        read_picture(tmp_path / name)
    assert name in str(error.value)


def test_an_array_of_floats_is_no_picture(tmp_path: Path) -> None:
    """Its dtype and shape are told."""
    np.save(tmp_path / "f.npy", np.zeros((2, 2, 3)))
    with pytest.raises(ImageError, match="float64"):
        read_picture(tmp_path / "f.npy")


@pytest.mark.parametrize(("width", "height"), [(9_000, 9_000), (12_000, 9_000), (60_000, 60_000)])
def test_a_small_file_of_very_many_pixels_is_refused_unread(tmp_path: Path, width: int, height: int) -> None:
    """Below Pillow's own warning, between its warning and its error, and above both."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    bomb = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(9_000))) + chunk(b"IEND", b"")
    (tmp_path / "bomb.png").write_bytes(bomb)
    with pytest.raises(ImageError, match=f"expected at most {MOST_PIXELS:,} pixels, found .*") as error:
        read_picture(tmp_path / "bomb.png")
    assert "bomb.png" in str(error.value)


_FILES = [
    encoded(SMOOTH, "JPEG", exif=rotated(6)),
    encoded(SMOOTH, "PNG", exif=rotated(3)),
    encoded(SMOOTH, "WEBP", exif=rotated(8)),
    b"P6 48 32 255\n" + SMOOTH.tobytes(),
]


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow tells what EXIF it skips
@at_most(300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(_FILES),
    st.lists(st.tuples(st.one_of(st.integers(0, 120), st.integers(0, 5_000)), st.integers(0, 255)), max_size=6),
    st.one_of(st.none(), st.integers(0, 5_000)),
)
@example(_FILES[0], [(30, 255), (40, 255)], None)
def test_a_broken_file_is_a_picture_or_an_error_of_ours(
    tmp_path: Path, content: bytes, changes: list[tuple[int, int]], end: int | None
) -> None:
    """Whatever was cut off or changed, no other exception comes through."""
    broken = bytearray(content[:end])
    for place, value in changes:
        if place < len(broken):
            broken[place] = value
    (tmp_path / "broken").write_bytes(broken)
    try:
        picture = read_picture(tmp_path / "broken")
    except ImageError:
        return
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 3
