"""What is at fault when a batch cannot be handled: a record, a stored value, or neither.

A record is at fault if it fails alone and on nothing stored, where a plain record of its topic does not: it is left
behind as a dead letter. A stored value is at fault if the record fails with it and not without it: it is kept aside and
counts as absent. Where neither is, the fault is this program's, and the partition stops: nothing is left behind.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from typing import Final, TypeAlias, TypeVar

import structlog
from aiokafka.errors import (  # type: ignore[import-untyped]
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
)
from redis.exceptions import RedisError

from models.base.errors import ArtifactError, SessionError
from state.layouts import StoredValueError
from streamrank_client.errors import InvalidEvent, StreamrankError
from streams.handlers.steps import ReadingSteps

log = structlog.get_logger(__name__)
T = TypeVar("T")

#: faults of a server, of what is stored, or of the operator: any record would meet them, none is to blame
ELSEWHERE: Final = (
    StreamrankError,
    KafkaError,
    RedisError,
    OSError,
    MemoryError,
    StoredValueError,
    ArtifactError,
    SessionError,
)
#: what a batch leads to does not fit in one record of Kafka: half of it may
TOO_LARGE: Final = (MessageSizeTooLargeError, RecordListTooLargeError)

#: a handler begun anew: its reads, without its effects
Rehearsal: TypeAlias = Callable[[], ReadingSteps[object]]
Stored: TypeAlias = Mapping[bytes, bytes | None]


async def handle_each(
    records: T,
    handle: Callable[[T], Awaitable[None]],
    halves: Callable[[T], tuple[T, T] | None],
    settle: Callable[[T, Exception], Awaitable[None]],
) -> None:
    """Handle a batch; when it raises what a record or a stored value may be blamed for, its halves, and theirs.

    ``halves``: of a batch, in order, None of one that holds one record; ``settle`` is given what fails alone. Faults
    from elsewhere (``ELSEWHERE``) are raised as they are.
    """
    try:
        await handle(records)
        return
    except Exception as error:
        if isinstance(error, ELSEWHERE) and not isinstance(error, (*TOO_LARGE, InvalidEvent)):
            raise
        split = halves(records)
        if split is None:
            await settle(records, error)
            return
        log.warning("a batch cannot be handled: its halves are", error=repr(error)[:500])
    for half in split:
        await handle_each(half, handle, halves, settle)


def halves(records: list[T]) -> tuple[list[T], list[T]] | None:
    """A list cut in two; None where it holds one thing."""
    middle = len(records) // 2
    return (records[:middle], records[middle:]) if middle else None


def fault(error: Exception) -> InvalidEvent:
    """What a dead letter says of an error."""
    if isinstance(error, InvalidEvent):
        return error
    return InvalidEvent("internal", "", f"{type(error).__name__}: {error}"[:500])


def fails(rehearsal: Rehearsal, stored: Stored) -> bool:
    """Whether a handler fails where Redis holds this, and nothing else."""
    try:
        steps = rehearsal()
        wanted = next(steps)
        while True:
            wanted = steps.send([stored.get(key) for key in wanted])
    except StopIteration:
        return False
    except Exception:
        return True


def at_fault(rehearsal: Rehearsal, stored: Stored) -> list[bytes]:
    """The keys whose values alone make the handler fail, which fails with all of them; none if it takes several."""
    keys = [key for key, value in stored.items() if value is not None]
    if len(keys) <= 1:
        return keys if fails(rehearsal, stored) else []
    found: list[bytes] = []
    for half in (keys[: len(keys) // 2], keys[len(keys) // 2 :]):
        some = {key: stored[key] for key in half}
        if fails(rehearsal, some):
            found += at_fault(rehearsal, some)
    return found


def recorded(
    rehearsal: Rehearsal, values: dict[bytes, bytes | None]
) -> Generator[list[bytes], Sequence[bytes | None], None]:
    """Run a handler to its end or its fault, keeping in ``values`` what it was sent."""
    try:
        steps = rehearsal()
        wanted = next(steps)
        while True:
            sent = list((yield wanted))
            values.update(zip(wanted, sent, strict=True))
            wanted = steps.send(sent)
    except StopIteration:
        return
    except Exception:
        return
