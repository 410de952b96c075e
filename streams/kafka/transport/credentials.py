"""SASL and TLS as aiokafka's clients take them, put as Faust takes them: one mapping serves both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from faust.auth import SASLCredentials, SSLCredentials
from faust.exceptions import ImproperlyConfigured
from faust.types.auth import CredentialsT

__all__ = ["faust_credentials"]

_PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


def faust_credentials(kafka: Mapping[str, Any]) -> CredentialsT | None:
    """Credentials for ``broker_credentials`` from the keyword arguments of an aiokafka client.

    Reads ``security_protocol``, ``ssl_context``, ``sasl_mechanism``, ``sasl_plain_username`` and
    ``sasl_plain_password``. Raises ``ImproperlyConfigured`` for what Faust cannot be told; never names the
    password.

    >>> faust_credentials({"security_protocol": "PLAINTEXT"}) is None
    True
    >>> faust_credentials({"security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": "SCRAM-SHA-512",
    ...                    "sasl_plain_username": "shop", "sasl_plain_password": "secret"})
    <SASLCredentials: username=shop>
    """
    protocol = kafka.get("security_protocol", "PLAINTEXT")
    if protocol not in _PROTOCOLS:
        raise ImproperlyConfigured(f"security_protocol is {protocol!r}: give one of {', '.join(_PROTOCOLS)}")
    context = kafka.get("ssl_context")
    if protocol.endswith("SSL") and context is None:
        raise ImproperlyConfigured(f"security_protocol is {protocol!r}, but ssl_context is missing: give one")
    if protocol == "SSL":
        return SSLCredentials(context)
    if protocol == "PLAINTEXT":
        return None
    mechanism = kafka.get("sasl_mechanism", "PLAIN")
    if mechanism not in _MECHANISMS:
        raise ImproperlyConfigured(f"sasl_mechanism is {mechanism!r}: give one of {', '.join(_MECHANISMS)}")
    return SASLCredentials(
        username=kafka.get("sasl_plain_username"),
        password=kafka.get("sasl_plain_password"),
        ssl_context=context if protocol == "SASL_SSL" else None,
        mechanism=mechanism,
    )
