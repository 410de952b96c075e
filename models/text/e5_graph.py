"""multilingual-e5-small as ONNX nodes, and the small encoder's vector beside it: unit vectors of 512 and 64.

::

    ids ─> 4-bit rows ─> e + position ─> normalise ─> layer ─> … ─> layer ─> mean over tokens, unit
                                                      ─> less what all texts share ─> unit ──────┐
    beside ─────────────> less what all texts share ─> unit ─> the 128 best directions ─> unit ──┴─> unit ─> compact

e5 knows sentences, the small encoder words: to e5, "cutlery" is nearest to "kettle". A cosine of two vectors is the
weighted mean of both. A layer is that of BERT: attention, then two dense maps, each with its skip, normalised after it.
What all texts share, the centre, is taken off: with it, e5's cosines lie between 0.7 and 1 (Mu and Viswanath,
"All-but-the-Top", 2018). Products count in whole numbers: activations in 8 bits with a scale for the text, weights in 7
bits with a scale for the column, so that sums of pairs fit into 16 bits and every processor finds the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from onnx import TensorProto, ValueInfoProto, helper

from models.base.arrays import Floats
from models.text.e5_wheel import WheelFile
from models.text.encoder import BESIDE, COMPACT, DIM, MAX_TOKENS
from models.text.onnx_graph import Graph

OPSET: Final = 18
MICROSOFT: Final = "com.microsoft"
Precision = Literal["float32", "int8"]
#: A weight's largest whole number: 7 bits and a sign.
LARGEST: Final = 63
#: How much the other encoder's cosine counts beside e5's: judged searches are best from .2 to .35 (decision 0033).
SHARE: Final = 0.3


@dataclass(frozen=True)
class Maps:
    """What is fitted on texts: ``centre`` (width,), what they share; ``beside_centre`` (512,) and ``beside``
    (512, 512 - width), the same and the best directions of the other encoder's vectors; ``projection`` (512, 64).
    """

    centre: Floats
    beside_centre: Floats
    beside: Floats
    projection: Floats


class _Graph(Graph):
    """With products at the wanted precision."""

    def __init__(self, precision: Precision) -> None:
        super().__init__()
        self.precision = precision

    def split(self, x: str, names: Sequence[str]) -> None:
        """Cut the last axis into equal parts."""
        self.nodes.append(helper.make_node("Split", [x], list(names), axis=-1, num_outputs=len(names)))

    def product(self, x: str, name: str, weight: Floats, bias: Floats | None = None) -> str:
        """``x`` (…, columns) times the transpose of ``weight`` (rows, columns), and a bias (rows,) added."""
        if self.precision == "float32":
            found = self.add("MatMul", x, self.constant(f"{name}_weight", weight.T))
            return found if bias is None else self.add("Add", found, self.constant(f"{name}_bias", bias))
        scale = np.maximum(np.abs(weight).max(axis=1), np.float32(1e-12)) / np.float32(LARGEST)
        whole = np.round(weight / scale[:, None]).astype(np.int8).T
        inputs = [x, self.constant(f"{name}_weight", whole), self.constant(f"{name}_scale", scale)]
        inputs.append(self.constant(f"{name}_zero", np.zeros(len(scale), np.int8)))
        if bias is not None:
            inputs.append(self.constant(f"{name}_bias", bias))
        return self.add("DynamicQuantizeMatMul", *inputs, domain=MICROSOFT)


def e5_graph(file: WheelFile, maps: Maps, precision: Precision = "int8") -> bytes:
    """The serialised graph.

    Inputs ``input_ids`` and ``attention_mask``, int64 (batch, tokens), and ``beside``, float32 (batch, 512); outputs
    ``vector`` (batch, 512) and ``compact`` (batch, 64), float32, rows of length one.
    """
    g = _Graph(precision)
    hidden = _embedded(g, file)
    padding = _padding(g)
    for layer in range(file.sizes.layers):
        hidden = _layer(g, file, layer, hidden, padding)
    vector = _joined(g, _mean(g, hidden, maps), _beside(g, maps))
    _unit(g, _compact(g, vector, maps), "compact")
    inputs = [g.port(name, TensorProto.INT64, "batch", "tokens") for name in ("input_ids", "attention_mask")]
    inputs.append(g.port(BESIDE, TensorProto.FLOAT, "batch", DIM))
    return g.serialised("multilingual-e5-small", inputs, _outputs(g), {"": OPSET, MICROSOFT: 1})


def words_graph(width: int, maps: Maps) -> bytes:
    """The serialised graph that reads texts by the other encoder alone; ``width``: how many numbers are e5's.

    Input ``beside`` and the outputs of ``e5_graph``. Rows are so long that the product of two texts, one read so and
    one by both, is the other encoder's cosine.
    """
    g = _Graph("float32")
    other = g.add("Mul", _beside(g, maps), g.constant("length", np.array(np.sqrt((1 + SHARE) / SHARE), np.float32)))
    nothing = g.constant("before", np.array([0, width, 0, 0], np.int64))
    vector = g.add("Pad", other, nothing, name="vector")
    length = g.add("ReduceL2", vector, g.constant("last_axis", np.array([-1], np.int64)))
    g.add("Mul", _unit(g, _compact(g, vector, maps)), length, name="compact")
    inputs = [g.port(BESIDE, TensorProto.FLOAT, "batch", DIM)]
    return g.serialised("by words", inputs, _outputs(g), {"": OPSET})


def _outputs(g: _Graph) -> list[ValueInfoProto]:
    return [g.port(name, TensorProto.FLOAT, "batch", size) for name, size in (("vector", DIM), ("compact", COMPACT))]


def _compact(g: _Graph, vector: str, maps: Maps) -> str:
    return g.add("MatMul", vector, g.constant("projection", maps.projection.astype(np.float32)))


def _embedded(g: _Graph, file: WheelFile) -> str:
    """Rows of the table, unpacked, with position and type added, normalised: (batch, tokens, width)."""
    width = file.sizes.width
    table = file.blocks("emb.word", file.sizes.words, width)
    stored = g.add("Gather", g.constant("table_bits", table.bits), "input_ids")
    low = g.add("BitwiseAnd", stored, g.constant("fifteen", np.array(15, np.uint8)))
    g.nodes.append(
        helper.make_node("BitShift", [stored, g.constant("four", np.array(4, np.uint8))], ["high"], direction="RIGHT")
    )
    whole = g.add("Cast", g.add("Concat", low, "high", axis=-1), to=TensorProto.FLOAT)
    scale = g.add("Gather", g.constant("table_scales", table.scales[..., None]), "input_ids")
    rows = g.add("Sub", whole, g.constant("eight", np.array(8, np.float32)))
    rows = g.add("Mul", rows, g.add("Cast", scale, to=TensorProto.FLOAT))
    words = g.add("Reshape", rows, g.constant("rows", np.array([0, 0, width], np.int64)))
    places = file.floats("emb.pos", file.sizes.positions, width) + file.floats("emb.type", width)
    length = g.add("Shape", "input_ids", start=1, end=2)
    zero = g.constant("zero", np.zeros(1, np.int64))
    position = g.add("Slice", g.constant("positions", places[:MAX_TOKENS]), zero, length, zero)
    norm = [g.constant(f"table_{kind}", file.floats(f"emb.ln.{kind[0]}", width)) for kind in ("weight", "bias")]
    return g.add("LayerNormalization", g.add("Add", words, position), *norm, axis=-1, epsilon=file.eps)


def _padding(g: _Graph) -> str:
    """Added to attention: 0 for a token, the lowest for padding; (batch, 1, tokens, tokens)."""
    mask = g.add("Cast", "attention_mask", name="mask", to=TensorProto.FLOAT)
    off = g.add("Sub", g.constant("one", np.ones((), np.float32)), mask)
    off = g.add("Mul", off, g.constant("lowest", np.array(-1e9, np.float32)))
    row = g.add("Unsqueeze", off, g.constant("inner_axes", np.array([1, 2], np.int64)))
    shape = g.add("Shape", "input_ids", start=1, end=2)
    ones = g.constant("ones", np.ones(1, np.int64))
    return g.add("Expand", row, g.add("Concat", ones, ones, shape, ones, axis=0))


def _layer(g: _Graph, file: WheelFile, layer: int, x: str, padding: str) -> str:
    """One layer of BERT over ``x`` (batch, tokens, width)."""
    width, inner, name = file.sizes.width, file.sizes.inner, f"l{layer}"

    def weight(part: str, rows: int, columns: int) -> Floats:
        return file.blocks(f"{name}.{part}.w", rows, columns).floats()

    def bias(part: str, rows: int = width) -> Floats:
        return file.floats(f"{name}.{part}.b", rows)

    def added(value: str, skip: str, part: str) -> str:
        norm = [g.constant(f"{name}_{part}_{kind}", file.floats(f"{name}.{part}.{kind}", width)) for kind in "wb"]
        return g.add("SkipLayerNormalization", value, skip, *norm, domain=MICROSOFT, epsilon=file.eps)

    joined = np.concatenate([weight(part, width, width) for part in "qkv"])
    parts = [f"{name}_{part}" for part in "qkv"]
    g.split(g.product(x, f"{name}_qkv", joined, np.concatenate([bias(part) for part in "qkv"])), parts)
    attended = g.add("MultiHeadAttention", *parts, "", "", padding, domain=MICROSOFT, num_heads=file.sizes.heads)
    x = added(g.product(attended, f"{name}_ao", weight("ao", width, width), bias("ao")), x, "aln")
    wide = g.product(x, f"{name}_fi", weight("fi", inner, width))
    wide = g.add("BiasGelu", wide, g.constant(f"{name}_fi_bias", bias("fi", inner)), domain=MICROSOFT)
    return added(g.product(wide, f"{name}_fo", weight("fo", width, inner), bias("fo")), x, "oln")


def _mean(g: _Graph, hidden: str, maps: Maps) -> str:
    """The mean over tokens at length one, less the centre, at length one again."""
    last, tokens = (g.constant(f"axis_{n}", np.array([n], np.int64)) for n in (-1, 1))
    total = g.add("ReduceSum", g.add("Mul", hidden, g.add("Unsqueeze", "mask", last)), tokens, keepdims=0)
    return _unit(g, g.add("Sub", _unit(g, total), g.constant("centre", maps.centre.astype(np.float32))))


def _beside(g: _Graph, maps: Maps) -> str:
    """The other encoder's vector in fewer dimensions, less its centre, at length one."""
    moved = _unit(g, g.add("Sub", BESIDE, g.constant("beside_centre", maps.beside_centre.astype(np.float32))))
    return _unit(g, g.add("MatMul", moved, g.constant("beside_map", maps.beside.astype(np.float32))))


def _joined(g: _Graph, own: str, other: str) -> str:
    """Both as one vector of length one."""
    weighted = g.add("Mul", other, g.constant("root", np.array(np.sqrt(SHARE), np.float32)))
    return _unit(g, g.add("Concat", own, weighted, axis=-1), "vector")


def _unit(g: _Graph, x: str, name: str | None = None) -> str:
    return g.add("LpNormalization", x, name=name, axis=-1, p=2)
