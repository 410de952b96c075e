"""What a group has committed: a coordinator that does not know yet is asked again, not taken to know of nothing.

Kafka says since version 2 of the request, at the top of its answer, that it is still loading the group, or is not its
coordinator any more. aiokafka looks at each partition only and finds none there, as if nothing had ever been committed;
a stage without a watermark would begin at the first record, and answer all queries that Kafka holds once more.
"""

from __future__ import annotations

from typing import Any

from aiokafka.errors import NotCoordinatorForGroupError, for_code  # type: ignore[import-untyped]
from aiokafka.protocol.commit import OffsetFetchResponse_v3  # type: ignore[import-untyped]

__all__ = ["heed_group_errors"]


def heed_group_errors(coordinator: Any) -> None:
    """Have an aiokafka coordinator raise what Kafka says of a group's offsets as a whole; it tries again where that
    helps.
    """
    send = coordinator._send_req

    async def sent(request: Any) -> Any:
        response = await send(request)
        code = getattr(response, "error_code", 0) if response.API_KEY == OffsetFetchResponse_v3.API_KEY else 0
        if code:
            error = for_code(code)
            if error is NotCoordinatorForGroupError:
                coordinator.coordinator_dead()
            raise error()
        return response

    coordinator._send_req = sent
