"""The message that stands for a batch inside Faust."""

from __future__ import annotations

from faust.types import TP, ConsumerMessage

from streams.kafka.transport.records import RecordBatch
from streams.kafka.transport.window import AckWindow, Slot

__all__ = ["BatchMessage"]


class BatchMessage(ConsumerMessage):
    """One batch as Faust counts messages: its offset is the last record's, ``agents`` of them must ack it."""

    __slots__ = ("slot", "window")

    def __init__(self, batch: RecordBatch, window: AckWindow, agents: int, generation: int) -> None:
        tp: TP = batch.tp
        seconds = (batch[-1].timestamp_ms or 0) / 1000.0 if batch else 0.0
        super().__init__(
            tp.topic, tp.partition, batch.last_offset, seconds, 0, None, None, None, None, 0, 0, tp,
            generation_id=generation,
        )  # fmt: skip
        self.window = window
        self.slot: Slot = window.add(len(batch), batch.next_offset)
        self.refcount = agents
        self.tracked = True
