"""Record batches as agents get them, and the step that makes a consumer unpack its records to tuples.

aiokafka builds an eleven-field ``ConsumerRecord`` for every record; for topics read in batches a tuple of the
five fields in use costs a third. ``unpack_to_tuples`` arranges it for one fetcher, by giving it a results
mapping of its own: nothing in aiokafka is replaced, other consumers of the process notice nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

from faust.exceptions import ImproperlyConfigured
from faust.types import TP

from streams.wire.messages import Batch, Record

__all__ = ["Record", "RecordBatch", "unpack_to_tuples"]


class RecordBatch(Batch):
    """A batch of one partition as an agent on a ``BatchTopic`` gets it; without records where only transaction markers,
    compacted holes, aborted records or what was set aside lie between its offsets.

    ``highwater``: the end of the partition when it was fetched; ``attempt`` counts its deliveries from 1: above 1 it
    was delivered before, to an agent that raised.

    A batch is done when its agent asks for the next one. An agent that works on several at a time calls ``keep``, and
    ``done`` when that is so, or ``give_up`` when it never will be: then it is delivered again, after a rebalance.
    """

    __slots__ = ("_ended", "_finish", "_live", "attempt", "highwater", "kept", "tp")

    def __init__(
        self, records: Iterable[Record], tp: TP, position: int, next_offset: int, highwater: int | None
    ) -> None:
        super().__init__(records, position, next_offset)
        self.tp = tp
        self.highwater = highwater
        self.attempt = 0
        self.kept = False
        self._ended: bool | None = None
        self._finish: Callable[[bool], None] | None = None
        self._live: Callable[[], bool] = lambda: True

    @property
    def live(self) -> bool:
        """Whether it may still be worked on: its partition was neither sought nor lost since its fetch."""
        return self._live()

    def lives_while(self, live: Callable[[], bool]) -> None:
        """``live`` says whether it may still be worked on."""
        self._live = live

    def keep(self) -> None:
        """Count as in work until ``done`` or ``give_up``, while the agent goes on with others."""
        self.kept = True

    def done(self) -> None:
        """A kept batch is done."""
        self._end(True)

    def give_up(self) -> None:
        """A kept batch will not be done here."""
        self._end(False)

    def _end(self, done: bool) -> None:
        self._ended = done
        if self._finish is not None:
            self._finish(done)

    def passed(self, finish: Callable[[bool], None]) -> None:
        """The agent has gone on; ``finish`` is called once the batch is done, or given up."""
        self._finish = finish
        if not self.kept:
            finish(True)
        elif self._ended is not None:
            finish(self._ended)

    @property
    def values(self) -> list[bytes | None]:
        """The values, in offset order; None is a tombstone."""
        return [record.value for record in self]

    @property
    def first_offset(self) -> int:
        """Offset of the first record; of an empty batch, ``position``."""
        return self[0].offset if self else self.position

    @property
    def last_offset(self) -> int:
        """Offset of the last record; of an empty batch, that before ``next_offset``."""
        return self[-1].offset if self else self.next_offset - 1


def _to_tuple(_tp: object, record: Any) -> Record:
    return Record(record.key, record.value, record.offset, record.timestamp, record.headers)


class _Results(OrderedDict[Any, Any]):
    """A fetcher's results by partition; those of batch topics unpack to tuples.

    A result is put in here before the first of its records is unpacked, so that setting the conversion on
    its ``PartitionRecords`` instance is in time.
    """

    def __init__(self, is_batch_topic: Callable[[str], bool]) -> None:
        super().__init__()
        self._is_batch_topic = is_batch_topic

    def __setitem__(self, tp: Any, result: Any) -> None:
        records = getattr(result, "_partition_records", None)  # absent in a FetchError
        if records is not None and self._is_batch_topic(tp.topic):
            records._consumer_record = _to_tuple
        super().__setitem__(tp, result)


def unpack_to_tuples(fetcher: Any, is_batch_topic: Callable[[str], bool]) -> None:
    """Make an aiokafka ``Fetcher`` that has fetched nothing yet unpack the records of batch topics to tuples.

    Raises ``ImproperlyConfigured`` when this aiokafka keeps its results in another way than 0.12 to 0.14.
    """
    from aiokafka.consumer.fetcher import PartitionRecords  # type: ignore[import-untyped]

    if not isinstance(getattr(fetcher, "_records", None), OrderedDict) or not hasattr(
        PartitionRecords, "_consumer_record"
    ):
        raise ImproperlyConfigured(
            "the transport kafkabatch:// does not know the insides of this aiokafka: install aiokafka 0.14"
        )
    fetcher._records = _Results(is_batch_topic)
