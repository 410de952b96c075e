"""A coordinator that is still loading a group is asked again for what the group has committed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from aiokafka.consumer.group_coordinator import GroupCoordinator  # type: ignore[import-untyped]
from aiokafka.errors import GroupAuthorizationFailedError  # type: ignore[import-untyped]
from aiokafka.protocol.commit import OffsetFetchResponse_v3  # type: ignore[import-untyped]
from aiokafka.structs import TopicPartition  # type: ignore[import-untyped]

from streams.kafka.transport.committed import heed_group_errors

TP = TopicPartition("query-events", 0)
#: Kafka's codes: the group is being loaded; another broker is its coordinator; nobody may see it
LOADING, MOVED, FORBIDDEN = 14, 16, 30
KNOWN = OffsetFetchResponse_v3(0, [("query-events", [(0, 7, "", 0)])], 0)


class Coordinator(GroupCoordinator):  # type: ignore[misc]
    """aiokafka's, with answers that were made before."""

    def __init__(self, *codes: int) -> None:
        self.group_id, self._retry_backoff_ms = "shop", 1
        self._answers: Iterator[Any] = iter([*(OffsetFetchResponse_v3(0, [], code) for code in codes), KNOWN])
        self.dead = 0

    async def ensure_coordinator_known(self) -> None:
        """It is."""

    def coordinator_dead(self) -> None:
        """Count."""
        self.dead += 1

    async def _send_req(self, request: object) -> Any:
        return next(self._answers)


async def test_a_group_that_is_being_loaded_is_asked_for_again() -> None:
    """What it committed counts, and not that nothing is known of it yet; a coordinator that went is looked for."""
    coordinator = Coordinator(LOADING, MOVED, LOADING)
    heed_group_errors(coordinator)
    found = await coordinator.fetch_committed_offsets([TP])
    assert found[TP].offset == 7
    assert coordinator.dead == 1


async def test_what_nobody_may_see_is_an_error() -> None:
    """It is not taken for a group that has committed nothing."""
    coordinator = Coordinator(FORBIDDEN)
    heed_group_errors(coordinator)
    with pytest.raises(GroupAuthorizationFailedError):
        await coordinator.fetch_committed_offsets([TP])


async def test_aiokafka_alone_finds_nothing_committed() -> None:
    """Once this fails, aiokafka heeds the answer itself, and ours may go."""
    assert await Coordinator(LOADING).fetch_committed_offsets([TP]) == {}
