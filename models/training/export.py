"""From the trained network to an artifact: ONNX, checked against torch, with its manifest."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import torch

from models.base.artifact import Artifact, Manifest, write
from models.base.errors import SessionError
from models.base.onnx_session import OnnxSession, open_session
from models.features.kernels import LARGEST, RECENT
from models.features.registry import FEATURES, FEATURES_VERSION, INDEX
from models.ranking.ranker import NAMES_FILE, SILENT
from models.retrieval.sources.registry import SOURCES
from models.training.half import RankerPrecision, halved
from models.training.network import RankerNetwork, named
from streamrank_client.vocabulary import COMPACT as DIM

OPSET: Final = 17
#: Largest difference from torch in float32, relative to the call's largest score. Rounding in float16 alone makes 6e-4
#: (networks trained on three logs, every step rounded); features that were float16 before normalisation make 6e-3.
TOLERANCE: Final[dict[RankerPrecision, float]] = {"float32": 1e-4, "float16": 2e-3}
REMEDY: Final[dict[RankerPrecision, str]] = {
    "float32": "report it with the versions of torch and onnxruntime",
    "float16": "build it with --precision float32, or report it with the versions of torch and onnxruntime",
}
#: (lists, longest, spread of the features' logarithm) of the calls that a graph is compared on
CALLS: Final = ((1, 1, 1.0), (2, 100, 1.0), (3, 17, 1.0), (4, 60, 6.0))
INPUTS: Final = ("features", "mask", "candidates", "recent", "recent_weight")


def export(network: RankerNetwork, path: Path) -> None:
    """Write the network as ONNX with free batch and list lengths.

    The TorchScript exporter is used on purpose: ONNX Runtime fuses what it makes, not what dynamo makes.
    """
    example = tuple(torch.tensor(value) for value in _example(2, 5, 1.0, seed=0).values())
    axes = {name: {0: "lists", 1: "candidates"} for name in ("features", "mask", "candidates", "score")}
    axes |= {name: {0: "lists"} for name in ("recent", "recent_weight")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns that it will be removed one day
        torch.onnx.export(
            network.eval(),
            example,
            str(path),
            input_names=list(INPUTS),
            output_names=["score"],
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )


def check(network: RankerNetwork, session: OnnxSession, precision: RankerPrecision = "float32") -> float:
    """Largest difference between the graph and torch in float32 on random lists; SessionError above ``TOLERANCE``.

    Among them are lists with padding, users without history, and features up to the largest that there can be.
    In float16 torch's own halves are compared too, as the CPU's provider computes them in float32: what each step's
    rounding makes on a device, or a number beyond 65,504, shows nowhere else.
    """
    worst, half = 0.0, halved(network) if precision == "float16" else None
    for seed, call in enumerate(CALLS):
        feeds = _example(*call, seed=seed)
        tensors = [torch.tensor(value) for value in feeds.values()]
        with torch.no_grad():
            wanted = network.eval()(*tensors).numpy()
            answers = [session.run(feeds)[0], *([half(*tensors).numpy()] if half is not None else [])]
        for found in answers:
            # not max(): it would pass over a NaN
            worst = float(np.maximum(worst, np.abs(wanted - found).max() / max(1.0, float(np.abs(wanted).max()))))
    if not worst <= TOLERANCE[precision]:
        raise SessionError(
            f"The exported ranker ({precision}) differs from torch by {worst:.2g}, more than {TOLERANCE[precision]}.",
            f"{REMEDY[precision]}; the old artifact stays in place.",
        )
    return worst


def save(
    network: RankerNetwork,
    out: Path,
    created_from: Mapping[str, str],
    figures: Mapping[str, float | str],
    precision: RankerPrecision = "float32",
) -> Artifact:
    """Export, check and write the artifact to ``out``; SessionError when the graph is not the network.

    ``precision``: that of the matrix products, see ``models.training.half``.
    """
    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder) / "model.onnx"
        export(halved(network) if precision == "float16" else network, graph)
        session = open_session(graph, "cpu")
        difference = check(network, session, precision)
        manifest = Manifest(
            kind="ranker",
            name=named(network.hidden),
            created_from={**created_from, "precision": precision},
            inputs=session.inputs,
            outputs=session.outputs,
            figures={**figures, SILENT: silent(network), "onnx_against_torch": float(f"{difference:.2g}")},
            licence="Apache-2.0",
            requires={"features": FEATURES_VERSION},
        )
        return write(out, manifest, {"model.onnx": graph, NAMES_FILE: msgspec.json.encode(FEATURES)})


def silent(network: RankerNetwork) -> str:
    """The sources whose score never differed in training, comma separated."""
    return ",".join(name for name in SOURCES if bool(torch.isinf(network.normalise.median[INDEX[name]])))


def _example(lists: int, longest: int, spread: float, seed: int) -> dict[str, np.ndarray]:
    """Random inputs in the order of ``INPUTS``; the last list is half padding, the first user is new."""
    rng = np.random.default_rng(seed)
    mask = np.ones((lists, longest), np.float32)
    mask[-1, longest // 2 + 1 :] = 0
    weight = rng.normal(size=(lists, RECENT)).astype(np.float32)
    weight[0] = 0
    shape = (lists, longest, len(FEATURES))
    features = rng.lognormal(sigma=spread, size=shape) * rng.choice((-1, 1), shape)
    return {
        "features": np.clip(features, -LARGEST, LARGEST).astype(np.float32),
        "mask": mask,
        "candidates": rng.normal(size=(lists, longest, DIM)).astype(np.float32) / 8,
        "recent": rng.normal(size=(lists, RECENT, DIM)).astype(np.float32) / 8,
        "recent_weight": weight,
    }
