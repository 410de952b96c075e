"""Small pieces of Markdown, and what a JSON Schema says of a value in words.

>>> told({"type": "array", "items": {"type": "string", "minLength": 1, "maxLength": 128}, "maxItems": 10})
'list of at most 10: text of 1 to 128 characters'
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

__all__ = ["Schema", "cell", "fields", "joined", "table", "told"]

#: a JSON Schema, as it lies in a document
Schema = Mapping[str, Any]

_PLAIN: Final = {"boolean": "true or false", "string": "text", "number": "number", "integer": "whole number",
                 "null": "null", "object": "object"}  # fmt: skip


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; its cells are Markdown already."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n".replace("|  |", "| |") for line in lines)


def cell(text: str) -> str:
    """A text as a cell of a table: in one line, its bars escaped.

    >>> cell("a|b\\nand ``c``")
    'a\\\\|b and `c`'
    """
    return joined(text).replace("|", "\\|")


def joined(text: str) -> str:
    """The paragraphs of a docstring, each in one line, with Markdown's backticks."""
    paragraphs = re.split(r"\n\s*\n", inspect.cleandoc(text).replace("``", "`"))
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def fields(schema: Schema, link: Callable[[str], str]) -> str:
    """The table of an object's fields. ``link``: the name of another schema as Markdown."""
    required = schema.get("required", ())
    rows = [
        (f"`{name}`", "yes" if name in required else "", cell(told(value, link)), _default(value))
        for name, value in schema.get("properties", {}).items()
    ]
    return table(("field", "required", "what it holds", "default"), rows)


def told(schema: Schema, link: Callable[[str], str] = str) -> str:
    """What a value may be, in words. ``link``: the name of another schema as Markdown."""
    if "$ref" in schema:
        return link(schema["$ref"].rpartition("/")[2])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return "one of " + ", ".join(f"`{value}`" for value in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(told(kind, link) for kind in schema["anyOf"])
    kind = schema.get("type", "")
    if isinstance(kind, list):
        return " or ".join(told({**schema, "type": one}, link) for one in kind)
    if kind == "array":
        return f"list{_bounds(schema, 'Items')}: {told(schema.get('items', {}), link) or 'anything'}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), Mapping):
        return f"object{_bounds(schema, 'Properties')}, each value: {told(schema['additionalProperties'], link)}"
    if kind == "string":
        return f"text{_bounds(schema, 'Length')}" + (" characters" if "maxLength" in schema else "")
    return _PLAIN.get(str(kind), "") + _range(schema)


def _bounds(schema: Schema, of: str) -> str:
    least, most = schema.get(f"min{of}", 0), schema.get(f"max{of}")
    if most is None:
        return f" of at least {least:,}" if least else ""
    return f" of {least:,} to {most:,}" if least else f" of at most {most:,}"


def _range(schema: Schema) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is None and most is None:
        return ""
    if most is None:
        return f", {least:,.15g} or more"
    return f" from {least or 0:,.15g} to {most:,.15g}"


def _default(schema: Schema) -> str:
    default = schema.get("default")
    return "" if default in (None, "", [], {}) else f"`{str(default).lower() if default in (True, False) else default}`"
