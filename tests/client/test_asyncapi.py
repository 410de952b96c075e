"""The AsyncAPI document: what is on disk is what the structs say, and its examples are events."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from streamrank_client import asyncapi
from streamrank_client.answers import decode_dead_letter
from streamrank_client.asyncapi import EXAMPLES, document, text
from streamrank_client.events import decode_event
from streamrank_client.topics import topics
from streams.settings import checkout

STRUCTURE = {
    "type": "object",
    "required": ["asyncapi", "info", "channels", "operations", "components"],
    "properties": {
        "asyncapi": {"const": "3.0.0"},
        "info": {"type": "object", "required": ["title", "version"]},
        "channels": {"additionalProperties": {"type": "object", "required": ["address", "messages"]}},
        "operations": {
            "additionalProperties": {
                "type": "object",
                "required": ["action", "channel"],
                "properties": {"action": {"enum": ["send", "receive"]}},
            }
        },
        "components": {"type": "object", "required": ["messages", "schemas"]},
    },
}


def test_the_document_on_disk_is_the_one_generated() -> None:
    """docs/asyncapi.json is fresh; `python -m streamrank_client.asyncapi docs/asyncapi.json` writes it."""
    assert (checkout() / "docs" / "asyncapi.json").read_text() == text()


def test_the_check_fails_when_the_document_is_stale(tmp_path: Path) -> None:
    """--check tells a stale document, or none at all, from a fresh one."""
    path = tmp_path / "asyncapi.json"
    assert asyncapi.main([str(path), "--check"]) == 1
    assert asyncapi.main([str(path)]) == 0
    assert asyncapi.main([str(path), "--check"]) == 0
    path.write_text("old")
    assert asyncapi.main([str(path), "--check"]) == 1


def test_the_document_has_the_structure_of_asyncapi_3() -> None:
    """Its required parts are there, and every reference points to something."""
    found = document()
    jsonschema.validate(found, STRUCTURE)
    references = list(_references(found))
    assert len(references) > 30
    for reference in references:
        at: Any = found
        for name in reference.removeprefix("#/").split("/"):
            at = at[name]


def test_every_topic_is_a_channel_with_key_partitions_and_policy() -> None:
    """Channels are the declared topics."""
    channels = document()["channels"]
    assert list(channels) == [spec.name for spec in topics()]
    for spec in topics():
        kafka = channels[spec.name]["bindings"]["kafka"]
        assert kafka["partitions"] == spec.partitions
        assert spec.key in channels[spec.name]["description"]


@pytest.mark.parametrize("tag", EXAMPLES)
def test_every_example_decodes_and_fits_its_schema(tag: str) -> None:
    """An example is an event of its tag, and valid against the schema beside it."""
    found = document()
    raw = msgspec.json.encode(EXAMPLES[tag])
    event = decode_dead_letter(raw) if tag == "dead_letter" else decode_event(raw)
    assert event.__struct_config__.tag == tag
    schema = {**found["components"]["messages"][tag]["payload"], "components": found["components"]}
    jsonschema.Draft202012Validator(schema).validate(EXAMPLES[tag])


def test_a_wrong_example_does_not_fit_its_schema() -> None:
    """The schemas say no where the decoder does: the check above can fail."""
    found = document()
    schema = {**found["components"]["messages"]["click"]["payload"], "components": found["components"]}
    validator = jsonschema.Draft202012Validator(schema)
    assert not validator.is_valid({**EXAMPLES["click"], "time": "now"})
    assert not validator.is_valid({**EXAMPLES["click"], "item_id": ""})


def _references(value: object) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [found for inner in value.values() for found in _references(inner)]
    return [found for inner in value for found in _references(inner)] if isinstance(value, list) else []
