"""What a worker says of the servers that it needs."""

from __future__ import annotations

import pytest

from streams.worker import health
from streams.worker.health import WatchedServer
from streams.worker.metrics import Metrics


def test_a_server_that_is_away_is_told_at_once_and_then_once_a_minute(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A look a second for 150 seconds makes three lines; its return makes one."""
    now = 0.0
    monkeypatch.setattr(health, "monotonic", lambda: now)
    server = WatchedServer("Kafka", Metrics())
    for second in range(150):
        now = float(second)
        server.failed(OSError("refused"))
    assert server.away == "refused"
    assert capsys.readouterr().out.count("Kafka does not answer") == 3
    server.answered()
    server.answered()
    assert server.away == ""
    assert capsys.readouterr().out.count("Kafka answers again") == 1
