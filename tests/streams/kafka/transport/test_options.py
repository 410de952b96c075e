"""Options that cannot work are refused by name; restarts slow down; topics have one kind of reader."""

from __future__ import annotations

import ssl
from importlib.metadata import PackageNotFoundError, entry_points, version
from typing import Any

import pytest
from faust.exceptions import ImproperlyConfigured
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth
from yarl import URL

from streams.kafka.transport import BatchApp, BatchOptions, BatchTransport, batch_topic
from streams.kafka.transport.supervisor import BackoffSupervisor


@pytest.mark.parametrize("name", ["fetch_max_wait_ms", "session_timeout", "max_inflight_records"])
def test_a_value_that_is_not_positive_is_refused_by_name(name: str) -> None:
    """The message names the option and its value."""
    with pytest.raises(ImproperlyConfigured, match=rf"BatchOptions\.{name} is 0"):
        BatchOptions(**{name: 0})  # type: ignore[arg-type]


def test_heartbeats_must_fit_the_session() -> None:
    """Two of them at least."""
    with pytest.raises(ImproperlyConfigured, match=r"heartbeat_interval is 4\.0 s"):
        BatchOptions(session_timeout=6.0, heartbeat_interval=4.0)


def test_a_restart_waits_longer_each_time_and_forgives() -> None:
    """50 ms, doubling to 2 s however long it lasts; from the start again after a good while."""
    supervisor = BackoffSupervisor(max_restarts=100, over=1)
    now, delays = 0.0, []
    for _ in range(2000):
        delays.append(supervisor.next_delay(now))
        now += delays[-1]
    assert delays[:7] == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0]
    assert delays[-1] == 2.0
    assert supervisor.next_delay(now + 11) == 0.05


def test_an_app_takes_its_options_and_addresses() -> None:
    """Several brokers, written as Kafka clients do; Faust settings can still be given."""
    app = BatchApp("x", bootstrap="a:1, b:2", options=BatchOptions(session_timeout=7), web_port=1234)
    assert app.conf.broker == [URL("kafkabatch://a:1"), URL("kafkabatch://b:2")]
    assert (app.conf.broker_session_timeout, app.conf.web_port) == (7, 1234)
    assert isinstance(app.transport, BatchTransport)


def test_security_is_given_once_as_aiokafka_takes_it() -> None:
    """The consumer, Faust's producer and the app's own clients share one mapping."""
    context = ssl.create_default_context()
    kafka: dict[str, Any] = {
        "security_protocol": "SASL_SSL",
        "ssl_context": context,
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "shop",
        "sasl_plain_password": "secret",
        "client_id": "me",
    }
    app = BatchApp("x", bootstrap="a:1", kafka=kafka)
    auth = credentials_to_aiokafka_auth(app.conf.broker_credentials, None)
    assert auth == {key: kafka[key] for key in auth}
    assert set(kafka) - set(auth) == {"client_id"}
    assert app.conf.broker_client_id == "me"
    tls = BatchApp("x", bootstrap="a:1", kafka={"security_protocol": "SSL", "ssl_context": context})
    assert credentials_to_aiokafka_auth(tls.conf.broker_credentials, None) == {
        "security_protocol": "SSL",
        "ssl_context": context,
    }


@pytest.mark.parametrize(
    ("kafka", "message"),
    [
        ({"security_protocol": "TLS"}, "security_protocol is 'TLS': give one of PLAINTEXT"),
        ({"security_protocol": "SASL_SSL"}, "ssl_context is missing"),
        ({"security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": "MD5"}, "sasl_mechanism is 'MD5'"),
    ],
)
def test_security_that_cannot_be_used_is_refused_by_name(kafka: dict[str, str], message: str) -> None:
    """The message names the setting and its value."""
    with pytest.raises(ImproperlyConfigured, match=message):
        BatchApp("x", bootstrap="a:1", kafka=kafka)


def test_a_topic_is_read_in_batches_or_event_by_event_but_not_both() -> None:
    """Declaring it twice is refused with its name."""
    app = BatchApp("x", bootstrap="a:1")
    app.topics.add(batch_topic(app, "clicks"))
    app.topics.add(app.topic("clicks"))
    with pytest.raises(ImproperlyConfigured, match="'clicks' is read both"):
        _ = app.topics.batch_topics  # type: ignore[attr-defined]


def test_the_scheme_is_registered_for_plain_faust_apps() -> None:
    """An installed checkout has the entry point of the transport."""
    try:
        version("streamrank")
    except PackageNotFoundError:
        pytest.skip("streamrank is not installed in this environment: make install")
    (found,) = entry_points(group="faust.transports", name="kafkabatch")
    assert found.load() is BatchTransport
