"""The wire: every event a struct, all of them one union tagged by the field ``event``.

JSON objects; times are integer Unix milliseconds. Unknown fields are ignored, wrong ones make a dead letter that names
the field; null is as if the field were not there. An event log is JSON Lines of the same objects.

>>> decode_event(b'{"event":"click","event_id":"e9","user_id":"u1","item_id":"p1","time":1700000001000}').item_id
'p1'
"""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal, TypeVar, get_args

import msgspec
from msgspec import Meta, Struct

from streamrank_client import limits
from streamrank_client.answers import Answer
from streamrank_client.errors import InvalidEvent
from streamrank_client.fields import (
    Attribute,
    AttributeName,
    Base,
    Filters,
    Id,
    Link,
    Place,
    Price,
    Text,
    Time,
    Vector,
    refuse_seconds,
)
from streamrank_client.malformed import malformed
from streamrank_client.rules import DeleteRule, Rule
from streamrank_client.shapes import naming_allowed
from streamrank_client.vocabulary import CODE, DAY_MS, Sort, Surface
from streamrank_client.wrong_values import located


# ---------------------------------------------------------------- item-events
class Item(Base, tag="item", kw_only=True):
    """An item that can be recommended, whole: one of a later time replaces it.

    ``price`` is what it costs; ``list_price`` what it costs without a promotion. With ``valid_from`` or ``valid_to``
    the promotion's ``price`` holds from and until then, and ``list_price`` otherwise. Variants of one product (colours,
    sizes) share a ``group_id``: one of them is shown. ``link`` and ``image_link`` are the addresses of its page and of
    its picture, for who shows answers (``Query.details``).
    """

    item_id: Id
    title: Text = ""
    description: Annotated[str, Meta(max_length=limits.DESCRIPTION_CHARACTERS)] = ""
    category: Annotated[list[Id], Meta(max_length=limits.CATEGORY_LEVELS)] = []
    brand: Annotated[str, Meta(max_length=limits.BRAND_CHARACTERS)] = ""
    price: Price | None = None
    list_price: Price | None = None
    valid_from: Time | None = None
    valid_to: Time | None = None
    attributes: Annotated[dict[AttributeName, Attribute], Meta(max_length=limits.ATTRIBUTES)] = {}
    image_vector: Vector | None = None
    in_stock: bool = True
    group_id: Id | None = None
    link: Link | None = None
    image_link: Link | None = None

    def __post_init__(self) -> None:
        """Refuse times in seconds."""
        for field in ("time", "valid_from", "valid_to"):
            refuse_seconds(field, getattr(self, field))


class ItemUpdate(Base, tag="item_update", kw_only=True):
    """A change of some of an item's fields, such as its price or stock: those that are given replace the item's, the
    others stay. Fields are those of ``Item``; a field that is to be emptied needs the whole item.
    """

    item_id: Id
    title: Text | None = None
    description: Annotated[str, Meta(max_length=limits.DESCRIPTION_CHARACTERS)] | None = None
    category: Annotated[list[Id], Meta(max_length=limits.CATEGORY_LEVELS)] | None = None
    brand: Annotated[str, Meta(max_length=limits.BRAND_CHARACTERS)] | None = None
    price: Price | None = None
    list_price: Price | None = None
    valid_from: Time | None = None
    valid_to: Time | None = None
    attributes: Annotated[dict[AttributeName, Attribute], Meta(max_length=limits.ATTRIBUTES)] | None = None
    image_vector: Vector | None = None
    in_stock: bool | None = None
    group_id: Id | None = None
    link: Link | None = None
    image_link: Link | None = None

    def __post_init__(self) -> None:
        """Refuse times in seconds."""
        for field in ("time", "valid_from", "valid_to"):
            refuse_seconds(field, getattr(self, field))


class Delete(Base, tag="delete", kw_only=True):
    """An item that is gone; the same as a tombstone with its key."""

    item_id: Id


# ---------------------------------------------------------------- behavior-events
class UserEvent(Base, kw_only=True):
    """What every behaviour event has. ``request_id`` names the answer it came from, if any."""

    event_id: Id
    user_id: Id
    request_id: Id | None = None


class ItemEvent(UserEvent, kw_only=True):
    """A user did something with one item. ``query`` is the text that it was found with. ``position``, counted from 0,
    is for the shop's own reading of the log: where an answer showed the item is known from its ``request_id``.
    """

    item_id: Id
    position: Annotated[int, Meta(ge=0, le=limits.POSITION)] | None = None
    query: Text | None = None


class Impression(UserEvent, tag="impression", kw_only=True):
    """These items were really seen, in this order."""

    item_ids: Annotated[list[Id], Meta(min_length=1, max_length=limits.SHOWN_ITEMS)]


