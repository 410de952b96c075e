"""What exported graphs of every kind need after the exporter: their widths said, and half precision."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def say_widths(path: Path, widths: Sequence[int]) -> None:
    """Say in the graph at ``path`` how long each output's vectors are: the exporter leaves that open."""
    import onnx

    model = onnx.load(str(path))
    for output, width in zip(model.graph.output, widths, strict=True):
        output.type.tensor_type.shape.dim[1].dim_value = width
    onnx.save(model, str(path))


def halved(path: Path, target: Path) -> Path:
    """The graph at ``path`` in float16, meant for CUDA, written to ``target``; inputs and outputs stay as they are."""
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16  # type: ignore[import-untyped]

    onnx.save(convert_float_to_float16(onnx.load(str(path)), keep_io_types=True), str(target))
    return target
