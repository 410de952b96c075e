"""The default encoder, built without torch: here from a tiny file of the wheel's format."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import cast

import msgspec
import numpy as np
import onnx
import onnxruntime as ort  # type: ignore[import-untyped]
import pytest

from models.base.arrays import Floats
from models.base.artifact import verify
from models.base.errors import ArtifactError
from models.text.e5_build import BEGINNINGS, REPORT, Report, build_e5, read_maps
from models.text.e5_graph import SHARE, Maps, Precision, e5_graph
from models.text.e5_wheel import WheelFile
from models.text.encoder import BESIDE, COMPACT, DIM, EncodedTexts, Encoder
from tests.support.e5_wheel import BOS, EOS, HEADS, INNER, LAYERS, PAD, PIECES, WIDTH, Written, install

PASSAGE, RED, TEA = 7, 4, 6
#: a passage and a query, with their marks
TEXTS = ([BOS, PASSAGE, RED, TEA, EOS], [BOS, RED, TEA, EOS])


@pytest.fixture(scope="module")
def written() -> Written:
    """Random weights, and the numbers that they stand for."""
    return Written()


@pytest.fixture(scope="module")
def maps() -> Maps:
    """Random ones."""
    rng = np.random.default_rng(3)
    found = (
        rng.normal(0, 0.1, WIDTH),
        rng.normal(0, 0.01, DIM),
        rng.normal(size=(DIM, DIM - WIDTH)),
        rng.normal(size=(DIM, COMPACT)),
    )
    return Maps(*(one.astype(np.float32) for one in found))


def save(maps: Maps, folder: Path, beside: str = "123456789abc") -> None:
    """The files of the maps, made for an encoder of a version."""
    for field in fields(maps):
        np.save(folder / f"{field.name}.npy", getattr(maps, field.name))
    (folder / REPORT).write_bytes(msgspec.json.encode(Report(beside, 6, {})))


class Other:
    """Another encoder, whose vectors say which texts they are of."""

    version = "123456789abc"

    def encode(self, texts: Sequence[str]) -> EncodedTexts:
        """Unit rows of random numbers drawn by each text."""
        rows = [np.random.default_rng(list(text.encode())).normal(size=DIM) for text in texts]
        return EncodedTexts(unit(np.array(rows, np.float32)), np.zeros((len(texts), COMPACT), np.float32))


OTHER: Encoder = cast(Encoder, Other())


def unit(rows: Floats) -> Floats:
    """Rows of length one."""
    scaled: Floats = rows / np.linalg.norm(rows, axis=-1, keepdims=True)
    return scaled


def normal(x: Floats, found: dict[str, Floats], name: str) -> Floats:
    """Layer normalisation with the file's gain and shift."""
    moved = x - x.mean(axis=-1, keepdims=True)
    scaled: Floats = moved / np.sqrt((moved**2).mean(axis=-1, keepdims=True) + 1e-5)
    return scaled * found[f"{name}.w"] + found[f"{name}.b"]


def vector_of(ids: list[int], found: dict[str, Floats], maps: Maps) -> Floats:
    """BERT written out in numpy: the vector (WIDTH,) of one text."""

    def dense(x: Floats, name: str) -> Floats:
        return x @ found[f"{name}.w"].T + found[f"{name}.b"]

    def heads(x: Floats) -> Floats:
        return x.reshape(len(ids), HEADS, -1).transpose(1, 0, 2)

    x = normal(found["emb.word"][ids] + found["emb.pos"][: len(ids)] + found["emb.type"], found, "emb.ln")
    for layer in (f"l{n}" for n in range(LAYERS)):
        query, key, value = (heads(dense(x, f"{layer}.{part}")) for part in "qkv")
        weights = np.exp(query @ key.transpose(0, 2, 1) / np.sqrt(WIDTH / HEADS))
        attended = (weights / weights.sum(axis=-1, keepdims=True)) @ value
        x = normal(
            x + dense(attended.transpose(1, 0, 2).reshape(len(ids), WIDTH), f"{layer}.ao"), found, f"{layer}.aln"
        )
        wide = dense(x, f"{layer}.fi")
        assert wide.shape == (len(ids), INNER)
        erf = np.vectorize(math.erf)(wide / np.sqrt(2))
        x = normal(x + dense(wide * (1 + erf) / 2, f"{layer}.fo"), found, f"{layer}.oln")
    return unit(unit(x.mean(axis=0)) - maps.centre)


def run(graph: bytes, ids: list[list[int]]) -> tuple[Floats, Floats]:
    """Both outputs for texts, padded."""
    most = max(map(len, ids))
    padded = np.array([[*one, *[PAD] * (most - len(one))] for one in ids], np.int64)
    mask = np.array([[n < len(one) for n in range(most)] for one in ids], np.int64)
    inputs = {
        "input_ids": padded,
        "attention_mask": mask,
        BESIDE: beside_rows(len(ids)),
    }
    vector, compact = ort.InferenceSession(graph).run(None, inputs)
    return vector, compact


