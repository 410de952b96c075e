"""The Makefile and the CI script."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make in a folder that has the Makefile and empty lock files."""
    shutil.copy(ROOT / "Makefile", folder)
    (folder / "requirements").mkdir()
    for name in ("pyproject.toml", "requirements/bootstrap.txt", "requirements/run.txt"):
        (folder / name).touch()
    return subprocess.run(["make", *arguments], cwd=folder, capture_output=True, text=True, timeout=60)


def test_make_alone_lists_the_tasks(tmp_path: Path) -> None:
    """A newcomer sees every task that the README and CONTRIBUTING name."""
    done = make(tmp_path)
    tasks = re.findall(r"^  make ([a-z-]+) +\S", done.stdout, re.MULTILINE)
    assert {"install", "demo", "test", "check", "lock", "bench", "clean"} <= set(tasks)


@pytest.mark.parametrize(
    ("python", "said"),
    [("no-such-python", "'no-such-python' was not found"), ("./old", "'./old' is Python 3.10.1")],
)
def test_a_python_that_will_not_do_is_named(tmp_path: Path, python: str, said: str) -> None:
    """None, or one older than 3.11: the message has what is needed, what is there and the remedy."""
    old = tmp_path / "old"
    old.write_text('#!/bin/sh\n[ "$1" = -V ] && echo Python 3.10.1 && exit 0\nexit 1\n')
    old.chmod(0o755)
    done = make(tmp_path, "install", f"PYTHON={python}")
    assert done.returncode != 0
    assert "needs Python 3.11 or newer" in done.stderr
    assert said in done.stderr
    assert "make install PYTHON=python3.11" in done.stderr


@pytest.mark.parametrize(("keep", "kept"), [((), False), (("KEEP=1",), True), (("KEEP=0",), False)])
def test_keep_is_passed_to_the_demo(tmp_path: Path, keep: tuple[str, ...], kept: bool) -> None:
    """`make demo KEEP=1` stays up; KEEP=0 and nothing do not."""
    done = make(tmp_path, "--dry-run", "demo", *keep)
    last = done.stdout.splitlines()[-1].split()
    assert last == [".venv/bin/streamrank", "demo", *(["--keep"] if kept else [])]


def ci(tmp_path: Path, *tools: str, data: Path) -> subprocess.CompletedProcess[str]:
    """Run .ci/run where only the shell's own tools and these stand-ins exist; make prints what it got."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("bash", "dirname", "id", "cat"):
        (folder / name).symlink_to(str(shutil.which(name)))
    for name in tools:
        (folder / name).write_text(
            '#!/bin/sh\necho "$STREAMRANK_REQUIRE_SERVERS $STREAMRANK_REQUIRE_DATA $STREAMRANK_DATA $*"\n'
        )
        (folder / name).chmod(0o755)
    environment = {"PATH": str(folder), "STREAMRANK_DATA": str(data)}
    return subprocess.run([str(ROOT / ".ci" / "run")], env=environment, capture_output=True, text=True, timeout=60)


def test_ci_requires_servers_and_data_and_runs_make_test(tmp_path: Path) -> None:
    """What make gets, for the newest versions and for the tests; and nothing comes after the latter's output."""
    done = ci(tmp_path, "redis-server", "java", "mvn", "make", data=tmp_path)
    assert done.stdout == f"1 1 {tmp_path} --no-print-directory test\n"
    assert done.stderr == f"1 1 {tmp_path} --no-print-directory newest\n"
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("tools", "said"),
    [
        (("redis-server", "mvn", "make"), "'java' is not installed"),
        (("redis-server", "java", "make"), "'mvn' is not installed"),
        (("java", "mvn", "make"), "neither redis-server nor valkey-server is installed"),
    ],
)
def test_ci_says_what_is_missing(tmp_path: Path, tools: tuple[str, ...], said: str) -> None:
    """No run without real Kafka and Redis passes for a whole one."""
    done = ci(tmp_path, *tools, data=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr


def test_ci_says_where_the_data_should_be(tmp_path: Path) -> None:
    """The folder looked at and the variable that names another."""
    done = ci(tmp_path, "redis-server", "java", "mvn", "make", data=tmp_path / "gone")
    assert done.returncode == 1
    assert f"no data sets at '{tmp_path / 'gone'}'" in done.stderr
    assert "STREAMRANK_DATA" in done.stderr


def test_the_ci_script_can_be_run() -> None:
    """It is executable and free of syntax errors."""
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert subprocess.run(["bash", "-n", str(script)], timeout=30).returncode == 0
