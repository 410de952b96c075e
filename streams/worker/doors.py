"""Whether Kafka and Redis let a worker in: asked before it starts, so that a wrong password is one clear line."""

from __future__ import annotations

from typing import Final

from redis.exceptions import AuthenticationError, NoPermissionError, RedisError

from state.store import Store
from streamrank_client.doors import refusal
from streamrank_client.errors import Unavailable
from streams.settings import Settings, variable

__all__ = ["knock"]

_UNTRUSTED: Final = "CERTIFICATE_VERIFY_FAILED"


async def knock(settings: Settings) -> None:
    """Raise Unavailable where one of them answers, but does not let this worker in; who is away is waited for later."""
    refused = await refusal(settings)
    if refused is not None:
        raise Unavailable(f"Kafka at {settings.kafka} ({settings.kafka_security}) {refused}")
    refused = await _redis_refusal(settings)
    if refused is not None:
        raise Unavailable(f"Redis at {settings.shown()['redis']} {refused}")


async def _redis_refusal(settings: Settings) -> str | None:
    store = Store(settings.redis, settings.redis_timeout_s, settings.redis_ca)
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
