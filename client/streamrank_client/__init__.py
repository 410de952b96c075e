"""streamrank's client: its events and answers as structs, and a client that publishes, asks and follows.

    from streamrank_client import Client, Click, now

    async with Client("localhost:9092") as client:
        await client.publish(Click(event_id="e1", user_id="u1", item_id="p1", time=now()))
        answer = await client.ask(user_id="u1", text="coffee")

Importing it loads no Kafka client until ``Client`` is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streamrank_client.answers import Answer, AnswerError, AnswerItem, DeadLetter, FacetValue, IntentLabel, Understood
from streamrank_client.errors import (
    AnswerTimeout,
    InvalidEvent,
    LogError,
    QueryRejected,
    ReplayError,
    SettingsError,
    StreamrankError,
    Unavailable,
)
from streamrank_client.events import (
    AddToCart,
    Click,
    Delete,
    Dislike,
    Dwell,
    Identify,
    Impression,
    Item,
    ItemUpdate,
    Purchase,
    Query,
    Rating,
    View,
    decode_event,
    encode,
)
from streamrank_client.fields import Filters, Place, Range
from streamrank_client.making import new_id, now
from streamrank_client.rules import DeleteRule, Rule
from streamrank_client.settings import ClientSettings
from streamrank_client.topics import Topics, topics

if TYPE_CHECKING:
    from streamrank_client.client import Client

__all__ = [
    "AddToCart",
    "Answer",
    "AnswerError",
    "AnswerItem",
    "AnswerTimeout",
    "Click",
    "Client",
    "ClientSettings",
    "DeadLetter",
    "Delete",
    "DeleteRule",
    "Dislike",
    "Dwell",
    "FacetValue",
    "Filters",
    "Identify",
    "Impression",
    "IntentLabel",
    "InvalidEvent",
    "Item",
    "ItemUpdate",
    "LogError",
    "Place",
    "Purchase",
    "Query",
    "QueryRejected",
    "Range",
    "Rating",
    "ReplayError",
    "Rule",
    "SettingsError",
    "StreamrankError",
    "Topics",
    "Unavailable",
    "Understood",
    "View",
    "decode_event",
    "encode",
    "new_id",
    "now",
    "topics",
]


def __getattr__(name: str) -> Any:
    """``Client``, when it is asked for: aiokafka takes a moment to load."""
    if name == "Client":
        from streamrank_client.client import Client

        return Client
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
