"""The schemas: what decodes is valid, null is absence, and whatever has a name has it there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal

import jsonschema
import msgspec
import pytest
from hypothesis import given
from msgspec import Meta, Struct

from streamrank_client.asyncapi import EXAMPLES, document
from streamrank_client.events import Event, decode_event, encode
from streamrank_client.schemas import schemas
from tests.support.lines import made_by_shops

DOCUMENT: Final = document()
SCHEMAS: Final[dict[str, dict[str, Any]]] = DOCUMENT["components"]["schemas"]
#: what may be null and is always there: a dead letter of a record without a key or a value
NULLABLE: Final = {("DeadLetter", "key"), ("DeadLetter", "raw")}


def validator(name: str) -> jsonschema.Draft202012Validator:
    """A validator of one schema of the document."""
    return jsonschema.Draft202012Validator({**SCHEMAS[name], "components": DOCUMENT["components"]})


def below(schema: object) -> Iterator[dict[str, Any]]:
    """All schemas in a schema, itself among them."""
    if isinstance(schema, dict):
        yield schema
        for inner in schema.values():
            yield from below(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from below(inner)


VALIDATORS: Final = {name: validator(name) for name in SCHEMAS}


@given(made_by_shops)
def test_every_event_that_decodes_is_valid(event: Event) -> None:
    """What the code accepts, the document does: the schemas of optional fields are not narrower than the fields."""
    assert decode_event(encode(event)) == event
    VALIDATORS[type(event).__name__].validate(msgspec.to_builtins(event))


@pytest.mark.parametrize("tag", [tag for tag in EXAMPLES if tag != "dead_letter"])
def test_null_in_what_is_not_required_is_as_if_it_were_not_there(tag: str) -> None:
    """The document says so in words, and leaves null out of the schemas."""
    assert "may also be null, which is as if they were not there" in DOCUMENT["info"]["description"]
    name = DOCUMENT["components"]["messages"][tag]["payload"]["$ref"].rpartition("/")[2]
    required = {field: EXAMPLES[tag][field] for field in SCHEMAS[name]["required"]}
    nulls = {field: None for field in SCHEMAS[name]["properties"] if field not in required}
    assert decode_event(msgspec.json.encode(required | nulls)) == decode_event(msgspec.json.encode(required))


def test_only_what_is_always_there_may_be_null() -> None:
    """No field is null where it could be left out."""
    nullable = {
        (name, field)
        for name, schema in SCHEMAS.items()
        for field, value in schema.get("properties", {}).items()
        if any(one.get("type") == "null" or "null" in one.get("type", ()) for one in below(value) if "type" in one)
    }
    assert nullable == NULLABLE
    for name, field in NULLABLE:
        assert field in SCHEMAS[name]["required"]


def test_enums_and_unions_have_a_title_and_a_place_of_their_own() -> None:
    """No schema within another is one that a generator would have to invent a name for."""
    for name, schema in SCHEMAS.items():
        assert schema["title"] == name
        for inner in (one for field in schema.get("properties", {}).values() for one in below(field)):
            assert not {"enum", "anyOf", "properties"} & set(inner), (name, inner)
    assert SCHEMAS["Query"]["properties"]["surface"] == {"$ref": "#/components/schemas/Surface"}
    assert SCHEMAS["Surface"]["enum"] == ["cart", "home", "rerank", "search", "similar"]


class Nameless(Struct):
    """A struct with an enum that has no name."""

    way: Literal["up", "down"]


class Either(Struct):
    """A struct with a union that has no name."""

    value: int | str | None = None


class Preset(Struct):
    """A struct whose null would be something else than absence."""

    limit: int | None = 10


class Both(Struct):
    """A struct with two unions of one name."""

    left: Annotated[int | str, Meta(title="Side")]
    right: Annotated[float | str, Meta(title="Side")]


@pytest.mark.parametrize(
    ("struct", "said"),
    [
        (Nameless, "enum without a name"),
        (Either, "union without a title"),
        (Preset, "union without a title"),
        (Both, "two schemas are called Side"),
    ],
)
def test_what_has_no_name_of_its_own_is_refused(struct: type[Struct], said: str) -> None:
    """Whoever adds a field is told to name its values."""
    with pytest.raises(ValueError, match=said):
        schemas([struct])
