"""The AsyncAPI 3.0 document of every topic, generated from the structs.

``python -m streamrank_client.asyncapi`` prints it; with a path it writes it there, with ``--check`` it fails when that
is stale.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import Any, Final, get_args

import msgspec

from streamrank_client.answers import Answer, DeadLetter
from streamrank_client.documents import put_out
from streamrank_client.events import BehaviorEvents, ItemEvents, Query
from streamrank_client.limits import MAX_RECORD_BYTES
from streamrank_client.schemas import REFERENCE, schemas
from streamrank_client.topics import Topics, TopicSpec, topics

__all__ = ["EXAMPLES", "document", "text"]


_BEHAVIORS: Final[tuple[type[msgspec.Struct], ...]] = get_args(BehaviorEvents)
_ITEM_EVENTS: Final[tuple[type[msgspec.Struct], ...]] = get_args(ItemEvents)
_STRUCTS: Final[tuple[type[msgspec.Struct], ...]] = (*_ITEM_EVENTS, *_BEHAVIORS, Query, Answer, DeadLetter)
_AT: Final = 1_700_000_000_000
_ACTION: Final = {"event_id": "e9", "user_id": "u1", "item_id": "p1", "time": _AT + 1_000}

#: by tag: an example of every event, as JSON values
EXAMPLES: Final[dict[str, dict[str, Any]]] = {
    "item": {
        "event": "item", "item_id": "p1", "time": _AT, "title": "小米10 手机 128GB", "category": ["phones"],
        "brand": "Xiaomi", "price": 2999.0, "attributes": {"colour": "grey", "memory_gb": 128.0},
        "in_stock": True,
    },
    "item_update": {"event": "item_update", "item_id": "p1", "time": _AT, "price": 2799.0, "in_stock": False},
    "delete": {"event": "delete", "item_id": "p1", "time": _AT},
    "rule": {
        "event": "rule", "rule_id": "spring", "time": _AT, "action": "pin", "item_ids": ["p1"],
        "surfaces": ["search"], "text": "小米手机", "match": "words", "position": 0,
        "valid_from": _AT, "valid_to": _AT + 604_800_000,
    },
    "delete_rule": {"event": "delete_rule", "rule_id": "spring", "time": _AT},
    "impression": {
        "event": "impression", "event_id": "e1", "user_id": "u1", "time": _AT + 500, "request_id": "r1",
        "item_ids": ["p1", "p2"],
    },
    "view": {"event": "view", **_ACTION},
    "click": {"event": "click", **_ACTION, "request_id": "r1", "position": 2, "query": "小米10手机"},
    "add_to_cart": {"event": "add_to_cart", **_ACTION, "quantity": 2},
    "purchase": {"event": "purchase", **_ACTION, "quantity": 1, "price": 2899.0, "basket_id": "b7"},
    "rating": {"event": "rating", **_ACTION, "value": 4.5},
    "dislike": {"event": "dislike", **_ACTION},
    "dwell": {"event": "dwell", **_ACTION, "milliseconds": 5_000},
    "identify": {
        "event": "identify", "event_id": "e10", "user_id": "u1", "anonymous_id": "visitor-7c", "time": _AT + 1_500,
    },
    "query": {
        "event": "query", "request_id": "r2", "user_id": "u1", "time": _AT + 2_000, "surface": "search",
        "text": "小米10手机", "limit": 10,
        "filters": {
            "category": ["phones"], "price": {"max": 3000.0}, "in_stock": True,
            "attributes": {"colour": ["grey", "black"], "memory_gb": {"min": 128.0}},
        },
        "exclude": ["p7"],
        "explain": True, "after": {"partition": 3, "offset": 991},
    },
    "answer": {
        "event": "answer", "request_id": "r2", "user_id": "u1", "time": _AT + 2_000, "surface": "search",
        "intent": {"label": "product_search", "confidence": 0.97},
        "items": [
            {"item_id": "p1", "score": 3.1, "propensity": 1.0, "sources": ["query_clicks", "lexical"],
             "reasons": {"query_clicks": 1.9, "semantic": 0.4}}
        ],
        "arm": "control", "artifact": "3f9c2a", "weights_version": 17,
        "seen": {"partition": 3, "offset": 991},
    },
    "dead_letter": {
        "event": "dead_letter", "topic": "behavior-events", "partition": 3, "offset": 992, "code": "invalid",
        "field": "time", "reason": "Expected `int`, got `str`", "key": "dTE=",
        "raw": "eyJldmVudCI6ImNsaWNrIn0=", "size": 17,
    },
}  # fmt: skip

#: what the application does with each public topic
_OPERATIONS: Final = {
    "item-events": "receive", "behavior-events": "receive", "query-events": "receive",
    "recommendations": "send", "dead-letters": "send",
}  # fmt: skip
#: topics between workers, free to change from one version to the next: what they hold, and its format
_INTERNAL: Final = {
    "signals": ("What follows from behaviour events for the items and queries of a partition.", "x-msgpack"),
    "feedback": ("Behaviour joined to its impression: a training example of the online ranker.", "json"),
    "catalogue": ("An item as every query worker holds it; null deletes it.", "x-msgpack"),
    "queries": ("A query text that led to choices, as every query worker knows it.", "x-msgpack"),
    "rules": ("A rule of the shop as every query worker holds it; null deletes it.", "x-msgpack"),
    "ranker-weights": ("The online ranker's weights for a surface.", "json"),
    "damaged-batches": ("A record batch of another topic whose checksum is wrong, as it came.", "octet-stream"),
}


def document() -> dict[str, Any]:
    """The document as JSON values."""
    named = topics()
    messages = {_tag(struct): _message(struct, named) for struct in _STRUCTS}
    messages |= {name: _internal(name, *about) for name, about in _INTERNAL.items()}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "streamrank",
            "version": "1",
            "description": (
                "Search and recommendation over Kafka. JSON on the wire; times are integer Unix "
                "milliseconds; unknown fields are ignored, a wrong one makes a dead letter that names it. "
                "Fields that are not required may also be null, which is as if they were not there; so are nulls in "
                "lists, but in image_vector. The schemas leave this out. "
                f"A record has at most {MAX_RECORD_BYTES} bytes; what its parts may have stands at each of them. "
                "Topic names take STREAMRANK_TOPIC_PREFIX and STREAMRANK_SHOP, "
                "topics of users STREAMRANK_PARTITIONS (8 here)."
            ),
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {spec.name: _channel(spec) for spec in named},
        "operations": {_verb(action, name): _operation(action, name) for name, action in _OPERATIONS.items()},
        "components": {"messages": messages, "schemas": schemas(_STRUCTS)},
    }


def text() -> str:
    """The document as it lies on disk."""
    return msgspec.json.format(msgspec.json.encode(document()), indent=2).decode() + "\n"


def _tags(topic: str) -> list[str]:
    """Tags of the messages on a topic."""
    named: dict[str, tuple[type[msgspec.Struct], ...]] = {
        "item-events": _ITEM_EVENTS, "behavior-events": _BEHAVIORS, "query-events": (Query,),
        "recommendations": (Answer,), "dead-letters": (DeadLetter,),
    }  # fmt: skip
    return [_tag(struct) for struct in named[topic]] if topic in named else [topic]


def _tag(struct: type[msgspec.Struct]) -> str:
    return str(struct.__struct_config__.tag)


def _channel(spec: TopicSpec) -> dict[str, Any]:
    policy = spec.config.get("cleanup.policy", "delete")
    kafka = {
        "topic": spec.name,
        "partitions": spec.partitions,
        "topicConfiguration": {"cleanup.policy": [policy]},
    }
    if "max.message.bytes" in spec.config:
        kafka["topicConfiguration"]["max.message.bytes"] = int(spec.config["max.message.bytes"])  # type: ignore[index]
    found: dict[str, Any] = {
        "address": spec.name,
        "description": f"Keyed by {spec.key}.",
        "messages": {tag: {"$ref": f"#/components/messages/{tag}"} for tag in _tags(spec.name)},
        "bindings": {"kafka": kafka},
    }
    if spec.name in _INTERNAL:
        found["x-internal"] = True
    return found


def _message(struct: type[msgspec.Struct], named: Topics) -> dict[str, Any]:
    tag = _tag(struct)
    key = next(spec.key for spec in named if tag in _tags(spec.name))
    found: dict[str, Any] = {
        "name": tag,
        "summary": _sentence(struct.__doc__ or ""),
        "payload": {"$ref": REFERENCE + struct.__name__},
        "bindings": {"kafka": {"key": {"type": "string", "description": key}}},
        "examples": [{"name": tag, "payload": EXAMPLES[tag]}],
    }
    if struct is Answer:
        found["headers"] = {
            "type": "object",
            "properties": {"request_id": {"type": "string", "description": "the query's request id"}},
        }
    return found


def _sentence(text: str) -> str:
    """The first sentence of a text.

    >>> _sentence("It is so: an id, a time.\\n    More on it.")
    'It is so: an id, a time.'
    """
    return re.split(r"(?<=\.)\s", text.strip(), maxsplit=1)[0].replace("\n    ", " ")


def _internal(name: str, summary: str, format_: str) -> dict[str, Any]:
    return {"name": name, "summary": summary, "contentType": f"application/{format_}"}


def _verb(action: str, topic: str) -> str:
    return action + "".join(word.capitalize() for word in topic.split("-"))


def _operation(action: str, topic: str) -> Mapping[str, Any]:
    return {"action": action, "channel": {"$ref": f"#/channels/{topic}"}}


def main(arguments: list[str]) -> int:
    """Print the document; with a PATH write it there, or with PATH and --check compare it. Returns the exit code."""
    return put_out(text(), arguments, "streamrank_client.asyncapi")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
