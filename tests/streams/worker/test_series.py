"""Metrics: every series is there from the start, and what happens is counted in those alone."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.metrics import MetricWrapperBase

from bench.servers import RealKafka, RealRedis
from streamrank_client.client import Client
from streamrank_client.errors import QueryRejected
from streamrank_client.events import encode
from streams.kafka.admin import create_topics
from streams.policy.roles import ROLES
from streams.settings import Settings
from streams.worker.app import Worker
from streams.worker.series import LATER
from tests.support.small_log import items
from tests.support.transport_apps import until
from tests.support.worker_process import WorkerProcess, deployment, publish_lines

#: of which stages a metric tells; the others tell of all, or of servers
OF_STAGES = {
    "answers": "query", "error_answers": "query", "unreadable_values": "query", "source_seconds": "query",
    "answer_stage_seconds": "query", "weights_version": "query", "arm_answers": "query", "arm_items": "query",
    "arm_outcomes": "behavior", "arm_dwell_seconds": "behavior", "drift_alarms": "feedback",
    "silent_sources": "feedback", "retrainings": "feedback", "rerouted": "query behavior", "events": "signals feedback",
    "bad_records": "query behavior",
}  # fmt: skip
BROKEN = [
    b'{"event":"click","event_id":"b1","user_id":"u1"}',
    b'{"event":"query","request_id":"r9","user_id":"u1","time":5,"limit":"many"}',
    b'{"event":"item","item_id":"p1"}',
    b"broken",
]


@pytest.mark.parametrize("role", list(ROLES))
def test_every_labelled_metric_of_a_role_has_its_series_from_the_start(role: str) -> None:
    """Of what its stages count, at 0; but for what is only there when it was measured."""
    worker = Worker(Settings(device="cpu"), role)
    labelled = [one for one in worker.metrics.registry._collector_to_names if isinstance(one, MetricWrapperBase)]
    for metric in labelled:
        if not metric._labelnames or metric._name in LATER or metric._name == "streamrank_build_info":
            continue
        samples = [sample for family in metric.collect() for sample in family.samples]
        values = [sample.value for sample in samples if not sample.name.endswith("_created")]
        wanted = OF_STAGES.get(metric._name.removeprefix("streamrank_"), " ".join(worker.names)).split()
        assert bool(values) == bool(set(wanted) & set(worker.names)), metric._name
        assert set(values) <= {0.0}, metric._name


async def test_what_happens_is_counted_in_series_that_were_there(
    kafka: RealKafka, redis_server: RealRedis, topic_prefix: str, tmp_path: Path
) -> None:
    """Answers and their stages, errors by code, dead letters, clicks, items that nobody knows; and what runs here."""
    settings = replace(deployment(kafka, redis_server, topic_prefix, 10), after_wait_ms=5_000)
    await create_topics(settings)
    with WorkerProcess(settings) as worker:
        before = series(worker)
        await publish_lines([*map(encode, items(20)), *BROKEN], settings, tmp_path)
        async with Client(settings=settings) as client:
            first = await client.ask("u1", text="milk", timeout=60)
            await client.event("click", user_id="u1", item_id=first.items[0].item_id, request_id=first.request_id)
            await client.event("view", user_id="u1", item_id="nobody-knows-it")
            for surface in ("home", "similar", "cart"):
                item = first.items[0].item_id
                await client.ask("u1", surface=surface, item_id=item, cart=[item], timeout=60)
            with pytest.raises(QueryRejected):
                await client.ask("u1", text="milk", timeout=60, time=4_000_000_000_000)
        await until(lambda: worker.metric("streamrank_feedback_total") == 1)
        await until(lambda: worker.metric('streamrank_events_total{kind="feedback"}') >= 1)
        after = series(worker)
        assert worker.metric("streamrank_unknown_items_total") == 1
        assert worker.metric('streamrank_error_answers_total{code="invalid"}') == 1
        assert worker.metric('streamrank_error_answers_total{code="future"}') == 1
        assert worker.metric("streamrank_answer_seconds_count") == 4
        for stage in ("wait", "understand", "retrieve", "rank", "publish"):
            count = worker.metric(f'streamrank_answer_stage_seconds_count{{stage="{stage}"}}')
            assert 1 <= count <= 4, stage
        stages = sum(
            worker.metric(f'streamrank_answer_stage_seconds_sum{{stage="{stage}"}}')
            for stage in ("wait", "understand", "retrieve", "rank", "publish")
        )
        assert 0 < stages <= worker.metric("streamrank_answer_seconds_sum")
        letters = topic_prefix + "-behavior-events"
        assert worker.metric(f'streamrank_dead_letters_total{{code="missing",topic="{letters}"}}') == 1
        assert worker.metric("streamrank_behavior_watermark_seconds") == pytest.approx(time.time(), abs=600)
        assert worker.metric("process_resident_memory_bytes") > 1e6
        assert re.search(r'streamrank_build_info{python="3[^"]+",version="\d[^"]*"} 1.0', worker.page("metrics") or "")
    assert {name for name in after - before if name.partition("{")[0] not in LATER} == set()
    assert not [name for name in after if "_created" in name]


def series(worker: WorkerProcess) -> set[str]:
    """Every series with its labels."""
    lines = (worker.page("metrics") or "").splitlines()
    return {line.rsplit(" ", 1)[0] for line in lines if not line.startswith("#")}
