"""A user's search session: what was searched for last and what was shown, so that "cheaper" has a meaning.

Written with each answered search, and expiring; whether it still counts is decided by the times in it alone, never by
Redis's clock, so that a replay decides the same.
"""

from __future__ import annotations

from typing import Final

import msgspec

#: A search that follows more than so many milliseconds after the last one begins a new session.
LASTS_MS: Final = 30 * 60_000
#: Items of the last answer, and texts, that are kept.
SHOWN: Final = 30
TEXTS: Final = 8


class SearchSession(msgspec.Struct, array_like=True, frozen=True):
    """``time``: of the last search, Unix ms; ``text``: the product that is searched for; ``words``: how it was refined,
    (word, kind) each; ``price_min`` and ``price_max``: the limits in effect; ``shown``: u64 keys of the items of the
    last answer, ``prices``: theirs, None where unknown; ``texts``: what was typed, newest last. Only append fields.

    >>> session = SearchSession(5, "dress", [("red", "colour")], None, 50.0, [7], [49.0], ["dress", "red", "under 50"])
    >>> decode(encode(session), 6) == session, decode(encode(session), 4), decode(encode(session), LASTS_MS + 6)
    (True, None, None)
    """

    time: int
    text: str
    words: list[tuple[str, str]]
    price_min: float | None
    price_max: float | None
    shown: list[int]
    prices: list[float | None]
    texts: list[str]


encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(SearchSession)


def stored(value: bytes | None) -> SearchSession | None:
    """The last session that was stored, over or not. Raises msgspec.DecodeError when the bytes are no session."""
    return None if value is None else _decoder.decode(value)


def decode(value: bytes | None, now: int) -> SearchSession | None:
    """The session that a search at ``now`` (Unix ms) continues, None when there is none or it is over.

    Raises msgspec.DecodeError when the bytes are no session.
    """
    session = stored(value)
    return session if session is not None and 0 <= now - session.time <= LASTS_MS else None
