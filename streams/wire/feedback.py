"""Feedback as it travels: a behaviour event joined to the impression that it answers."""

from __future__ import annotations

import zlib

import msgspec
import numpy as np

from state.impressions import Circumstances, StoredImpression
from state.impressions import decode as decode_impression
from state.impressions import encode as encode_impression
from streamrank_client.fields import Place


class Feedback(msgspec.Struct, tag="feedback", tag_field="event", omit_defaults=True):
    """A behaviour event joined to its impression: one training example, JSON on the feedback topic.

    ``inputs`` are the online ranker's inputs of the items shown, in order of position (shape (shown, d)), as they
    were when the answer was given; ``chosen`` is the position of the item. ``source`` is the behaviour event's
    place, by which a redelivered example is recognised. ``up`` and ``down``: how the item could have been exchanged
    with the one above and the one below it (``models.exploration.slates``). ``shown``, where rankers are retrained: the
    impression with a sample of what was not shown (``packed_impression``). ``scored``: the sources that scored any
    item shown; None in those written before they told. ``opening``: the list opened a basket
    (``models.ranking.weights.opens``). ``usual``: the place, from 1, at which the items' popularity would have put the
    chosen one (``models.learning.loss``); 0: not told.
    """

    source: Place
    surface: str
    request_id: str
    user_id: str
    item_id: str
    kind: str
    time: int
    weight: float
    chosen: int
    propensity: float
    arm: str
    items: list[str]
    inputs: list[list[float]]
    experiment: str = ""
    up: float = 0.0
    down: float = 0.0
    shown: bytes = b""
    scored: list[str] | None = None
    opening: bool = False
    usual: float = 0.0


encode_feedback = msgspec.json.Encoder().encode
decode_feedback = msgspec.json.Decoder(Feedback).decode


def packed_impression(impression: StoredImpression) -> bytes:
    """What a ranker is trained on, of an impression that was kept for it: its candidates not shown are the sampled.

    Query text, sources and scores are left out. zlib over msgpack, 3 to 4 KB; ``unpacked_impression`` reads it.
    """
    known = impression.known or Circumstances()
    known = Circumstances(
        found=known.found,
        recent=known.recent,
        others=impression.sampled or b"",
        other_features=impression.sampled_features,
    )
    none = np.zeros(0, np.float32)
    kept = msgspec.structs.replace(
        impression, text="", known=known, exchange=None, offline=none, sampled=None, sampled_features=none
    )
    return zlib.compress(encode_impression(kept), 1)


def unpacked_impression(data: bytes) -> StoredImpression:
    """The impression in ``Feedback.shown``. Raises zlib.error or msgspec.DecodeError when it is none."""
    return decode_impression(zlib.decompress(data))
