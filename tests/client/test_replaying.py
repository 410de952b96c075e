"""The client's side of a replay, with sessions that are stand-ins: no streamrank, no servers."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamrank_client import replaying
from streamrank_client.errors import ReplayError
from streamrank_client.events import Query
from streamrank_client.replay_frames import ReplayReply, ReplayRequest, read_frame, wire_version, write_frame
from streamrank_client.replaying import Replayer, ReplayProcess

EVENTS = [Query(time=1, request_id="r1", text="tea")]

#: greets as `streamrank replay --session` does, and replies with what {reply} makes of each request
SESSION = """
import os, sys
import msgspec
from streamrank_client.replay_frames import Greeting, ReplayReply, ReplayRequest, read_frame, wire_version, write_frame
assert sys.argv[1:] == ["replay", "--session"], sys.argv
print(msgspec.json.encode(Greeting("0.1.0", {version})).decode(), flush=True)
while (request := read_frame(sys.stdin.buffer, ReplayRequest)) is not None:
    write_frame(sys.stdout.buffer, {reply})
"""


def command(folder: Path, reply: str, version: str = "wire_version()") -> str:
    """The command line of a session that greets with ``version`` and replies with an expression."""
    script = folder / "a session.py"
    script.write_text(SESSION.replace("{version}", version).replace("{reply}", reply))
    return f"'{sys.executable}' '{script}'"


def answering(text: str) -> str:
    """A reply with one answer whose request id is the expression ``text``."""
    answer = f"{{'event': 'answer', 'time': 1, 'request_id': str({text})}}"
    return f"ReplayReply(answers=[msgspec.json.encode({answer})])"


def ids(process: ReplayProcess, **settings: object) -> list[str]:
    """The request ids of a call's answers."""
    return [answer.request_id for answer in Replayer(process)(EVENTS, settings=settings)]


def test_one_process_serves_all_calls_until_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same process again and again; one that has ended meanwhile, or of another command, is replaced."""
    monkeypatch.setenv("STREAMRANK_COMMAND", command(tmp_path, answering("os.getpid()")))
    with ReplayProcess() as process:
        (first,) = ids(process)
        assert ids(process) == [first]
        ended = psutil.Process(int(first))
        ended.kill()
        ended.wait()
        (second,) = ids(process)
        assert second != first
        monkeypatch.setenv("STREAMRANK_COMMAND", os.environ["STREAMRANK_COMMAND"].replace("'", '"'))
        (third,) = ids(process)
    assert len({first, second, third}) == 3
    assert not any(psutil.pid_exists(int(pid)) for pid in (first, second, third))


def test_a_session_gets_the_variables_and_the_settings_of_each_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Variables of this moment, settings as texts by name."""
    monkeypatch.setenv("STREAMRANK_COMMAND", command(tmp_path, answering("(request.variables, request.settings)")))
    with ReplayProcess() as process:
        ids(process)
        monkeypatch.setenv("STREAMRANK_EPSILON", "0.25")
        (told,) = ids(process, online=False, candidates=50)
    assert "'STREAMRANK_EPSILON': '0.25'" in told
    assert "{'online': 'False', 'candidates': '50'}" in told


def test_the_tested_project_is_not_on_the_sessions_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its `streams`, `models` and `state` would be taken for streamrank's: no PYTHONPATH, no working directory."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("STREAMRANK_COMMAND", command(tmp_path, answering("sys.path")))
    monkeypatch.chdir(tmp_path)
    with ReplayProcess() as process:
        (told,) = ids(process)
    assert str(tmp_path) not in told
    assert "''" not in told


