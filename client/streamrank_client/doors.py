"""Why Kafka does not let this client in. aiokafka only logs it, and raises that it could not connect."""

from __future__ import annotations

import ssl
from typing import Any, Final

from aiokafka.conn import create_conn  # type: ignore[import-untyped]
from aiokafka.errors import (  # type: ignore[import-untyped]
    AuthenticationFailedError,
    AuthenticationMethodNotSupported,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)

from streamrank_client.kafka_options import kafka_options
from streamrank_client.settings import ClientSettings, variable

__all__ = ["refusal"]

WITHIN_MS: Final = 5_000
_NOT_LET_IN: Final = (
    AuthenticationFailedError, AuthenticationMethodNotSupported, SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)  # fmt: skip


async def refusal(settings: ClientSettings) -> str | None:
    """Why the first server that answers does not let this client in, and what to do; None where it does, or where none
    answers.
    """
    options: dict[str, Any] = dict(kafka_options(settings))
    for server in options.pop("bootstrap_servers"):
        host, _, port = server.rpartition(":")
        try:
            connection = await create_conn(host, int(port), request_timeout_ms=WITHIN_MS, **options)
        except _NOT_LET_IN:
            return (
                f"does not let user {settings.kafka_username!r} in: check {variable('kafka_username')}, "
                f"{variable('kafka_password')} and {variable('kafka_sasl_mechanism')}={settings.kafka_sasl_mechanism}"
            )
        except ssl.SSLCertVerificationError as error:
            return f"shows a certificate that is not trusted ({error.verify_message}): check {variable('kafka_ca')}"
        except ssl.SSLError as error:
            return f"does not speak TLS ({error.reason or error}): check {variable('kafka_security')}"
        except (KafkaError, OSError):
            continue
        connection.close()
        return None
    return None
