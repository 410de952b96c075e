"""What is wrong with Redis: each server that holds keys, whether it takes writes, and what workers left word of."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError

from state import keys
from state.addresses import address_of
from state.store import Store
from streamrank_client.hiding import hidden
from streams.lookup.check import CLOCK_MS, Check, State
from streams.settings import Settings, variable
from streams.stores import open_store

__all__ = ["redis_checks"]

#: a Redis round trip above this many milliseconds is felt in every answer
SLOW_REDIS_MS: Final = 2.0


async def redis_checks(settings: Settings) -> list[Check]:
    """All checks of Redis; a fault of its own is one of them."""
    shown = settings.shown()["redis"]
    store = open_store(settings, look_only=True)
    try:
        await store.ping()
        checks: list[Check] = []
        clients = await store.clients()
        for address, client in clients.items():
            async with asyncio.timeout(settings.redis_timeout_s):
                info: dict[str, Any] = await client.info()
                latency_ms = await _latency_ms(client)
                ahead_s = await _ahead_s(client)
            checks += _server(address, f"{shown} {address}".strip(), info, latency_ms)
            checks.append(_clock(f"redis clock {address}".strip(), ahead_s))
        if address_of(settings.redis).kind == "cluster":
            checks.append(Check("redis cluster", "ok", f"{len(clients)} masters serve all slots"))
        checks.append(await _writes(store, settings.partitions))
        return [*checks, *await _left(store)]
    except (RedisError, OSError, TimeoutError) as error:
        reason = hidden(str(error) or type(error).__name__, settings.secrets())
        remedy = f"check {variable('redis')}, and that the server runs"
        if isinstance(error, (AuthenticationError, NoPermissionError)):
            reason = f"does not let this user in ({reason.rstrip('.')})"
            remedy = f"check user and password in {variable('redis')}"
        return [Check("redis", "fail", f"{shown}: {reason}", remedy)]
    finally:
        await store.close()


async def _latency_ms(client: Redis) -> float:
    """The median of 20 pings."""
    spent = []
    for _ in range(20):
        start = time.perf_counter()
        await client.ping()
        spent.append((time.perf_counter() - start) * 1000)
    return sorted(spent)[len(spent) // 2]


async def _ahead_s(client: Redis) -> float:
    """By how many seconds the server's clock is ahead of this machine's."""
    before = time.time()
    seconds, microseconds = await client.time()
    return float(seconds + microseconds / 1e6 - (before + time.time()) / 2)


def _clock(name: str, ahead_s: float) -> Check:
    if abs(ahead_s) * 1000 <= CLOCK_MS:
        return Check(name, "ok", f"{round(ahead_s * 1000):+d} ms from this machine's")
    said = f"{abs(ahead_s):.1f} s {'ahead of' if ahead_s > 0 else 'behind'} this machine's"
    return Check(name, "warn", said, "keep the clocks of all machines in step (NTP)")


async def _writes(store: Store, partitions: int) -> Check:
    """Whether every server that holds a partition takes writes."""
    try:
        # a key that is not there is not set: this asks, and changes nothing
        await store.try_writing([keys.stopped(p, "doctor") for p in range(partitions)])
    except RedisError as error:
        remedy = "until it takes writes events wait, and answers are degraded: look at its memory, disk and role"
        return Check("redis writes", "fail", f"refused: {error}", remedy)
    return Check("redis writes", "ok", "accepted")


async def _left(store: Store) -> list[Check]:
    """What workers have left word of."""
    checks = []
    async for key in store.names(b"stop"):
        (word,) = await store.read([key])
        _, partition, topic = key.decode().split(":", 2)
        reason = "it was a moment ago" if word is None else word.decode(errors="replace")
        checks.append(Check(f"partition {topic}[{partition.strip('{}')}]", "fail", f"is not read: {reason}"))
    kept = [name.decode(errors="replace") for name in store.in_shop([key async for key in store.names(b"bad")])]
    if kept:
        remedy = "they count as absent; look at what wrote them, then delete the keys"
        some = ", ".join(sorted(kept)[:5])
        checks.append(
            Check("stored values", "warn", f"{len(kept)} could not be read and were kept aside: {some}", remedy)
        )
    return checks


def _server(address: str, shown: str, info: dict[str, Any], latency_ms: float) -> Iterator[Check]:
    """One server; ``address``: what tells it from the others of a cluster, empty where it is alone."""

    def named(what: str) -> str:
        return " ".join(word for word in (what, address) if word)

    name = "Valkey" if "valkey_version" in info else "Redis"
    release = info.get("valkey_version", info.get("redis_version", "?"))
    message = f"{shown}: {name} {release}, {info.get('used_memory_human', '?')} used, {latency_ms:.2f} ms a ping"
    if info.get("cluster_enabled") and not address:
        remedy = f"begin {variable('redis')} with redis+cluster://"
        yield Check("redis", "fail", f"{message}; it is a node of a cluster, and serves only its own keys", remedy)
        return
    slow = latency_ms > SLOW_REDIS_MS
    remedy = "put Redis nearer to the workers, or look for a slow command (SLOWLOG GET)" if slow else ""
    yield Check(named("redis"), "warn" if slow else "ok", message, remedy)
    policy, limit = info.get("maxmemory_policy", "?"), int(info.get("maxmemory", 0))
    if policy == "noeviction":
        yield Check(named("redis memory"), "ok", f"maxmemory-policy {policy}")
    else:
        remedy = "set maxmemory-policy noeviction: an evicted watermark or context is lost state"
        state: State = "fail" if limit else "warn"
        yield Check(named("redis memory"), state, f"maxmemory-policy {policy}, maxmemory {limit}", remedy)
    if info.get("aof_enabled"):
        yield Check(named("redis persistence"), "ok", "append-only file on")
    else:
        remedy = "turn on appendonly (everysec): what a crash loses is read again from Kafka, as far as it is kept"
        yield Check(named("redis persistence"), "warn", "append-only file off", remedy)
    if address and not info.get("connected_slaves"):
        remedy = "add one: while its master is away, the partitions that it holds are neither read nor written"
        yield Check(named("redis replica"), "warn", "none", remedy)
