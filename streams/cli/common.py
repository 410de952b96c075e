"""What several commands share: running a coroutine, JSON on stdout, an option's pieces."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import click
import msgspec

__all__ = ["as_json", "echo_json", "json_option", "names", "run"]

T = TypeVar("T")

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's coroutine to its end."""
    return asyncio.run(work)


def as_json(data: object) -> str:
    """One line of JSON; structs, dataclasses, dicts and lists."""
    return msgspec.json.encode(data).decode()


def echo_json(data: object) -> None:
    """Print one line of JSON."""
    click.echo(as_json(data))


def names(text: str | None) -> list[str]:
    """The names in a comma-separated option.

    >>> names("a, b,,c"), names(None)
    (['a', 'b', 'c'], [])
    """
    return [name.strip() for name in (text or "").split(",") if name.strip()]
