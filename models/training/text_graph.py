"""From a tower to an ONNX file with free lengths, and that file at a lower precision."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import torch

from models.text.encoder import COMPACT, DIM
from models.training.checkpoint import Checkpoint
from models.training.graphs import halved, quantised, say_widths

if TYPE_CHECKING:
    import onnx

OPSET: Final = 17
TextPrecision = Literal["float32", "float16", "int8"]
#: Scope of the network's own nodes; what is outside are pooling and projections.
NETWORK: Final = "/network/"
#: What stays float32 in an int8 graph, tried in this order until its vectors are near enough.
LEFT: Final = ("nothing", "narrowing layers", "narrowing and widening layers", "all layers")


def export(tower: torch.nn.Module, checkpoint: Checkpoint, path: Path) -> None:
    """Write the tower as ONNX with free lengths (TorchScript exporter: ONNX Runtime fuses what it makes)."""

    tokens = checkpoint.tokens(["two texts", "of different length, one padded"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns that it will be removed one day
        torch.onnx.export(
            tower,
            (tokens["input_ids"], tokens["attention_mask"]),
            str(path),
            input_names=["input_ids", "attention_mask"],
            output_names=["vector", "compact"],
            dynamic_axes={
                "input_ids": {0: "batch", 1: "tokens"},
                "attention_mask": {0: "batch", 1: "tokens"},
                "vector": {0: "batch"},
                "compact": {0: "batch"},
            },
            opset_version=OPSET,
            dynamo=False,
        )
    say_widths(path, (DIM, COMPACT))


def lower(path: Path, precision: TextPrecision, left: str = LEFT[0]) -> Path:
    """The graph at the wanted precision: int8 weights (a scale a column) of the network, but for what is ``left``;
    or float16, meant for CUDA.

    Layers from many numbers to few take what the activation gave: its outliers are what 8 bits lose most on.
    """
    import onnx

    if precision == "float32":
        return path
    lowered = path.with_name(f"{precision}.onnx")
    if precision == "int8":
        model = onnx.load(str(path))
        kept = [node.name for node in model.graph.node if not node.name.startswith(NETWORK)] + _products(model, left)
        return quantised(path, lowered, ["MatMul", "Gather"], kept, columns=True)
    return halved(path, lowered)


def _products(model: onnx.ModelProto, left: str) -> list[str]:
    """Names of the products with a constant matrix that belong to what is ``left``."""
    shapes = {constant.name: tuple(constant.dims) for constant in model.graph.initializer}
    found = []
    for node in model.graph.node:
        shape = shapes.get(node.input[1], ()) if node.op_type == "MatMul" else ()
        if len(shape) == 2:
            given, made = shape
            kind = "narrowing" if given > made else "widening" if given < made else "square"
            if kind in left or left == LEFT[-1]:
                found.append(str(node.name))
    return found
