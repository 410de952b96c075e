"""`streamrank serve`."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from streams.cli.common import run
from streams.policy.roles import ROLES

if TYPE_CHECKING:
    from streams.settings import Settings


@click.command()
@click.option("--role", type=click.Choice(list(ROLES)), default="all", show_default=True, help="Which stages it runs.")
@click.option("--embedded", is_flag=True, help="Start a broker and a Valkey for it; what they hold is lost at the end.")
def command(role: str, embedded: bool) -> None:
    """Run a worker. /health, /ready and /metrics are on its web port. SIGTERM drains and commits.

    \b
    Example: STREAMRANK_KAFKA=k1:9092 STREAMRANK_REDIS=redis://r1:6379/0 streamrank serve --role query
    """
    from streams.offline.servers import free_port
    from streams.settings import load

    settings = load()
    if settings.web_port == 0:
        settings = replace(settings, web_port=free_port())
    with ExitStack() as stack:
        if embedded:
            from streams.kafka.admin import create_topics
            from streams.offline.servers import start_pair

            settings = start_pair(stack, settings)
            run(create_topics(settings))
            for line in environment(settings):
                click.echo(line)
        from streams.worker.serving import serve

        serve(settings, role)


def environment(settings: Settings) -> list[str]:
    """The lines for another terminal that point `streamrank` to this worker's servers."""
    from streams.settings import Settings, variable

    changed = {"kafka", "redis", "fetch_wait_ms"}
    for name in ("partitions", "shop", "topic_prefix"):
        if getattr(settings, name) != getattr(Settings(), name):
            changed.add(name)
    return [f"export {variable(name)}={getattr(settings, name)}" for name in sorted(changed)]
