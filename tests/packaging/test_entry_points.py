"""Process-wide switches: thrown once by each process that answers, at its entry, and by no library code."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import bench.__main__ as bench_main
from models.base import threads
from streams.cli import main
from streams.offline.retraining import retrain
from tests.packaging.environments import ROOT

#: where a process that ranks, learns or builds begins
ENTRIES = {
    "bench/__main__.py",
    "streams/cli/artifact.py",
    "streams/cli/evaluate.py",
    "streams/cli/replay.py",
    "streams/cli/stored.py",  # explain and user
    "streams/offline/retraining/retrain.py",
    "streams/worker/serving.py",  # serve, and the worker of the demo
}


def callers(name: str) -> list[str]:
    """The files with a call of a function of this name, as often as they have one."""
    files = (path for folder in ("streams", "models", "state", "bench") for path in (ROOT / folder).rglob("*.py"))
    return sorted(
        str(path.relative_to(ROOT))
        for path in files
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == name
    )


def test_only_entries_set_the_threads_of_matrix_products() -> None:
    """Each of them once; nothing else knows the library that does it."""
    assert callers("one_thread") == sorted(ENTRIES)
    assert callers("threadpool_limits") == ["models/base/threads.py"]


class Reached(Exception):
    """The work of a command would begin now."""


@pytest.fixture
def thrown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows by one whenever the switch is thrown."""
    thrown: list[str] = []
    monkeypatch.setattr(threads, "one_thread", lambda: thrown.append("one_thread"))
    return thrown


@pytest.mark.parametrize(
    ("arguments", "work"),
    [
        ("replay LOG --redis redis://nowhere", "streams.offline.replay.replay"),
        ("replay --session --redis redis://nowhere", "streams.offline.replay_session.serve_session"),
        ("evaluate LOG --redis redis://nowhere", "streams.artifacts.opening.open_models"),
        ("evaluate LOG --off-policy --redis redis://nowhere", "streams.offline.evaluation.counterfactual.off_policy"),
        ("artifact build encoder", "streams.offline.building.artifacts.build"),
        ("explain r1", "streams.lookup.desk.open_desk"),
        ("user u1", "streams.lookup.desk.open_desk"),
    ],
)
def test_a_command_throws_the_switch_before_its_work(
    thrown: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: str, work: str
) -> None:
    """Once, when models are opened at the latest."""
    log = tmp_path / "day.jsonl"
    log.write_text('{"event":"query","time":1,"request_id":"r1"}\n')

    def reached(*_: object, **__: object) -> None:
        assert thrown == ["one_thread"]
        raise Reached

    monkeypatch.setattr(work, reached)
    done = CliRunner().invoke(main, ["--debug", *arguments.replace("LOG", str(log)).split()])
    assert isinstance(done.exception, Reached), done.output


def test_a_retraining_throws_the_switch_before_its_work(thrown: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a process of its own, started by a worker."""

    def reached(*_: object) -> None:
        assert thrown == ["one_thread"]
        raise Reached

    monkeypatch.setattr(retrain, "one_thread", threads.one_thread)
    monkeypatch.setattr(retrain, "load", reached)
    monkeypatch.setattr("os.nice", lambda _: 0)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    with pytest.raises(Reached):
        retrain.main()


def test_a_bench_throws_the_switch_before_its_work(thrown: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The group does, for all of them."""
    bench: Callable[..., None] = threads.one_thread
    monkeypatch.setattr(bench_main, "one_thread", bench)

    def reached() -> None:
        assert thrown == ["one_thread"]
        raise click.ClickException("reached")

    monkeypatch.setattr(bench_main, "_need_servers", reached)
    assert "reached" in CliRunner().invoke(bench_main.main, ["query"]).output


def test_the_switch_reaches_numpy_however_early_it_is_thrown() -> None:
    """A library that is loaded later would keep a thread for each core."""
    code = """
from models.base.threads import one_thread
one_thread()
import numpy, threadpoolctl
print([pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "[1]\n"
