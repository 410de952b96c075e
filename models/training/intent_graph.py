"""The intent head as an ONNX graph: hidden layers of several networks side by side, softmax at the end."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from models.text.encoder import DIM
from models.text.encoder_graph import OPSET
from models.text.onnx_graph import IR_VERSION


def intent_graph(networks: Sequence[tuple[np.ndarray, ...]], scale: float, temperature: float) -> bytes:
    """Serialise networks of (weight (h, 512), bias (h,), weight (6, h), bias (6,)) as their mean.

    ``scale`` multiplies the input and ``temperature`` divides the logits; both are folded into the weights.
    Input ``vector`` (batch, 512), output ``probabilities`` (batch, 6), float32.
    """
    share = 1.0 / (len(networks) * temperature)
    first = np.concatenate([weight.T * scale for weight, _, _, _ in networks], axis=1)
    constants = {
        "first_f16": first.astype(np.float16),
        "first_bias": np.concatenate([bias for _, bias, _, _ in networks]).astype(np.float32),
        "second": (np.concatenate([weight.T for _, _, weight, _ in networks]) * share).astype(np.float32),
        "second_bias": (np.sum([bias for _, _, _, bias in networks], axis=0) * share).astype(np.float32),
    }
    nodes = [
        helper.make_node("Cast", ["first_f16"], ["first"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["vector", "first"], ["linear"]),
        helper.make_node("Add", ["linear", "first_bias"], ["shifted"]),
        helper.make_node("Relu", ["shifted"], ["hidden"]),
        helper.make_node("MatMul", ["hidden", "second"], ["mixed"]),
        helper.make_node("Add", ["mixed", "second_bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=-1),
    ]
    classes = constants["second_bias"].shape[0]
    graph = helper.make_graph(
        nodes,
        "intent",
        [helper.make_tensor_value_info("vector", TensorProto.FLOAT, ["batch", DIM])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", classes])],
        [numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in constants.items()],
    )
    opset = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION, producer_name="streamrank")
    onnx.checker.check_model(model)
    serialised: bytes = model.SerializeToString(deterministic=True)
    return serialised
