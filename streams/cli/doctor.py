"""`streamrank doctor`."""

from __future__ import annotations

import click

from streams.cli.common import echo_json, json_option, run


@click.command()
@json_option
def command(as_json: bool) -> None:
    """Check Kafka, Redis, topics, artifacts and inference: what is wrong, and what to do.

    Exit code 1: a check failed. A warning alone is 0.

    \b
    Example: streamrank doctor
    """
    from streams.lookup.doctor import diagnose
    from streams.settings import load

    checks = run(diagnose(load()))
    if as_json:
        echo_json(checks)
    else:
        from streams.cli.tables import check_table, console

        console().print(check_table(checks))
    if any(check.state == "fail" for check in checks):
        raise click.exceptions.Exit(1)
