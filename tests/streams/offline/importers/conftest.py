"""The folder of the public data sets: skipped when absent, required with STREAMRANK_REQUIRE_DATA=1."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from streams.settings import checkout

ROOT = checkout()


@pytest.fixture(scope="session")
def data_set() -> Callable[[str], Path]:
    """A function that returns a data set's folder by its name."""
    base = Path(os.environ.get("STREAMRANK_DATA") or ROOT.parent / "shared" / "data")

    def folder(name: str) -> Path:
        if (base / name).is_dir():
            return base / name
        reason = f"no data set at '{base / name}' (STREAMRANK_DATA names the folder above it)"
        if os.environ.get("STREAMRANK_REQUIRE_DATA") == "1":
            pytest.fail(reason)
        pytest.skip(reason)

    return folder
