"""Training the intent head on anybody's labels: what is read, refused, judged and exported."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import numpy as np
import pytest

from models.base.errors import ArtifactError
from models.text.encoder import Encoder
from models.text.intent import INTENTS, UNKNOWN, IntentModel
from models.training.intent import train_intent
from models.training.intent_data import read_labelled, split, with_copies, with_slips
from streams.artifacts.opening import artifact_path, head_encoder
from streams.offline.building.artifacts import ensure_encoders
from streams.settings import Settings

COLOURS = ("red", "green", "blue", "black", "white", "yellow", "brown", "pink")
THINGS = {"shoes": ("boots", "sneakers", "sandals"), "food": ("rice", "bread", "cheese")}


def write(path: Path, rows: list[tuple[str, str]], header: tuple[str, str] = ("text", "intent")) -> Path:
    """A labelled file."""
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def labelled(out_of_scope: bool = True) -> list[tuple[str, str]]:
    """Two easy intents, and texts of neither."""
    rows = [(f"{c} {t}", intent) for intent, things in THINGS.items() for t in things for c in COLOURS]
    return rows + [(f"what is {n} times seven", "oos") for n in range(12)] * out_of_scope


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    """The encoder in use, built where it is missing."""
    ensure_encoders(Settings())
    return Encoder(artifact_path(Settings(), head_encoder(Settings())), "cpu")


def test_a_shop_trains_its_own_intents_and_refuses_what_is_none_of_them(tmp_path: Path, encoder: Encoder) -> None:
    """The artifact knows the file's labels, is right about new texts, and calls arithmetic unknown."""
    shares: list[float] = []
    out = tmp_path / "intent"
    built = train_intent(write(tmp_path / "own.csv", labelled()), None, encoder, out, shares.append)
    model = IntentModel(out, encoder.version)
    assert model.labels == ("food", "shoes")
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    figures = built.manifest.figures
    assert float(figures["test_accuracy"]) >= 0.9
    assert float(figures["test_out_of_scope_auroc"]) >= 0.9
    texts = ["orange boots", "purple cheese", "what is 40 times seven"]
    found = model.predict(encoder.encode(texts).vector)
    assert [one.label for one in found] == ["shoes", "food", UNKNOWN]
    assert not model.of_six(model.probabilities(encoder.encode(texts).vector)).any()


def test_product_texts_of_other_sources_are_learnt_beside_labelled_ones(tmp_path: Path, encoder: Encoder) -> None:
    """Texts like them look for a product then, and the head has thresholds and odds for brief texts."""
    rows = [(f"{colour} {intent.replace('_', ' ')}", intent) for intent in INTENTS for colour in COLOURS]
    train = write(tmp_path / "six.csv", rows)
    names = [("hello kitty", "product_search"), ("order of the phoenix", "product_search")]
    products = write(tmp_path / "products.csv", names * 20)
    vectors = encoder.encode([text for text, _ in names]).vector
    found = []
    for named in (None, products):
        built = train_intent(train, train, encoder, tmp_path / f"intent-{named is None}", products=named)
        found.append(IntentModel(built.path, encoder.version))
    plain, taught = (model.probabilities(vectors)[:, [0, 3]].sum(axis=1) for model in found)
    assert (taught > 0.8).all()
    assert (taught > plain + 0.2).all()
    assert [model.decide(np.array([0.4, 0.12, 0.12, 0.12, 0.12, 0.12])).label for model in found][1] == INTENTS[0]
    odds = [
        model.probabilities(vectors, ["brief text"] * 2)[0, 1] / model.probabilities(vectors)[0, 1] for model in found
    ]
    assert odds[0] == pytest.approx(1)
    assert odds[1] < 0.2


def test_every_fifth_product_text_is_learnt_with_a_slip(encoder: Encoder) -> None:
    """The others as they are, and the same every time; a slip into full width is folded, and changes nothing."""
    texts = [f"{colour} {what}" for colour in COLOURS for what in ("garden chair", "tea pot")]
    found, plain = with_slips(texts, encoder), encoder.encode(texts).vector
    changed = set(np.flatnonzero((found != plain).any(axis=1)).tolist())
    assert changed <= {0, 5, 10, 15}
    assert len(changed) > 1
    assert np.array_equal(found, with_slips(texts, encoder))


def test_texts_are_learnt_with_edits_too(encoder: Encoder) -> None:
    """The first of the copies is the text itself; the others differ, and are the same every time."""
    texts = ["where is my order", "cheap yogurt", "退货怎么办"]
    found = with_copies(texts, 3, encoder)
    assert found.shape == (4, 3, 512)
    assert np.array_equal(found[0], encoder.encode(texts).vector)
    assert all(np.abs(found[copy] - found[0]).max() > 0.01 for copy in (1, 2, 3))
    assert np.array_equal(found, with_copies(texts, 3, encoder))


def test_the_six_intents_keep_their_own_order(tmp_path: Path) -> None:
    """Whatever their order in the file; a worker's features depend on it."""
    rows = [(f"text {n}", intent) for intent in sorted(INTENTS) for n in range(5)]
    assert read_labelled(write(tmp_path / "six.csv", rows)).labels == INTENTS


def test_a_fifth_of_every_intent_is_kept_to_judge(tmp_path: Path) -> None:
    """No text is on both sides, and each intent is in the test."""
    known, unseen = split(read_labelled(write(tmp_path / "own.csv", labelled())))
    assert not set(known.texts) & set(unseen.texts)
    assert np.bincount(unseen.intents + 1).tolist() == [3, 5, 4]
    assert len(known.texts) == 48


def test_other_headers_and_compressed_files_are_read(tmp_path: Path) -> None:
    """BANKING77 calls the intent category."""
    plain = write(tmp_path / "own.csv", labelled(), ("text", "category"))
    packed = tmp_path / "own.csv.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert read_labelled(packed).texts == read_labelled(plain).texts


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("text,intent\nred boots,\n", "row 2"),
        ("words,meaning\na,b\n", "words,meaning"),
        ("", "header"),
        ("text,intent\n" + "boots,shoes\n" * 9, "1 intents"),
        ("text,intent\n" + "boots,shoes\n" * 9 + "rice,food\n", "food: fewer than 5 texts"),
        (b"text,intent\n\xff\xfe,shoes\n", "UTF-8"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_the_place(tmp_path: Path, content: str | bytes, said: str) -> None:
    """The error names the file and the row, column or label."""
    path = tmp_path / "own.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(ArtifactError, match=said):
        read_labelled(path)


def test_a_test_text_of_an_unknown_intent_is_refused(tmp_path: Path, encoder: Encoder) -> None:
    """Before anything is trained."""
    train = write(tmp_path / "own.csv", labelled())
    test = write(tmp_path / "test.csv", [("a tall tree", "plants")])
    with pytest.raises(ArtifactError, match="plants"):
        train_intent(train, test, encoder, tmp_path / "intent")
