"""Whether a worker can begin: Kafka and Redis let it in, topics are as the settings say, its web port is free.

Asked before it starts, so that what the operator is to mend is one clear line, and comes at once.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from aiohttp import web
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError

from streamrank_client.doors import refusal
from streamrank_client.errors import Unavailable
from streams.kafka.admin import check_topics
from streams.settings import Settings, variable
from streams.stores import open_store
from streams.web.web_port import WebPort

__all__ = ["knock"]

#: how long a Kafka that says nothing is asked for its topics; then the worker starts, and says that it waits
_WITHIN_S: Final = 5.0
_UNTRUSTED: Final = "CERTIFICATE_VERIFY_FAILED"


async def knock(settings: Settings) -> None:
    """Raise Unavailable where a server answers, but does not let this worker in, SettingsError where topics are missing
    or have other partitions than the settings say, or the web port is taken. Who is away is waited for later.
    """
    refused = await refusal(settings)
    if refused is not None:
        raise Unavailable(f"Kafka at {settings.kafka} ({settings.kafka_security}) {refused}")
    refused = await _redis_refusal(settings)
    if refused is not None:
        raise Unavailable(f"Redis at {settings.shown()['redis']} {refused}")
    port = WebPort(web.Application(), settings.web_host, settings.web_port)
    await port.start()
    await port.stop()
    with suppress(Unavailable, TimeoutError):
        async with asyncio.timeout(_WITHIN_S):
            await check_topics(settings)


async def _redis_refusal(settings: Settings) -> str | None:
    store = open_store(settings)
    try:
        await store.ping()
    except (AuthenticationError, NoPermissionError) as error:
        return f"does not let this user in ({str(error).rstrip('.')}): check user and password in {variable('redis')}"
    except (RedisError, OSError) as error:
        if _UNTRUSTED in str(error):
            return f"shows a certificate that is not trusted: check {variable('redis_ca')}"
    finally:
        await store.close()
    return None
