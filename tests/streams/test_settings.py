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
        ("redis", "redis://me:hush@r1:6379,r2:6379/0", "redis+cluster://"),
        ("redis", "redis://r1:6379/first", "end with /0"),
        ("redis", "redis+cluster://r1:6379/1", "leave out what follows"),
        ("redis", "redis+cluster://r1:many", "host:port,host:port"),
        ("redis", "redis+cluster://", "host:port,host:port"),
        ("redis", "redis+sentinel://s1:26379", "redis+sentinel://host:port/service/0"),
        ("redis", "rediss+sentinel://s1/shop/0?db=1", "%3F"),
        ("redis", "redis://[r1", "brackets"),
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


@pytest.mark.parametrize(
    "url", [
        "http://me:hush2@r1", "redis://me:hush2/x@r1:1", "redis+cluster://:hush2,hush2@r1/3", "hush2@r1",
        "redis+sentinel://me:a?hush2@s1/x", "redis://me:a#hush2:7@r1/0", "redis+cluster://r1?password=hush2",
    ],
)  # fmt: skip
def test_an_address_that_is_wrong_is_told_without_its_password(url: str) -> None:
    """However the password is written."""
    with pytest.raises(SettingsError) as raised:
        load({"STREAMRANK_REDIS": url})
    assert "STREAMRANK_REDIS=" in str(raised.value)
    assert "hush" not in str(raised.value)


def test_addresses_of_clusters_and_sentinels_are_shown_with_their_hosts() -> None:
    """And without their password."""
    for scheme in ("redis+cluster", "rediss+cluster"):
        found = load({"STREAMRANK_REDIS": f"{scheme}://me:hush@r1:7000,r2:7001"})
        assert found.shown()["redis"] == f"{scheme}://me:***@r1:7000,r2:7001"
    found = load({"STREAMRANK_REDIS": "redis+sentinel://me:hush@s1,s2:7/shop/0"})
    assert found.shown()["redis"] == "redis+sentinel://me:***@s1,s2:7/shop/0"