class View(ItemEvent, tag="view", kw_only=True):
    """The item's page was opened."""


class Click(ItemEvent, tag="click", kw_only=True):
    """The item was clicked in an answer or elsewhere."""


class AddToCart(ItemEvent, tag="add_to_cart", kw_only=True):
    """The item was put in the basket."""

    quantity: Annotated[int, Meta(ge=1, le=limits.QUANTITY)] = 1


class Purchase(ItemEvent, tag="purchase", kw_only=True):
    """The item was bought; ``price`` is per unit; lines of one order share ``basket_id``."""

    quantity: Annotated[int, Meta(ge=1, le=limits.QUANTITY)] = 1
    price: Price | None = None
    basket_id: Id | None = None


class Rating(ItemEvent, tag="rating", kw_only=True):
    """The item was rated from 0 to 5."""

    value: Annotated[float, Meta(ge=0, le=5)]


class Dislike(ItemEvent, tag="dislike", kw_only=True):
    """The user does not want to see the item."""


class Dwell(ItemEvent, tag="dwell", kw_only=True):
    """The user stayed on the item for ``milliseconds``."""

    milliseconds: Annotated[int, Meta(ge=0, le=DAY_MS)]


class Identify(Base, tag="identify", kw_only=True):
    """A visitor logged in: what was done as ``anonymous_id`` belongs to the user from now on, and is no longer the
    visitor's. It is keyed by ``anonymous_id``, so that it comes behind what was done so.
    """

    event_id: Id
    user_id: Id
    anonymous_id: Id

    def __post_init__(self) -> None:
        """Refuse a time in seconds, and a user who is the visitor."""
        refuse_seconds("time", self.time)
        if self.anonymous_id == self.user_id:
            raise ValueError(f"anonymous_id: {self.anonymous_id!r} is the user_id: send the id used before the login")


Behavior = Impression | View | Click | AddToCart | Purchase | Rating | Dislike | Dwell
#: What producers write to behavior-events.
BehaviorEvents = Behavior | Identify
#: The code of each kind's struct.
CODE_OF: Final[dict[type[Struct], int]] = {kind: CODE[str(kind.__struct_config__.tag)] for kind in get_args(Behavior)}
#: Behaviours that choose an item: what an evaluation tests, and a ranker learns from.
CHOICES: Final = (Click, AddToCart, Purchase, Rating)


# ---------------------------------------------------------------- query-events
#: In which ``why`` may be said.
Language = Literal["en", "zh"]


class Query(Base, tag="query", kw_only=True):
    """A question: the answer goes to the recommendations topic, or to ``reply_topic``.

    Without ``surface`` it follows from what is given: ``candidates`` → rerank, ``item_id`` → similar,
    ``cart`` → cart, ``text`` or ``image_vector`` → search, else home. Without ``user_id`` nobody is known, and the
    record's key is the request id; an anonymous session that should be remembered uses its session id as user id.

    ``offset`` gives the items from there on: page two of the same user, text, time and limit has none of page one's.
    With exploration, ``page_of`` names page one's ``request_id``, so that its chance is drawn again. With ``explain``
    and a ``language``, each item says in words why it is shown. With ``details``, each has its title, price and links.
    With ``suggest``, ``text`` is completed instead: the answer has ``suggestions``, at most ``limit``, and no items.

    ``facets``: ``category``, ``brand``, ``price`` or names of attributes, whose values are counted among all that
    matches; ``sort``: all that matches in this order instead of the most relevant items first, but
    not on ``rerank``.
    """

    request_id: Id
    user_id: Id | None = None
    surface: Surface | None = None
    text: Text = ""
    image_vector: Vector | None = None
    item_id: Id | None = None
    cart: Annotated[list[Id], Meta(max_length=limits.CART_ITEMS)] = []
    candidates: Annotated[list[Id], Meta(max_length=limits.CANDIDATES)] = []
    limit: Annotated[int, Meta(ge=1, le=limits.PAGE_ITEMS)] = 10
    offset: Annotated[int, Meta(ge=0, le=limits.PAGE_OFFSET)] = 0
    page_of: Id | None = None
    filters: Filters | None = None
    facets: Annotated[list[Id], Meta(max_length=limits.FACETS)] = []
    sort: Sort | None = None
    exclude: Annotated[list[Id], Meta(max_length=limits.EXCLUDED_ITEMS)] = []
    explain: bool = False
    details: bool = False
    suggest: bool = False
    language: Language | None = None
    after: Place | None = None
    reply_topic: Annotated[str, Meta(pattern="^[A-Za-z0-9._-]{1,249}$")] | None = None

    @property
    def key(self) -> str:
        """The record's key: the user id, or the request id of a query by nobody known."""
        return self.user_id if self.user_id is not None else self.request_id

    @property
    def answered_on(self) -> Surface:
        """The query's surface, or what follows from what it gives.

        >>> Query(time=0, request_id="r", text="tea").answered_on
        'search'
        """
        if self.surface is not None:
            return self.surface
        if self.candidates:
            return "rerank"
        if self.item_id:
            return "similar"
        if self.cart:
            return "cart"
        return "search" if self.text or self.image_vector else "home"


