"""What exported graphs of every kind need after the exporter: their widths said, and lower precisions."""

from __future__ import annotations

import logging
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


def quantised(path: Path, target: Path, operators: Sequence[str], left: Sequence[str] = (), *, columns: bool) -> Path:
    """The graph at ``path`` with int8 weights in its ``operators`` but for the nodes ``left``, written to ``target``.

    ``columns``: a scale a column instead of one a matrix.
    """
    from onnxruntime.quantization import quantize_dynamic  # type: ignore[import-untyped]

    before = logging.root.manager.disable
    logging.disable(logging.WARNING)  # it recommends a preparation that is for networks of convolutions
    try:
        quantize_dynamic(
            str(path),
            str(target),
            op_types_to_quantize=list(operators),
            nodes_to_exclude=list(left),
            per_channel=columns,
        )
    finally:
        logging.disable(before)
    return target
