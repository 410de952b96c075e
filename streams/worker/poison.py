"""A record that a handler cannot survive must not stop its stream: it is found, and left behind as a dead letter."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

import structlog
from aiokafka.errors import (  # type: ignore[import-untyped]
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
)
from redis.exceptions import RedisError

from models.base.errors import ArtifactError, SessionError, StateError
from state.rows import LayoutMismatch
from streamrank_client.errors import InvalidEvent, StreamrankError

log = structlog.get_logger(__name__)
T = TypeVar("T")

#: faults of a server, of what is stored, or of the operator: any record would meet them, none is to blame
ELSEWHERE: Final = (
    StreamrankError,
    KafkaError,
    RedisError,
    OSError,
    MemoryError,
    LayoutMismatch,
    ArtifactError,
    SessionError,
    StateError,
)
#: what a batch leads to does not fit in one record of Kafka: half of it may
TOO_LARGE: Final = (MessageSizeTooLargeError, RecordListTooLargeError)


async def handle_each(
    records: Sequence[T],
    handle: Callable[[Sequence[T]], Awaitable[None]],
    refuse: Callable[[T, InvalidEvent], Awaitable[None]],
) -> None:
    """Handle a batch; when it raises what only a record can be blamed for, handle its halves, in order, and theirs.

    The records that raise alone are refused, with the code ``internal``; all others are handled. Faults from
    elsewhere (``ELSEWHERE``) are raised as they are.
    """
    try:
        await handle(records)
        return
    except Exception as error:
        if isinstance(error, ELSEWHERE) and not isinstance(error, TOO_LARGE):
            raise
        wrong = InvalidEvent("internal", "", f"{type(error).__name__}: {error}"[:500])
        if len(records) == 1:
            log.exception("a record that cannot be handled becomes a dead letter")
        else:
            log.warning("a batch cannot be handled: its halves are", records=len(records), error=repr(error)[:500])
    if len(records) == 1:
        await refuse(records[0], wrong)
        return
    middle = len(records) // 2
    for half in (list(records[:middle]), list(records[middle:])):
        await handle_each(half, handle, refuse)
