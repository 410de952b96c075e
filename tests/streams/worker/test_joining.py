"""How a worker comes to join its group."""

from __future__ import annotations

import pytest

from streams.worker import joining
from streams.worker.joining import until_there


async def test_a_step_is_tried_until_its_server_is_there_and_told_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Three refusals, one line in the log."""
    monkeypatch.setattr(joining, "FIRST_S", 0.001)
    refused = 0

    async def step() -> None:
        nonlocal refused
        if refused < 3:
            refused += 1
            raise ConnectionRefusedError("nobody listens")

    await until_there("Redis", step)
    assert refused == 3
    said = capsys.readouterr()
    assert (said.out + said.err).count("waits for Redis before it starts") == 1


async def test_what_no_waiting_mends_is_raised() -> None:
    """An error that is none of a server's ends the start."""

    async def step() -> None:
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        await until_there("Redis", step)
