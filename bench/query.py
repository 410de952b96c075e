"""Latency and throughput of queries, beside a bare aiokafka echo on the same Kafka, asked by the same client.

One at a time; 50 a second in an open loop, each latency counted from the moment at which the query was due;
and as many as one worker answers with 64 under way. Echo and surfaces take turns, so that what else happens on
the machine happens to all.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, replace
from functools import partial
from time import monotonic, perf_counter, time
from typing import Any, Final

import numpy as np

from bench.load import Load, first_purchases, machine, publish
from bench.processes import Process
from bench.questions import Ask, questions
from bench.servers import RealKafka, RealRedis
from bench.stored import watching
from streamrank_client.client import Client
from streams.kafka.admin import create_topics
from streams.offline.building.artifacts import ensure_encoders
from streams.settings import Settings

__all__ = ["EVENTS", "Figures", "Plan", "measure", "percentiles", "table"]

#: purchases of the log: its first four weeks
EVENTS: Final = 90_000
TIMEOUT_S: Final = 30.0
PERCENTILES: Final = (50, 90, 99)
Say = Callable[[str], None]
Figures = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is asked: queries one at a time, seconds at ``rate`` a second, seconds at full speed; in turns."""

    singles: int = 300
    open_s: float = 8.0
    full_s: float = 5.0
    turns: int = 4
    warm_up: int = 50
    rate: int = 50
    in_flight: int = 64


async def measure(
    events: int = EVENTS, plan: Plan | None = None, say: Say = lambda text: None, profile: str | None = None
) -> Figures:
    """Start everything, ingest the log, ask; ``profile``: a file for pyinstrument's report of the worker."""
    how = plan or Plan()
    with ExitStack() as stack:
        say("starting Kafka and Redis, reading the log")
        kafka, redis = stack.enter_context(RealKafka()), stack.enter_context(RealRedis())
        settings = Settings(kafka=kafka.kafka, redis=redis.redis, log_level="warning")
        ensure_encoders(settings)
        bare = replace(settings, topic_prefix="echo-")
        load = first_purchases(events, settings.partitions, end_at=int(time() * 1000))
        await create_topics(settings)
        await create_topics(bare)
        stack.enter_context(Process(bare, "echo"))
        more = ["--profile", profile] if profile else []
        worker = stack.enter_context(Process(settings, "streamrank", "--role", "all", *more, web=True))
        await _ingest(settings, load, worker, say)
        async with AsyncExitStack() as clients:
            echo = await clients.enter_async_context(Client(settings=bare))
            client = await clients.enter_async_context(Client(settings=settings))
            makers = questions(load.titles, load.households)
            asked: dict[str, tuple[Client, Ask]] = {"echo": (echo, makers["search"])}
            asked |= {name: (client, ask) for name, ask in makers.items()}
            figures = await _ask(asked, how, say)
        return {**figures, "machine": machine(redis, load)}


async def _ingest(settings: Settings, load: Load, worker: Process, say: Say) -> None:
    """Publish items, and once the catalogue has them the purchases; return when everything is stored."""
    named = settings.topics
    async with watching(settings) as watch:
        say(f"{len(load.titles):,} items")
        await publish(settings, named.item_events.name, load.items)

        async def broadcast() -> bool:
            return await watch.records(named.catalogue.name, 1) >= len(load.titles)

        await watch.until(worker, [broadcast])
        say(f"{load.events:,} purchases")
        await publish(settings, named.behavior_events.name, load.behaviors)
        for spec in (named.behavior_events, named.signals):
            await watch.until(worker, [partial(watch.stored, await watch.ends(spec.name, spec.partitions))])


async def _ask(asked: Mapping[str, tuple[Client, Ask]], plan: Plan, say: Say) -> Figures:
    for client, ask in asked.values():
        for _ in range(plan.warm_up):
            await client.ask_query(ask(), TIMEOUT_S)
    # the log and the titles stay: looking at them again would be this process's pause, not the worker's
    gc.collect()
    gc.freeze()
    single: dict[str, list[float]] = {name: [] for name in asked}
    due: dict[str, list[float]] = {name: [] for name in asked}
    for turn in range(plan.turns):
        for name, (client, ask) in asked.items():
            single[name] += await one_at_a_time(client, ask, plan.singles // plan.turns)
        for name, (client, ask) in asked.items():
            due[name] += await open_loop(client, ask, plan.rate, plan.open_s / plan.turns)
        say(f"turn {turn + 1} of {plan.turns}")
    full = {}
    for name in ("search", "feed"):
        client, ask = asked[name]
        full[name] = round(await at_full_speed(client, ask, plan.in_flight, plan.full_s))
        say(f"{name}: {full[name]:,} answers/s")
    surfaces = [name for name in asked if name != "echo"]
    return {
        "echo": percentiles(single["echo"]),
        "echo_at_50": percentiles(due["echo"]),
        **{name: {"1": percentiles(single[name]), str(plan.rate): percentiles(due[name])} for name in surfaces},
        "saturation": full,
    }


async def one_at_a_time(client: Client, ask: Ask, queries: int) -> list[float]:
    """Milliseconds from asking to the answer, each query after the one before it."""
    took = []
    for _ in range(queries):
        query = ask()
        began = perf_counter()
        await client.ask_query(query, TIMEOUT_S)
        took.append(1000 * (perf_counter() - began))
    return took


async def open_loop(client: Client, ask: Ask, rate: int, seconds: float) -> list[float]:
    """Milliseconds from the moment a query was due to its answer, ``rate`` of them a second."""

    async def one(due: float) -> float:
        await client.ask_query(ask(), TIMEOUT_S)
        return 1000 * (perf_counter() - due)

    start = perf_counter() + 0.01
    tasks = []
    for n in range(max(1, round(rate * seconds))):
        due = start + n / rate
        await asyncio.sleep(max(0.0, due - perf_counter()))
        tasks.append(asyncio.create_task(one(due)))
    return list(await asyncio.gather(*tasks))


async def at_full_speed(client: Client, ask: Ask, in_flight: int, seconds: float) -> float:
    """Answers a second with so many queries always under way."""
    end = monotonic() + seconds
    answers = 0

    async def loop() -> None:
        nonlocal answers
        while monotonic() < end:
            await client.ask_query(ask(), TIMEOUT_S)
            answers += monotonic() < end

    await asyncio.gather(*(loop() for _ in range(in_flight)))
    return answers / seconds


def percentiles(milliseconds: list[float]) -> dict[str, float]:
    """The percentiles of a list of latencies by name."""
    found = np.percentile(milliseconds, PERCENTILES)
    return {f"p{p}_ms": round(float(ms), 2) for p, ms in zip(PERCENTILES, found, strict=True)}


def table(figures: Figures) -> list[str]:
    """The figures as lines to read."""
    rows = {"echo": figures["echo"], "echo, 50/s": figures["echo_at_50"]}
    for name in ("search", "feed", "rerank"):
        rows[name] = figures[name]["1"]
        rows[f"{name}, 50/s"] = figures[name]["50"]
    head = f"{'milliseconds':<14}{'p50':>9}{'p90':>9}{'p99':>9}"
    lines = [f"{name:<14}" + "".join(f"{ms:>9.2f}" for ms in row.values()) for name, row in rows.items()]
    full = ", ".join(f"{name} {eps:,}" for name, eps in figures["saturation"].items())
    where = ", ".join(f"{name} {value}" for name, value in figures["machine"].items())
    return [head, *lines, f"answers a second with 64 under way: {full}", where]
