"""What uvloop says of a closed connection is for aiokafka a broken one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import uvloop
from aiokafka.conn import AIOKafkaConnection  # type: ignore[import-untyped]
from aiokafka.errors import KafkaConnectionError  # type: ignore[import-untyped]

from streams.kafka.closed_connections import expect_closed_connections

#: a request that is ready to be sent
READY = SimpleNamespace(build_request_header=lambda **_: SimpleNamespace(encode=bytes), encode=bytes)
REQUEST = SimpleNamespace(prepare=lambda versions: READY)


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    """aiokafka's class is left as it is elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("send", "_send_sasl_token"):
            patch.setattr(AIOKafkaConnection, name, getattr(AIOKafkaConnection, name))
        yield


async def send_over_a_closed_transport() -> None:
    """Send once the other side has gone, as when a commit comes at that moment."""
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    reader, writer = await asyncio.open_connection(host, port)
    writer.transport.abort()
    await asyncio.sleep(0)
    connection = AIOKafkaConnection(host, port)
    connection._reader, connection._writer = reader, writer
    connection._read_task = asyncio.create_task(asyncio.sleep(0))
    try:
        await connection.send(REQUEST)
    finally:
        server.close()
        connection.close()


def run() -> None:
    """Under uvloop, as a worker."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(send_over_a_closed_transport())


def test_a_closed_connection_is_a_broken_one() -> None:
    """aiokafka opens another and tries again; called twice it wraps once."""
    expect_closed_connections()
    wrapped = AIOKafkaConnection.send
    expect_closed_connections()
    assert AIOKafkaConnection.send is wrapped
    with pytest.raises(KafkaConnectionError, match="closed"):
        run()


def test_aiokafka_alone_does_not_expect_it() -> None:
    """Once this fails, aiokafka or uvloop minds it, and ours may go."""
    with pytest.raises(RuntimeError, match="closed"):
        run()
