"""Signed tokens of one user, for browsers: JSON Web Tokens with HMAC-SHA256 (RFC 7515, 7519; ``alg`` HS256).

A shop's server makes one after a login with any JWT library, or with ``streamrank gateway --sign``. Claims: ``sub`` is
the user id, ``exp`` when the token ends (Unix seconds), ``scope`` what it may do, "publish ask" by default; ``nbf`` is
heeded too; ``anonymous_id`` is the visitor whose history the user may join to its own (``identify``).

>>> token = sign(Claims(sub="u1", exp=60), "k" * 32)
>>> verified(token.encode(), ["k" * 32], now=59).sub
'u1'
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from streamrank_client.fields import Id

__all__ = ["LEAST_KEY", "Claims", "WrongToken", "looks_signed", "sign", "verified"]

#: characters of a signing key: HS256 wants as many bits as its hash has (RFC 7518, 3.2)
LEAST_KEY: Final = 32
_HEADER: Final = b'{"alg":"HS256","typ":"JWT"}'


class Claims(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a token says; times in Unix seconds."""

    sub: Id
    exp: Annotated[float, Meta(ge=0)]
    scope: str = "publish ask"
    nbf: float = 0.0
    anonymous_id: Id | None = None


class _Header(msgspec.Struct):
    alg: str
    crit: list[str] = []


class WrongToken(ValueError):
    """A signed token that does not hold, and why."""


def looks_signed(token: bytes) -> bool:
    """Whether a token has the three parts of a signed one."""
    return token.count(b".") == 2


def sign(claims: Claims, key: str) -> str:
    """A token that says ``claims``."""
    said = _packed(_HEADER) + b"." + _packed(msgspec.json.encode(claims))
    return (said + b"." + _packed(_mac(said, key))).decode()


def verified(token: bytes, keys: Sequence[str], now: float) -> Claims:
    """What a token says that one of ``keys`` signed and that holds at ``now``. Raises WrongToken.

    >>> verified(b"e30.e30.", ["k" * 32], now=0)
    Traceback (most recent call last):
    streams.gateway.signed.WrongToken: the token is signed with none of the gateway's keys
    """
    said, _, mac = token.rpartition(b".")
    try:
        given = _unpacked(mac)
        if not any(hmac.compare_digest(given, _mac(said, key)) for key in keys):
            raise WrongToken("the token is signed with none of the gateway's keys")
        header, _, body = said.partition(b".")
        about = msgspec.json.decode(_unpacked(header), type=_Header)
        if about.alg != "HS256" or about.crit:
            raise WrongToken(f"the token has alg {about.alg!r}: sign it with HS256")
        claims = msgspec.json.decode(_unpacked(body), type=Claims)
    except (msgspec.MsgspecError, binascii.Error, UnicodeDecodeError) as error:
        raise WrongToken(f"the token cannot be read: {error}") from None
    if now >= claims.exp:
        raise WrongToken(f"the token ended {now - claims.exp:.0f} s ago: get a new one")
    if now < claims.nbf:
        raise WrongToken(f"the token holds only in {claims.nbf - now:.0f} s: compare clocks")
    return claims


def _mac(said: bytes, key: str) -> bytes:
    return hmac.new(key.encode(), said, hashlib.sha256).digest()


def _packed(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def _unpacked(text: bytes) -> bytes:
    return base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
