"""`streamrank replay LOG`."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from streams.cli.common import echo_json, json_option, redis_option, run

if TYPE_CHECKING:
    from streamrank_client.logs import Line
    from streams.offline.golden import GoldenDifference


@click.command()
@click.argument("log", required=False, type=click.Path(dir_okay=False))
@click.option("--answers", type=click.Path(dir_okay=False), help="Write the answers here (.jsonl, .jsonl.gz).")
@click.option("--expect", type=click.Path(dir_okay=False), help="Compare the answers with this golden file.")
@click.option("--dead-letters", type=click.Path(dir_okay=False), help="Write the dead letters here.")
@redis_option
@click.option("--session", is_flag=True, help="Replay what streamrank-client's fixture sends on stdin, until it ends.")
@json_option
def command(
    log: str | None,
    answers: str | None,
    expect: str | None,
    dead_letters: str | None,
    redis: str | None,
    session: bool,
    as_json: bool,
) -> None:
    """Run an event log through the worker's handlers, in event-time order, without Kafka.

    Exit code 0: done, and equal to the golden file; 1: different; 2: log or golden file unreadable.

    \b
    Example: streamrank replay shop.jsonl --answers now.jsonl --expect golden.jsonl
    """
    from models.base.threads import one_thread

    if session and (log or answers or expect or dead_letters or as_json):
        raise click.UsageError("--session takes its logs from stdin: give it nothing but --redis")
    one_thread()
    if session:
        _serve(redis)
        return
    if log is None:
        raise click.UsageError("Missing argument 'LOG'.")
    from streamrank_client.logs import input_lines, read_lines, write_lines
    from streams.offline.golden import first_difference

    golden = list(read_lines(expect)) if expect is not None else None
    lines = list(input_lines(log))
    found, dead = _replay(lines, redis, as_json)
    if answers is not None:
        write_lines(answers, found)
    if dead_letters is not None:
        write_lines(dead_letters, dead)
    difference = first_difference(golden, found) if golden is not None else None
    _report(len(lines), len(found), len(dead), golden is not None, difference, as_json)
    if difference is not None:
        raise click.exceptions.Exit(1)


def _serve(redis: str | None) -> None:
    """Replay logs from stdin until it ends."""
    from streams.offline.replay_session import serve_session

    with ExitStack() as stack:
        serve_session(redis or _embedded(stack))


def _embedded(stack: ExitStack) -> str:
    """The URL of an embedded Valkey that lives as long as ``stack``."""
    from streams.offline.servers import EmbeddedRedis

    return stack.enter_context(EmbeddedRedis()).redis


def _replay(lines: list[Line], redis: str | None, quiet: bool) -> tuple[list[bytes], list[bytes]]:
    """Replay the lines; returns the answers and the dead letters, as a worker would publish them."""
    from streams.cli.progress import stages
    from streams.settings import load

    settings = load()
    found: list[bytes] = []
    dead: list[bytes] = []
    with ExitStack() as stack:
        redis = redis or _embedded(stack)
        from streams.offline.replay import replay

        progress = stack.enter_context(stages(quiet=quiet))
        progress("replay", 0, len(lines))
        work = replay(
            lines, settings, redis, on_answer=found.append, on_dead=dead.append,
            progress=lambda done: progress("replay", done, len(lines)),
        )  # fmt: skip
        run(work)
        progress("replay", len(lines), len(lines))
    return found, dead


def _report(
    lines: int, answers: int, dead: int, compared: bool, difference: GoldenDifference | None, as_json: bool
) -> None:
    if as_json:
        echo_json({
            "lines": lines, "answers": answers, "dead_letters": dead,
            "equal": (difference is None) if compared else None, "difference": difference,
        })  # fmt: skip
        return
    click.echo(f"{lines:,} lines replayed: {answers:,} answers, {dead:,} dead letters")
    if difference is not None:
        click.echo(f"different: {difference}")
    elif compared:
        click.echo("equal to the golden file")
