"""What `explain` and `user` share: ask the desk for something stored, and print it or say that it is not there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, TypeVar

import click

from streams.cli.common import echo_json, run

if TYPE_CHECKING:
    from rich.console import RenderableType

    from streams.lookup.desk import Desk

T = TypeVar("T")


def show_stored(
    find: Callable[[Desk], Awaitable[T]], tables: Callable[[T], Iterable[RenderableType]], as_json: bool
) -> None:
    """Print what ``find`` finds, as JSON or as ``tables``; exit with 1 when it is not stored."""
    from models.base.threads import one_thread
    from streams.errors import NotStored
    from streams.lookup.desk import open_desk
    from streams.settings import load

    async def found() -> T:
        async with open_desk(load()) as desk:
            return await find(desk)

    one_thread()
    try:
        stored = run(found())
    except NotStored as error:
        click.echo(f"streamrank: {error}", err=True)
        raise click.exceptions.Exit(1) from error
    if as_json:
        echo_json(stored)
        return
    from streams.cli.tables import console

    out = console()
    for part in tables(stored):
        out.print(part)
