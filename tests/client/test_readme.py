"""The README of the client: its code runs and is typed, its commands work, its tables are whole."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

import streamrank_client
from streamrank_client.errors import StreamrankError
from streamrank_client.replaying import ReplaySettings
from streamrank_client.settings import environment, variable
from streams.offline.servers import free_port

ROOT = Path(__file__).resolve().parent.parent.parent
README = (ROOT / "client" / "README.md").read_text()
PYTHON: list[str] = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
STREAMRANK = str(Path(sys.executable).parent / "streamrank")


def block(begins: str) -> str:
    """The one block of Python with this text in it."""
    (found,) = (text for text in PYTHON if begins in text)
    return found


def run(*command: str | Path, cwd: Path, variables: dict[str, str] | None = None) -> str:
    """What a command prints; it must succeed."""
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env=environment(variables or {}), capture_output=True, text=True, timeout=200,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A worker with embedded servers; the variables that lead to it."""
    log = tmp_path_factory.mktemp("worker") / "log"
    given = environment({"STREAMRANK_WEB_PORT": str(free_port()), "STREAMRANK_LOG_LEVEL": "warning"})
    with log.open("wb") as file:
        process = subprocess.Popen([STREAMRANK, "serve", "--embedded"], stdout=subprocess.PIPE, stderr=file, env=given)
    assert process.stdout is not None
    try:
        lines = [process.stdout.readline().decode().removeprefix("export ").strip() for _ in range(3)]
        assert all("=" in line for line in lines), log.read_text()
        yield dict(line.split("=", 1) for line in lines)
    finally:
        process.terminate()
        process.wait(30)


def asked(code: str, worker: dict[str, str], folder: Path) -> str:
    """What a block of the README prints where Kafka is the worker's."""
    text = code.replace("localhost:9092", worker["STREAMRANK_KAFKA"])
    assert text != code
    # a worker that has just started takes its partitions first
    return run(sys.executable, "-c", text.replace("timeout=5.0", "timeout=60.0"), cwd=folder, variables=worker)


@pytest.mark.servers
def test_publish_ask_learn(worker: dict[str, str], tmp_path: Path) -> None:
    """As it stands there, by a worker that has just started; the second time the items are there."""
    code = block("client.publish_many")
    asked(code, worker, tmp_path)
    printed = asked(code, worker, tmp_path)
    assert printed.startswith("0 p")
    assert {line.split()[0] for line in printed.splitlines()[2:]} <= {"p1", "p2"}


@pytest.mark.servers
def test_follow_every_answer(worker: dict[str, str], tmp_path: Path) -> None:
    """The list has the request id of somebody else's question."""
    assert re.fullmatch(r"\['[0-9a-f]{32}'\]\n", asked(block("client.answers()"), worker, tmp_path))


def test_events_and_errors(tmp_path: Path) -> None:
    """Every claim in it is an assertion."""
    code, caught = block("InvalidEvent as error"), "\nexcept InvalidEvent as error:"
    assert code.count(caught) == code.count("try:") == 2
    run(sys.executable, "-c", code.replace(caught, "\n    raise SystemExit('not refused')" + caught), cwd=tmp_path)


@pytest.mark.servers
def test_the_fixtures_examples(tmp_path: Path) -> None:
    """In a project of two files, with this environment's streamrank."""
    (tmp_path / "conftest.py").write_text(block("pytest_plugins"))
    (tmp_path / "test_shop.py").write_text(block("Replayer"))
    options = (
        "-q",
        "-p",
        "no:cacheprovider",
        "-o",
        "asyncio_mode=auto",
        "-o",
        "asyncio_default_fixture_loop_scope=function",
    )
    printed = run(
        sys.executable, "-m", "pytest", *options, cwd=tmp_path, variables={"STREAMRANK_COMMAND": f"'{STREAMRANK}'"}
    )
    assert "3 passed" in printed


def test_the_examples_are_typed(tmp_path: Path) -> None:
    """mypy --strict, as a user with the client's types sees them."""
    for number, code in enumerate(PYTHON):
        (tmp_path / f"example_{number}.py").write_text(code)
    assert "Success" in run(
        sys.executable, "-m", "mypy", "--strict", "--cache-dir", tmp_path / "cache", *tmp_path.glob("example_*.py"),
        cwd=tmp_path, variables={"MYPYPATH": str(ROOT / "client")},
    )  # fmt: skip


def test_every_setting_and_its_default_is_listed() -> None:
    """A row for each variable, in the order of the class."""
    rows = re.findall(r"^\| `(STREAMRANK_\w+)` \| (?:`(.*?)`)? *\|", README, re.MULTILINE)
    assert rows == [(variable(f.name), str(f.default)) for f in fields(ReplaySettings)]


def test_every_error_is_listed_with_whether_to_try_again() -> None:
    """Those that a user can import."""
    rows = dict(re.findall(r"^\| `(\w+)` \| .*\| (yes|no) \|$", README, re.MULTILINE))
    errors = [getattr(streamrank_client, name) for name in streamrank_client.__all__ if name != "Client"]
    public = [kind for kind in errors if isinstance(kind, type) and issubclass(kind, StreamrankError)]
    assert rows == {kind.__name__: "yes" if kind.retriable else "no" for kind in public if kind is not StreamrankError}


def test_everything_public_is_documented() -> None:
    """Every class, function and method that a user can reach says what it does."""
    for name in streamrank_client.__all__:
        found = getattr(streamrank_client, name)
        if isinstance(found, type):
            assert found.__doc__, name
            methods = {key: value for key, value in vars(found).items() if callable(value) and not key.startswith("_")}
            assert all(method.__doc__ for method in methods.values()), name
        elif callable(found) and found.__module__ == "streamrank_client":
            assert found.__doc__, name
