"""Encoders from checkpoints, on tiny models with random weights made here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.base.artifact import verify
from models.base.errors import ArtifactError, ModelError, SessionError
from models.text.encoder import COMPACT, DIM, Encoder

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

WORDS = ["red", "dress", "milk", "whole", "tea", "green", "phone", "case", "usb", "cable", "black", "white", "手", "机"]
TEXTS = ["red dress", "whole milk", "green tea", "phone case black", "usb cable", "手机", "white dress", "milk tea"]
GIVEN = {"titles": TEXTS * 20, "queries": [f"{one} {two}" for one in WORDS for two in WORDS[:6]]}


def folder(path: Path, kind: str = "bert", width: int = 48, seed: int = 0) -> Path:
    """A tiny checkpoint with a tokenizer of whole words, as transformers saves them."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    torch.manual_seed(seed)
    marks = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "query", "passage", ":"]
    words = {word: n for n, word in enumerate([*marks, *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(words, "[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    ends = [("[CLS]", 2), ("[SEP]", 3)]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    tokenizer.enable_padding(length=32)  # what a folder was trained with must not reach serving
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(path)
    sizes: dict[str, Any] = {"vocab_size": len(words), "pad_token_id": 0, "initializer_range": 0.3}
    if kind == "distilbert":
        config = transformers.DistilBertConfig(dim=width, n_layers=2, n_heads=4, hidden_dim=2 * width, **sizes)
        model = transformers.DistilBertModel(config)
    else:
        sizes |= {"hidden_size": width, "num_hidden_layers": 2, "num_attention_heads": 4}
        sizes |= {"intermediate_size": 2 * width, "max_position_embeddings": 80}
        roberta = kind == "xlm-roberta"
        config = transformers.XLMRobertaConfig(**sizes) if roberta else transformers.BertConfig(**sizes)
        model = (transformers.XLMRobertaModel if roberta else transformers.BertModel)(config, add_pooling_layer=False)
    model.eval().save_pretrained(path)
    return path


def put(path: Path, name: str, content: object) -> None:
    """A JSON file of a folder."""
    (path / name).parent.mkdir(exist_ok=True)
    (path / name).write_text(json.dumps(content))


def build(source: Path, out: Path, precision: Any = "float32", **options: Any) -> Encoder:
    """The artifact built and opened."""
    from models.training.checkpoint import read_checkpoint
    from models.training.text_encoder import build_text_encoder

    build_text_encoder(read_checkpoint(source, **options), out, precision, GIVEN)
    return Encoder(verify(out).path, "cpu")


def by_transformers(source: Path, texts: list[str], cls: bool = False) -> np.ndarray:
    """Unit vectors as the folder's own network gives them, one text at a time, without any of our code."""
    model = transformers.AutoModel.from_pretrained(source).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(source)
    rows = []
    for text in texts:
        tokens = tokenizer(text, return_tensors="pt", padding=False)
        with torch.no_grad():
            hidden = model(input_ids=tokens["input_ids"]).last_hidden_state[0].numpy()
        row = hidden[0] if cls else hidden.mean(axis=0)
        rows.append(row / np.linalg.norm(row))
    return np.array(rows)


@pytest.mark.parametrize("kind", ["bert", "xlm-roberta", "distilbert"])
def test_the_exported_encoder_gives_transformers_vectors(tmp_path: Path, kind: str) -> None:
    """A narrow one is padded with zeros: the same numbers; equal bytes whatever the order; 64 numbers beside."""
    source = folder(tmp_path / "model", kind)
    encoder = build(source, tmp_path / "out")
    found = encoder.encode(TEXTS)
    assert found.vector.shape == (len(TEXTS), DIM)
    assert found.compact.shape == (len(TEXTS), COMPACT)
    np.testing.assert_allclose(found.vector[:, :48], by_transformers(source, TEXTS), atol=1e-4)
    assert not found.vector[:, 48:].any()
    np.testing.assert_allclose(np.linalg.norm(found.compact, axis=1), 1, atol=1e-5)
    again = Encoder(tmp_path / "out", "cpu", cache=1).encode(TEXTS[::-1]).vector[::-1]
    assert again.tobytes() == found.vector.tobytes()
    assert not encoder.encode([" "]).vector.any()


def test_a_wide_encoder_is_projected_so_that_cosines_stay(tmp_path: Path) -> None:
    """640 numbers become 512; cosines of texts like those that were fitted on stay within a hundredth."""
    source = folder(tmp_path / "model", width=640)
    found = build(source, tmp_path / "out").encode(TEXTS).vector
    wanted = by_transformers(source, TEXTS)
    assert found.shape == (len(TEXTS), DIM)
    np.testing.assert_allclose(found @ found.T, wanted @ wanted.T, atol=0.01)


@pytest.mark.parametrize("precision", ["int8", "float16"])
def test_smaller_graphs_stay_near(tmp_path: Path, precision: str) -> None:
    """The cosine of every checked text is at least .99, the manifest tells the least, and the file is smaller."""
    source = folder(tmp_path / "model", width=96)
    built, whole = build(source, tmp_path / "out", precision), build(source, tmp_path / "whole")
    cosines = (built.encode(TEXTS).vector * whole.encode(TEXTS).vector).sum(axis=1)
    assert cosines.min() >= 0.99
    figures = verify(tmp_path / "out").manifest.figures
    assert 0.99 <= float(figures["least_cosine_with_transformers"]) <= 1
    assert (tmp_path / "out" / "model.onnx").stat().st_size < (tmp_path / "whole" / "model.onnx").stat().st_size


def test_pooling_and_prefixes_are_those_of_the_folder(tmp_path: Path) -> None:
    """The first token instead of the mean; a query and an item's text begin differently; options come first."""
    source = folder(tmp_path / "model")
    put(source, "1_Pooling/config.json", {"word_embedding_dimension": 48, "pooling_mode_cls_token": True})
    put(source, "config_sentence_transformers.json", {"prompts": {"query": "query: ", "document": "passage: "}})
    encoder = build(source, tmp_path / "out")
    wanted = by_transformers(source, ["query: red dress", "passage: red dress"], cls=True)
    found = [encoder.encode(["red dress"]).vector[0], encoder.encode(["red dress"], passages=True).vector[0]]
    np.testing.assert_allclose(np.array(found)[:, :48], wanted, atol=1e-4)
    plain = build(source, tmp_path / "plain", query="", passage="")
    np.testing.assert_allclose(
        plain.encode(["red dress"]).vector[:, :48], by_transformers(source, ["red dress"], cls=True), atol=1e-4
    )


def test_a_whole_word_of_the_tokenizer_is_a_word(tmp_path: Path) -> None:
    """Spelling correction leaves it alone; what the tokenizer does not know is none."""
    encoder = build(folder(tmp_path / "model"), tmp_path / "out")
    assert [encoder.is_word(word) for word in ("milk", "milc", "red dress")] == [True, False, False]
    assert encoder.token_ids("milk " * 500).shape == (1, 64)


def test_an_artifact_that_differs_from_transformers_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check compares with the folder's own network: a graph of other weights is refused."""
    from models.training import text_encoder, text_graph
    from models.training.checkpoint import read_checkpoint

    def other(tower: Any, checkpoint: Any, path: Path) -> None:
        wrong = read_checkpoint(folder(tmp_path / "other", seed=1))
        text_graph.export(text_encoder.TextTower(wrong, None, tower.small.numpy()).eval(), checkpoint, path)

    monkeypatch.setattr(text_encoder, "export", other)
    with pytest.raises(SessionError, match=r"agrees with transformers to a cosine of -?0\.\d+; expected 0\.999"):
        build(folder(tmp_path / "model"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_used_says_why(tmp_path: Path) -> None:
    """No folder, another kind of model, a dense layer on top, an unknown pooling, missing weights."""
    from models.training.checkpoint import read_checkpoint

    with pytest.raises(ArtifactError, match=r"config\.json"):
        read_checkpoint(tmp_path / "none")
    source = folder(tmp_path / "model")
    put(source, "1_Pooling/config.json", {"pooling_mode_max_tokens": True})
    with pytest.raises(ArtifactError, match="found max_tokens"):
        read_checkpoint(source)
    put(source, "modules.json", [{"type": "sentence_transformers.models.Dense"}])
    with pytest.raises(ArtifactError, match="found Dense"):
        read_checkpoint(source)
    put(source, "config.json", {**json.loads((source / "config.json").read_text()), "num_hidden_layers": 3})
    with pytest.raises(ArtifactError, match=r"weights: expected those of the whole model.*layer\.2"):
        read_checkpoint(source)
    put(source, "config.json", {"model_type": "gpt2"})
    with pytest.raises(ArtifactError, match="model_type: expected one of bert"):
        read_checkpoint(source)


def test_fine_tuning_brings_queries_to_what_was_chosen(tmp_path: Path) -> None:
    """Words that say nothing of the title are learnt; the same pairs give the same weights; few pairs are refused."""
    from models.training.checkpoint import read_checkpoint
    from models.training.finetune import TextPairs, finetune

    source = folder(tmp_path / "model")
    titles = ["red dress", "whole milk", "green tea", "usb cable"]
    asked = {0: "phone", 1: "case", 2: "手", 3: "black"}
    ends = [f"{one} {two}" for one in WORDS[:5] for two in WORDS[5:9]]
    pairs = [(f"{asked[item]} {end}", item) for end in ends for item in asked]
    pairs += [(f"{asked[item]} white", item) for item in asked]
    known = TextPairs([text for text, _ in pairs], [item for _, item in pairs], titles)
    shares: list[float] = []
    checkpoint, again = read_checkpoint(source), read_checkpoint(source)
    judged = finetune(checkpoint, known, epochs=12, rate=2e-3, progress=shares.append)
    figures = judged.figures()
    assert float(figures["finetune_map5_all_after"]) > float(figures["finetune_map5_all_before"]) + 0.15
    assert judged.unseen.all()
    assert shares == sorted(shares)
    assert shares[-1] == 1
    finetune(again, known, epochs=12, rate=2e-3)
    assert checkpoint.encode(titles).tobytes() == again.encode(titles).tobytes()
    with pytest.raises(ModelError, match="8 distinct pairs"):
        finetune(checkpoint, TextPairs(known.queries[:9], known.items[:9], titles))


def test_other_titles_of_the_same_query_are_no_negatives() -> None:
    """Masked, they leave the loss as it would be without them; each pair's own title is never masked."""
    from models.training.finetune import contrast

    rows = torch.nn.functional.normalize(torch.tensor([[1.0, 0.2], [1.0, 0.0], [0.0, 1.0]]), dim=-1)
    own = torch.eye(3, dtype=torch.bool)
    same = own.clone()
    same[0, 1] = same[1, 0] = True
    assert contrast(rows, rows, same) < contrast(rows, rows, own)
    assert torch.isfinite(contrast(rows, rows, torch.ones(3, 3, dtype=torch.bool)))
