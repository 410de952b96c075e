"""The shipped intent head is right often enough, says when it is not sure, and fits its encoder."""

from __future__ import annotations

import csv
import shutil
from collections import Counter
from pathlib import Path

import msgspec
import numpy as np
import pytest

from models.base import artifact as artifacts
from models.base.errors import ArtifactError
from models.base.paths import DATA
from models.text.encoder import Encoder
from models.text.intent import HEAD, INTENTS, UNKNOWN, IntentHead, IntentModel
from models.text.words import normalise

LANGUAGES = ("en", "zh")


@pytest.fixture(scope="module")
def model(intent_path: Path, encoder: Encoder) -> IntentModel:
    """The shipped head on the built encoder."""
    return IntentModel(intent_path, encoder.version)


def _rows(name: str) -> list[dict[str, str]]:
    with (DATA / "intent" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _trigrams(text: str) -> set[str]:
    marked = f"^{normalise(text)}$"
    return {marked[i : i + 3] for i in range(max(1, len(marked) - 2))}


def test_the_set_has_80_texts_of_each_class_and_language_and_a_fifth_to_test() -> None:
    """Both files together hold enough of every class and language, and each class is tested."""
    train, test = _rows("train"), _rows("test")
    every = Counter((row["intent"], row["language"]) for row in train + test)
    judged = Counter((row["intent"], row["language"]) for row in test)
    for key in ((intent, language) for intent in INTENTS for language in LANGUAGES):
        assert every[key] >= 80
        assert judged[key] >= 30


def test_no_text_is_labelled_twice_or_nearly_repeated_in_the_test() -> None:
    """Texts are distinct once folded, and no test text shares half its trigrams with a training text."""
    train, test = _rows("train"), _rows("test")
    folded = Counter(normalise(row["text"]) for row in train + test)
    assert [text for text, count in folded.items() if count > 1] == []
    seen = [(row["text"], _trigrams(row["text"])) for row in train]
    for row in test:
        own = _trigrams(row["text"])
        near = [text for text, other in seen if 2 * len(own & other) >= len(own | other)]
        assert near == [], row["text"]


def test_the_shipped_head_is_right_on_the_test_fifth(model: IntentModel, encoder: Encoder) -> None:
    """At least .945 with ``unknown`` as wrong, .85 in each class and language, as its manifest says."""
    rows = _rows("test")
    encoded = encoder.encode([row["text"] for row in rows])
    texts = [row["text"] for row in rows]
    best = model.probabilities(encoded.vector, texts).argmax(axis=1)
    said = [intent.label for intent in model.predict(encoded.vector, texts)]
    right = np.array([INTENTS[i] == row["intent"] for i, row in zip(best, rows, strict=True)])
    kept = np.array([label == row["intent"] for label, row in zip(said, rows, strict=True)])
    assert kept.mean() >= 0.945
    for intent in INTENTS:
        for language in LANGUAGES:
            of = [row["intent"] == intent and row["language"] == language for row in rows]
            assert right[np.array(of)].mean() >= 0.85, (intent, language)
    figures = artifacts.Artifact.load(DATA / "artifacts" / "intent").manifest.figures
    assert figures["test_accuracy"] == pytest.approx(right.mean(), abs=0.003)


def test_texts_written_before_any_error_was_looked_at_are_understood_as_well(
    model: IntentModel, encoder: Encoder
) -> None:
    """A second set, of every class and language, near none of the first: .945 too."""
    rows = _rows("unseen")
    every = Counter((row["intent"], row["language"]) for row in rows)
    assert {(intent, language) for intent in INTENTS for language in LANGUAGES} == set(every)
    assert min(every.values()) >= 9
    seen = [_trigrams(row["text"]) for row in _rows("train") + _rows("test")]
    for row in rows:
        own = _trigrams(row["text"])
        assert not any(2 * len(own & other) >= len(own | other) for other in seen), row["text"]
    texts = [row["text"] for row in rows]
    best = model.probabilities(encoder.encode(texts).vector, texts).argmax(axis=1)
    assert np.mean([INTENTS[i] == row["intent"] for i, row in zip(best, rows, strict=True)]) >= 0.945


def test_the_confidence_is_calibrated(model: IntentModel, encoder: Encoder) -> None:
    """Over the test fifth, mean confidence and accuracy are within .04 of each other."""
    rows = _rows("test")
    texts = [row["text"] for row in rows]
    probabilities = model.probabilities(encoder.encode(texts).vector, texts)
    truth = [INTENTS.index(row["intent"]) for row in rows]
    right = (probabilities.argmax(axis=1) == truth).mean()
    assert abs(probabilities.max(axis=1).mean() - right) < 0.04


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("酸奶", "product_search"),
        ("婴儿奶粉", "product_search"),
        ("yogurt", "product_search"),
        ("whole milk", "product_search"),
        ("小米10手机", "product_search"),
        ("red cocktail dress medium", "product_search"),
        ("有什么优惠的咖啡", "promotion"),
        ("这个商品怎么样", "product_question"),
        ("is it true to size", "product_question"),
        ("女装", "category_browse"),
        ("gift ideas for dad", "category_browse"),
        ("where is my order", "order_service"),
        ("你好", "chitchat_other"),
    ],
)
def test_the_texts_of_the_demo_are_understood(model: IntentModel, encoder: Encoder, text: str, label: str) -> None:
    """Texts that a reader tries first get their intent with confidence."""
    (intent,) = model.predict(encoder.encode([text]).vector, [text])
    assert intent.label == label
    assert intent.confidence >= model.threshold


