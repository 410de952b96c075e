"""A sentence encoder as its Hugging Face folder holds it: network, tokenizer, pooling, prefixes.

Taken: encoders with a ``last_hidden_state`` (BERT, RoBERTa, XLM-R, DistilBERT, MPNet, ELECTRA), their fast tokenizer,
``1_Pooling/config.json`` (mean or first token; mean without the file), the prompts of
``config_sentence_transformers.json``. Nothing is downloaded, no code of the folder is run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer
from transformers.utils import logging

from models.base.arrays import Floats
from models.base.errors import ArtifactError
from models.text.encoder import MAX_CHARACTERS, MAX_TOKENS, Prefixes
from models.text.words import normalise

Pooling = Literal["mean", "cls"]
KINDS: Final = ("bert", "camembert", "distilbert", "electra", "mpnet", "roberta", "xlm-roberta")
#: The modules of a sentence-transformers folder that are understood; any other changes the vectors.
MODULES: Final = ("Transformer", "Pooling", "Normalize")
POOLING: Final = "1_Pooling/config.json"
PROMPTS: Final = "config_sentence_transformers.json"
#: Names under which prompts of either kind are found.
QUERY_PROMPTS: Final = ("query", "search_query")
PASSAGE_PROMPTS: Final = ("passage", "document", "search_document")
REMEDY: Final = "name the folder of a sentence encoder, with all of its files."


@dataclass(frozen=True)
class Checkpoint:
    """``network`` gives ``last_hidden_state`` of ``width``; ``tokenizer`` is transformers' own, a fast one."""

    name: str
    network: Any
    tokenizer: Any
    pooling: Pooling
    prefixes: Prefixes
    width: int

    def tokens(self, texts: Sequence[str], passages: bool = False) -> dict[str, Tensor]:
        """Padded ``input_ids`` and ``attention_mask`` (n, tokens) of texts, prepared as serving prepares them."""
        prefix = self.prefixes.passage if passages else self.prefixes.query
        prepared = [prefix + normalise(text)[:MAX_CHARACTERS] for text in texts]
        found = self.tokenizer(prepared, padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
        return {name: found[name] for name in ("input_ids", "attention_mask")}

    def vectors(self, tokens: Mapping[str, Tensor]) -> Tensor:
        """Unit vectors (n, width) of tokens; with gradients where they are on."""
        hidden: Tensor = self.network(**tokens).last_hidden_state
        return pooled(hidden, tokens["attention_mask"], self.pooling)

    def encode(self, texts: Sequence[str], passages: bool = False, batch: int = 64) -> Floats:
        """Unit vectors (n, width) float32 of texts, by torch."""
        found = np.zeros((len(texts), self.width), np.float32)
        order = sorted(range(len(texts)), key=lambda n: len(texts[n]))  # little padding
        with torch.inference_mode():
            for start in range(0, len(order), batch):
                places = order[start : start + batch]
                found[places] = self.vectors(self.tokens([texts[n] for n in places], passages)).numpy()
        return found


def pooled(hidden: Tensor, mask: Tensor, pooling: Pooling) -> Tensor:
    """Unit vectors (n, width) of hidden states (n, tokens, width): the first token's, or the mean of all."""
    if pooling == "cls":
        return nn.functional.normalize(hidden[:, 0], dim=-1)
    weights = mask.unsqueeze(-1).to(hidden.dtype)
    return nn.functional.normalize((hidden * weights).sum(1) / weights.sum(1).clamp(min=1e-6), dim=-1)


def read_checkpoint(source: Path, query: str | None = None, passage: str | None = None) -> Checkpoint:
    """Open the folder ``source`` in float32; ``query`` and ``passage`` replace the folder's own prefixes.

    Raises ``ArtifactError`` naming the file or field that cannot be used.
    """
    kind = str(_json(source, "config.json").get("model_type"))
    if kind not in KINDS:
        raise ArtifactError(source, "model_type", f"one of {', '.join(KINDS)}", kind, REMEDY)
    network = _network(source, kind)
    own = _prompts(source)
    prefixes = Prefixes(own.query if query is None else query, own.passage if passage is None else passage)
    width = int(network.config.hidden_size)
    return Checkpoint(source.resolve().name, network, _tokenizer(source), _pooling(source), prefixes, width)


def be_quiet() -> None:
    """No reports of transformers' own: it would call a pooler missing that nobody uses, and draws bars over ours."""
    ours: Any = logging
    ours.set_verbosity_error()
    ours.disable_progress_bar()


def _network(source: Path, kind: str) -> Any:
    be_quiet()
    try:
        network, said = AutoModel.from_pretrained(
            source, attn_implementation="eager", local_files_only=True, dtype=torch.float32, output_loading_info=True,
            trust_remote_code=False,
        )  # fmt: skip
    except (OSError, ValueError, RuntimeError) as error:
        raise ArtifactError(source, "weights", f"those of a {kind} model", error, REMEDY) from error
    odd = [*map(str, said["missing_keys"]), *map(str, said["mismatched_keys"])]
    odd = sorted(name for name in odd if not name.startswith("pooler."))  # that layer is not used
    if odd:
        raise ArtifactError(source, "weights", "those of the whole model", f"none that fit {', '.join(odd)}", REMEDY)
    return network.eval()


def _tokenizer(source: Path) -> Any:
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise ArtifactError(source, "tokenizer", "a tokenizer.json", error, REMEDY) from error
    if not tokenizer.is_fast or tokenizer.pad_token_id is None:
        said = "a slow one" if not tokenizer.is_fast else "no padding token"
        raise ArtifactError(source, "tokenizer", "a fast tokenizer with a padding token", said, REMEDY)
    return tokenizer


def _pooling(source: Path) -> Pooling:
    """How the folder pools; raises ``ArtifactError`` on a way or a module that is not understood."""
    modules = source / "modules.json"
    if modules.is_file():
        types = [str(one.get("type")).rpartition(".")[2] for one in _decoded(modules, list[dict[str, Any]])]
        odd = [name for name in types if name not in MODULES]
        if odd:
            raise ArtifactError(source, "modules.json", f"only {', '.join(MODULES)}", ", ".join(odd), REMEDY)
    if not (source / POOLING).is_file():
        return "mean"
    config = _json(source, POOLING)
    ways = {name.removeprefix("pooling_mode_") for name, on in config.items() if on is True}
    ways.discard("include_prompt")
    ways |= {str(config["pooling_mode"])} if isinstance(config.get("pooling_mode"), str) else set()
    for way, name in (({"mean_tokens"}, "mean"), ({"mean"}, "mean"), ({"cls_token"}, "cls"), ({"cls"}, "cls")):
        if ways == way:
            return name  # type: ignore[return-value]
    remedy = "use a checkpoint that pools by the mean or by the first token."
    raise ArtifactError(source, POOLING, "mean_tokens or cls_token", ", ".join(sorted(ways)) or "none", remedy)


def _prompts(source: Path) -> Prefixes:
    if not (source / PROMPTS).is_file():
        return Prefixes()
    prompts = _json(source, PROMPTS).get("prompts") or {}
    if not isinstance(prompts, dict):
        raise ArtifactError(source, f"{PROMPTS} prompts", "texts by name", prompts, "correct the file.")
    query = next((str(prompts[name]) for name in QUERY_PROMPTS if name in prompts), "")
    return Prefixes(query, next((str(prompts[name]) for name in PASSAGE_PROMPTS if name in prompts), ""))


def _json(source: Path, name: str) -> dict[str, Any]:
    if not (source / name).is_file():
        raise ArtifactError(source, name, "a readable file", "none", REMEDY)
    found: dict[str, Any] = _decoded(source / name, dict[str, Any])
    return found


def _decoded(path: Path, kind: Any) -> Any:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except msgspec.DecodeError as error:
        raise ArtifactError(path.parent, path.name, "JSON", error, "copy the file again.") from error
