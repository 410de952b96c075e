"""Whole record batches for Faust agents, behind ``kafkabatch://``.

    app = BatchApp("streamrank", bootstrap="localhost:9092", options=BatchOptions(start_offsets=watermarks))

    @app.agent(batch_topic(app, "behavior-events", max_batch=512))
    async def contexts(batches):
        async for batch in batches:        # a RecordBatch: (key, value, offset, timestamp_ms, headers)
            ...                            # an exception here, and the same batch comes again

Stock Faust delivers one event at a time (80 µs each), can commit past an unfinished one, and acks an event
whose agent raised. Here a batch is done when its agent asks for the next one, the committed offset is the end
of the longest done prefix, and work in progress is finished and committed before partitions go.
"""

from streamrank_client.partitioner import partition_for
from streams.kafka.transport.damaged import DamagedBatch
from streams.kafka.transport.driver import BatchApp, BatchConductor, BatchTransport
from streams.kafka.transport.options import BatchOptions, Bounds, PartitionsHook, StartOffsets
from streams.kafka.transport.producer import BatchProducer
from streams.kafka.transport.records import Record, RecordBatch
from streams.kafka.transport.stream import BatchStream
from streams.kafka.transport.topic import BatchTopic, MaxBatch, batch_topic

__all__ = [
    "BatchApp",
    "BatchConductor",
    "BatchOptions",
    "BatchProducer",
    "BatchStream",
    "BatchTopic",
    "BatchTransport",
    "Bounds",
    "DamagedBatch",
    "MaxBatch",
    "PartitionsHook",
    "Record",
    "RecordBatch",
    "StartOffsets",
    "batch_topic",
    "partition_for",
]
