"""A topic whose agents get whole record batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from faust import App
from faust.topics import Topic

__all__ = ["BatchTopic", "MaxBatch", "batch_topic"]

#: most records of a batch; a callable is asked at every fetch, so that slices can follow the load
MaxBatch: TypeAlias = int | Callable[[], int]


class BatchTopic(Topic):
    """Declared instead of ``app.topic(...)``: its agents get ``RecordBatch``es, never decoded events."""

    def __init__(self, app: App, *, max_batch: MaxBatch = 5000, **kwargs: Any) -> None:
        super().__init__(app, **kwargs)
        self.max_batch = max_batch

    def slice_size(self) -> int:
        """Most records of the next batch."""
        return self.max_batch() if callable(self.max_batch) else self.max_batch

    def _clone_args(self) -> Mapping[str, Any]:
        # Faust clones the topic for every agent.
        return {**super()._clone_args(), "max_batch": self.max_batch}


def batch_topic(app: App, name: str, *, max_batch: MaxBatch = 5000) -> BatchTopic:
    """The topic ``name``, read in batches of at most ``max_batch`` records. It must exist already."""
    return BatchTopic(app, topics=[name], key_type=bytes, value_type=bytes, acks=True, max_batch=max_batch)
