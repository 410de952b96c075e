"""Export the vision tower of a CLIP-like Hugging Face folder as an image-encoder artifact, checked against torch.

Taken: ``CLIPModel`` and ``CLIPVisionModelWithProjection`` (the projected embedding), ``SiglipModel`` and
``SiglipVisionModel`` (the pooled one), with their ``preprocessor_config.json``. Nothing is downloaded.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import numpy as np
import torch
from torch import Tensor, nn
from transformers import CLIPModel, CLIPVisionModelWithProjection, SiglipModel, SiglipVisionModel

from models.base.artifact import Artifact, Manifest, verify, write
from models.base.errors import ArtifactError, SessionError
from models.base.onnx_session import OnnxSession, open_session
from models.items.image_encoder import PREPROCESS, Preprocess
from models.training.graphs import halved, quantised, say_widths

OPSET: Final = 17
ImagePrecision = Literal["float32", "float16", "int8"]
#: Least cosine with torch of any random picture.
LEAST: Final[dict[ImagePrecision, float]] = {"float32": 0.999, "float16": 0.99, "int8": 0.95}
PICTURES: Final = 16
#: By the model_type of config.json.
MODELS: Final[dict[str, Any]] = {
    "clip": CLIPModel,
    "clip_vision_model": CLIPVisionModelWithProjection,
    "siglip": SiglipModel,
    "siglip_vision_model": SiglipVisionModel,
}
#: Numbers by which preprocessor files name a filter.
FILTERS: Final[dict[int, Literal["bilinear", "bicubic"]]] = {2: "bilinear", 3: "bicubic"}
CONFIGS: Final = ("preprocessor_config.json", "processor_config.json")


class VisionTower(nn.Module):
    """Pixels (n, 3, h, w) to unit vectors (n, dim)."""

    def __init__(self, vision: nn.Module, project: nn.Module, side: int) -> None:
        super().__init__()
        self.vision, self.project, self.side = vision, project, side

    def forward(self, pixel_values: Tensor) -> Tensor:
        """The image's embedding at unit length."""
        found: Tensor = self.project(self.vision(pixel_values=pixel_values).pooler_output)
        return nn.functional.normalize(found, dim=-1)


def build_image_encoder(
    source: Path, out: Path, precision: ImagePrecision = "float32", progress: Callable[[str, float], None] | None = None
) -> Artifact:
    """Build the artifact from the folder ``source`` into ``out``; takes under a minute for a base model.

    Raises ``ArtifactError`` when the folder is no such model, ``SessionError`` when the graph's vectors differ from
    torch's by more than ``LEAST`` allows.
    """
    tell = progress or (lambda _step, _share: None)
    tell("reading the model", 0.0)
    tower = load_tower(source)
    preprocess, (height, width) = read_preprocess(source), (tower.side, tower.side)
    given = preprocess.crop or preprocess.size
    if given != (height, width):
        remedy = "use the preprocessor_config.json that came with this model."
        raise ArtifactError(source, CONFIGS[0], f"pictures of {height} x {width}", given, remedy)
    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder) / "model.onnx"
        tell("exporting", 0.3)
        export(tower, graph, (height, width))
        graph = lower(graph, precision)
        tell("checking against torch", 0.8)
        session = open_session(graph, "cpu")
        worst = check(tower, session, (height, width), precision)
        manifest = Manifest(
            kind="image-encoder",
            name=source.resolve().name,
            created_from={"weights": source.resolve().name, "precision": precision},
            inputs=session.inputs,
            outputs=session.outputs,
            figures={"least_cosine_with_torch": round(worst, 6)},
            licence="that of the weights",
        )
        write(out, manifest, {"model.onnx": graph, PREPROCESS: msgspec.json.encode(preprocess)})
    tell("done", 1.0)
    return verify(out)


