"""The OpenAPI document: valid, of every route and struct, and with examples that its own schemas take."""

from __future__ import annotations

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from streamrank_client.client import Client
from streamrank_client.routing import BEHAVIORS, IDENTIFY, ITEM_TAGS
from streams.gateway import openapi
from streams.gateway.app import Gateway
from streams.settings import Settings, checkout


def test_it_is_valid() -> None:
    """By the validator that everybody uses."""
    validate(openapi.document())


def test_every_route_is_described_and_answered() -> None:
    """The gateway has the document's paths, and no others."""
    settings = Settings()
    gateway = Gateway(settings, Client(settings=settings), None)
    routes = {
        (route.method.lower(), route.resource.canonical)
        for route in gateway.app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    assert routes == {(o.method, o.path) for o in openapi.OPERATIONS}
    assert len(routes) == 12


def test_every_event_may_be_posted_somewhere() -> None:
    """Behaviour to one path, what is of the shop to the other."""
    paths = openapi.document()["paths"]
    taken = {}
    for path in ("/v1/events", "/v1/items"):
        content = paths[path]["post"]["requestBody"]["content"]["application/json"]
        taken[path] = set(content["schema"]["discriminator"]["mapping"])
    assert taken == {"/v1/events": {*BEHAVIORS, IDENTIFY}, "/v1/items": set(ITEM_TAGS)}


@pytest.mark.parametrize("path", ["/v1/events", "/v1/items", "/v1/ask"])
def test_every_example_is_what_the_schema_takes(path: str) -> None:
    """Also without the fields that the gateway makes up."""
    document = openapi.document()
    content = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
    judge = Draft202012Validator({**content["schema"], "components": document["components"]})
    assert content["examples"]
    for tag, example in content["examples"].items():
        judge.validate(example["value"])
        lacking = {k: v for k, v in example["value"].items() if k not in ("time", "event_id")}
        judge.validate(lacking)
        assert not judge.is_valid({**example["value"], "time": "now"}), tag


def test_the_stored_document_is_what_the_structs_say() -> None:
    """`python -m streams.gateway.openapi docs/openapi.json` writes it."""
    assert (checkout() / "docs" / "openapi.json").read_text() == openapi.text()
    assert openapi.main([str(checkout() / "docs" / "openapi.json"), "--check"]) == 0
