"""A pytest plugin: the fixture ``replay`` runs events through a worker's handlers and returns the answers.

It is there for a project that asks for it, in the ``conftest.py`` at its root::

    pytest_plugins = ["streamrank_client.pytest_plugin"]

and then in a test, ``async`` or not::

    from streamrank_client import Item, Query

    def test_coffee_is_found_in_chinese(replay):
        answers = replay([
            Item(time=1, item_id="p1", title="Ground coffee"),
            Item(time=1, item_id="p2", title="Black socks"),
            Query(time=2, request_id="r1", user_id="u1", text="咖啡"),
        ])
        assert answers[0].items[0].item_id == "p1"

    def test_the_recorded_day_is_answered_as_before(replay):
        answers = replay("tests/day.jsonl.gz")

The fixture is a function of a log's path or of events (structs, or JSON as bytes); ``replay.dead_letters`` holds those
of its last call. Each call begins with an empty state. Settings are the variables STREAMRANK_… of the tests'
environment, or for one call ``settings={"candidates": 50}``.

It runs the command `streamrank` of an installation of its own: beside the interpreter, on the PATH, or the command line
in STREAMRANK_COMMAND. One process serves the whole test session, from its first call on.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from streamrank_client.replaying import Replayer, ReplayProcess

__all__ = ["Replayer", "replay", "streamrank_replay_process"]


@pytest.fixture(scope="session")
def streamrank_replay_process() -> Iterator[ReplayProcess]:
    """The process that replays; started when it is first asked."""
    with ReplayProcess() as process:
        yield process


@pytest.fixture
def replay(streamrank_replay_process: ReplayProcess) -> Replayer:
    """A function of a log's path or of events that returns the answers."""
    return Replayer(streamrank_replay_process)
