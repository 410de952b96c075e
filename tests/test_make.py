"""The Makefile and the CI script."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make in a folder that has the Makefile and empty lock files."""
    shutil.copy(ROOT / "Makefile", folder)
    for name in ("requirements", "client"):
        (folder / name).mkdir(exist_ok=True)
    locks = [f"requirements/{name}.txt" for name in ("bootstrap", "run", "test", "test-cpu")]
    for name in ("pyproject.toml", "client/pyproject.toml", *locks):
        (folder / name).touch()
    return subprocess.run(["make", *arguments], cwd=folder, capture_output=True, text=True, timeout=60)


def test_make_alone_lists_the_tasks(tmp_path: Path) -> None:
    """A newcomer sees every task that the README and CONTRIBUTING name."""
    done = make(tmp_path)
    tasks = re.findall(r"^  make ([a-z-]+) +\S", done.stdout, re.MULTILINE)
    assert {"install", "test-install", "demo", "test", "check", "wheels", "lock", "bench", "clean"} <= set(tasks)


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


def recipe(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The commands of a dry run, each on one line."""
    assert done.returncode == 0, done.stderr
    return done.stdout.replace("\\\n", " ").splitlines()


def test_both_packages_are_installed_and_built(tmp_path: Path) -> None:
    """`make install` links both into the environment; `make wheels` builds both, without a network."""
    install = recipe(make(tmp_path, "--dry-run", "install"))
    assert [line.split()[-4:] for line in install if " -e " in line] == [["-e", "client", "-e", "."]]
    wheels = [line.split() for line in recipe(make(tmp_path, "--dry-run", "wheels")) if "uv build" in line]
    assert [line[-3:] for line in wheels] == [["--out-dir", "dist", "client"], ["--out-dir", "dist", "."]]
    assert all("--no-build-isolation" in line for line in wheels)


@pytest.mark.parametrize("lock", ["run", "test"])
def test_what_is_downloaded_is_said_before(tmp_path: Path, lock: str) -> None:
    """By a script that asks the index, in front of the installation."""
    task = {"run": "install", "test": "test-install"}[lock]
    commands = recipe(make(tmp_path, "--dry-run", task, "TORCH_INDEX="))
    said = next(n for n, line in enumerate(commands) if f"download_size.py requirements/{lock}.txt" in line)
    done = next(
        n for n, line in enumerate(commands) if "--require-hashes" in line and f"requirements/{lock}.txt" in line
    )
    assert said < done


def test_a_smaller_torch_comes_from_the_index_that_is_named(tmp_path: Path) -> None:
    """Only torch, in the version of the test lock; everything else from the default index, with its hashes."""
    index = "http://torch.example/simple"
    commands = recipe(make(tmp_path, "--dry-run", "test-install", f"TORCH_INDEX={index}"))
    assert not [line for line in commands if "requirements/test.txt" in line and "pip install" in line]
    installs = [line for line in commands if "uv pip install" in line]
    assert ["requirements/test-cpu.txt" in line for line in installs] == [True, False]
    assert [index in line for line in installs] == [False, True]
    assert all("--require-hashes" in line and "--no-deps" in line for line in installs)
    (compiled,) = (line for line in commands if "uv pip compile" in line)
    assert "^torch==" in compiled
    assert f'--default-index "{index}"' in compiled


def test_the_index_of_torch_is_remembered_by_the_environment(tmp_path: Path) -> None:
    """`make test` after it does not install the big torch."""
    (tmp_path / ".venv" / ".stamps").mkdir(parents=True)
    (tmp_path / ".venv" / ".stamps" / "torch-index").write_text("http://torch.example/simple\n")
    commands = recipe(make(tmp_path, "--dry-run", "test-install"))
    assert [line for line in commands if "http://torch.example/simple" in line]
    assert not [line for line in commands if "requirements/test.txt" in line and "pip install" in line]


def test_a_lock_of_torch_needs_an_index(tmp_path: Path) -> None:
    """What is missing is said with the way to give it."""
    done = make(tmp_path, "requirements/torch-cpu.txt", "--old-file=.venv/.stamps/bootstrap")
    assert done.returncode != 0
    assert "TORCH_INDEX=url" in done.stderr


INDEX = """
name = "{name}"
version = "{version}"
wheels = [
    {{ url = "{base}/{file}-{version}-py3-none-any.whl", size = {size}, hashes = {{ sha256 = "ab" }} }},
    {{ url = "{base}/{file}-{version}-cp27-cp27m-win32.whl", size = 9, hashes = {{ sha256 = "ab" }} }},
]
"""


def sizes(tmp_path: Path, *packages: tuple[str, int | None]) -> subprocess.CompletedProcess[str]:
    """Run download_size.py beside a stand-in for uv, which resolves any lock to these packages."""
    text = "".join(
        "[[packages]]"
        + INDEX.format(name=name, file=name.replace("-", "_"), version="1.0", base="http://a.example", size=size)
        for name, size in packages
    )
    (tmp_path / "resolved.toml").write_text(text.replace("size = None, ", ""))
    uv, python = tmp_path / "uv", tmp_path / "python"
    uv.write_text(f"#!/bin/sh\nexec cat '{tmp_path / 'resolved.toml'}'\n")
    uv.chmod(0o755)
    python.symlink_to(sys.executable)
    code = f"import sys; sys.executable = {str(python)!r}; sys.path.insert(0, {str(ROOT / 'requirements')!r})\n"
    code += "import download_size; sys.exit(download_size.main('requirements/test.txt', ['--no-deps']))"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)


def test_the_size_is_that_of_the_wheels_that_fit(tmp_path: Path) -> None:
    """Summed, with CUDA's share and what to do about it; what is installed already is not downloaded."""
    done = sizes(tmp_path, ("one-of-them", 400_000_000), ("torch", 600_000_000), ("nvidia-some", 2_400_000_000))
    assert "installing requirements/test.txt: up to 3.4 GB to download" in done.stdout
    assert "3.0 GB of it are torch with CUDA" in done.stdout
    assert "make test-install TORCH_INDEX=url" in done.stdout


def test_without_cuda_nothing_is_said_of_it(tmp_path: Path) -> None:
    """On macOS torch comes without."""
    done = sizes(tmp_path, ("one-of-them", 400_000_000), ("torch", 60_000_000))
    assert "up to 460 MB" in done.stdout
    assert "CUDA" not in done.stdout


def test_a_size_that_the_index_does_not_give_is_not_made_up(tmp_path: Path) -> None:
    """The Makefile then says so."""
    done = sizes(tmp_path, ("one-of-them", None))
    assert (done.returncode, done.stdout) == (1, "")


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
