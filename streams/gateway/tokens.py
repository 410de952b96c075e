"""Who may do what: the file of tokens, read again when it changes, and what a token that is shown allows.

signing_keys = ["…"]                 # optional: keys of users' signed tokens, of 32 characters or more; the first
                                     # one signs, the others still hold
[tokens.shop]
token = "…"                          # of 16 characters or more
scopes = ["publish", "ask"]          # also: operate
rate = 500                           # optional: events and queries a second
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, time
from typing import Annotated, Final, Literal, get_args

import msgspec
import structlog
from msgspec import Meta

from streamrank_client.errors import SettingsError
from streamrank_client.settings import variable
from streams.gateway.signed import LEAST_KEY, Claims, looks_signed, verified
from streams.settings import Settings
from streams.web.access import is_loopback

__all__ = ["ANYBODY", "Caller", "Scope", "Tokens", "tokens_of"]

Scope = Literal["publish", "ask", "operate"]
SCOPES: Final = frozenset(get_args(Scope))
#: seconds between two looks at the file
_LOOK: Final = 1.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. ``user_id``: the only user that it may act for and look at, None for all. ``rate``: events and queries
    a second, 0 for no limit. ``anonymous_id``: the only visitor whose history such a user may take over.
    """

    name: str
    scopes: frozenset[str]
    user_id: str | None = None
    rate: float = 0.0
    anonymous_id: str | None = None


#: whoever asks a gateway without tokens, which only this machine reaches
ANYBODY: Final = Caller("anybody", SCOPES)


class _Token(msgspec.Struct, forbid_unknown_fields=True):
    token: Annotated[str, Meta(min_length=16)]
    scopes: Annotated[list[Scope], Meta(min_length=1)]
    rate: Annotated[float, Meta(ge=0)] | None = None


class _TokenFile(msgspec.Struct, forbid_unknown_fields=True):
    tokens: dict[str, _Token] = {}
    signing_keys: list[Annotated[str, Meta(min_length=LEAST_KEY)]] = []


class Tokens:
    """The tokens of a file. Raises SettingsError for one that cannot be read."""

    def __init__(self, path: Path, rate: float = 0.0, user_rate: float = 0.0) -> None:
        """``rate``: of tokens that have none of their own; ``user_rate``: of users with signed tokens."""
        self._path = path
        self._rates = rate, user_rate
        self._looked = monotonic()
        self._seen = self._signature()
        self._keys: list[str] = []
        self._callers: Mapping[bytes, Caller] = {}
        self._read()

    @property
    def signing_key(self) -> str:
        """The key that signs. Raises SettingsError where there is none."""
        if not self._keys:
            raise SettingsError(f"{self._path} has no signing_keys: add a text of {LEAST_KEY} random characters")
        return self._keys[0]

    def caller(self, token: bytes) -> Caller | None:
        """Who shows this token, None for a token that is nobody's. Raises WrongToken for a signed one that does not
        hold.
        """
        self._look()
        shown = hashlib.sha256(token).digest()
        # all are compared, so that the time tells nothing of which is how near
        found = [caller for own, caller in self._callers.items() if hmac.compare_digest(own, shown)]
        if found:
            return found[0]
        if self._keys and looks_signed(token):
            return self._signed(verified(token, self._keys, time()))
        return None

    def _signed(self, claims: Claims) -> Caller:
        scopes = frozenset(claims.scope.split()) & SCOPES
        return Caller(f"user {claims.sub}", scopes, claims.sub, self._rates[1], claims.anonymous_id)

    def _look(self) -> None:
        """Read the file again if it has changed; one that cannot be read changes nothing, and is told once."""
        if monotonic() - self._looked < _LOOK:
            return
        self._looked = monotonic()
        signature = self._signature()
        if signature == self._seen:
            return
        self._seen = signature
        try:
            self._read()
        except SettingsError as error:
            log.error("the tokens stay as they were", reason=str(error))
        else:
            log.info("tokens were read again", file=str(self._path), tokens=len(self._callers))

    def _signature(self) -> tuple[int, ...]:
        try:
            about = self._path.stat()
        except OSError:
            return ()
        return about.st_mtime_ns, about.st_ino, about.st_size

    def _read(self) -> None:
        named = f"{variable('gateway_tokens')}={self._path}"
        try:
            found = msgspec.toml.decode(self._path.read_bytes(), type=_TokenFile)
        except (OSError, UnicodeDecodeError, msgspec.MsgspecError) as error:
            raise SettingsError(f"{named}: {error}: docs/gateway.md shows a file of tokens") from error
        callers = {
            hashlib.sha256(one.token.encode()).digest(): Caller(
                name, frozenset(one.scopes), None, self._rates[0] if one.rate is None else one.rate
            )
            for name, one in found.tokens.items()
        }
        if len(callers) < len(found.tokens):
            raise SettingsError(f"{named}: two tokens are the same: make one for each")
        if not callers and not found.signing_keys:
            raise SettingsError(f"{named}: neither tokens nor signing_keys are in it: docs/gateway.md shows a file")
        self._callers, self._keys = callers, found.signing_keys


def tokens_of(settings: Settings) -> Tokens | None:
    """The tokens that the settings name, None where only this machine reaches the gateway and there are none.

    Raises SettingsError where others would reach it without.

    >>> tokens_of(Settings()) is None
    True
    >>> tokens_of(Settings(gateway_host="0.0.0.0"))
    Traceback (most recent call last):
    streamrank_client.errors.SettingsError: STREAMRANK_GATEWAY_HOST=0.0.0.0 is no loopback address: set
    STREAMRANK_GATEWAY_TOKENS, or 127.0.0.1
    """
    if settings.gateway_tokens:
        return Tokens(Path(settings.gateway_tokens), settings.gateway_rate, settings.gateway_user_rate)
    if not is_loopback(settings.gateway_host):
        raise SettingsError(
            f"{variable('gateway_host')}={settings.gateway_host} is no loopback address: set "
            f"{variable('gateway_tokens')}, or 127.0.0.1"
        )
    return None
