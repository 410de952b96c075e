"""A connection to Kafka that is closed between two requests is a broken connection, under uvloop too.

asyncio's transports take what is written after their end and drop it; uvloop's raise RuntimeError, which aiokafka does
not expect. A commit at such a moment would end the worker, and a fetch would end fetching.
"""

from __future__ import annotations

from functools import wraps
from typing import Any

from aiokafka.conn import AIOKafkaConnection, CloseReason  # type: ignore[import-untyped]
from aiokafka.errors import KafkaConnectionError  # type: ignore[import-untyped]

__all__ = ["expect_closed_connections"]


def expect_closed_connections() -> None:
    """Have aiokafka take a closed transport for a broken connection, which it opens again. For entry points that run
    uvloop; a second call changes nothing.
    """
    if not hasattr(AIOKafkaConnection.send, "__wrapped__"):
        AIOKafkaConnection.send = _expecting(AIOKafkaConnection.send)
        AIOKafkaConnection._send_sasl_token = _expecting(AIOKafkaConnection._send_sasl_token)


def _expecting(sending: Any) -> Any:
    @wraps(sending)
    def sent(connection: Any, *args: Any, **named: Any) -> Any:
        try:
            return sending(connection, *args, **named)
        except RuntimeError as error:
            connection.close(reason=CloseReason.CONNECTION_BROKEN, exc=error)
            raise KafkaConnectionError(f"{connection.host}:{connection.port}: {error}") from error

    return sent
