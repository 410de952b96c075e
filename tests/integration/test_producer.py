"""The producer of agents and clients, on real Kafka and on the embedded broker."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition  # type: ignore[import-untyped]
from aiokafka.errors import KafkaConnectionError  # type: ignore[import-untyped]

from streams.kafka.transport import BatchProducer, partition_for
from streams.offline.servers import free_port
from tests.support.servers import Broker


async def stored(broker: Broker, topic: str, partition: int, count: int) -> list[tuple[bytes, bytes | None]]:
    """The first ``count`` records of a partition."""
    consumer = AIOKafkaConsumer(bootstrap_servers=broker.kafka, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, partition)])
        records: list[tuple[bytes, bytes | None]] = []
        while len(records) < count:
            record = await asyncio.wait_for(consumer.getone(), 10)
            records.append((record.key, record.value))
        return records
    finally:
        await consumer.stop()


async def test_a_sent_record_is_where_its_key_belongs(broker: Broker) -> None:
    """With its headers; a tombstone has no value."""
    topic = await broker.create("send", 4)
    async with BatchProducer(broker.kafka) as producer:
        assert await producer.partitions(topic) == 4
        place = await (await producer.send(topic, b"u1", b"value", headers=[("id", b"r1")]))
        assert place.partition == partition_for(b"u1", 4)
        await producer.send(topic, b"u1", None)
        await producer.flush()
    assert await stored(broker, topic, place.partition, 2) == [(b"u1", b"value"), (b"u1", None)]


async def test_many_records_arrive_in_order_with_large_ones_among_them(broker: Broker) -> None:
    """They fill several batches; a record larger than a batch travels alone."""
    topic = await broker.create("many", 2)
    records: list[tuple[bytes | None, bytes | None]] = [(b"%d" % i, b"x" * 200) for i in range(5000)]
    records[2500] = (b"large", b"y" * 600_000)
    async with BatchProducer(broker.kafka) as producer:
        futures = await producer.send_many(topic, 1, records)
        assert len(futures) >= 5
        await asyncio.gather(*futures)
        assert await producer.send_many(topic, 1, []) == []
    assert await stored(broker, topic, 1, 5000) == records


async def test_idempotence_can_be_had_on_kafka(real_broker: Broker) -> None:
    """The broker then drops what a retry sent twice."""
    topic = await real_broker.create("idempotent")
    async with BatchProducer(real_broker.kafka, idempotent=True) as producer:
        await (await producer.send(topic, b"k", b"v"))
    assert await stored(real_broker, topic, 0, 1) == [(b"k", b"v")]


async def test_without_a_broker_start_raises_and_sending_before_start_is_refused() -> None:
    """Both errors say what is wrong."""
    producer = BatchProducer(f"127.0.0.1:{free_port()}")
    with pytest.raises(RuntimeError, match="not started"):
        await producer.send("t", b"k", b"v")
    with pytest.raises(KafkaConnectionError):
        await producer.start()
