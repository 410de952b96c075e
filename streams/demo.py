"""The demo: a real purchase log, published through Kafka and served by the very worker that production uses."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import aiohttp
import numpy as np
from rich.console import Console
from rich.table import Table

from models.encoder_build import build_encoder
from streams.admin import create_topics
from streams.artifacts import artifact_path
from streams.cli.progress import stages, steps
from streams.cli.serve import EMBEDDED_FETCH_WAIT_MS
from streams.cli.tables import answer_table
from streams.client import Client
from streams.embedded import EmbeddedBroker, EmbeddedRedis, free_port
from streams.errors import StreamrankError
from streams.events import Answer, Event, Item, Purchase
from streams.importers import complete_journey, write_log
from streams.publish import publish_log
from streams.routing import behavior
from streams.settings import Settings, for_child, load, variable

WARM_UP: Final = 20
ROUNDS: Final = 100
START_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Shop:
    """What the demo knows of the log: titles by item id, and how often each household bought."""

    titles: dict[str, str]
    purchases: Counter[str]

    def household(self) -> str:
        """A household with a middling history: the one at the third quartile of purchases."""
        ranked = sorted(self.purchases, key=lambda user: (self.purchases[user], user))
        return ranked[len(ranked) * 3 // 4]

    def item(self, word: str) -> str:
        """An item with ``word`` in its title, the first by title."""
        found = [(title, item_id) for item_id, title in self.titles.items() if word in title.lower()]
        return min(found)[1] if found else next(iter(self.titles))


async def demo(out: Console, keep: bool) -> None:
    """Run the whole demo, printing to ``out``. Raises StreamrankError with what went wrong."""
    began = time.monotonic()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="streamrank-demo-")))
        settings = start_servers(stack)
        await create_topics(settings)
        build_artifacts(settings)
        log, shop = import_log(folder)
        worker = stack.enter_context(worker_process(settings, folder / "worker.log"))
        await until_ready(settings, worker, folder / "worker.log")
        with stages(quiet=False) as progress:
            summary = await publish_log(log, settings, end_now=True, progress=progress)
        seconds = summary.seconds["events"]
        out.print(
            f"{summary.items:,} items and {summary.behaviors:,} purchases published, "
            f"{summary.behaviors / seconds:,.0f} purchases/s\n"
        )
        async with Client(settings=settings) as client:
            await until_stored(settings, summary.behaviors)
            await scenes(client, shop, out)
            await click_and_ask(client, shop, out)
            out.print(await latencies(client, shop))
        out.print(
            f"\nthe demo took {time.monotonic() - began:.0f} s, peak memory of the worker {peak_memory(worker):.0f} MiB"
        )
        if keep:
            await stay(settings, shop, out)


def start_servers(stack: ExitStack) -> Settings:
    """The embedded broker and Valkey, until ``stack`` closes; the settings that point to them."""
    broker, redis = stack.enter_context(EmbeddedBroker()), stack.enter_context(EmbeddedRedis())
    return replace(
        load(),
        kafka=broker.kafka,
        kafka_security="PLAINTEXT",
        redis=redis.redis,
        fetch_wait_ms=EMBEDDED_FETCH_WAIT_MS,
        session_timeout_s=6.0,
        web_port=free_port(),
    )


def build_artifacts(settings: Settings) -> None:
    """Build the encoder artifact unless it is there already."""
    path = artifact_path(settings, "encoder")
    if not (path / "manifest.json").is_file():
        with steps(quiet=False) as progress:
            build_encoder(path, progress)


def import_log(folder: Path) -> tuple[Path, Shop]:
    """Four weeks of The Complete Journey as an event log, and what the demo must know of it."""
    shop = Shop({}, Counter())

    def noting(events: Iterator[Event]) -> Iterator[Event]:
        for event in events:
            if isinstance(event, Item):
                shop.titles[event.item_id] = event.title
            elif isinstance(event, Purchase):
                shop.purchases[event.user_id] += 1
            yield event

    log = folder / "complete-journey.jsonl"
    write_log(noting(complete_journey.events(weeks=complete_journey.enough_weeks())), log)
    return log, shop


def environment(settings: Settings) -> dict[str, str]:
    """The variables that point a process to the demo's servers."""
    names = ("kafka", "redis", "fetch_wait_ms", "session_timeout_s", "web_port", "partitions", "topic_prefix")
    return {variable(name): str(getattr(settings, name)) for name in names}