def test_a_name_is_looked_for_beside_the_interpreter_and_then_on_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An environment that is not activated is used all the same; else what the PATH leads to."""
    monkeypatch.delenv("STREAMRANK_COMMAND", raising=False)
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
    monkeypatch.setattr(sys, "executable", str(tmp_path / "here" / "python"))
    monkeypatch.setenv("PATH", str(tmp_path / "there"))
    with pytest.raises(ReplayError, match="'streamrank': there is no such command: install streamrank"):
        ids(ReplayProcess())
    for folder in ("there", "here"):
        script = tmp_path / folder / "streamrank"
        script.write_text(f"#!/bin/sh\necho this is {folder}\n")
        script.chmod(0o755)
        with pytest.raises(ReplayError, match=f"it says 'this is {folder}'"):
            ids(ReplayProcess())


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("no-such-command", "there is no such command"),
        ("/dev/null", "there is no such command"),
        ("", "it is empty"),
        ("'streamrank", "No closing quotation"),
        ("echo hello", "is not streamrank: it says 'hello replay --session'"),
        ("sh -c 'exit 3'", "ended with exit code 3: it said nothing: name streamrank's command in STREAMRANK_COMMAND"),
        ("sh -c 'echo streamrank: no Valkey: install it >&2; exit 2'", "ended with exit code 2: no Valkey: install it"),
        (
            "sh -c 'echo Error: No such option: --session >&2; exit 2'",
            "No such option: --session: install the same version of streamrank and streamrank-client",
        ),
    ],
)
def test_a_command_that_will_not_do_is_named_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch, line: str, said: str
) -> None:
    """The variable, its value, what is wrong, and what to do."""
    monkeypatch.setenv("STREAMRANK_COMMAND", line)
    with pytest.raises(ReplayError) as raised:
        ids(ReplayProcess())
    assert str(raised.value).startswith(f"STREAMRANK_COMMAND={line!r}")
    assert said in str(raised.value)


def test_a_command_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """And it is ended."""
    monkeypatch.setattr(replaying, "GREETS_IN", 0.2)
    monkeypatch.setattr(replaying, "ENDS_IN", 0.2)
    monkeypatch.setenv("STREAMRANK_COMMAND", "sh -c 'exec sleep 60'")
    with pytest.raises(ReplayError, match=r"did not begin within 0 s: name streamrank's command"):
        ids(ReplayProcess())


def test_a_streamrank_of_another_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both versions are named: the structs of the two need not be the same."""
    monkeypatch.setenv("STREAMRANK_COMMAND", command(tmp_path, "ReplayReply()", version="'0.0.7'"))
    with pytest.raises(ReplayError) as raised:
        ids(ReplayProcess())
    there, here = "streamrank 0.1.0 with streamrank-client 0.0.7", f"streamrank-client {wire_version()}"
    assert f"is {there}, here is {here}: install the same version" in str(raised.value)


def test_a_sessions_traceback_is_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its last line is, and the next call gets a session that is new."""
    reply = "1 / 0 if request.settings else " + answering("os.getpid()")
    monkeypatch.setenv("STREAMRANK_COMMAND", command(tmp_path, reply))
    with ReplayProcess() as process:
        with pytest.raises(ReplayError, match=r"ended with exit code 1: ZeroDivisionError: division by zero") as raised:
            ids(process, online=True)
        assert "Traceback" not in str(raised.value)
        assert ids(process)


def test_a_call_that_is_broken_off_leaves_no_reply_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C or a test's timeout ends the session: a late reply must not answer the next call."""
    reply = "(__import__('time').sleep(5 * len(request.settings)), " + answering("len(request.settings)") + ")[1]"
    monkeypatch.setenv("STREAMRANK_COMMAND", command(tmp_path, reply))
    monkeypatch.setattr(replaying, "ENDS_IN", 0.2)
    with ReplayProcess() as process:
        assert ids(process) == ["0"]
        interrupt = subprocess.Popen(["sh", "-c", f"sleep 0.5; kill -INT {os.getpid()}"])
        with pytest.raises(KeyboardInterrupt):
            ids(process, online=True)
        interrupt.wait()
        assert ids(process) == ["0"]


@given(st.lists(st.binary(max_size=300)), st.lists(st.binary(max_size=300)), st.text())
def test_frames_carry_any_bytes(answers: list[bytes], dead: list[bytes], error: str) -> None:
    """What was written is read, frame by frame, to the stream's end."""
    stream = io.BytesIO()
    reply, request = ReplayReply(answers, dead, error), ReplayRequest(answers, {"a": error}, {error: "b"})
    write_frame(stream, reply)
    write_frame(stream, request)
    stream.seek(0)
    assert read_frame(stream, ReplayReply) == reply
    assert read_frame(stream, ReplayRequest) == request
    assert read_frame(stream, ReplayReply) is None


@pytest.mark.parametrize("kept", [3, 8, 12])
def test_a_frame_that_is_cut_off_is_noticed(kept: int) -> None:
    """In its length or in its body."""
    stream = io.BytesIO()
    write_frame(stream, ReplayReply(answers=[b"one"]))
    with pytest.raises(EOFError):
        read_frame(io.BytesIO(stream.getvalue()[:kept]), ReplayReply)
