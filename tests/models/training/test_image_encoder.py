"""The image encoder's export, on tiny models with random weights made here."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from models.base.artifact import verify
from models.base.errors import ArtifactError, ImageError
from models.items.image_encoder import ImageEncoder

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

PREPROCESSOR = {
    "do_resize": True, "size": {"shortest_edge": 32}, "resample": 3, "do_center_crop": True,
    "crop_size": {"height": 32, "width": 32}, "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True,
    "image_mean": [0.48, 0.46, 0.41], "image_std": [0.27, 0.26, 0.28],
}  # fmt: skip
TOWER = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "image_size": 32, "patch_size": 8,
}  # fmt: skip


def folder(path: Path, kind: str) -> Path:
    """A tiny model's folder: a whole CLIP, its vision tower alone, or a whole SigLIP."""
    torch.manual_seed(3)
    text = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4,
            "vocab_size": 99, "projection_size": 32}  # fmt: skip
    if kind == "clip":
        config = transformers.CLIPConfig(text_config=text, vision_config=TOWER, projection_dim=24)
        model = transformers.CLIPModel(config)
    elif kind == "tower":
        model = transformers.CLIPVisionModelWithProjection(transformers.CLIPVisionConfig(**TOWER, projection_dim=24))
    else:
        model = transformers.SiglipModel(transformers.SiglipConfig(text_config=text, vision_config=TOWER))
    model.eval().save_pretrained(path)
    (path / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR))
    return path


def pictures(seed: int = 0) -> list[np.ndarray]:
    """Pictures of several shapes."""
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, (h, w, 3), dtype=np.uint8) for h, w in ((32, 32), (40, 90), (300, 200), (5, 7))]


@pytest.mark.parametrize(("kind", "dim"), [("clip", 24), ("tower", 24), ("siglip", 32)])
def test_the_exported_tower_gives_torchs_vectors(tmp_path: Path, kind: str, dim: int) -> None:
    """From pixels to unit vectors, to a cosine of .999; the same picture has the same bytes in any batch."""
    from models.training.image_encoder import build_image_encoder, load_tower

    source = folder(tmp_path / "model", kind)
    steps: list[float] = []
    built = build_image_encoder(source, tmp_path / "out", progress=lambda _, share: steps.append(share))
    assert steps == sorted(steps)
    assert steps[-1] == 1
    assert float(built.manifest.figures["least_cosine_with_torch"]) >= 0.999
    encoder = ImageEncoder(verify(tmp_path / "out").path, "cpu")
    found = encoder.encode(pictures())
    assert found.shape == (4, dim)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    with torch.no_grad():
        pixels = torch.tensor(np.stack([encoder.preprocess(picture) for picture in pictures()]))
        wanted = load_tower(source)(pixels).numpy()
    assert (found * wanted).sum(axis=1).min() >= 0.999
    assert encoder.encode(pictures()[2:3]).tobytes() == found[2:3].tobytes()


@pytest.mark.parametrize(("precision", "least"), [("int8", 0.95), ("float16", 0.99)])
def test_smaller_graphs_stay_near(tmp_path: Path, precision: str, least: float) -> None:
    """int8 and float16, with the figure in the manifest."""
    from models.training.image_encoder import build_image_encoder

    source = folder(tmp_path / "model", "clip")
    built = build_image_encoder(source, tmp_path / "out", precision)  # type: ignore[arg-type]
    assert least <= float(built.manifest.figures["least_cosine_with_torch"]) <= 1
    assert built.manifest.created_from["precision"] == precision
    whole = build_image_encoder(source, tmp_path / "whole")
    one, other = (ImageEncoder(path.path, "cpu").encode(pictures()) for path in (built, whole))
    assert (one * other).sum(axis=1).min() >= least


def test_a_folder_that_is_no_such_model_says_what_is_wrong(tmp_path: Path) -> None:
    """No folder, another architecture, no preprocessor, one for other sizes, missing weights."""
    from models.training.image_encoder import build_image_encoder

    with pytest.raises(ArtifactError, match=r"config\.json"):
        build_image_encoder(tmp_path / "none", tmp_path / "out")
    other = tmp_path / "other"
    other.mkdir()
    (other / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ArtifactError, match="one of clip"):
        build_image_encoder(other, tmp_path / "out")
    source = folder(tmp_path / "model", "clip")
    (source / "preprocessor_config.json").write_text(json.dumps({**PREPROCESSOR, "crop_size": 48}))
    with pytest.raises(ArtifactError, match="32 x 32"):
        build_image_encoder(source, tmp_path / "out")
    (source / "preprocessor_config.json").write_text(json.dumps({**PREPROCESSOR, "resample": 1}))
    with pytest.raises(ArtifactError, match="resample"):
        build_image_encoder(source, tmp_path / "out")
    (source / "preprocessor_config.json").unlink()
    with pytest.raises(ArtifactError, match=r"preprocessor_config\.json"):
        build_image_encoder(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    """Floats, grey arrays, nothing."""
    from models.training.image_encoder import build_image_encoder

    build_image_encoder(folder(tmp_path / "model", "tower"), tmp_path / "out")
    encoder = ImageEncoder(tmp_path / "out", "cpu")
    for wrong in (np.zeros((4, 4, 3)), np.zeros((4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises(ImageError, match="height, width, 3"):
            encoder.encode([wrong])  # type: ignore[list-item]
