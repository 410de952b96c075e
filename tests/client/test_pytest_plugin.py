"""The fixture ``replay``: events in, answers out, each call on an empty state, by a process of streamrank's own."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from streamrank_client.errors import ReplayError
from streamrank_client.events import Event, Item, Purchase, Query, encode
from streamrank_client.logs import write_lines
from streamrank_client.pytest_plugin import Replayer
from streamrank_client.replaying import ReplayProcess

pytestmark = pytest.mark.servers

DAY: list[Event] = [
    Item(time=1, item_id="p1", title="ground coffee"),
    Item(time=1, item_id="p2", title="espresso coffee"),
    Purchase(time=2, event_id="e1", user_id="u1", item_id="p1"),
    Query(time=3, request_id="r1", user_id="u1", text="coffee"),
]


#: `streamrank` of the environment that runs the tests; its replay prints to stdout, as a library might
NOISY = """
import os
from streams.offline import replay_session
quiet = replay_session.replay
async def noisy(*args, **kwargs):
    print("printed", flush=True)
    os.write(1, b"written by a library in C")
    return await quiet(*args, **kwargs)
replay_session.replay = noisy
from streams.cli import main
main()
"""


@pytest.fixture(scope="module", autouse=True)
def this_streamrank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The command. Were what it prints among its replies, every test here would fail."""
    script = tmp_path_factory.mktemp("noisy") / "noisy.py"
    script.write_text(NOISY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STREAMRANK_COMMAND", f"'{sys.executable}' '{script}'")
        yield


@pytest.fixture(scope="module")
def process(this_streamrank: None) -> Iterator[ReplayProcess]:
    """The process of the session, made by hand so that the plugin need not be loaded into these tests."""
    with ReplayProcess() as process:
        yield process


@pytest.fixture
def replay(process: ReplayProcess) -> Replayer:
    """What the fixture gives."""
    return Replayer(process)


def test_a_list_of_events_is_answered(replay: Replayer) -> None:
    """The query in the list gets its answer, which has seen the purchase."""
    (answer,) = replay(DAY)
    assert answer.request_id == "r1"
    assert {item.item_id for item in answer.items} == {"p1", "p2"}
    assert answer.seen is not None
    assert answer.seen.offset == 0


def test_each_call_begins_with_an_empty_state(replay: Replayer) -> None:
    """The same events give the same answers again, and what an earlier call sold is not for sale."""
    assert replay(DAY) == replay(DAY)
    (answer,) = replay([Query(time=3, request_id="r2", user_id="u1", text="coffee")])
    assert answer.items == []


def test_a_log_is_answered_and_its_broken_lines_are_dead_letters(replay: Replayer, tmp_path: Path) -> None:
    """A path is read as a log; dead letters of the last call are at hand, whatever bytes the log holds."""
    write_lines(tmp_path / "day.jsonl.gz", [*map(encode, DAY), b'{"event":"view"}', b"\xff\x00\x80"])
    (answer,) = replay(tmp_path / "day.jsonl.gz")
    assert answer.request_id == "r1"
    assert [letter.code for letter in replay.dead_letters] == ["missing", "malformed"]
    assert replay.dead_letters[1].raw == b"\xff\x00\x80"
    replay(DAY)
    assert replay.dead_letters == []


def test_a_log_that_cannot_be_read_is_named(replay: Replayer, tmp_path: Path) -> None:
    """The path, the reason and the remedy."""
    with pytest.raises(ReplayError, match=r"none\.jsonl' cannot be read: No such file .*: check the path"):
        replay(tmp_path / "none.jsonl")


async def test_it_works_inside_an_async_test(replay: Replayer) -> None:
    """In the loop itself, and in a thread beside it; several threads wait for each other."""
    (answer,) = replay(DAY)
    found = await asyncio.gather(*(asyncio.to_thread(replay, DAY) for _ in range(3)))
    assert found == [[answer]] * 3


def test_a_call_after_the_first_takes_well_under_a_second(replay: Replayer) -> None:
    """Artifacts, words and servers are those of the first call."""
    replay(DAY)
    took = []
    for _ in range(5):
        began = time.perf_counter()
        replay(DAY)
        took.append(time.perf_counter() - began)
    assert min(took) < 0.5


def test_settings_hold_for_one_call(replay: Replayer) -> None:
    """By name, of any type that a variable can hold; the next call has those of the environment again."""
    names = {item.item_id for item in replay(DAY, settings={"sources": "lexical", "online": False})[0].items}
    assert names == {"p1", "p2"}
    assert {source for item in replay(DAY, settings={"sources": "lexical"})[0].items for source in item.sources} == {
        "lexical"
    }
    assert len({source for item in replay(DAY)[0].items for source in item.sources}) > 1


def test_settings_are_those_of_the_environment_at_the_call(replay: Replayer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that a test sets counts, though the process began before; ``settings`` counts for more."""
    monkeypatch.setenv("STREAMRANK_SOURCES", "lexical")
    assert {source for item in replay(DAY)[0].items for source in item.sources} == {"lexical"}
    found = replay(DAY, settings={"sources": "semantic"})
    assert {source for item in found[0].items for source in item.sources} == {"semantic"}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"candidats": 5}, "'candidats' is no setting of streamrank"),
        ({"candidates": 5}, "STREAMRANK_CANDIDATES='5': expected a whole number from 10 to 5000"),
        ({"experiment": "none.toml"}, "STREAMRANK_EXPERIMENT='none.toml': no such file"),
        ({"artifacts": "nowhere"}, "nowhere/encoder.*build it with `streamrank artifact build encoder`"),
    ],
)
def test_what_is_wrong_with_a_setting_is_said(replay: Replayer, settings: dict[str, object], said: str) -> None:
    """In the application's own words, without a traceback; and the next call is answered."""
    with pytest.raises(ReplayError, match=said) as raised:
        replay(DAY, settings=settings)
    assert "Traceback" not in str(raised.value)
    assert replay(DAY)


def test_a_process_that_ends_in_a_call_is_told_and_followed_by_another(replay: Replayer) -> None:
    """The call says what happened, and the next one is answered."""
    replay(DAY)
    long = [*DAY, *(Query(time=4, request_id=f"q{n}", user_id="u1", text="coffee") for n in range(20_000))]
    killer = subprocess.Popen(["sh", "-c", f"sleep 1; kill -9 {session().pid}"])
    with pytest.raises(ReplayError, match=r"STREAMRANK_COMMAND=.* ended with exit code -9"):
        replay(long)
    killer.wait()
    assert replay(DAY)


def session() -> psutil.Process:
    """The session's process, a child of this one."""
    (found,) = (child for child in psutil.Process().children() if "--session" in child.cmdline())
    return found


HOLDER = """
from streamrank_client import Item, Query
from streamrank_client.replaying import Replayer, ReplayProcess
replay = Replayer(ReplayProcess())
day = [Item(time=1, item_id="p1", title="tea"), Query(time=2, request_id="r1", text="tea")]
assert replay(day)
print("answered", flush=True)
replay([*day, *(Query(time=3, request_id=f"q{n}", text="tea") for n in range(50_000))])
"""


def test_it_ends_with_its_parent_in_the_middle_of_a_replay() -> None:
    """Tests that are killed leave neither a session nor its Valkey behind."""
    holder = subprocess.Popen([sys.executable, "-c", HOLDER], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"answered\n"
    time.sleep(0.5)
    below = psutil.Process(holder.pid).children(recursive=True)
    assert len(below) >= 2
    os.kill(holder.pid, signal.SIGKILL)
    holder.communicate()
    _, alive = psutil.wait_procs(below, timeout=10)
    assert not alive
