"""Documents that are made from the structs: printed, written, or compared with what lies there."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path


def put_out(text: str, arguments: Sequence[str], module: str) -> int:
    """Print ``text``; with a PATH write it there, or with PATH and --check compare it. Returns the exit code.

    ``module``: what is run with ``python -m`` to write it.
    """
    paths = [Path(one) for one in arguments if one != "--check"]
    if not paths:
        sys.stdout.write(text)
    elif "--check" in arguments:
        if not paths[0].is_file() or paths[0].read_text() != text:
            sys.stderr.write(f"{paths[0]} is not what the structs say: run `python -m {module} {paths[0]}`\n")
            return 1
    else:
        paths[0].write_text(text)
    return 0
