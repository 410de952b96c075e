"""Images to vectors: the image-encoder artifact, opened; preprocessing by Pillow and NumPy, without torch.

The artifact is exported from a CLIP-like Hugging Face folder (``streamrank artifact build image-encoder --from
FOLDER``). Its vectors are what items and queries carry as ``image_vector``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.base.arrays import Floats
from models.base.artifact import Artifact, check_ports
from models.base.errors import ArtifactError, ImageError
from models.base.onnx_session import Device, open_session

#: File of the artifact that says how an image becomes the graph's input.
PREPROCESS: Final = "preprocess.json"
_FILTERS: Final = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}
Pixels = NDArray[np.uint8]


class Preprocess(msgspec.Struct, frozen=True, kw_only=True):
    """Resize to ``shortest`` edge, or else to ``size`` (height, width); then the middle ``crop``; then, of
    ``rescale`` times the pixels, (x - ``mean``) / ``std`` a channel.
    """

    shortest: int | None = None
    size: tuple[int, int] | None = None
    crop: tuple[int, int] | None = None
    filter: Literal["bicubic", "bilinear"] = "bicubic"
    rescale: float = 1 / 255
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def __call__(self, image: Pixels) -> Floats:
        """The graph's input (3, height, width) of an image (h, w, 3). Raises ``ImageError`` when it is none."""
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
            raise ImageError(
                f"An image has shape {image.shape} and dtype {image.dtype}; expected (height, width, 3) of uint8.",
                "decode it to RGB first.",
            )
        image = resized(image, *self._target(image.shape[0], image.shape[1]), self.filter)
        if self.crop is not None:
            image = centre(image, *self.crop)
        scaled = (image.astype(np.float32) * np.float32(self.rescale) - np.array(self.mean, np.float32)) / np.array(
            self.std, np.float32
        )
        return np.ascontiguousarray(scaled.transpose(2, 0, 1), np.float32)

    def _target(self, height: int, width: int) -> tuple[int, int]:
        if self.shortest is not None:
            short = min(height, width)
            return max(height * self.shortest // short, 1), max(width * self.shortest // short, 1)
        return self.size or (height, width)


class ImageEncoder:
    """The image-encoder artifact, opened; ``dim``: numbers of a vector. Not used by workers: they take vectors.

    Raises ``ArtifactError`` when the artifact is missing, changed or of another kind.
    """

    def __init__(self, artifact_path: Path | str, device: Device = "auto", threads: int = 1) -> None:
        artifact = Artifact.load(artifact_path)
        if artifact.manifest.kind != "image-encoder":
            remedy = "name an image encoder: `streamrank artifact build image-encoder --from FOLDER`."
            raise ArtifactError(artifact.path, "kind", "image-encoder", artifact.manifest.kind, remedy)
        self._session = open_session(artifact.graph, device, threads)
        check_ports(artifact, self._session)
        self.preprocess = msgspec.json.decode(artifact.file(PREPROCESS).read_bytes(), type=Preprocess)
        self.dim = int(artifact.manifest.outputs[0].shape[1])
        self.version, self.provider, self.warning = artifact.version, self._session.provider, self._session.warning

    def encode(self, images: Sequence[Pixels]) -> Floats:
        """Unit vectors (n, dim) of images (h, w, 3) uint8, RGB, one at a time: equal bytes in any batch.

        Raises ``ImageError`` for what is no image.
        """
        out = np.zeros((len(images), self.dim), np.float32)
        for row, image in enumerate(images):
            (vector,) = self._session.run({"pixel_values": self.preprocess(image)[None]})
            out[row] = vector[0]
        return out


def resized(image: Pixels, height: int, width: int, kind: Literal["bicubic", "bilinear"] = "bicubic") -> Pixels:
    """An image (h, w, 3) at another size, by the library whose filters these models were trained on.

    >>> resized(np.arange(12, dtype=np.uint8).reshape(2, 2, 3), 1, 1).tolist()
    [[[5, 6, 7]]]
    """
    return np.asarray(Image.fromarray(image).resize((width, height), _FILTERS[kind]))


def centre(image: Pixels, height: int, width: int) -> Pixels:
    """The middle of an image (h, w, 3); black where it is smaller.

    >>> centre(np.ones((1, 4, 3), np.uint8), 3, 2)[:, 0, 0].tolist()
    [0, 1, 0]
    """
    out = np.zeros((height, width, 3), np.uint8)
    there, here = [], []
    for have, want in ((image.shape[0], height), (image.shape[1], width)):
        size = min(have, want)
        there.append(slice((have - size) // 2, (have - size) // 2 + size))
        here.append(slice((want - size + 1) // 2, (want - size + 1) // 2 + size))
    out[here[0], here[1]] = image[there[0], there[1]]
    return out
