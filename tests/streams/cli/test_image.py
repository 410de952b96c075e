"""`streamrank image` and the building of its artifact, on a tiny model made here."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from models.base.errors import ImageError
from models.base.pictures import read_picture
from streams.cli import main
from tests.models.training.test_image_encoder import folder


def picture(height: int = 3, width: int = 5) -> np.ndarray:
    """A picture."""
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)


def ppm(image: np.ndarray) -> bytes:
    """A binary PPM with a comment."""
    return b"P6\n# made by hand\n%d %d\n255\n" % (image.shape[1], image.shape[0]) + image.tobytes()


def test_pictures_are_read_from_arrays_and_pixmaps(tmp_path: Path) -> None:
    """The same pixels from each; grey ones become three equal channels."""
    image = picture()
    np.save(tmp_path / "a.npy", image)
    (tmp_path / "a.ppm").write_bytes(ppm(image))
    (tmp_path / "a.pgm").write_bytes(b"P5 5 3 255\n" + image[:, :, 0].tobytes())
    assert np.array_equal(read_picture(tmp_path / "a.npy"), image)
    assert np.array_equal(read_picture(tmp_path / "a.ppm"), image)
    assert np.array_equal(read_picture(tmp_path / "a.pgm"), np.repeat(image[:, :, :1], 3, axis=2))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("none.ppm", None, "cannot be read"),
        ("a.jpg", b"\xff\xd8\xff\xe0", "magick"),
        ("a.ppm", b"P6 5 3 255\nshort", "45 bytes"),
        ("a.ppm", b"P6 1 1 65535\n123456", "65535"),
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


def test_from_a_folder_to_a_vector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Built where workers look, shown, verified, and used: as many numbers as the model gives, of unit length."""
    monkeypatch.setenv("STREAMRANK_ARTIFACTS", str(tmp_path / "artifacts"))
    source = folder(tmp_path / "tiny-clip", "clip")
    (tmp_path / "a.ppm").write_bytes(ppm(picture(40, 30)))
    run = CliRunner().invoke
    missing = run(main, ["image", str(tmp_path / "a.ppm")])
    assert missing.exit_code == 2
    assert "artifact build" in missing.stderr
    nothing = run(main, ["artifact", "build", "image-encoder"])
    assert (nothing.exit_code, "--from" in nothing.stderr) == (2, True)
    built = run(main, ["artifact", "build", "image-encoder", "--from", str(source), "--precision", "int8", "--json"])
    assert built.exit_code == 0, built.stderr
    manifest = json.loads(built.stdout)["manifest"]
    assert (manifest["kind"], manifest["name"]) == ("image-encoder", "tiny-clip")
    assert run(main, ["artifact", "verify", "image-encoder"]).exit_code == 0
    printed = run(main, ["image", str(tmp_path / "a.ppm"), str(tmp_path / "a.ppm"), "--json"])
    first, second = (json.loads(line)["image_vector"] for line in printed.stdout.splitlines())
    assert first == second
    assert len(first) == 24
    assert np.linalg.norm(first) == pytest.approx(1, abs=1e-4)
    assert "STREAMRANK_IMAGE_DIM=24" in run(main, ["image", str(tmp_path / "a.ppm")]).stdout
