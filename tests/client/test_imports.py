"""What importing the client loads, and what it does not."""

from __future__ import annotations

import subprocess
import sys

#: what a project pays for only when it asks: Kafka's client, tests, and everything of the application
LATER = ("aiokafka", "cramjam", "numpy", "structlog", "pytest", "streams", "models", "state", "redis", "faust")


def loaded(code: str) -> set[str]:
    """The top-level modules that are loaded after ``code`` ran in a fresh interpreter."""
    code += "\nimport sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    return set(done.stdout.split())


def test_importing_the_client_loads_no_kafka() -> None:
    """Nor numpy, structlog, pytest or anything of the application."""
    assert not loaded("import streamrank_client") & set(LATER)


def test_every_event_and_setting_is_had_without_kafka() -> None:
    """A service that only makes or reads events never loads a Kafka client."""
    code = """
import streamrank_client as client
click = client.Click(event_id="e1", user_id="u1", item_id="p1", time=client.now())
assert client.decode_event(client.encode(click)) == click
client.ClientSettings(), client.topics()
from streamrank_client import logs, making, replaying, rules, vocabulary
"""
    assert not loaded(code) & set(LATER)


def test_the_client_is_loaded_when_it_is_used() -> None:
    """By attribute and by name; Kafka comes with it, and still nothing of the application."""
    for code in ("import streamrank_client; streamrank_client.Client", "from streamrank_client import Client"):
        assert loaded(code) & set(LATER) <= {"aiokafka", "cramjam"}
        assert "aiokafka" in loaded(code)


def test_what_the_client_does_not_have_is_an_error_that_names_it() -> None:
    """A misspelt name fails as with any module."""
    code = (
        "import streamrank_client\ntry: streamrank_client.Cilent\nexcept AttributeError as e: assert 'Cilent' in str(e)"
    )
    assert loaded(code)
