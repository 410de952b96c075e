"""Collecting the nodes and constants of a graph that is written by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import onnx
from onnx import helper, numpy_helper

#: The one of opset 17; every onnxruntime since 1.13 reads it.
IR_VERSION: Final = 8


class Graph:
    """Nodes and constants; ``add`` returns the name of what the node computes."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(
        self,
        op: str,
        *inputs: str,
        name: str | None = None,
        domain: str | None = None,
        **attributes: int | float | Sequence[int],
    ) -> str:
        """Add a node; ``name``: that of its output."""
        out = name or f"{op.lower()}_{len(self.nodes)}"
        node = helper.make_node(op, list(inputs), [out], domain=domain)
        node.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
        self.nodes.append(node)
        return out

    def constant(self, name: str, value: np.ndarray) -> str:
        """Add a constant; returns its name."""
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    @staticmethod
    def port(name: str, kind: int, *shape: str | int) -> onnx.ValueInfoProto:
        """An input or output: its name, TensorProto's number of its type, and its shape."""
        return helper.make_tensor_value_info(name, kind, shape)

    def serialised(
        self,
        name: str,
        inputs: Sequence[onnx.ValueInfoProto],
        outputs: Sequence[onnx.ValueInfoProto],
        opsets: Mapping[str, int],
    ) -> bytes:
        """The checked graph, the same bytes each time; ``opsets``: versions by domain."""
        model = helper.make_model(
            helper.make_graph(self.nodes, name, list(inputs), list(outputs), self.constants),
            opset_imports=[helper.make_opsetid(domain, version) for domain, version in opsets.items()],
            ir_version=IR_VERSION,
            producer_name="streamrank",
            producer_version="1",
        )
        onnx.checker.check_model(model)
        found: bytes = model.SerializeToString(deterministic=True)
        return found
