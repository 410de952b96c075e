"""What the doctor says of settings."""

from __future__ import annotations

import pytest

from streams.lookup.settings_checks import misspelt, settings_checks
from streams.settings import Settings


def test_a_variable_that_is_none_is_told_with_the_nearest_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is misspelt, and one that is near to none."""
    monkeypatch.setenv("STREAMRANK_PARTITION", "4")
    monkeypatch.setenv("STREAMRANK_XYZ", "4")
    checks = {check.message.split()[0]: check for check in settings_checks(Settings())}
    assert checks["STREAMRANK_PARTITION"].remedy == "did you mean STREAMRANK_PARTITIONS?"
    assert "docs/settings.md" in checks["STREAMRANK_XYZ"].remedy
    assert {check.state for check in checks.values()} == {"warn"}


def test_settings_that_are_right_are_ok(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables of tests and of the compose file are nobody's mistake."""
    monkeypatch.setenv("STREAMRANK_REQUIRE_SERVERS", "0")
    monkeypatch.setenv("STREAMRANK_PARTITIONS", "4")
    assert "STREAMRANK_REQUIRE_SERVERS" not in misspelt()
    (check,) = settings_checks(Settings())
    assert check.state == "ok"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (Settings(sources="popular,txt"), "'txt' is no source"),
        (Settings(candidates=200, query_work=100), "STREAMRANK_CANDIDATES=200"),
    ],
)
def test_what_a_worker_would_refuse_is_a_fault(settings: Settings, words: str) -> None:
    """A source that does not exist, with those that do; two settings that contradict each other."""
    (check,) = settings_checks(settings)
    assert check.state == "fail"
    assert words in check.message
    assert check.remedy
    assert "trending" in check.remedy or "source" not in words
