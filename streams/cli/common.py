"""What several commands share: running a coroutine, JSON on stdout, an option's pieces."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

import click
import msgspec

from state.addresses import address_of
from streamrank_client.settings import without_password

__all__ = ["as_json", "echo_json", "json_option", "moment", "names", "redis_option", "run"]

T = TypeVar("T")

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


def _address(ctx: click.Context, option: click.Parameter, url: str | None) -> str | None:
    """A URL of Redis that can be read."""
    if url is not None:
        try:
            address_of(url)
        except ValueError as error:
            raise click.BadParameter(f"{without_password(url)!r}: {error}", param_hint="--redis") from None
    return url


redis_option = click.option(
    "--redis", callback=_address, help="URL of an empty Redis database; default: an embedded Valkey."
)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's coroutine to its end. What handlers log goes to stderr: stdout is the command's."""
    import structlog

    structlog.configure(logger_factory=lambda *args: structlog.PrintLogger(sys.stderr))
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


def moment(text: str | None, option: str) -> int | None:
    """A moment in an option, as Unix ms: milliseconds, or an ISO date or time, in UTC unless it says otherwise.

    >>> moment("2023-11-14T22:13:20", "--since"), moment("7", "--since"), moment(None, "--since")
    (1700000000000, 7, None)
    """
    if text is None or text.isdigit():
        return None if text is None else int(text)
    from datetime import UTC, datetime

    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            f"{text!r}: expected Unix milliseconds or a date such as 2026-03-01", param_hint=option
        ) from None
    return int(found.replace(tzinfo=found.tzinfo or UTC).timestamp() * 1000)
