"""What a visitor's partition tells a user's: the history that was the visitor's, as it was stored.

It travels on behavior-events, keyed by the user, so that only the partition's owner changes the user's records.
"""

from __future__ import annotations

import msgspec

__all__ = ["IDENTIFIED", "Identified", "decode_identified", "encode_identified"]


class Identified(msgspec.Struct, frozen=True, tag="identified", tag_field="event"):
    """``partition`` and ``offset``: of the event that said so; the rest: values of Redis with their layouts' headers,
    empty where nothing was stored.
    """

    time: int
    user_id: str
    anonymous_id: str
    partition: int
    offset: int
    context: bytes
    purchases: bytes
    dislikes: bytes
    daily: bytes


IDENTIFIED = str(Identified.__struct_config__.tag)

_decode: msgspec.json.Decoder[Identified] = msgspec.json.Decoder(Identified)


def decode_identified(raw: bytes) -> Identified:
    """Raises msgspec.DecodeError."""
    return _decode.decode(raw)


def encode_identified(told: Identified) -> bytes:
    """The record's value: JSON, as all of behavior-events is; values in base64."""
    return msgspec.json.encode(told)
