"""An artifact is written in one step, verified to its bytes, and its errors say what to do."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from models.base import artifact as artifacts
from models.base.artifact import Artifact, Manifest
from models.base.errors import ArtifactError, ModelError
from models.base.onnx_session import Port


def tiny_graph(factor: float = 2.0) -> bytes:
    """A graph y = factor x over rows of three."""
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "factor"], ["y"])],
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 3])],
        [numpy_helper.from_array(np.array([factor], np.float32), "factor")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    serialised: bytes = model.SerializeToString()
    return serialised


def tiny_manifest(width: int = 3, requires: dict[str, str] | None = None) -> Manifest:
    """The manifest of ``tiny_graph``, with ``width`` columns claimed."""
    return Manifest(
        kind="ranker",
        name="tiny",
        created_from={"data": "none"},
        inputs=(Port("x", ("batch", 3), "float32"),),
        outputs=(Port("y", ("batch", width), "float32"),),
        figures={"ndcg": 0.5},
        licence="Apache-2.0",
        requires=requires or {},
    )


def test_what_was_written_is_read_back_and_verifies(tmp_path: Path) -> None:
    """Every field of the manifest survives, and the version is that of the files."""
    written = artifacts.write(tmp_path / "a", tiny_manifest(), {"model.onnx": tiny_graph(), "x/y.txt": b"z"})
    read = artifacts.verify(tmp_path / "a")
    assert read.manifest == written.manifest
    assert read.version == artifacts.version_of(read.manifest.files) != ""
    assert read.file("x/y.txt").read_bytes() == b"z"
    assert read.manifest.figures == {"ndcg": 0.5}


def test_the_same_bytes_are_the_same_version_and_other_bytes_another(tmp_path: Path) -> None:
    """A version names contents, whatever the folder or the figures."""
    one = artifacts.write(tmp_path / "a", tiny_manifest(), {"model.onnx": tiny_graph()})
    same = artifacts.write(
        tmp_path / "b", msgspec.structs.replace(tiny_manifest(), figures={}), {"model.onnx": tiny_graph()}
    )
    other = artifacts.write(tmp_path / "c", tiny_manifest(), {"model.onnx": tiny_graph(3.0)})
    assert one.version == same.version != other.version


def test_a_changed_byte_is_found(tmp_path: Path) -> None:
    """A flipped byte of the same length fails on its SHA-256, and names the file."""
    artifacts.write(tmp_path / "a", tiny_manifest(), {"model.onnx": tiny_graph(), "extra": b"one"})
    (tmp_path / "a" / "extra").write_bytes(b"two")
    with pytest.raises(ArtifactError, match=r"extra sha256: expected [0-9a-f]{64}, found .*Operator action: "):
        artifacts.verify(tmp_path / "a")


@pytest.mark.parametrize("content", [None, b"short"])
def test_a_missing_or_shorter_file_is_found_on_load(tmp_path: Path, content: bytes | None) -> None:
    """Loading alone sees that a file is not there or has another size."""
    artifacts.write(tmp_path / "a", tiny_manifest(), {"model.onnx": tiny_graph()})
    (tmp_path / "a" / "model.onnx").unlink()
    if content is not None:
        (tmp_path / "a" / "model.onnx").write_bytes(content)
    with pytest.raises(ArtifactError) as caught:
        Artifact.load(tmp_path / "a")
    assert caught.value.field == "model.onnx"
    assert caught.value.found == ("no file" if content is None else "5 bytes")


def test_a_shape_that_the_graph_does_not_have_is_found(tmp_path: Path) -> None:
    """A manifest that promises four columns of a graph with three does not verify."""
    artifacts.write(tmp_path / "a", tiny_manifest(width=4), {"model.onnx": tiny_graph()})
    with pytest.raises(ArtifactError, match=r"outputs: expected y \['batch', 4\] .* found y \['batch', 3\]"):
        artifacts.verify(tmp_path / "a")


def test_a_graph_that_is_no_onnx_is_found(tmp_path: Path) -> None:
    """Right hashes of a wrong file do not help."""
    artifacts.write(tmp_path / "a", tiny_manifest(), {"model.onnx": b"not a graph"})
    with pytest.raises(ArtifactError, match="an ONNX graph"):
        artifacts.verify(tmp_path / "a")


@pytest.mark.parametrize("content", [b"{", b'{"kind":"poem"}'])
def test_a_broken_manifest_is_found(tmp_path: Path, content: bytes) -> None:
    """Neither half a JSON document nor an unknown kind is read as a manifest."""
    (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(ArtifactError, match=r"manifest\.json: expected a manifest"):
        Artifact.load(tmp_path)
    assert artifacts.current_version(tmp_path) is None


@pytest.mark.parametrize(("folder", "kind"), [("encoder", "encoder"), ("mine", "KIND")])
def test_a_missing_artifact_is_told_with_the_command_that_builds_it(tmp_path: Path, folder: str, kind: str) -> None:
    """Workers' folders have the names of their kinds; of another folder nothing is known."""
    with pytest.raises(ArtifactError, match=f"`streamrank artifact build {kind}`"):
        Artifact.load(tmp_path / folder)


def test_a_version_by_hand_is_found(tmp_path: Path) -> None:
    """A manifest whose version is not that of its files does not verify."""
    artifacts.write(tmp_path / "a", tiny_manifest(), {"model.onnx": tiny_graph()})
    path = tmp_path / "a" / "manifest.json"
    manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(manifest, version="0" * 12)))
    with pytest.raises(ArtifactError, match="version"):
        artifacts.verify(tmp_path / "a")


def test_the_current_version_follows_a_swap_and_a_removal(tmp_path: Path) -> None:
    """What a running worker polls changes with the folder, and nothing is left beside it."""
    path = tmp_path / "a"
    assert artifacts.current_version(path) is None
    first = artifacts.write(path, tiny_manifest(), {"model.onnx": tiny_graph()})
    assert artifacts.current_version(path) == first.version
    second = artifacts.write(path, tiny_manifest(), {"model.onnx": tiny_graph(3.0)})
    assert artifacts.current_version(path) == second.version != first.version
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]


def test_a_failed_write_leaves_the_old_artifact(tmp_path: Path) -> None:
    """A file that cannot be copied stops the write before anything is swapped."""
    path = tmp_path / "a"
    first = artifacts.write(path, tiny_manifest(), {"model.onnx": tiny_graph()})
    with pytest.raises(FileNotFoundError):
        artifacts.write(path, tiny_manifest(), {"model.onnx": tmp_path / "nowhere"})
    assert artifacts.verify(path).version == first.version
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]


def test_an_artifact_made_for_another_encoder_is_refused(tmp_path: Path) -> None:
    """``require`` passes on the named version and on kinds it does not name, and names both otherwise."""
    made = artifacts.write(tmp_path / "a", tiny_manifest(requires={"encoder": "aa"}), {"model.onnx": tiny_graph()})
    made.require("encoder", "aa")
    made.require("intent", "bb")
    with pytest.raises(ArtifactError, match=r"requires\.encoder: expected aa, found bb") as caught:
        made.require("encoder", "bb")
    assert isinstance(caught.value, ModelError)
    assert caught.value.retriable is False
