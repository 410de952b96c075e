"""JSON Schemas of the structs, in the form that generators of types make good types of.

An optional field is one that may be missing, not one that may be null; whatever has a name has it here too: enums and
unions are schemas of their own, with a title.

>>> from streamrank_client.fields import Range
>>> schemas([Range])["Range"]["properties"]["min"]
{'type': 'number'}
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, Final, get_args

import msgspec

from streamrank_client.events import Language
from streamrank_client.rules import RuleAction, RuleMatch
from streamrank_client.vocabulary import Sort, Surface

__all__ = ["REFERENCE", "schemas"]

#: where a schema of the document stands
REFERENCE: Final = "#/components/schemas/"
#: by an enum's values: its name
_ENUMS: Final = {
    frozenset(get_args(Surface)): "Surface",
    frozenset(get_args(Sort)): "Sort",
    frozenset(get_args(Language)): "Language",
    frozenset(get_args(RuleAction)): "RuleAction",
    frozenset(get_args(RuleMatch)): "RuleMatch",
}
_NULL: Final = {"type": "null"}

_Schema = dict[str, Any]


def schemas(structs: Sequence[type[msgspec.Struct]]) -> dict[str, _Schema]:
    """Every schema by its name: of the structs, of those in them, of named enums and unions.

    Raises ValueError for an enum or a union that has no name, and for a name of two things.
    """
    _, components = msgspec.json.schema_components(structs, ref_template=REFERENCE + "{name}")
    named: dict[str, _Schema] = {}
    for name, schema in components.items():
        fields = {field: _named(_optional(value), named) for field, value in schema["properties"].items()}
        _name(name, {**schema, "description": inspect.cleandoc(schema["description"]), "properties": fields}, named)
    return dict(sorted(named.items()))


def _optional(field: _Schema) -> _Schema:
    """A field whose null means only that it is not there, without the null."""
    if _NULL not in field.get("anyOf", ()):
        return field
    rest = {name: value for name, value in field.items() if name not in ("anyOf", "default")}
    kinds = [kind for kind in field["anyOf"] if kind != _NULL]
    if field.get("default", _NULL) is None:
        return {**rest, **kinds[0]} if len(kinds) == 1 else {**rest, "anyOf": kinds}
    if "default" not in field and len(kinds) == 1 and "type" in kinds[0]:  # always there: null where nothing is known
        return {**rest, **kinds[0], "type": [kinds[0]["type"], "null"]}
    return field


def _named(schema: _Schema, named: dict[str, _Schema]) -> _Schema:
    """A schema whose enums and unions are references to schemas in ``named``, where they are put."""
    schema = {name: _named(value, named) if name in ("items", "additionalProperties") else value
              for name, value in schema.items()}  # fmt: skip
    if "anyOf" in schema:
        schema["anyOf"] = [_named(kind, named) for kind in schema["anyOf"]]
        if "title" not in schema:
            raise ValueError(f"a union without a title: {schema['anyOf']}: give it one by Meta")
    elif "enum" in schema:
        values = schema.pop("enum")
        if len(values) == 1:
            return {"type": "string", "const": values[0], **schema}
        if frozenset(values) not in _ENUMS:
            raise ValueError(f"an enum without a name: {values}: give it one in schemas.py")
        schema = {"title": _ENUMS[frozenset(values)], "type": "string", "enum": values, **schema}
    if "title" not in schema:
        return schema
    _name(schema["title"], schema, named)
    return {"$ref": REFERENCE + schema["title"]}


def _name(name: str, schema: _Schema, named: dict[str, _Schema]) -> None:
    if named.setdefault(name, schema) != schema:
        raise ValueError(f"two schemas are called {name}: {named[name]} and {schema}")
