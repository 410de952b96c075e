"""Users' signed tokens: what holds, and what does not."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping

import pytest

from streams.gateway.signed import Claims, WrongToken, sign, verified

KEY, OTHER = "k" * 32, "o" * 32


def made(header: Mapping[str, object], claims: object, key: str = KEY) -> bytes:
    """A token as another library would make it, right or wrong."""
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, claims)]
    said = b".".join(parts)
    mac = hmac.new(key.encode(), said, hashlib.sha256).digest()
    return said + b"." + base64.urlsafe_b64encode(mac).rstrip(b"=")


def test_a_token_says_what_was_signed_by_either_key() -> None:
    """An older key still holds, so that keys can be changed without a moment at which nothing does."""
    claims = Claims(sub="用户 7", exp=100, scope="ask", anonymous_id="v7")
    assert verified(sign(claims, OTHER).encode(), [KEY, OTHER], now=99.9) == claims


def test_a_token_of_another_library_holds() -> None:
    """Whole seconds, claims that nobody here reads, and the default scope."""
    header = {"typ": "JWT", "alg": "HS256"}
    found = verified(made(header, {"iss": "shop", "sub": "u1", "iat": 1, "exp": 50}), [KEY], now=10)
    assert (found.sub, found.scope) == ("u1", "publish ask")


def test_the_signature_is_the_standards() -> None:
    """jwt.io's example is signed as here; it only never ends, which is refused."""
    example = (
        b"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIy"
        b"fQ.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c"
    )
    with pytest.raises(WrongToken, match="missing required field `exp`"):
        verified(example, ["your-256-bit-secret"], now=0)


@pytest.mark.parametrize("field", [0, 1, 2])
def test_a_token_that_was_changed_anywhere_does_not_hold(field: int) -> None:
    """Whichever part it is."""
    parts = sign(Claims(sub="u1", exp=100), KEY).split(".")
    parts[field] = ("f" if parts[field][0] != "f" else "g") + parts[field][1:]
    with pytest.raises(WrongToken):
        verified(".".join(parts).encode(), [KEY], now=0)


@pytest.mark.parametrize(
    ("token", "said"),
    [
        (made({"alg": "HS256"}, {"sub": "u1", "exp": 100}, OTHER), "none of the gateway's keys"),
        (made({"alg": "none"}, {"sub": "u1", "exp": 100}), "sign it with HS256"),
        (made({"alg": "HS512"}, {"sub": "u1", "exp": 100}), "sign it with HS256"),
        (made({"alg": "HS256", "crit": ["b64"]}, {"sub": "u1", "exp": 100}), "sign it with HS256"),
        (made({"alg": "HS256"}, {"sub": "u1", "exp": 40}), "ended 10 s ago: get a new one"),
        (made({"alg": "HS256"}, {"sub": "u1", "exp": 100, "nbf": 60}), "holds only in 10 s"),
        (made({"alg": "HS256"}, {"sub": "", "exp": 100}), "cannot be read"),
        (made({"alg": "HS256"}, {"sub": 7, "exp": 100}), "cannot be read"),
        (made({"alg": "HS256"}, ["u1"]), "cannot be read"),
        (b"..", "none of the gateway's keys"),
        (b"a.b.!", "cannot be read"),
        ("a.b.ü".encode(), "cannot be read"),
    ],
)
def test_what_does_not_hold_says_why(token: bytes, said: str) -> None:
    """And names no key and no user."""
    with pytest.raises(WrongToken, match=said):
        verified(token, [KEY], now=50)


def test_without_the_signature_nothing_holds() -> None:
    """An empty third part is no signature, whatever the header says."""
    said = made({"alg": "none"}, {"sub": "u1", "exp": 100}).rpartition(b".")[0]
    with pytest.raises(WrongToken, match="none of the gateway's keys"):
        verified(said + b".", [KEY], now=50)
