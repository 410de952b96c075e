"""The file of tokens: read whole or not at all, and again when it changes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from streamrank_client.errors import SettingsError
from streams.gateway import tokens as module
from streams.gateway.signed import Claims, WrongToken, sign
from streams.gateway.tokens import Tokens, tokens_of
from streams.settings import Settings

KEY = "k" * 32
SHOP = '[tokens.shop]\ntoken = "shop-shop-shop-shop"\nscopes = ["publish", "ask"]\n'
OPERATOR = '[tokens.operator]\ntoken = "operator-operator"\nscopes = ["operate"]\nrate = 5\n'


def written(path: Path, text: str, at: int = 0) -> Path:
    """A file of tokens, of a moment of its own."""
    path.write_text(text)
    os.utime(path, ns=(at, at))
    return path


def test_a_token_is_found_whole_and_with_its_scopes_and_rate(tmp_path: Path) -> None:
    """No part of one, and nothing longer."""
    found = Tokens(written(tmp_path / "t.toml", SHOP + OPERATOR), rate=100)
    shop, operator = found.caller(b"shop-shop-shop-shop"), found.caller(b"operator-operator")
    assert shop is not None
    assert operator is not None
    assert (shop.name, shop.scopes, shop.user_id, shop.rate) == ("shop", frozenset(("publish", "ask")), None, 100)
    assert (operator.scopes, operator.rate) == (frozenset(("operate",)), 5)
    for wrong in (b"shop-shop-shop-sho", b"shop-shop-shop-shop ", b"a.b.c", b"\xff"):
        assert found.caller(wrong) is None


def test_a_signed_token_is_its_users_and_nobody_elses(tmp_path: Path) -> None:
    """With the scopes that it names, of those there are."""
    found = Tokens(written(tmp_path / "t.toml", f'signing_keys = ["{KEY}"]\n' + SHOP), user_rate=7)
    caller = found.caller(sign(Claims(sub="u1", exp=9e9), KEY).encode())
    assert caller is not None
    assert (caller.user_id, caller.scopes, caller.rate) == ("u1", frozenset(("publish", "ask")), 7)
    more = found.caller(sign(Claims(sub="u1", exp=9e9, scope="ask admin"), KEY).encode())
    assert more is not None
    assert more.scopes == {"ask"}
    with pytest.raises(WrongToken):
        found.caller(sign(Claims(sub="u1", exp=9e9), "x" * 32).encode())


def test_the_file_is_read_again_when_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no longer in it holds no longer; one that is broken or gone changes nothing."""
    monkeypatch.setattr(module, "_LOOK", 0.0)
    path = written(tmp_path / "t.toml", SHOP, 1)
    found = Tokens(path)
    written(path, OPERATOR, 2)
    assert found.caller(b"shop-shop-shop-shop") is None
    assert found.caller(b"operator-operator") is not None
    written(path, "[tokens.shop", 3)
    assert found.caller(b"operator-operator") is not None
    path.unlink()
    assert found.caller(b"operator-operator") is not None
    written(path, SHOP, 4)
    assert found.caller(b"operator-operator") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "neither tokens nor signing_keys"),
        ("[tokens.a]\ntoken = 'short'\nscopes = ['ask']", "length >= 16.*tokens"),
        ("[tokens.a]\ntoken = 'long enough, this is'\nscopes = ['admin']", "'admin'"),
        ("[tokens.a]\ntoken = 'long enough, this is'\nscopes = []", "scopes"),
        ("[tokens.a]\ntoken = 'long enough, this is'\nscopes = ['ask']\nrates = 5", "rates"),
        ("signing_keys = ['short']", "length >= 32"),
        ("[tokens.a]\ntoken = 'the same for two'\nscopes = ['ask']\n"
         "[tokens.b]\ntoken = 'the same for two'\nscopes = ['operate']", "two tokens are the same"),
        ("not toml", "docs/gateway.md"),
    ],
)  # fmt: skip
def test_a_file_that_will_not_do_names_the_setting_and_the_place(tmp_path: Path, text: str, said: str) -> None:
    """And no token: the message goes into logs."""
    with pytest.raises(SettingsError, match=said) as raised:
        Tokens(written(tmp_path / "t.toml", text))
    assert "STREAMRANK_GATEWAY_TOKENS=" in str(raised.value)
    assert "long enough" not in str(raised.value)


def test_an_address_that_others_reach_needs_tokens(tmp_path: Path) -> None:
    """A gateway without is for this machine."""
    for host in ("0.0.0.0", "::", "10.0.0.7", "shop.example"):
        with pytest.raises(SettingsError, match=r"STREAMRANK_GATEWAY_HOST=.* is no loopback address: set"):
            tokens_of(Settings(gateway_host=host))
        path = str(written(tmp_path / "t.toml", SHOP))
        assert tokens_of(Settings(gateway_host=host, gateway_tokens=path)) is not None
    for host in ("127.0.0.1", "::1", "localhost"):
        assert tokens_of(Settings(gateway_host=host)) is None


def test_a_file_without_a_key_signs_nothing(tmp_path: Path) -> None:
    """It says what to add."""
    with pytest.raises(SettingsError, match="has no signing_keys: add"):
        _ = Tokens(written(tmp_path / "t.toml", SHOP)).signing_key