@pytest.mark.parametrize("text", ["", "  ", "?!", "🙂", "。。。"])
def test_nothing_said_is_unknown(model: IntentModel, encoder: Encoder, text: str) -> None:
    """Without a letter or digit there is no intent and no confidence."""
    (intent,) = model.predict(encoder.encode([text]).vector, [text])
    assert (intent.label, intent.confidence) == (UNKNOWN, 0.0)


def test_below_the_threshold_the_label_is_neutral(intent_path: Path, encoder: Encoder, tmp_path: Path) -> None:
    """A head with a threshold of .9999 keeps the confidence and gives up the label."""
    loose = IntentModel(intent_path, encoder.version)
    text = "有什么东西"
    made = artifacts.Artifact.load(intent_path)
    strict = IntentHead(INTENTS, 0.9999, 1.0)
    files: dict[str, bytes | Path] = {"model.onnx": made.graph, HEAD: msgspec.json.encode(strict)}
    artifacts.write(tmp_path / "strict", made.manifest, files)
    vector = encoder.encode([text]).vector
    (neutral,) = IntentModel(tmp_path / "strict", encoder.version).predict(vector)
    assert neutral.label == UNKNOWN
    assert neutral.confidence == loose.predict(vector)[0].confidence > 0


def test_a_brief_text_is_likelier_to_look_for_products(model: IntentModel, encoder: Encoder) -> None:
    """By the same odds for both intents that do; a sentence, and one in a script without spaces, stays as it is."""
    texts = ["nba jam", "the nba jam game is on", "打击球"]
    vectors = encoder.encode(texts).vector
    plain, read = model.probabilities(vectors), model.probabilities(vectors, texts)
    odds = [rows[0, [0, 3]] / rows[0, [1, 2, 4, 5]].sum() for rows in (plain, read)]
    assert odds[1] / odds[0] == pytest.approx([10, 10], rel=1e-3)
    assert read[1:].tobytes() == plain[1:].tobytes()


def test_an_intent_that_looks_for_products_needs_less_confidence(model: IntentModel) -> None:
    """At .40 a category is told, and small talk is not."""
    shares = np.full((2, 6), 0.12, np.float32)
    shares[0, INTENTS.index("category_browse")] = shares[1, INTENTS.index("chitchat_other")] = 0.40
    assert [model.decide(row).label for row in shares] == ["category_browse", UNKNOWN]