def beside_rows(n: int) -> Floats:
    """What the other encoder says of n texts."""
    return unit(np.random.default_rng(5).normal(size=(n, DIM)).astype(np.float32))


@pytest.mark.parametrize(("precision", "least"), [("float32", 0.99999), ("int8", 0.99)])
def test_the_graph_computes_the_network(written: Written, maps: Maps, precision: Precision, least: float) -> None:
    """Vectors of a passage and of a query as numpy finds them, less the centre; the other encoder's behind them, which
    count so much less; both unit.
    """
    graph = e5_graph(WheelFile(written.file()), maps, precision)
    for ids in TEXTS:
        vector, compact = run(graph, [ids])
        assert vector.shape == (1, DIM)
        assert compact.shape == (1, COMPACT)
        other = unit(unit(beside_rows(1)[0] - maps.beside_centre) @ maps.beside)
        assert float(unit(vector[0, :WIDTH]) @ vector_of(ids, written.found, maps)) > least
        np.testing.assert_allclose(vector[0, WIDTH:], other * np.sqrt(SHARE / (1 + SHARE)), atol=1e-5)
        np.testing.assert_allclose(compact[0], unit(vector[0] @ maps.projection), atol=1e-5)


def test_padding_changes_nothing(written: Written, maps: Maps) -> None:
    """In float32 a short text beside a longer one has the vector that it has alone."""
    graph = e5_graph(WheelFile(written.file()), maps, "float32")
    together, _ = run(graph, list(TEXTS))
    alone, _ = run(graph, [TEXTS[1]])
    np.testing.assert_allclose(unit(together[1, :WIDTH]), unit(alone[0, :WIDTH]), atol=1e-5)


def test_weights_fill_seven_bits(written: Written, maps: Maps) -> None:
    """No weight is above 63: two products with an activation of 8 bits fit into 16 bits on every processor."""

    model = onnx.load_from_string(e5_graph(WheelFile(written.file()), maps))
    weights = [onnx.numpy_helper.to_array(t) for t in model.graph.initializer if t.name.endswith("_weight")]
    whole = [weight for weight in weights if weight.dtype == np.int8]
    assert len(whole) == 4 * LAYERS
    assert {int(np.abs(weight).max()) for weight in whole} == {63}


def test_the_artifact_reads_texts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: Written, maps: Maps
) -> None:
    """Built twice it is the same; opened it begins texts as the network wants them, and knows words."""
    monkeypatch.syspath_prepend(str(install(tmp_path / "site", written.file())))
    save(maps, tmp_path)
    built = [build_e5(tmp_path / name, maps=tmp_path) for name in ("one", "two")]
    assert built[0].version == built[1].version == verify(tmp_path / "one").version
    encoder = Encoder(tmp_path / "one", "cpu", beside=OTHER)
    colon = next(n for n, (piece, _score) in enumerate(PIECES) if piece == ":")
    assert encoder.token_ids(f"{BEGINNINGS.passage}red")[0].tolist() == [BOS, PASSAGE, colon, RED, EOS]
    query, passage = (encoder.encode(["red"], passages).vector[0] for passages in (False, True))
    assert float(query @ passage) < 0.9999
    by_words = encoder.encode(["red"], words=True).vector[0]
    assert not by_words[:WIDTH].any()
    assert float(by_words @ query) == pytest.approx(1, rel=1e-3)
    assert encoder.is_word("red")
    assert not encoder.is_word("green")


def test_it_opens_beside_the_encoder_that_it_was_made_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: Written, maps: Maps
) -> None:
    """Neither without one nor beside another, and it says which."""
    monkeypatch.syspath_prepend(str(install(tmp_path / "site", written.file())))
    save(maps, tmp_path, beside="000000000000")
    build_e5(tmp_path / "one", maps=tmp_path)
    for other in (None, OTHER):
        with pytest.raises(ArtifactError, match=r"requires\.intent-encoder.*000000000000"):
            Encoder(tmp_path / "one", "cpu", beside=other)


def test_what_is_missing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: Written, maps: Maps
) -> None:
    """A matrix of another shape, and a file without a tensor."""
    save(maps, tmp_path)
    np.save(tmp_path / "centre.npy", np.zeros(WIDTH + 1, np.float32))
    with pytest.raises(ArtifactError, match=r"centre.*models\.training\.e5_maps"):
        read_maps(WheelFile(written.file()), tmp_path)
    save(maps, tmp_path)
    raw = written.file().replace(b"l1.fo.b", b"l1.xx.b")
    monkeypatch.syspath_prepend(str(install(tmp_path / "site", raw)))
    with pytest.raises(ArtifactError, match=r"l1\.fo\.b.*0\.3\.0"):
        build_e5(tmp_path / "out", maps=tmp_path)
    assert not (tmp_path / "out").exists()
