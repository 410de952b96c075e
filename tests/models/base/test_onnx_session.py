"""Sessions open in one way, and say so when CUDA was asked for and is not there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime  # type: ignore[import-untyped]
import pytest
from onnx import TensorProto, helper

from models.base.errors import SessionError
from models.base.onnx_session import CPU, CUDA, Device, Port, open_session


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    """A graph y = x + x on disk."""
    made = helper.make_graph(
        [helper.make_node("Add", ["x", "x"], ["y"])],
        "double",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 2])],
    )
    path = tmp_path / "double.onnx"
    path.write_bytes(
        helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    )
    return path


def test_a_session_computes_and_describes_itself(graph: Path) -> None:
    """Inputs, outputs and provider are those of the open graph."""
    session = open_session(graph, device="cpu")
    assert session.inputs == (Port("x", ("batch", 2), "float32"),)
    assert session.outputs == (Port("y", ("batch", 2), "float32"),)
    assert (session.provider, session.fell_back, session.warning) == (CPU, False, "")
    assert session.run({"x": np.ones((1, 2), np.float32)})[0].tolist() == [[2.0, 2.0]]


def test_cuda_is_used_or_its_absence_is_told(graph: Path) -> None:
    """Asking for CUDA gives CUDA, or the CPU with a warning that ends in what to do."""
    session = open_session(graph, device="cuda")
    assert session.fell_back == (session.provider != CUDA)
    assert ("Operator action: " in session.warning) == session.fell_back
    assert session.run({"x": np.ones((1, 2), np.float32)})[0].tolist() == [[2.0, 2.0]]


def test_a_cuda_wheel_that_cannot_start_cuda_is_told_even_when_not_asked(
    graph: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With "auto", a wheel that lists CUDA and runs on the CPU has fallen back; a CPU wheel has not."""
    device: Device = "auto"
    if CUDA in onnxruntime.get_available_providers():
        pytest.skip("this wheel has CUDA: the fallback is not to be had here")
    assert open_session(graph, device).fell_back is False
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr("models.base.onnx_session.CUDA_OPTIONS", {})
    with pytest.warns(UserWarning, match="CUDAExecutionProvider"):
        session = open_session(graph, device)
    assert session.fell_back
    assert session.provider == CPU
    assert "nvidia-smi" in session.warning


def test_an_unknown_device_is_refused_with_the_known_ones(graph: Path) -> None:
    """A misspelt setting names itself and its choices."""
    with pytest.raises(SessionError, match="device is 'gpu', not one of auto, cpu, cuda"):
        open_session(graph, device="gpu")  # type: ignore[arg-type]


def test_a_file_that_does_not_open_is_named(tmp_path: Path) -> None:
    """The error holds the path and what to do."""
    (tmp_path / "no.onnx").write_bytes(b"no graph")
    with pytest.raises(SessionError, match=r"no\.onnx does not open .*Operator action: "):
        open_session(tmp_path / "no.onnx")


def test_a_wrong_input_names_what_was_given_and_what_is_taken(graph: Path) -> None:
    """A wrong width is a ``SessionError``, not a bare ONNX Runtime exception."""
    with pytest.raises(SessionError, match=r"rejected \{'x': \(\(1, 3\)"):
        open_session(graph, "cpu").run({"x": np.ones((1, 3), np.float32)})