@contextmanager
def worker_process(settings: Settings, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`streamrank serve` in a process of its own, ended by SIGTERM."""
    command = [sys.executable, "-m", "streams.cli", "serve"]
    with log.open("wb") as file:
        process = subprocess.Popen(command, env=for_child(environment(settings)), stdout=file, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


async def until_ready(settings: Settings, worker: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the worker has its partitions. Raises StreamrankError with the end of its log."""
    url = f"http://{settings.web_host}:{settings.web_port}/ready"
    deadline = time.monotonic() + START_S
    async with aiohttp.ClientSession() as session:
        while time.monotonic() < deadline and worker.poll() is None:
            try:
                async with session.get(url) as response:
                    if response.status == 200:
                        return
            except aiohttp.ClientError:
                pass  # not listening yet
            await asyncio.sleep(0.2)
    raise StreamrankError(f"the worker did not get ready in {START_S:.0f} s; its log ends with:\n{tail(log)}")


def tail(log: Path) -> str:
    """The last lines of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-20:])


async def until_stored(settings: Settings, events: int) -> None:
    """Wait until the worker has counted ``events`` behaviour events. Raises StreamrankError after two minutes."""
    url = f"http://{settings.web_host}:{settings.web_port}/metrics"
    counted = 0.0
    async with aiohttp.ClientSession() as session:
        for _ in range(600):
            async with session.get(url) as response:
                for line in (await response.text()).splitlines():
                    if line.startswith('streamrank_events_total{kind="behavior"}'):
                        counted = float(line.split()[-1])
            if counted >= events:
                return
            await asyncio.sleep(0.2)
    raise StreamrankError(f"the worker stored {counted:.0f} of {events} events in two minutes")


async def scenes(client: Client, shop: Shop, out: Console) -> None:
    """Ask as shoppers do, and print the answers."""
    known, coffee = shop.household(), shop.item("coffee")
    basket = [shop.item("spaghetti"), shop.item("pasta sauce")]
    asked: list[tuple[str, dict[str, Any]]] = [
        (f"Household {known} ({shop.purchases[known]} purchases) opens the shop", {"user_id": known}),
        ("A stranger opens it", {"user_id": "a stranger"}),
        ("A search in English: yogurt", {"user_id": known, "text": "yogurt"}),
        ("A search in Chinese: 酸奶 (yogurt)", {"user_id": known, "text": "酸奶"}),
        ("A search in Chinese: 婴儿奶粉 (baby milk powder)", {"text": "婴儿奶粉"}),
        ("A hunt for promotions: 有什么优惠的咖啡 (any coffee on offer?)", {"text": "有什么优惠的咖啡"}),
        (f"Similar to: {shop.titles[coffee]}", {"item_id": coffee}),
        (f"In the cart: {'; '.join(shop.titles[i] for i in basket)}", {"cart": basket}),
    ]
    for title, question in asked:
        began = time.perf_counter()
        answer = await client.ask(limit=5, timeout=10, **question)
        took = 1000 * (time.perf_counter() - began)
        if not answer.items:
            raise StreamrankError(f"{title}: no items in the answer")
        out.rule(title, align="left")
        out.print(answer_table(answer, shop.titles, took), "")


async def click_and_ask(client: Client, shop: Shop, out: Console) -> None:
    """Click an answered item, ask again at once, and show what moved and why."""
    user = shop.household()
    before = await client.ask(user_id=user, limit=20, explain=True, timeout=10)
    position = 7
    clicked = before.items[position]
    await client.publish(
        behavior("click", user_id=user, item_id=clicked.item_id, request_id=before.request_id, position=position)
    )
    after = await client.ask(user_id=user, limit=20, explain=True, timeout=10)
    out.rule(f"Household {user} clicks “{shop.titles[clicked.item_id]}”, and asks again at once", align="left")
    out.print(moves(before, after, clicked.item_id, shop))
    version = await learnt(client, user, before.weights_version)
    out.print(f"and the online ranker has learnt from it: weights {before.weights_version} → {version}\n")


async def learnt(client: Client, user: str, version: int) -> int:
    """The version of the online weights once it is past ``version``. Raises StreamrankError after 10 s."""
    for _ in range(100):
        answer = await client.ask(user_id=user, timeout=10)
        if answer.weights_version > version:
            return answer.weights_version
        await asyncio.sleep(0.1)
    raise StreamrankError("the click did not reach the online ranker's weights in 10 s")


def moves(before: Answer, after: Answer, clicked: str, shop: Shop) -> Table:
    """The first ten of the second answer: where each stood before, and what changed its score most."""
    table = Table(title="what moved and why", title_justify="left", show_edge=False)
    for name in ("now", "before", "title", "score", "change", "why"):
        table.add_column(name, justify="right" if name in ("now", "before", "score", "change") else "left")
    old = {item.item_id: (place, item) for place, item in enumerate(before.items)}
    shown = [(place, item) for place, item in enumerate(after.items) if place < 10 or item.item_id == clicked]
    for place, item in shown:
        was, then = old.get(item.item_id, (None, None))
        change = f"{item.score - then.score:+.3f}" if then else "new"
        reasons = dict(item.reasons or {})
        for name, value in ((then.reasons if then else None) or {}).items():
            reasons[name] = reasons.get(name, 0.0) - value
        top = sorted(reasons.items(), key=lambda pair: -abs(pair[1]))[:3]
        why = ", ".join(f"{name} {value:+.2f}" for name, value in top if abs(value) >= 0.005)
        mark = " ← clicked" if item.item_id == clicked else ""
        before_place = "" if was is None else str(was)
        title = shop.titles.get(item.item_id, item.item_id) + mark
        table.add_row(str(place), before_place, title, f"{item.score:.3f}", change, why)
    seen = f"{after.seen.partition}/{after.seen.offset}" if after.seen else "nothing"
    table.caption = f"the second answer has seen the click, event {seen}"
    return table


async def latencies(client: Client, shop: Shop) -> Table:
    """Round trips of a hundred queries a surface, one at a time."""
    users = sorted(shop.purchases)
    words = ("yogurt", "酸奶", "whole milk", "coffee", "bread", "咖啡", "chicken", "牛奶")
    items = sorted(shop.titles)
    questions: dict[str, Any] = {
        "home": lambda n: {"user_id": users[n % len(users)]},
        "search": lambda n: {"user_id": users[n % len(users)], "text": words[n % len(words)]},
        "similar": lambda n: {"item_id": items[97 * n % len(items)]},
        "cart": lambda n: {"cart": [items[31 * n % len(items)], items[57 * n % len(items)]]},
    }
    table = Table(title="latency through Kafka, one query at a time", title_justify="left", show_edge=False)
    for name in ("surface", "queries", "p50 ms", "p99 ms"):
        table.add_column(name, justify="left" if name == "surface" else "right")
    for surface, question in questions.items():
        took = []
        for n in range(WARM_UP + ROUNDS):
            began = time.perf_counter()
            await client.ask(timeout=10, **question(n))
            took.append(1000 * (time.perf_counter() - began))
        p50, p99 = np.percentile(took[WARM_UP:], [50, 99])
        table.add_row(surface, str(ROUNDS), f"{p50:.1f}", f"{p99:.1f}")
    return table


def peak_memory(process: subprocess.Popen[bytes]) -> float:
    """Peak resident memory of a process in MiB; 0 where the system does not tell."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0.0)


async def stay(settings: Settings, shop: Shop, out: Console) -> None:
    """Print the addresses and what to try, and wait for Ctrl-C or SIGTERM."""
    out.rule("Still up; from another terminal, in this folder", align="left")
    for name, value in environment(settings).items():
        out.print(f"export {name}={value}", highlight=False)
    user = shop.household()
    for line in (
        f".venv/bin/streamrank ask --user {user} --text 咖啡 --explain",
        f".venv/bin/streamrank event click --user {user} --item {shop.item('coffee')}",
        ".venv/bin/streamrank consume --topic recommendations",
        ".venv/bin/streamrank doctor",
        f"curl http://{settings.web_host}:{settings.web_port}/metrics",
    ):
        out.print(line, highlight=False)
    out.print("Ctrl-C ends it.")
    done = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, done.set)
    await done.wait()