@pytest.mark.parametrize(
    "head",
    [IntentHead(INTENTS, 0.5, 1.0, {"promotion": 1.5}), IntentHead(INTENTS, 0.5, 1.0, {}, 0.0)],
    ids=["threshold", "brief"],
)
def test_a_head_that_nothing_could_pass_is_refused(
    intent_path: Path, encoder: Encoder, tmp_path: Path, head: IntentHead
) -> None:
    """A threshold above 1, or odds of nothing."""
    made = artifacts.Artifact.load(intent_path)
    artifacts.write(tmp_path / "a", made.manifest, {"model.onnx": made.graph, HEAD: msgspec.json.encode(head)})
    with pytest.raises(ArtifactError, match=r"head\.json"):
        IntentModel(tmp_path / "a", encoder.version)


def test_a_rows_bytes_do_not_depend_on_the_batch(model: IntentModel, encoder: Encoder) -> None:
    """Probabilities sum to one and are the same alone and in any company."""
    vectors = encoder.encode([row["text"] for row in _rows("test")[:40]]).vector
    together = model.probabilities(vectors)
    alone = np.concatenate([model.probabilities(vectors[i : i + 1]) for i in range(len(vectors))])
    assert together.tobytes() == alone.tobytes()
    assert np.allclose(together.sum(axis=1), 1, atol=1e-5)


def test_a_head_for_another_encoder_is_refused(intent_path: Path) -> None:
    """Another encoder's version is named beside the one wanted."""
    with pytest.raises(ArtifactError, match=r"requires\.encoder: expected [0-9a-f]{12}, found 000000000000"):
        IntentModel(intent_path, "000000000000")


def test_an_artifact_of_another_kind_is_refused(encoder_path: Path, encoder: Encoder) -> None:
    """Pointing the intent setting at the encoder names both kinds."""
    with pytest.raises(ArtifactError, match="kind: expected intent, found encoder"):
        IntentModel(encoder_path, encoder.version)


@pytest.mark.parametrize("labels", [INTENTS[:5], (*INTENTS, "more"), (*INTENTS[:5], INTENTS[0])], ids=len)
def test_labels_that_do_not_fit_the_graph_are_refused(
    intent_path: Path, encoder: Encoder, tmp_path: Path, labels: tuple[str, ...]
) -> None:
    """One label for each output, each once."""
    made = artifacts.Artifact.load(intent_path)
    head = msgspec.json.encode(IntentHead(labels, 0.5, 1.0))
    artifacts.write(tmp_path / "a", made.manifest, {"model.onnx": made.graph, HEAD: head})
    with pytest.raises(ArtifactError, match=r"head\.json"):
        IntentModel(tmp_path / "a", encoder.version)


def test_labels_in_another_order_mean_what_they_say(intent_path: Path, encoder: Encoder, tmp_path: Path) -> None:
    """The head's order is that of its outputs; the six come out in their own."""
    made = artifacts.Artifact.load(intent_path)
    head = msgspec.json.encode(IntentHead(INTENTS[::-1], 0.5, 1.0))
    artifacts.write(tmp_path / "a", made.manifest, {"model.onnx": made.graph, HEAD: head})
    vectors = encoder.encode(["free delivery coupons"]).vector
    turned, plain = (IntentModel(path, encoder.version) for path in (tmp_path / "a", intent_path))
    six = turned.of_six(turned.probabilities(vectors))
    assert six[0, ::-1].tolist() == plain.of_six(plain.probabilities(vectors))[0].tolist()


def test_the_shipped_head_verifies_and_is_small(intent_path: Path, tmp_path: Path) -> None:
    """What lies in git is what its manifest says, in at most two megabytes."""
    made = artifacts.verify(shutil.copytree(intent_path, tmp_path / "intent"))
    assert sum(record.bytes for record in made.manifest.files.values()) < 2_100_000
