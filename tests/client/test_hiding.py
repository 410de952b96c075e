"""Secrets are hidden in whatever is written, by one function."""

from __future__ import annotations

import io
import sys
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamrank_client.errors import SettingsError
from streamrank_client.hiding import LEAST, hidden, hide_in_output
from streamrank_client.settings import secret_texts
from streams.settings import Settings, load

SECRET = "s3cr3t-W0rd"


@given(st.text(max_size=40), st.lists(st.text(min_size=LEAST, max_size=8).filter(lambda s: "*" not in s), max_size=4))
def test_no_secret_is_left_in_a_text(text: str, secrets: list[str]) -> None:
    """Wherever it stands, and however many there are."""
    shown = hidden(text + "".join(secrets) + text, secrets)
    assert not any(secret in shown for secret in secrets)


def test_of_two_secrets_that_begin_alike_none_is_left_in_part() -> None:
    """The longer one goes first."""
    assert hidden("password-and-more", ["password", "password-and-more"]) == "***"


def test_what_is_written_to_stdout_and_stderr_is_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Printed lines and tracebacks."""
    out, err = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    hide_in_output([SECRET])
    print(f"the password is {SECRET}")
    sys.stdout.writelines([f"{SECRET}\n"])
    try:
        raise ValueError(f"redis://u:{SECRET}@r1")
    except ValueError:
        traceback.print_exc()
    assert out.getvalue() == "the password is ***\n***\n"
    assert "redis://u:***@r1" in err.getvalue()
    assert SECRET not in err.getvalue()


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (f"redis://u:{SECRET}@r1:6379/0", [SECRET]),
        (f"redis://:{SECRET}@r1", [SECRET]),
        ("rediss://u:a%2Fb%40c@r1", ["a%2Fb%40c", "a/b@c"]),
        (f"unix:///run/redis.sock?password={SECRET}", [SECRET]),
        ("redis://u:pa#s@word@r1", ["pa#s@word"]),
        ("redis://[bad:secret@r1", ["secret"]),
        ("redis://r1:6379/0", []),
    ],
)
def test_a_password_in_an_address_is_a_secret(address: str, expected: list[str]) -> None:
    """As it stands there, and as it is meant."""
    assert secret_texts(Settings, {"redis": address}) == expected


@pytest.mark.parametrize("address", ["redis://u:pa#ss@r1", "redis://[bad", "redis://r1:port", "redis://u:p/w@r1:1"])
def test_an_address_that_cannot_be_read_is_refused_without_showing_it(address: str) -> None:
    """A password with odd characters ends up in the port: neither is shown."""
    with pytest.raises(SettingsError, match=r"STREAMRANK_REDIS=.*: .*encode") as raised:
        load({"STREAMRANK_REDIS": address})
    assert "pa" not in str(raised.value).replace("password", "").replace("expected", "")


def test_settings_name_all_their_secrets() -> None:
    """Those that `shown` masks."""
    settings = Settings(kafka_password="kafka-word", operator_token="operator-word", redis=f"redis://u:{SECRET}@r1")
    assert settings.secrets() == ["kafka-word", SECRET, "operator-word"]
    shown = " ".join(settings.shown().values())
    assert not any(secret in shown or secret in repr(settings) for secret in settings.secrets())
