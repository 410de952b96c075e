"""Settings: read from the environment, checked, documented, and silent about secrets."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from streamrank_client.errors import SettingsError
from streams.cli import settings_docs
from streams.settings import Settings, checkout, load, variable


def test_every_setting_is_in_the_docs_with_its_help_and_default() -> None:
    """docs/settings.md has a row for every setting, as generated from the class."""
    page = (checkout() / "docs" / "settings.md").read_text()
    for setting in fields(Settings):
        rows = [line for line in page.splitlines() if line.startswith(f"| `{variable(setting.name)}` |")]
        assert len(rows) == 1, f"{variable(setting.name)}: run `python -m streams.cli.settings_docs`"
        assert setting.metadata["help"].replace("|", "\\|") in rows[0]
    assert page == settings_docs.page()


def test_the_docs_check_fails_when_the_page_is_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--check tells a stale page from a fresh one, and says how to write it."""
    (tmp_path / "docs").mkdir()
    monkeypatch.setattr(settings_docs, "checkout", lambda: tmp_path)
    assert settings_docs.main(["--check"]) == 1
    assert settings_docs.main([]) == 0
    assert settings_docs.main(["--check"]) == 0
    (tmp_path / "docs" / "settings.md").write_text("old")
    assert settings_docs.main(["--check"]) == 1


def test_an_empty_environment_gives_the_defaults() -> None:
    """Without variables, the settings are those of the class."""
    assert load({}) == Settings()


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("web_port", "8080", 8080),
        ("online", "off", False),
        ("redis_timeout_s", "0.5", 0.5),
        ("kafka", "a:1,b:2", "a:1,b:2"),
    ],
)
def test_a_variable_is_read_in_its_type(name: str, text: str, value: object) -> None:
    """Text becomes a number, a truth value or stays text."""
    assert getattr(load({variable(name): text}), name) == value


@pytest.mark.parametrize(
    ("name", "text", "remedy"),
    [
        ("web_port", "many", "whole number"),
        ("web_port", "70000", "0 to 65535"),
        ("epsilon", "nan", "0 to 1"),
        ("online", "maybe", "true or false"),
        ("device", "tpu", "auto, cpu, cuda"),
        ("redis", "http://x", "redis://"),
        ("kafka_ca", "/no/such/file", "no such file"),
        ("kafka_security", "SASL_SSL", "STREAMRANK_KAFKA_PASSWORD"),
    ],
)
def test_a_wrong_value_names_the_variable_and_what_is_allowed(name: str, text: str, remedy: str) -> None:
    """SettingsError has the variable's name and the remedy."""
    with pytest.raises(SettingsError) as raised:
        load({variable(name): text})
    assert variable(name) in str(raised.value)
    assert remedy in str(raised.value)


def test_secrets_are_never_shown() -> None:
    """Neither repr nor shown() nor an error holds a password."""
    found = load({
        "STREAMRANK_KAFKA_PASSWORD": "hush1", "STREAMRANK_REDIS": "rediss://me:hush2@r1:6380/0",
    })  # fmt: skip
    assert "hush" not in repr(found) + str(found.shown())
    assert found.shown()["redis"] == "rediss://me:***@r1:6380/0"
    with pytest.raises(SettingsError) as raised:
        load({"STREAMRANK_REDIS": "http://me:hush2@r1"})
    assert "hush" not in str(raised.value)