ItemEvents = Item | ItemUpdate | Delete | Rule | DeleteRule
Event = ItemEvents | BehaviorEvents | Query | Answer

_E = TypeVar("_E")
_any: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)
_item: msgspec.json.Decoder[ItemEvents] = msgspec.json.Decoder(ItemEvents)
_behavior: msgspec.json.Decoder[Behavior] = msgspec.json.Decoder(Behavior)
_on_behavior: msgspec.json.Decoder[BehaviorEvents] = msgspec.json.Decoder(BehaviorEvents)
_query: msgspec.json.Decoder[Query] = msgspec.json.Decoder(Query)
_plain: msgspec.json.Decoder[object] = msgspec.json.Decoder()


def decode_event(raw: bytes) -> Event:
    """An event of any kind. Raises msgspec.DecodeError (ValidationError names the path); see ``invalid``."""
    return _decoded(_any, raw)


def decode_item(raw: bytes) -> ItemEvents:
    """An event of item-events. Raises as ``decode_event``.

    >>> decode_item(b'{"event":"item","item_id":"p1","time":5,"brand":null,"attributes":{"size":[41,null]}}').attributes
    {'size': [41.0]}
    """
    return _decoded(_item, raw)


def decode_behavior(raw: bytes) -> Behavior:
    """A behaviour of a user. Raises as ``decode_event``."""
    return _decoded(_behavior, raw)


def decode_behavior_event(raw: bytes) -> BehaviorEvents:
    """An event of behavior-events. Raises as ``decode_event``."""
    return _decoded(_on_behavior, raw)


def decode_query(raw: bytes) -> Query:
    """A query. Raises as ``decode_event``."""
    return _decoded(_query, raw)


encode = msgspec.json.Encoder().encode


def _decoded(decoder: msgspec.json.Decoder[_E], raw: bytes) -> _E:
    """The event, once more without its nulls where it does not decode with them: few have any that matter."""
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        if b"null" not in raw:
            raise naming_allowed(error, decoder.type) from None
    try:
        return decoder.decode(msgspec.json.encode(_without_nulls(_plain.decode(raw))))
    except msgspec.ValidationError as error:
        raise naming_allowed(error, decoder.type) from None


def _without_nulls(value: object) -> object:
    """A JSON value without the null fields of its objects and the nulls in its lists, but for vectors: those have
    places.
    """
    if isinstance(value, dict):
        given = {name: inner for name, inner in value.items() if inner is not None}
        return {name: inner if name == "image_vector" else _without_nulls(inner) for name, inner in given.items()}
    if isinstance(value, list):
        return [_without_nulls(inner) for inner in value if inner is not None]
    return value


def invalid(error: msgspec.DecodeError | UnicodeDecodeError | RecursionError, raw: bytes = b"") -> InvalidEvent:
    """Turn a decoder's error into one with a code, a field and a sentence; ``raw``: what it was to decode.

    >>> raw = b'{"event":"click","event_id":"e","user_id":"u","item_id":"i","time":"now"}'
    >>> try: decode_behavior(raw)
    ... except msgspec.DecodeError as e: print(invalid(e, raw).field, "|", invalid(e, raw).message)
    time | Expected `int`, got `str`: 'now'
    """
    text = str(error)
    if not isinstance(error, msgspec.ValidationError):
        return malformed(text, raw)
    message, _, path = text.partition(" - at `")
    at_name, _, inside = path.partition("key` in `")
    if inside and not at_name:
        path, message = inside, f"a name in it: {message}"
    field = path.rstrip("`").removeprefix("$").removeprefix(".")
    told = re.match(r"(\w+): ", message)
    if told:
        return InvalidEvent("invalid", f"{field}.{told[1]}".lstrip("."), message[told.end() :])
    missing = re.search(r"missing required field `(\w+)`", message)
    if missing:
        return InvalidEvent("missing", f"{field}.{missing[1]}".lstrip("."), "required, but missing")
    if "Invalid value" in message and "event" in field:
        return InvalidEvent("unknown_event", "event", message)
    if raw:
        field, value = located(raw, field)
        message += f": {value}" if value and message.startswith("Expected") else ""
    return InvalidEvent("invalid", field, message)
