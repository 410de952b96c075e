"""What a worker leaves in the folder it is started in."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from streams.kafka.transport import BatchApp


def test_a_worker_makes_no_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stock Faust makes `<id>-data` there, and fails in a container whose user may not write."""
    monkeypatch.chdir(tmp_path)

    async def start() -> None:
        await BatchApp("folders", bootstrap="127.0.0.1:1").on_first_start()

    asyncio.run(start())
    assert not list(tmp_path.iterdir())
