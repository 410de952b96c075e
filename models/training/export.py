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

from models.artifact import Artifact, Manifest, write
from models.ask import DIM
from models.errors import SessionError
from models.features import FEATURES, FEATURES_VERSION, INDEX, RECENT, SOURCES
from models.ranker import NAMES_FILE, SILENT
from models.session import Session, open_session
from models.training.network import Network, named

OPSET: Final = 17
TOLERANCE: Final = 1e-4
INPUTS: Final = ("features", "mask", "candidates", "recent", "recent_weight")


def export(network: Network, path: Path) -> None:
    """Write the network as ONNX with free batch and list lengths.

    The TorchScript exporter is used on purpose: ONNX Runtime fuses what it makes, not what dynamo makes.
    """
    example = tuple(torch.tensor(value) for value in _example(2, 5, seed=0).values())
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


def check(network: Network, session: Session) -> float:
    """Largest difference between the graph and torch on random lists; SessionError above ``TOLERANCE``."""
    worst = 0.0
    for seed, (lists, longest) in enumerate(((1, 1), (1, 100), (3, 17))):
        feeds = _example(lists, longest, seed)
        with torch.no_grad():
            wanted = network.eval()(*(torch.tensor(value) for value in feeds.values())).numpy()
        (found,) = session.run(feeds)
        worst = max(worst, float(np.abs(wanted - found).max() / max(1.0, float(np.abs(wanted).max()))))
    if not worst <= TOLERANCE:
        raise SessionError(
            f"The exported ranker differs from torch by {worst:.2g}, more than {TOLERANCE}.",
            "report it with the versions of torch and onnxruntime; the old artifact stays in place.",
        )
    return worst


def save(network: Network, out: Path, created_from: Mapping[str, str], figures: Mapping[str, float | str]) -> Artifact:
    """Export, check and write the artifact to ``out``; SessionError when the graph is not the network."""
    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder) / "model.onnx"
        export(network, graph)
        session = open_session(graph, "cpu")
        difference = check(network, session)
        manifest = Manifest(
            kind="ranker",
            name=named(network.hidden),
            created_from=dict(created_from),
            inputs=session.inputs,
            outputs=session.outputs,
            figures={**figures, SILENT: silent(network), "onnx_against_torch": float(f"{difference:.2g}")},
            licence="Apache-2.0",
            requires={"features": FEATURES_VERSION},
        )
        return write(out, manifest, {"model.onnx": graph, NAMES_FILE: msgspec.json.encode(FEATURES)})


def silent(network: Network) -> str:
    """The sources whose score never differed in training, comma separated."""
    return ",".join(name for name in SOURCES if bool(torch.isinf(network.normalise.median[INDEX[name]])))


def _example(lists: int, longest: int, seed: int) -> dict[str, np.ndarray]:
    """Random inputs in the order of ``INPUTS``; the last list is half padding, the first user is new."""
    rng = np.random.default_rng(seed)
    mask = np.ones((lists, longest), np.float32)
    mask[-1, longest // 2 + 1 :] = 0
    weight = rng.normal(size=(lists, RECENT)).astype(np.float32)
    weight[0] = 0
    return {
        "features": rng.lognormal(size=(lists, longest, len(FEATURES))).astype(np.float32),
        "mask": mask,
        "candidates": rng.normal(size=(lists, longest, DIM)).astype(np.float32) / 8,
        "recent": rng.normal(size=(lists, RECENT, DIM)).astype(np.float32) / 8,
        "recent_weight": weight,
    }
