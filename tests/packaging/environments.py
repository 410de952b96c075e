"""Wheels built as `make wheels` does, and fresh environments that have nothing but what is installed into them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent.parent
#: what a process of a fresh environment gets of this one's variables; the rest, PYTHONPATH and STREAMRANK_… first of
#: all, would lead it back to the checkout
PASSED_ON: Final = ("LANG", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "PYTHONDONTWRITEBYTECODE")


def uv(*arguments: str | Path, environment: Mapping[str, str] | None = None) -> None:
    """Run uv; a failure shows what it said."""
    beside = Path(sys.executable).parent / "uv"
    program = str(beside) if beside.exists() else shutil.which("uv")
    assert program is not None, "uv is not installed: make test-install"
    done = subprocess.run(
        [program, *arguments], cwd=ROOT, env={**os.environ, **(environment or {})}, capture_output=True, text=True,
        timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"uv {' '.join(map(str, arguments))}\n{done.stderr}"


def build(out: Path) -> tuple[Path, Path]:
    """The application's wheel and the client's, without a network: hatchling is in requirements/bootstrap.txt."""
    for source in ("client", "."):
        uv("build", "--quiet", "--wheel", "--no-build-isolation", "--python", sys.executable, "--out-dir", out, source)
    (application,) = out.glob("streamrank-*.whl")
    (client,) = out.glob("streamrank_client-*.whl")
    return application, client


def install(arguments: Sequence[str | Path], lock: str, environment: Mapping[str, str] | None = None) -> None:
    """`uv ARGUMENTS` in the versions of a lock file: from uv's cache, where the tests' own environment came from, else
    from the index.
    """
    offline = [*arguments, "--quiet", "--offline", "--constraints", ROOT / "requirements" / lock]
    try:
        uv(*offline, environment=environment)
    except AssertionError:
        uv(*(argument for argument in offline if argument != "--offline"), environment=environment)


@dataclass(frozen=True)
class Environment:
    """A folder with programs in ``bin``, and a ``home`` of its own for whoever runs them."""

    bin: Path
    home: Path

    def run(
        self, *command: str | Path, cwd: Path, timeout: float = 120, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a program of ``bin``, or a Python of it, with a clean set of variables."""
        clean = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        clean |= {"PATH": "/usr/bin:/bin", "HOME": str(self.home), "PYTHONUNBUFFERED": "1"} | variables
        program, *arguments = command
        return subprocess.run(
            [str(self.bin / program), *map(str, arguments)], cwd=cwd, env=clean, capture_output=True, text=True,
            timeout=timeout, check=False,
        )  # fmt: skip


def fresh(folder: Path) -> Environment:
    """A virtual environment of this Python with nothing in it."""
    uv("venv", "--quiet", "--no-project", "--python", sys.executable, folder / "venv")
    (folder / "home").mkdir()
    return Environment(folder / "venv" / "bin", folder / "home")
