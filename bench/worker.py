"""One measured process: `python -m bench.worker streamrank|stock|echo …`, with settings from the environment.

It writes a moment to its working folder (`bench.processes.UP`): when its first batch or event came, for those
that read a log; when it was ready, for the echo.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import click
import faust
import uvloop

from bench.echo import echo
from bench.processes import UP
from bench.stock import stock_app
from streams.settings import Settings, load
from streams.worker.app import Worker
from streams.worker.metrics import Metrics
from streams.worker.serving import freeze_objects, serve


def write_up(moment: float) -> None:
    """Tell the bench that this process is up since ``moment``."""
    Path(UP).write_text(f"{moment!r}\n")


class FirstBatch(Metrics):
    """A worker's metrics that also tell when its first batch began."""

    _told = False

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Time a stage."""
        if not self._told:
            self._told = True
            write_up(monotonic())
        with super().timed(stage):
            yield


@click.group()
def main() -> None:
    """A process that a bench measures."""


@main.command()
@click.option("--role", default="ingest")
@click.option("--stages", help="Only these of the role's, comma separated.")
@click.option("--profile", type=click.Path(dir_okay=False), help="Write pyinstrument's report of the process there.")
def streamrank(role: str, stages: str | None, profile: str | None) -> None:
    """The very worker of `streamrank serve`."""

    def make(settings: Settings, role: str) -> Worker:
        names = None if stages is None else stages.split(",")
        return Worker(settings, role, names, FirstBatch(), freeze_objects)

    if profile is None:
        serve(load(), role, make)
        return
    from pyinstrument import Profiler  # type: ignore[import-not-found, unused-ignore]

    profiler = Profiler(interval=0.001, async_mode="disabled")
    profiler.start()
    try:
        serve(load(), role, make)
    finally:
        profiler.stop()
        Path(profile).write_text(profiler.output_text(unicode=True, show_all=True))


@main.command()
@click.option("--topic", required=True)
@click.option("--redis", "with_redis", is_flag=True, help="A GET and a SET for each event.")
def stock(topic: str, with_redis: bool) -> None:
    """A stock Faust agent."""
    uvloop.install()
    app = stock_app(load(), topic, with_redis, write_up)
    faust.Worker(app, loglevel="WARN", redirect_stdouts=False, quiet=True).execute_from_commandline()


@main.command(name="echo")
def echo_() -> None:
    """A bare aiokafka echo."""
    # as the worker: the threads of this process give way at once
    sys.setswitchinterval(0.001)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(echo(load(), lambda: write_up(monotonic())))


if __name__ == "__main__":
    main()
