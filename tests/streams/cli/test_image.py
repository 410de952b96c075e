"""`streamrank image` and the building of its artifact, on a tiny model made here."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from streams.cli import main
from tests.models.training.test_image_encoder import folder


def picture(height: int = 3, width: int = 5) -> np.ndarray:
    """A picture."""
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)


def ppm(image: np.ndarray) -> bytes:
    """A binary PPM with a comment."""
    return b"P6\n# made by hand\n%d %d\n255\n" % (image.shape[1], image.shape[0]) + image.tobytes()


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