def load_tower(source: Path) -> VisionTower:
    """The vision tower in a folder, in float32; raises ``ArtifactError`` when there is none."""
    kind = str(_json(source, ("config.json",)).get("model_type"))
    remedy = "name a folder with config.json and weights of a CLIP or SigLIP model."
    if kind not in MODELS:
        raise ArtifactError(source, "model_type", f"one of {', '.join(MODELS)}", kind, remedy)
    try:
        model, said = MODELS[kind].from_pretrained(
            source, attn_implementation="eager", local_files_only=True, dtype=torch.float32, output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise ArtifactError(source, "weights", f"those of a {kind} model", error, remedy) from error
    if said["missing_keys"] or said["mismatched_keys"]:
        odd = sorted(map(str, [*said["missing_keys"], *said["mismatched_keys"]]))
        raise ArtifactError(source, "weights", "those of the whole model", f"none that fit {', '.join(odd)}", remedy)
    side = int(getattr(model.config, "vision_config", model.config).image_size)
    return VisionTower(
        getattr(model, "vision_model", model), getattr(model, "visual_projection", nn.Identity()), side
    ).eval()


def read_preprocess(source: Path) -> Preprocess:
    """How the folder's pictures are prepared; raises ``ArtifactError`` naming the field that cannot be used."""
    raw = _json(source, CONFIGS)
    config: Mapping[str, Any] = raw.get("image_processor", raw)
    size: Any = config.get("size", {}) if config.get("do_resize", True) else {}
    size = {"shortest_edge": size} if isinstance(size, int) else size
    crop: Any = config.get("crop_size") if config.get("do_center_crop", False) else None
    crop = {"height": crop, "width": crop} if isinstance(crop, int) else crop
    resample = int(config.get("resample", 3))
    if resample not in FILTERS:
        raise ArtifactError(source, "resample", "2 (bilinear) or 3 (bicubic)", resample, "use such a preprocessor.")
    normal = config.get("do_normalize", True)
    try:
        return Preprocess(
            shortest=size.get("shortest_edge"),
            size=(size["height"], size["width"]) if "height" in size else None,
            crop=(crop["height"], crop["width"]) if crop else None,
            filter=FILTERS[resample],
            rescale=float(config.get("rescale_factor", 1 / 255)) if config.get("do_rescale", True) else 1.0,
            mean=_triple(config["image_mean"]) if normal else (0.0, 0.0, 0.0),
            std=_triple(config["image_std"]) if normal else (1.0, 1.0, 1.0),
        )
    except (KeyError, TypeError, ValueError) as error:
        remedy = "use the preprocessor_config.json that came with this model."
        raise ArtifactError(source, CONFIGS[0], "size, image_mean and image_std", repr(error), remedy) from error


def export(tower: VisionTower, path: Path, size: tuple[int, int]) -> None:
    """Write the tower as ONNX with a free batch (TorchScript exporter: ONNX Runtime fuses what it makes)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns that it will be removed one day
        torch.onnx.export(
            tower,
            (torch.zeros(2, 3, *size),),
            str(path),
            input_names=["pixel_values"],
            output_names=["vector"],
            dynamic_axes={"pixel_values": {0: "batch"}, "vector": {0: "batch"}},
            opset_version=OPSET,
            dynamo=False,
        )
    say_widths(path, [_width(tower, size)])


def lower(path: Path, precision: ImagePrecision) -> Path:
    """The graph at the wanted precision: int8 weights of matrix products, or float16 (meant for CUDA)."""
    if precision == "float32":
        return path
    lowered = path.with_name(f"{precision}.onnx")
    if precision == "int8":
        return quantised(path, lowered, ["MatMul"], columns=False)
    return halved(path, lowered)


def check(tower: VisionTower, session: OnnxSession, size: tuple[int, int], precision: ImagePrecision) -> float:
    """Least cosine between graph and torch over random pictures; SessionError below ``LEAST``."""
    rng = np.random.default_rng(0)
    worst = 1.0
    for _ in range(PICTURES):
        pixels = (rng.normal() + rng.normal(size=(1, 3, *size))).astype(np.float32)
        with torch.no_grad():
            wanted = tower(torch.tensor(pixels)).numpy()[0]
        (found,) = session.run({"pixel_values": pixels})
        worst = min(worst, float(wanted @ found[0] / max(float(np.linalg.norm(found[0])), 1e-9)))
    if not worst >= LEAST[precision]:
        raise SessionError(
            f"The exported image encoder agrees with torch to a cosine of {worst:.4f}; expected {LEAST[precision]}.",
            "build it with --precision float32, or report it with the versions of torch and onnxruntime.",
        )
    return worst


def _width(tower: VisionTower, size: tuple[int, int]) -> int:
    with torch.no_grad():
        return int(tower(torch.zeros(1, 3, *size)).shape[1])


def _triple(values: Any) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in values)
    return red, green, blue


def _json(source: Path, names: tuple[str, ...]) -> dict[str, Any]:
    """The first of some JSON files in a folder; raises ``ArtifactError`` when none can be read."""
    for name in names:
        if (source / name).is_file():
            try:
                return msgspec.json.decode((source / name).read_bytes(), type=dict[str, Any])
            except msgspec.DecodeError as error:
                raise ArtifactError(source, name, "a JSON object", error, "copy the file again.") from error
    remedy = "name the folder of a Hugging Face model, with all of its files."
    raise ArtifactError(source, names[0], "a readable file", "none", remedy)
