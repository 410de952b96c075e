"""The benches' pieces on tiny sizes; how fast anything is, no test says."""

from __future__ import annotations

import asyncio
import json
from itertools import chain

import pytest

from bench import gateway, ingest, query
from bench.load import first_purchases
from bench.questions import questions
from bench.servers import missing, missing_kafka
from streamrank_client.events import Item, Purchase, decode_event, decode_query, encode
from streams.kafka.transport import partition_for
from tests.support.servers import need

PERCENTILES = {"p50_ms", "p90_ms", "p99_ms"}


@pytest.fixture
def real_servers(own_servers: None) -> None:
    """The bench starts real Kafka and Redis itself."""
    need(missing())


def test_the_load_is_the_logs_beginning_by_partition_with_the_items_it_names() -> None:
    """As many purchases as asked for, each in its user's partition in order of time, and their items alone."""
    load = first_purchases(300, 4, end_at=1_800_000_000_000)
    assert load.events == 300
    bought: set[str] = set()
    for partition, records in load.behaviors.items():
        purchases = [decode_event(value or b"") for _, value in records]
        for purchase in purchases:
            assert isinstance(purchase, Purchase)
            assert partition_for(purchase.user_id.encode(), 4) == partition
            bought.add(purchase.item_id)
        times = [p.time for p in purchases]
        assert times == sorted(times)
    items = [decode_event(value or b"") for _, value in chain(*load.items.values())]
    assert all(isinstance(i, Item) for i in items)
    assert set(load.titles) == {i.item_id for i in items if isinstance(i, Item)} <= bought
    newest = max(decode_event(v or b"").time for _, v in chain(*load.behaviors.values()))
    assert newest == 1_800_000_000_000


def test_questions_are_valid_and_mostly_different() -> None:
    """Thousands of texts differ, in both languages, so that no cache flatters; every query can be sent."""
    titles = {f"p{n}": f"brand{n % 97} kind{n % 53} size{n % 31}" for n in range(500)}
    makers = questions(titles, ["u1", "u2"])
    texts = [makers["search"]().text for _ in range(2_000)]
    assert len(set(texts)) > 1_000
    assert any(t.isascii() for t in texts)
    assert any(not t.isascii() for t in texts)
    assert len(set(makers["rerank"]().candidates)) == 100
    for maker in makers.values():
        decode_query(encode(maker()))


@pytest.mark.timeout(240)
@pytest.mark.usefixtures("real_servers")
def test_the_ingest_bench_measures_every_contestant_to_the_end() -> None:
    """All contestants finish a small log; figures, ratios and the machine are in the JSON."""
    figures = asyncio.run(ingest.measure(events=400, rounds=1))
    json.dumps(figures)
    names = ("streamrank", "contexts_only", "stock_decode", "stock_redis")
    assert all(figures[f"{name}_eps"] > 0 for name in names)
    assert figures["items_eps"] > 0
    assert figures["ratio_stock_redis"] == pytest.approx(
        figures["streamrank_eps"] / figures["stock_redis_eps"], abs=0.01
    )
    assert figures["machine"]["events"] == 400
    assert any("streamrank is" in line for line in ingest.table(figures))


@pytest.mark.timeout(240)
@pytest.mark.usefixtures("real_servers")
def test_the_query_bench_asks_every_surface_beside_the_echo() -> None:
    """Every surface and the echo have percentiles in order, one at a time and at 50 a second."""
    plan = query.Plan(singles=8, open_s=0.4, full_s=0.3, turns=2, warm_up=2)
    figures = asyncio.run(query.measure(400, plan))
    json.dumps(figures)
    found = [figures["echo"], figures["echo_at_50"]]
    found += [figures[name][rate] for name in ("search", "feed", "rerank") for rate in ("1", "50")]
    for row in found:
        assert row.keys() == PERCENTILES
        assert 0 < row["p50_ms"] <= row["p90_ms"] <= row["p99_ms"]
    assert figures["saturation"].keys() == {"search", "feed"}
    assert len(query.table(figures)) == 11


@pytest.mark.timeout(240)
@pytest.mark.usefixtures("own_servers")
def test_the_gateway_bench_asks_both_ways_and_posts_one_by_one_and_in_batches() -> None:
    """Every event counted was acknowledged; percentiles are in order."""
    need(missing_kafka())
    amounts = gateway.Amounts(queries=8, turns=2, seconds=0.5, connections=2, batch_lines=10, batch_connections=2)
    figures = asyncio.run(gateway.measure(amounts))
    json.dumps(figures)
    for row in (*(figures["queries"][way] for way in ("client", "http")), figures["single_posts"], figures["batches"]):
        assert row.keys() >= PERCENTILES
        assert 0 < row["p50_ms"] <= row["p90_ms"] <= row["p99_ms"]
    assert figures["single_posts"]["events"] > 0
    assert figures["batches"]["events"] % 10 == 0
    assert len(gateway.table(figures)) == 3
