"""A long run under faults: `make soak MINUTES=60`.

Events, items and queries go on while workers are killed, connections cut and servers taken away; at the end what is
stored must be what a replay of the same log stores.

One worker lives through all of it, so that its memory, tasks and connections can be watched; the other is killed.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from random import Random
from time import monotonic
from typing import Final

import click
import msgspec
import redis

from bench.servers import RealKafka, RealRedis, missing
from models.base.threads import one_thread
from streamrank_client.client import Client
from streamrank_client.events import Item, encode
from streamrank_client.topics import topics
from streams.kafka.admin import create_topics
from streams.settings import Settings
from tests.support.faults import Asking, asking, differing, proxied
from tests.support.proxy import Proxy
from tests.support.small_log import Size, behaviors, items
from tests.support.worker_process import WorkerProcess, deployment, progress, publish_lines, settled

#: events, queries and changed items of a second
EVENTS: Final = 40
QUERIES: Final = 4
CHANGED: Final = 2
#: between two faults, and between two looks at the worker, in seconds
FAULT_EVERY: Final = 12.0
LOOK_EVERY: Final = 5.0
#: how long a server is away or refuses
AWAY: Final = 2.0
SHOP: Final = Size(users=500, items=400, behaviors=10_000_000)


class Look(msgspec.Struct, frozen=True):
    """The surviving worker at one moment. ``sockets``: those it has open."""

    second: int
    rss_mb: float
    tasks: int
    sockets: int


class Report(msgspec.Struct):
    """What came of it. ``lost``, ``twice``: behaviour events; ``answered_again``: queries, which a killed worker may
    have answered before it committed; ``differing``: keys of Redis whose values are not those of a replay.
    """

    minutes: float
    events: int
    items: int
    queries: int
    faults: dict[str, int]
    lost: int
    twice: int
    differing: list[str]
    unanswered: int
    answered_again: int
    degraded: int
    slowest_answer_s: float
    tracebacks: int
    looks: list[Look]
    wrong: list[str] = []


@dataclass
class Soak:
    """The servers, the workers and what was done so far."""

    settings: Settings
    redis_server: RealRedis
    to_redis: Proxy
    to_kafka: Proxy
    stays: WorkerProcess
    dies: WorkerProcess
    random: Random = field(default_factory=lambda: Random(17))
    log: list[bytes] = field(default_factory=list)
    changed: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    looks: list[Look] = field(default_factory=list)

    async def kill(self) -> None:
        """kill -9 of one worker, which starts again."""
        await asyncio.to_thread(self.dies.kill9)
        await asyncio.sleep(self.random.uniform(0, 4))
        await asyncio.to_thread(self.dies.restart)

    async def leave(self) -> None:
        """A worker leaves in good order, and comes again."""
        await asyncio.to_thread(self.dies.restart)

    async def cut_redis(self) -> None:
        """Cuts of connections to Redis, at random."""
        await asyncio.to_thread(self.to_redis.cut_at_random(20, 0.05, self.random.randrange(1_000)).join, 30)

    async def cut_kafka(self) -> None:
        """Cuts of connections to Kafka, at random."""
        await asyncio.to_thread(self.to_kafka.cut_at_random(20, 0.05, self.random.randrange(1_000)).join, 30)

    async def redis_away(self) -> None:
        """Redis cannot be reached."""
        await self._away(self.to_redis)

    async def kafka_away(self) -> None:
        """Kafka cannot be reached."""
        await self._away(self.to_kafka)

    async def redis_full(self) -> None:
        """Redis refuses writes."""
        with redis.Redis.from_url(self.redis_server.redis) as client:
            client.config_set("maxmemory", "1mb")
            await asyncio.sleep(AWAY)
            client.config_set("maxmemory", "0")

    async def _away(self, proxy: Proxy) -> None:
        proxy.refusing = True
        proxy.cut_all()
        await asyncio.sleep(AWAY)
        proxy.refusing = False

    def kinds(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        """The faults by name."""
        return {
            "kill -9": self.kill, "leave and join": self.leave, "20 cuts, Redis": self.cut_redis,
            "20 cuts, Kafka": self.cut_kafka, "Redis away": self.redis_away, "Kafka away": self.kafka_away,
            "Redis full": self.redis_full,
        }  # fmt: skip

    async def break_things(self, until: float) -> None:
        """One fault after the other, each kind as often as the others."""
        kinds = self.kinds()
        while True:
            for name in self.random.sample(sorted(kinds), len(kinds)):
                await asyncio.sleep(FAULT_EVERY)
                if monotonic() > until:
                    return
                await kinds[name]()
                self.faults[name] += 1

    async def feed(self, client: Client, queries: Asking, until: float) -> None:
        """Events, changed items and queries, second by second."""
        events, shop = behaviors(SHOP), items(SHOP.items)
        while monotonic() < until:
            second = monotonic() + 1
            some = list(islice(events, EVENTS))
            await client.publish_many([*some, *self._changed(shop)])
            self.log += map(encode, some)
            await queries.ask(QUERIES)
            await asyncio.sleep(max(0.0, second - monotonic()))

    def _changed(self, shop: list[Item]) -> Iterator[Item]:
        """Items with another price: nothing that a context holds."""
        for item in self.random.sample(shop, CHANGED):
            self.changed += 1
            yield msgspec.structs.replace(item, time=item.time + self.changed, price=self.random.uniform(1, 50))

    async def watch(self, began: float) -> None:
        """Look at the worker that stays, now and then."""
        while True:
            self.looks.append(await asyncio.to_thread(self._look, began))
            await asyncio.sleep(LOOK_EVERY)

    def _look(self, began: float) -> Look:
        process = Path(f"/proc/{self.stays.pid}")
        pages = int((process / "statm").read_text().split()[1])
        sockets = sum(1 for one in (process / "fd").iterdir() if _is_socket(one))
        tasks = int(self.stays.metric("streamrank_tasks"))
        return Look(int(monotonic() - began), round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 1), tasks, sockets)


def _is_socket(link: Path) -> bool:
    try:
        return os.readlink(link).startswith("socket:")
    except OSError:
        return False  # closed meanwhile


async def soak(minutes: float) -> Report:
    """Run it on servers of its own."""
    with Proxy() as to_kafka, RealKafka(advertised=to_kafka.port) as kafka, RealRedis() as server, Proxy() as to_redis:
        to_kafka.target, to_redis.target = kafka.proxied_port, int(server.port)
        settings = deployment(kafka, server, "soak", 0)
        await create_topics(settings)
        behind = replace(proxied(settings, to_redis), kafka=f"127.0.0.1:{to_kafka.port}")
        with WorkerProcess(behind) as stays, WorkerProcess(behind, up="health") as dies:
            return await _under_load(Soak(settings, server, to_redis, to_kafka, stays, dies), minutes)


async def _under_load(run: Soak, minutes: float) -> Report:
    settings = run.settings
    shop = [encode(item) for item in items(SHOP.items)]
    with tempfile.TemporaryDirectory() as folder:
        await publish_lines(shop, settings, Path(folder))
    began = monotonic()
    until = began + 60 * minutes
    watching = asyncio.create_task(run.watch(began))
    async with asking(settings) as queries, Client(settings=settings) as client:
        await asyncio.gather(run.feed(client, queries, until), run.break_things(until))
        await settled(settings, 120)
        with suppress(AssertionError):  # the report says how many are not
            await queries.answered(60)
    watching.cancel()
    named = topics(settings.partitions, settings.topic_prefix).behavior_events.name
    stored = progress(settings, named)
    report = Report(
        minutes=minutes,
        events=len(run.log),
        items=run.changed,
        queries=len(queries.asked),
        faults=dict(run.faults),
        lost=max(0, len(run.log) - stored),
        twice=max(0, stored - len(run.log)),
        differing=await differing(settings, [*shop, *run.log], replace(settings, redis=_other(settings.redis))),
        unanswered=len(queries.asked) - len(queries.times),
        answered_again=queries.twice,
        degraded=len(queries.degraded(list(queries.last))),
        slowest_answer_s=round(queries.slowest_s, 2),
        tracebacks=run.stays.log.count("Traceback"),
        looks=run.looks,
    )
    report.wrong = list(_wrong(report))
    if run.stays.terminate():
        report.wrong.append("the worker that stays did not end well")
    return report


def _other(url: str) -> str:
    return url.rsplit("/", 1)[0] + "/1"


def _wrong(report: Report) -> Iterator[str]:
    """What should not be."""
    for name in ("lost", "twice", "unanswered", "tracebacks"):
        if getattr(report, name):
            yield f"{name}: {getattr(report, name)}"
    if report.differing:
        yield f"{len(report.differing)} values are not those of a replay"
    # the first third is for warming up
    looks = report.looks[len(report.looks) // 3 :]
    if len(looks) < 10:
        return
    for name in ("rss_mb", "tasks", "sockets"):
        middle = [sorted(getattr(look, name) for look in some)[len(some) // 2] for some in (looks[:10], looks[-10:])]
        if middle[1] > 1.25 * middle[0]:
            yield f"{name} has grown from {middle[0]} to {middle[1]}"


@click.command()
@click.option("--minutes", type=click.FloatRange(min=0.5), default=60.0, show_default=True, help="How long.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Where the report goes; default: stdout.")
def main(minutes: float, out: Path | None) -> None:
    """Serve under faults for a while; the report is JSON, and the exit code 1 where something is wrong."""
    reason = missing()
    if reason is not None:
        raise click.ClickException(reason)
    one_thread()
    report = asyncio.run(soak(minutes))
    text = msgspec.json.format(msgspec.json.encode(report), indent=2).decode()
    if out is None:
        click.echo(text)
    else:
        out.write_text(text + "\n")
        click.echo(f"{out}: {'; '.join(report.wrong) or 'nothing lost, nothing twice, state as replayed'}")
    sys.exit(1 if report.wrong else 0)


if __name__ == "__main__":
    main()
