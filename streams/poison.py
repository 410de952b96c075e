"""A record that a handler cannot survive must not stop its stream: it is found, and left behind as a dead letter."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

import structlog
from aiokafka.errors import KafkaError  # type: ignore[import-untyped]
from redis.exceptions import RedisError

from models.errors import ArtifactError, SessionError
from models.online import StateError
from state.rows import LayoutMismatch
from streams.errors import InvalidEvent, StreamrankError

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


async def handle_each(
    records: Sequence[T],
    handle: Callable[[Sequence[T]], Awaitable[None]],
    refuse: Callable[[T, InvalidEvent], Awaitable[None]],
) -> None:
    """Handle a batch; when it raises what only a record can be blamed for, handle its records one at a time.

    Those that raise again are refused, with the code ``internal``; all others are handled. Faults from
    elsewhere (``ELSEWHERE``) are raised as they are.
    """
    try:
        await handle(records)
        return
    except ELSEWHERE:
        raise
    except Exception as error:
        log.warning("a batch raised; its records are handled one by one", records=len(records), error=repr(error))
    for record in records:
        try:
            await handle([record])
        except ELSEWHERE:
            raise
        except Exception as error:
            log.exception("a record that cannot be handled becomes a dead letter")
            await refuse(record, InvalidEvent("internal", "", f"{type(error).__name__}: {error}"[:500]))
