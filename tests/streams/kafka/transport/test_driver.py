"""What an app on the transport says before it has begun."""

from __future__ import annotations

from streams.kafka.transport import BatchApp, batch_topic


async def test_an_app_that_has_not_begun_has_no_lag() -> None:
    """It has no consumer to ask yet, and that is no fault: health looks from the first second on."""
    app = BatchApp("early", bootstrap="127.0.0.1:1", web_enabled=False)
    batch_topic(app, "events")
    assert app.lags() == {}
    assert not app.stopped
    assert not app.waiting
