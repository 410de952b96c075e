"""The OpenAPI 3.1 document of the gateway, generated from the structs.

``python -m streams.gateway.openapi`` prints it; with a path it writes it there, with ``--check`` it fails when that is
stale.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, get_args

import msgspec

from streamrank_client.answers import Answer, DeadLetter
from streamrank_client.asyncapi import EXAMPLES
from streamrank_client.documents import put_out
from streamrank_client.events import BehaviorEvents, ItemEvents, Query
from streams.gateway.asking import LONGEST_MS, Suggestions
from streams.gateway.bodies import MOST_BYTES, MOST_LINES
from streams.gateway.following import STREAM
from streams.gateway.guard import AFTER
from streams.gateway.pages import Readiness
from streams.gateway.posting import EVENTS, ITEMS, Accepted
from streams.gateway.refusals import ErrorBody
from streams.lookup.stored_answer import StoredAnswer
from streams.lookup.user_profile import Profile

__all__ = ["OPERATIONS", "Operation", "document", "text"]

_BEHAVIORS: Final[tuple[type[msgspec.Struct], ...]] = get_args(BehaviorEvents)
_ITEM_EVENTS: Final[tuple[type[msgspec.Struct], ...]] = get_args(ItemEvents)
_RESPONSES: Final[tuple[type[msgspec.Struct], ...]] = (
    Accepted,
    Answer,
    DeadLetter,
    ErrorBody,
    Profile,
    Readiness,
    StoredAnswer,
    Suggestions,
)
_JSON: Final = "application/json"
_WHY: Final = {
    400: "Something in the request is wrong: the error names the field.",
    401: "No token was shown, or none that holds.",
    403: "The token may not do this, or the page may not ask.",
    404: "It is not stored.",
    409: "A query with this request id is being answered.",
    413: f"More than {MOST_BYTES} bytes or {MOST_LINES} lines.",
    429: "Over the token's rate: Retry-After says when to come again.",
    503: "Kafka, or the workers, cannot do this now: try again.",
    504: "No answer came in time: request_id names the query.",
}


@dataclass(frozen=True, slots=True)
class Operation:
    """One endpoint. ``takes``: the structs of its body; ``lines``: also as lines of JSON; ``gives``: what a 2xx holds;
    ``also``: other statuses; ``parameters``: of the address, by name and place, with what they are.
    """

    method: str
    path: str
    name: str
    summary: str
    status: int = 200
    scope: str = ""
    takes: tuple[type[msgspec.Struct], ...] = ()
    lines: bool = False
    gives: tuple[str, type[msgspec.Struct] | None] = (_JSON, None)
    parameters: tuple[tuple[str, str, str], ...] = ()
    also: tuple[int, ...] = ()

    @property
    def refusals(self) -> list[int]:
        """The statuses of what is refused."""
        return sorted({*self.also, *((401, 429) if self.scope else ())})

    @property
    def streams(self) -> bool:
        """Whether it gives server-sent events."""
        return self.gives[0] == STREAM


_USER: Final = ("user_id", "query", "The user's id.")
_AFTER: Final = (AFTER, "header", "Place of the user's last event, partition:offset, which the answer is to know.")
_TIMEOUT: Final = ("timeout_ms", "query", f"How long to wait for the answer, at most {LONGEST_MS}.")
OPERATIONS: Final = (
    Operation(
        "post", EVENTS.path, "publishEvents", "Behaviour events; accepted once Kafka has them.", 202, "publish",
        _BEHAVIORS, True, (_JSON, Accepted), also=(400, 403, 413, 503),
    ),
    Operation(
        "post", ITEMS.path, "publishItems", "Items, their updates and deletions, and rules.", 202, "publish",
        _ITEM_EVENTS, True, (_JSON, Accepted), also=(400, 403, 413, 503),
    ),
    Operation(
        "post", "/v1/ask", "ask", "A query, and its answer.", 200, "ask", (Query,), False, (_JSON, Answer),
        (_AFTER, _TIMEOUT),
        (400, 403, 409, 413, 503, 504),
    ),
    Operation(
        "get", "/v1/suggest", "suggest", "What completes a text.", 200, "ask", gives=(_JSON, Suggestions),
        parameters=(
            ("text", "query", "What was typed so far."),
            ("limit", "query", "How many texts; default: 10."),
            _TIMEOUT,
        ),
        also=(400, 403, 503, 504),
    ),
    Operation(
        "get", "/v1/answers", "followAnswers", "A user's answers as server-sent events; everybody's for operators.",
        200, "ask", gives=(STREAM, Answer), parameters=(_USER,), also=(403,),
    ),
    Operation(
        "get", "/v1/dead-letters", "followDeadLetters", "Dead letters as server-sent events.", 200, "operate",
        gives=(STREAM, DeadLetter), parameters=(("from_start", "query", "true: those before, too."),),
        also=(400, 403, 503),
    ),
    Operation(
        "get", "/v1/users/{user_id}", "user", "What is known of a user.", 200, "operate", gives=(_JSON, Profile),
        parameters=(
            ("user_id", "path", "The user's id."),
            ("time", "query", "The moment that is looked at, in Unix ms; default: the newest event's."),
        ),
        also=(400, 403, 404, 503),
    ),
    Operation(
        "get", "/v1/explain/{request_id}", "explain", "A stored answer, explained.", 200, "operate",
        gives=(_JSON, StoredAnswer), parameters=(("request_id", "path", "The query's request id."), _USER),
        also=(400, 403, 404, 503),
    ),
    Operation("get", "/health", "health", "200 while the gateway works.", also=(503,)),
    Operation("get", "/ready", "ready", "Whether Kafka answers.", gives=(_JSON, Readiness)),
    Operation("get", "/metrics", "metrics", "Metrics for Prometheus.", gives=("text/plain", None)),
    Operation("get", "/openapi.json", "openapi", "This document."),
)  # fmt: skip


def document() -> dict[str, Any]:
    """The document as JSON values."""
    structs: tuple[type[msgspec.Struct], ...] = (*_BEHAVIORS, *_ITEM_EVENTS, Query, *_RESPONSES)
    _, schemas = msgspec.json.schema_components(structs, ref_template="#/components/schemas/{name}")
    posted: tuple[type[msgspec.Struct], ...] = (*_BEHAVIORS, *_ITEM_EVENTS, Query)
    for struct in posted:
        _lighten(
            schemas[struct.__name__], ("time", "event_id") if struct is not Query else ("event", "time", "request_id")
        )
    schemas["Query"]["properties"].pop("reply_topic")
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method] = _described(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "streamrank gateway",
            "version": "1",
            "description": (
                "Search and recommendation over HTTP: what is posted goes to Kafka, and answers come from it. Times "
                "are integer Unix milliseconds. A gateway without tokens answers this machine alone."
            ),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token of the gateway's file, or a user's signed one (a JSON Web Token, HS256).",
                }
            },
        },
    }


def text() -> str:
    """The document as it lies on disk."""
    return msgspec.json.format(msgspec.json.encode(document()), indent=2).decode() + "\n"


def _lighten(schema: dict[str, Any], made_up: Iterable[str]) -> None:
    """Take from the required fields those that the gateway makes up where they are missing."""
    schema["required"] = [name for name in schema["required"] if name not in made_up]
    if not schema["required"]:
        del schema["required"]


def _described(operation: Operation) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "responses": _responses(operation),
    }
    if operation.scope:
        found["description"] = f"Needs the scope `{operation.scope}`."
        found["security"] = [{"token": []}, {}]
    if operation.parameters:
        found["parameters"] = [_parameter(*one) for one in operation.parameters]
    if operation.takes:
        found["requestBody"] = {"required": True, "content": _bodies(operation)}
    return found


def _parameter(name: str, place: str, about: str) -> dict[str, Any]:
    return {
        "name": name, "in": place, "required": place == "path", "description": about, "schema": {"type": "string"},
    }  # fmt: skip


def _bodies(operation: Operation) -> dict[str, Any]:
    tags = [str(struct.__struct_config__.tag) for struct in operation.takes]
    refs = [{"$ref": _ref(struct)} for struct in operation.takes]
    schema: dict[str, Any] = refs[0]
    if len(refs) > 1:
        mapping = {tag: ref["$ref"] for tag, ref in zip(tags, refs, strict=True)}
        schema = {"oneOf": refs, "discriminator": {"propertyName": "event", "mapping": mapping}}
    content = {_JSON: {"schema": schema, "examples": {tag: {"value": _example(tag)} for tag in tags}}}
    if operation.lines:
        about = f"One event a line, at most {MOST_LINES} of them and {MOST_BYTES} bytes."
        content["application/x-ndjson"] = {"schema": {"type": "string", "description": about}}
    return content


def _example(tag: str) -> Mapping[str, Any]:
    return EXAMPLES[tag]


def _responses(operation: Operation) -> dict[str, Any]:
    media, struct = operation.gives
    good: dict[str, Any] = {"description": operation.summary}
    if struct is not None:
        schema = {"$ref": _ref(struct)}
        if operation.streams:
            schema = {"type": "string", "description": f"Events with `data`: {struct.__name__} as JSON."}
        good["content"] = {media: {"schema": schema}}
    found = {str(operation.status): good}
    for status in operation.refusals:
        found[str(status)] = {
            "description": _WHY[status],
            "content": {_JSON: {"schema": {"$ref": _ref(ErrorBody)}}},
        }
    return found


def _ref(struct: type[msgspec.Struct]) -> str:
    return f"#/components/schemas/{struct.__name__}"


def main(arguments: list[str]) -> int:
    """Print the document; with a PATH write it there, or with PATH and --check compare it. Returns the exit code."""
    return put_out(text(), arguments, "streams.gateway.openapi")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
