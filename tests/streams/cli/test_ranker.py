"""`streamrank artifact build ranker` in float16: built of a log, verified, opened as a worker does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from streamrank_client.logs import write_lines
from streams.artifacts.opening import open_artifacts
from streams.cli import main
from streams.settings import Settings
from tests.support.composing import link_encoders
from tests.support.small_log import Size, log

pytestmark = [pytest.mark.servers, pytest.mark.usefixtures("quick_judging")]


def test_a_ranker_in_float16_is_built_of_a_log_and_opened_by_a_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its manifest says what it is, and a worker takes it from where the command has put it, with no setting."""
    link_encoders(tmp_path)
    monkeypatch.setenv("STREAMRANK_ARTIFACTS", str(tmp_path))
    write_lines(tmp_path / "small.jsonl", log(Size(users=20, behaviors=600, queries=25)))
    given = ["artifact", "build", "ranker", "--log", str(tmp_path / "small.jsonl"), "--precision", "float16", "--json"]
    built = CliRunner().invoke(main, given)
    assert built.exit_code == 0, built.stderr
    assert json.loads(built.stdout)["manifest"]["created_from"]["precision"] == "float16"
    assert CliRunner().invoke(main, ["artifact", "verify", "ranker"]).exit_code == 0
    opened = open_artifacts(Settings(device="cpu", artifacts=str(tmp_path)))
    assert opened.ranker.artifact.path == tmp_path / "ranker"
