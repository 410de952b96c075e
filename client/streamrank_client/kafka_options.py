"""How aiokafka is told where Kafka is and how it is spoken to: one place for SASL and TLS.

>>> kafka_options(ClientSettings(kafka="k1:9092,k2:9092"))["bootstrap_servers"]
['k1:9092', 'k2:9092']
"""

from __future__ import annotations

import ssl
from typing import TypedDict

from streamrank_client.errors import SettingsError
from streamrank_client.settings import ClientSettings, variable

__all__ = ["KafkaOptions", "kafka_options", "ssl_context"]


class KafkaOptions(TypedDict, total=False):
    """Keyword arguments that every aiokafka client takes."""

    bootstrap_servers: list[str]
    client_id: str
    security_protocol: str
    ssl_context: ssl.SSLContext | None
    sasl_mechanism: str
    sasl_plain_username: str
    sasl_plain_password: str


def kafka_options(settings: ClientSettings, client_id: str = "streamrank") -> KafkaOptions:
    """Keyword arguments of an aiokafka consumer, producer or admin client.

    Raises SettingsError where an address or a certificate's file cannot be used.
    """
    servers = [server.strip() for server in settings.kafka.split(",") if server.strip()]
    for server in servers or [""]:
        if not _is_address(server):
            raise SettingsError(f"{variable('kafka')}={settings.kafka!r}: expected host:port, several comma separated")
    options = KafkaOptions(
        bootstrap_servers=servers, client_id=settings.in_shop(client_id), security_protocol=settings.kafka_security
    )
    if settings.kafka_security.endswith("SSL"):
        options["ssl_context"] = ssl_context(settings)
    if settings.kafka_security.startswith("SASL"):
        options["sasl_mechanism"] = settings.kafka_sasl_mechanism
        options["sasl_plain_username"] = settings.kafka_username
        options["sasl_plain_password"] = settings.kafka_password
    return options


def ssl_context(settings: ClientSettings) -> ssl.SSLContext:
    """TLS that checks Kafka's certificate against ``kafka_ca`` (else the system's authorities).

    Raises SettingsError naming the file that cannot be read as a certificate or key.
    """
    try:
        context = ssl.create_default_context(cafile=settings.kafka_ca or None)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"{variable('kafka_ca')}={settings.kafka_ca!r}: not a certificate: {error}") from error
    if settings.kafka_cert:
        try:
            context.load_cert_chain(settings.kafka_cert, settings.kafka_cert_key or None)
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(
                f"{variable('kafka_cert')}={settings.kafka_cert!r} with "
                f"{variable('kafka_cert_key')}={settings.kafka_cert_key!r}: not its key: {error}"
            ) from error
    return context


def _is_address(server: str) -> bool:
    host, _, port = server.rpartition(":")
    return bool(host) and port.isdigit() and 0 < int(port) < 65_536
