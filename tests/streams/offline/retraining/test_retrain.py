"""The process that retrains: alone in its folder, gone with its worker, and with an exit code."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from models.base.artifact import Artifact
from models.ranking.ranker import Ranker
from models.training.ranker import TrainingReport, compare, train
from models.training.rankings import Rankings, RankingsError
from streamrank_client.errors import SettingsError
from streams.offline.retraining import retrain as retraining
from streams.offline.retraining.retrain import main, retrain
from streams.settings import Settings
from streams.worker.retraining_schedule import RetrainingOutcome
from tests.support.synthetic import rankings

pytestmark = pytest.mark.usefixtures("quick_judging")

KEPT = RetrainingOutcome("kept", "old", "new", 300, 30, 0.4, 0.4, (0.0, -0.1, 0.1), 1.0, "not better")


@pytest.fixture(autouse=True)
def as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process stays as urgent as it is, and keeps its signal handlers."""
    monkeypatch.setattr(os, "nice", lambda _: 0)
    monkeypatch.setattr(signal, "signal", lambda *_: None)


async def test_two_retrainings_never_work_on_the_same_artifacts(tmp_path: Path) -> None:
    """The second one ends at once and names the folder."""
    with retraining._alone(tmp_path), pytest.raises(SettingsError, match=str(tmp_path)):
        await retrain(Settings(artifacts=str(tmp_path)))
    with retraining._alone(tmp_path):
        pass


def test_it_ends_when_the_worker_that_started_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the next step of training, with the reason; nothing is published."""

    async def orphaned(_: Settings, step: Callable[[], None]) -> RetrainingOutcome:
        step()
        monkeypatch.setattr(os, "getppid", lambda: 1)
        step()
        raise AssertionError("it goes on without its worker")

    monkeypatch.setattr(retraining, "retrain", orphaned)
    with pytest.raises(SystemExit, match="has ended"):
        main()


def test_the_outcome_is_its_last_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """As JSON on stdout, with exit code 0."""

    async def kept(_: Settings, __: Callable[[], None]) -> RetrainingOutcome:
        return KEPT

    monkeypatch.setattr(retraining, "retrain", kept)
    assert main() == 0
    assert msgspec.json.decode(capsys.readouterr().out, type=RetrainingOutcome) == KEPT


def test_what_is_wrong_is_said_in_a_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Too few lists are exit code 1 and a sentence on stderr, which the worker logs."""

    async def few(_: Settings, __: Callable[[], None]) -> RetrainingOutcome:
        raise RankingsError("7 rankings: too few to train on.", "use a longer log.")

    monkeypatch.setattr(retraining, "retrain", few)
    assert main() == 1
    said = capsys.readouterr()
    assert (said.out, "7 rankings: too few" in said.err) == ("", True)


async def test_a_ranker_in_float16_is_followed_by_one_in_float16(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The precision was chosen for the workers' device: a retraining must not change it unasked."""
    some, trained = rankings(150, 20), []

    async def nothing(*_: object) -> list[object]:
        return []

    def recorded(rankings: Rankings, out: Path, against: Ranker, **options: Any) -> TrainingReport:
        report = train(rankings, out, **options)
        trained.append(Artifact.load(out).manifest.created_from["precision"])
        return msgspec.structs.replace(report, comparison=compare(against, against, rankings, np.arange(135, 150)))

    train(some, tmp_path / "ranker", precision="float16")
    monkeypatch.setattr("models.training.ranker.train", recorded)
    monkeypatch.setattr(retraining, "newest_feedback", nothing)
    monkeypatch.setattr(retraining, "catalogue_of", nothing)
    monkeypatch.setattr(retraining, "rankings_of", lambda *_: some)
    await retrain(Settings(artifacts=str(tmp_path)))
    assert trained == ["float16"]
