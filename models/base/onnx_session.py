"""ONNX Runtime sessions, opened in one way: deterministic, one thread, and honest about the device."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import onnxruntime as ort  # type: ignore[import-untyped]

from models.base.errors import SessionError

Device = Literal["auto", "cpu", "cuda"]
DEVICES: tuple[Device, ...] = ("auto", "cpu", "cuda")
CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
#: TF32 would make the answers of two GPU generations differ in the third digit.
CUDA_OPTIONS = {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"}


class Port(msgspec.Struct, frozen=True):
    """One input or output of a graph: its name, shape (a string is a free dimension) and numpy dtype."""

    name: str
    shape: tuple[int | str, ...]
    dtype: str


@dataclass(frozen=True, slots=True)
class OnnxSession:
    """An open graph. ``provider`` is the one in use; ``warning`` is empty unless it ``fell_back``."""

    path: str
    provider: str
    fell_back: bool
    warning: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    _inner: ort.InferenceSession

    def run(self, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """Compute every output, in the order of ``outputs``.

        Raises ``SessionError`` when ONNX Runtime rejects the input (name, dtype or shape).
        """
        try:
            return list(self._inner.run(None, dict(feeds)))
        except Exception as error:
            shapes = {name: (value.shape, str(value.dtype)) for name, value in feeds.items()}
            raise SessionError(
                f"{self.path} rejected {shapes}; it takes {self.inputs}: {error}",
                "rebuild the artifact with `streamrank artifact build`, or report this input.",
            ) from error


def open_session(path: Path | str, device: Device = "auto", threads: int = 1) -> OnnxSession:
    """Open an ONNX file on ``device``: "cpu", "cuda", or "auto" (CUDA when wheel and driver have it).

    Falls back to the CPU, with ``fell_back`` and a ``warning``, when CUDA was asked for, or when the
    installed wheel has CUDA and it could not start. Raises ``SessionError`` when the file does not open
    or ``device`` is unknown. ``threads`` above 1 is for offline use.
    """
    if device not in DEVICES:
        raise SessionError(f"device is {device!r}, not one of {', '.join(DEVICES)}.", "correct the setting.")
    in_wheel = CUDA in ort.get_available_providers()
    wanted = device != "cpu" and in_wheel
    said = _load_cuda_libraries() if wanted else ""
    providers: list[object] = [(CUDA, CUDA_OPTIONS), CPU] if wanted else [CPU]
    try:
        inner = ort.InferenceSession(str(path), _options(threads), providers=providers)
    except Exception as error:
        raise SessionError(
            f"{path} does not open in ONNX Runtime {ort.__version__}: {error}",
            "check the artifact with `streamrank artifact verify`, then rebuild it.",
        ) from error
    provider: str = inner.get_providers()[0]
    fell_back = provider != CUDA and (device == "cuda" or wanted)
    return OnnxSession(
        path=str(path),
        provider=provider,
        fell_back=fell_back,
        warning=_why(in_wheel, said) if fell_back else "",
        inputs=tuple(_port(node) for node in inner.get_inputs()),
        outputs=tuple(_port(node) for node in inner.get_outputs()),
        _inner=inner,
    )


def _options(threads: int) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.use_deterministic_compute = True
    # Errors only: the fallback to the CPU is ours to report, once and with its remedy.
    options.log_severity_level = 3
    # A spinning pool takes a core from the ingest loop between two queries.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _load_cuda_libraries() -> str:
    """Let ONNX Runtime find CUDA and cuDNN in NVIDIA's wheels; returns what it printed about it."""
    preload = getattr(ort, "preload_dlls", None)
    if preload is None:
        return ""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        preload()
    return said.getvalue().strip()


def _why(in_wheel: bool, said: str) -> str:
    if not in_wheel:
        return (
            "CUDA was asked for, but the installed onnxruntime has no CUDA provider; the CPU is used. "
            "Operator action: install the extra `gpu` instead of `cpu`, or set the device to cpu."
        )
    detail = f" ({' '.join(said.split())[:300]})" if said else ""
    return (
        f"onnxruntime-gpu {ort.__version__} could not start CUDA{detail}; the CPU is used. Operator action: "
        "check `nvidia-smi`, CUDA and cuDNN versions, or set the device to cpu."
    )


_DTYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(uint8)": "uint8",
    "tensor(bool)": "bool",
}


def _port(node: ort.NodeArg) -> Port:
    shape: Sequence[int | str | None] = node.shape
    return Port(node.name, tuple("?" if d is None else d for d in shape), _DTYPES.get(node.type, node.type))
