"""Collecting the nodes and constants of a graph that is written by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import helper, numpy_helper


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
