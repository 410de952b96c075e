"""What streamrank publishes: answers, and letters for what it could not use.

>>> decode_answer(b'{"event":"answer","time":5,"request_id":"r1"}').items
[]
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from streamrank_client.fields import Base, Place

__all__ = [
    "CANDIDATES_CUT",
    "NOT_STORED",
    "REASONS_CUT",
    "REQUEST_ID",
    "UNREADABLE",
    "Answer",
    "AnswerError",
    "AnswerItem",
    "DeadLetter",
    "FacetValue",
    "IntentLabel",
    "NearQuery",
    "Suggestion",
    "Understood",
    "WordExpansion",
    "decode_answer",
    "decode_dead_letter",
]

#: why an answer is ``degraded``: what follows from it may not be stored; something stored could not be read
NOT_STORED = "not_stored"
UNREADABLE = "unreadable"
#: where an answer is ``cut``: not all candidates given were ranked; reasons are those among fewer candidates than were
#: ranked, or some items have none
CANDIDATES_CUT = "candidates"
REASONS_CUT = "reasons"
#: name of the header of an answer's record with the request id
REQUEST_ID = "request_id"


class WordExpansion(Struct):
    """A word that was searched for beside the query's own word ``of``, or for it when ``weight`` is 1.

    ``kind``: "spelling", "synonym" (learnt) or "dictionary" (a translation, or another name).
    """

    term: str
    of: str
    kind: str
    weight: float


class NearQuery(Struct):
    """A known query near this one in meaning, whose choices counted; ``cosine``: of their vectors, at most 1."""

    text: str
    cosine: float


class Understood(Struct, omit_defaults=True):
    """How the query's text was read, where something was guessed. ``refined_from``: the search that it goes on from
    ("red" after "dress"); ``corrected``: the text that was searched for too, where that is not what was typed;
    ``expansions``: the words that were corrected or translated.

    With ``explain`` also: its ``words`` after correction, all that was searched for beside them, and the known queries
    like it.
    """

    refined_from: str = ""
    words: list[str] = []
    corrected: str = ""
    expansions: list[WordExpansion] = []
    neighbours: list[NearQuery] = []


class IntentLabel(Struct):
    """What the shopper means, with a calibrated confidence from 0 to 1."""

    label: str
    confidence: float


class ItemDetails(Struct, omit_defaults=True):
    """What a page shows of an item, as the catalogue has it: ``price`` is what it costs when it is asked for,
    ``list_price`` what it would without a promotion, where there is one.
    """

    title: str = ""
    brand: str = ""
    price: float | None = None
    list_price: float | None = None
    link: str | None = None
    image_link: str | None = None


class AnswerItem(Struct, omit_defaults=True):
    """One recommended item; ``propensity`` is the probability with which it stands at this position.

    Where the answer's ``exploration`` is ``plackett-luce``, it is the probability given what stands above as well.

    With ``explain``: ``reasons`` are contributions that add up to the score, ``features`` what the ranker saw, and,
    in the query's ``language``, ``why`` says in words what spoke for it most, where something did. ``details`` are
    there where the query asked for them.
    """

    item_id: str
    score: float
    propensity: float
    sources: list[str] = []
    reasons: dict[str, float] | None = None
    features: dict[str, float] | None = None
    why: str | None = None
    details: ItemDetails | None = None


Faceted = Annotated[
    bool | float | str, Meta(title="Faceted", description="A category, a brand, or the value of an attribute.")
]


class FacetValue(Struct, omit_defaults=True):
    """A value of a facet and how many matches have it; of prices a range, from ``min`` to below ``max``, where they are
    not open.
    """

    count: int
    value: Faceted | None = None
    min: float | None = None
    max: float | None = None


class Suggestion(Struct, omit_defaults=True):
    """A text that completes what was typed, to be shown and asked for. ``kind``: "query", what others have searched for
    and found; "word", what was typed with its last word completed; "title", that of the item ``item_id``.
    """

    text: str
    kind: str
    item_id: str | None = None


class AnswerError(Struct):
    """Why a query could not be answered: a word for programs, the field, a sentence for people."""

    code: str
    field: str
    message: str


class Answer(Base, tag="answer", kw_only=True):
    """The answer to one query; ``seen`` is the last behaviour event whose effects it contains.

    ``arm`` is that of the ``experiment`` in which the query took part; ``control`` where it took part in none.
    ``exploration`` is the policy's name. ``degraded``: what kept the answer from being as good as it could be
    ("not_stored": Redis takes no writes for now; "unreadable": another version wrote what it was to contain). ``cut``:
    what would have been more work than one query may be ("candidates": the last of those given were not ranked;
    "reasons": explained among the best only, the line ``not_explained`` being what the others change; where even that
    is too much, the last items have no reasons).
    ``after_unmet``: the event that the query's ``after`` names is not in it, or lies on another partition.
    ``matches``: how many items match a search, or a query with ``facets`` or ``sort``, of which ``items`` are a page;
    ``facets``: what was asked for, counted among them with the filters of the other facets. ``suggestions``: where the
    query asked for those, best first.
    """

    request_id: str
    user_id: str | None = None
    surface: str = ""
    intent: IntentLabel | None = None
    understood: Understood | None = None
    items: list[AnswerItem] = []
    experiment: str = ""
    arm: str = ""
    artifact: str = ""
    weights_version: int = 0
    seen: Place | None = None
    error: AnswerError | None = None
    exploration: str = "none"
    degraded: list[str] = []
    cut: list[str] = []
    after_unmet: bool = False
    matches: int | None = None
    facets: dict[str, list[FacetValue]] = {}
    suggestions: list[Suggestion] = []


class DeadLetter(Struct, tag="dead_letter", tag_field="event"):
    """A record that could not be used. ``raw`` holds at most its first 64 KiB (``size`` is its whole length)."""

    topic: str
    partition: int
    offset: int
    code: str
    field: str
    reason: str
    key: bytes | None
    raw: bytes | None
    size: int


#: bytes -> struct; raise msgspec.DecodeError (ValidationError names the path)
decode_answer = msgspec.json.Decoder(Answer).decode
decode_dead_letter = msgspec.json.Decoder(DeadLetter).decode
