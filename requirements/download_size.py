"""`python requirements/download_size.py LOCK [OPTION...]`: how much installing a lock file downloads, told beforehand.

The options are uv's, such as `--default-index URL`. What is installed already does not count, what lies in uv's cache
does. Exit code 1, silently, where it cannot be told: the index gives no sizes or does not answer.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from packaging.tags import Tag, sys_tags
from packaging.utils import parse_wheel_filename

CUDA = ("torch", "triton", "nvidia-", "cuda-")


def main(lock: str, options: list[str]) -> int:
    """Print the line; returns the exit code."""
    uv = str(Path(sys.executable).parent / "uv")
    command = [uv, "pip", "compile", "--quiet", "--no-header", "--no-deps", "--format", "pylock.toml"]
    more = ["--python", sys.executable, *(option for option in options if option != "--no-deps"), lock]
    resolved = subprocess.run([*command, *more], capture_output=True, text=True, check=False)
    if resolved.returncode:
        return 1
    order = {tag: place for place, tag in enumerate(sys_tags())}
    sizes = {
        package["name"]: download(package, order)
        for package in tomllib.loads(resolved.stdout).get("packages", [])
        if not installed(package)
    }
    if None in sizes.values():
        return 1
    whole = sum(size or 0 for size in sizes.values())
    cuda = sum(size or 0 for name, size in sizes.items() if name.startswith(CUDA))
    sys.stdout.write(f"installing {lock}: up to {shown(whole)} to download, and two to three times that on disk\n")
    if "torch" in sizes and any(name.startswith("nvidia-") for name in sizes):
        sys.stdout.write(
            f"  {shown(cuda)} of it are torch with CUDA; from an index that has torch for the CPU it is less: "
            "make test-install TORCH_INDEX=url\n"
        )
    return 0


def installed(package: dict[str, Any]) -> bool:
    """Whether this environment has the package in this version."""
    try:
        return version(package["name"]) == str(package["version"])
    except PackageNotFoundError:
        return False


def download(package: dict[str, Any], order: dict[Tag, int]) -> int | None:
    """Bytes of the file that is taken on this machine: the wheel that fits best, else the source; None: not told."""
    fitting = []
    for wheel in package.get("wheels", ()):
        tags = parse_wheel_filename(wheel["url"].rpartition("/")[2].replace("%2B", "+"))[3]
        places = [order[tag] for tag in tags if tag in order]
        if places:
            fitting.append((min(places), wheel))
    file = min(fitting, key=lambda pair: pair[0])[1] if fitting else package.get("sdist", {})
    size: int | None = file.get("size")
    return size


def shown(size: int) -> str:
    """A size in words.

    >>> shown(3_401_814_670), shown(600_000)
    ('3.4 GB', '1 MB')
    """
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{max(1, round(size / 1e6))} MB"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
