"""One member of a group gives way to another."""

from __future__ import annotations

from streams.kafka.transport import RecordBatch
from tests.integration.test_transport import fill
from tests.support.servers import Broker
from tests.support.transport_apps import Seen, make_app, running, until


async def test_one_that_leaves_for_its_successor_costs_one_rebalance(real_broker: Broker) -> None:
    """It works until the other joins, then leaves instead of joining again; nothing is lost or comes twice."""
    counts = dict.fromkeys(range(4), 100)
    topic = await real_broker.create("events", 4)
    seen = Seen()

    async def work(batch: RecordBatch) -> None:
        seen.note(batch)

    old, new = make_app(real_broker, topic, work), make_app(real_broker, topic, work)
    await old.start()
    try:
        await until(lambda: old.joined)
        old.leaves_next = True
        await fill(real_broker, topic, dict.fromkeys(range(4), 50))
        await until(lambda: len(seen.offsets) == 200)
        assert not old.left
        async with running(new):
            await until(lambda: old.left and len(new.lags()) == 4)
            assert new.consumer_generation_id == old.consumer_generation_id + 1
            await old.stop()
            await fill(real_broker, topic, dict.fromkeys(range(4), 50))
            await until(lambda: seen.missing(counts) == 0)
            assert new.consumer_generation_id == old.consumer_generation_id + 1
    finally:
        await old.stop()
    assert seen.exactly_once(counts)
