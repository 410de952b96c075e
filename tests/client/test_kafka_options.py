"""What Kafka clients are told of a deployment: addresses, SASL, certificates."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamrank_client.errors import SettingsError
from streamrank_client.kafka_options import kafka_options
from streamrank_client.settings import ClientSettings


def test_kafka_options_carry_sasl_and_tls() -> None:
    """User and password reach aiokafka under its own names, with a context that checks certificates."""
    found = kafka_options(
        ClientSettings(kafka="a:1, b:2", kafka_security="SASL_SSL", kafka_username="me", kafka_password="hush")
    )
    assert found["bootstrap_servers"] == ["a:1", "b:2"]
    assert (found["sasl_plain_username"], found["sasl_plain_password"]) == ("me", "hush")
    context = found["ssl_context"]
    assert context is not None
    assert context.check_hostname


def test_plain_kafka_gets_no_security_options() -> None:
    """PLAINTEXT neither logs in nor encrypts."""
    assert not {"ssl_context", "sasl_mechanism"} & kafka_options(ClientSettings()).keys()


@pytest.mark.parametrize("kafka", ["", "nohost", "host:", "host:port", "host:99999", ":9092"])
def test_a_kafka_address_that_cannot_be_is_refused(kafka: str) -> None:
    """The address is checked before anything connects."""
    with pytest.raises(SettingsError, match=r"STREAMRANK_KAFKA=.*host:port"):
        kafka_options(ClientSettings(kafka=kafka))


def test_a_file_that_is_no_certificate_is_named(tmp_path: Path) -> None:
    """The setting and its file are in the error."""
    wrong = tmp_path / "ca.pem"
    wrong.write_text("not a certificate")
    with pytest.raises(SettingsError, match="STREAMRANK_KAFKA_CA"):
        kafka_options(ClientSettings(kafka_security="SSL", kafka_ca=str(wrong)))
