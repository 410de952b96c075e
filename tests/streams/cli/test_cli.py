"""The command line: help, exit codes, one-line errors, JSON; on real Kafka where it talks to Kafka."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import get_args

import click
import pytest
from click.testing import CliRunner, Result

from models.experiments.comparison import METRICS
from models.retrieval.sentences import Language
from streamrank_client.routing import BEHAVIORS, IDENTIFY, ITEM_TAGS
from streamrank_client.topics import topics
from streamrank_client.vocabulary import CODE
from streams.cli import COMMANDS, main
from streams.cli import ask as ask_cli
from streams.cli import event as event_cli
from streams.cli import experiment as experiment_cli
from streams.kafka.admin import create_topics
from streams.settings import Settings, checkout
from tests.support.echo_worker import answering
from tests.support.servers import Broker

PRESENT = [name for name, (module, _) in COMMANDS.items() if (checkout() / "streams/cli" / f"{module}.py").is_file()]


def call(*arguments: str, env: dict[str, str] | None = None) -> Result:
    """Run the command line in this process."""
    return CliRunner().invoke(main, arguments, env=env, catch_exceptions=False)


def commands() -> list[list[str]]:
    """Every command, and every subcommand, that is there."""
    found: list[list[str]] = []
    with click.Context(main) as ctx:
        for name in PRESENT:
            command = main.get_command(ctx, name)
            found.append([name])
            if isinstance(command, click.Group):
                found += [[name, inner] for inner in command.list_commands(ctx)]
    return found


def test_the_commands_are_those_of_the_table() -> None:
    """Names that users type do not change by accident."""
    assert list(COMMANDS) == [
        "demo", "serve", "gateway", "topics", "publish", "ask", "suggest", "explain", "user", "event", "consume",
        "replay", "evaluate", "experiment", "import", "artifact", "image", "doctor",
    ]  # fmt: skip


@pytest.mark.parametrize("path", commands(), ids=" ".join)
def test_every_command_has_help_with_an_example(path: list[str]) -> None:
    """--help ends with 0 and shows how the command is called."""
    result = call(*path, "--help")
    assert result.exit_code == 0
    assert "Example: " in result.output
    assert f"streamrank {path[0]}" in result.output.split("Example: ")[1]


@pytest.mark.parametrize(
    "path", [["topics", "create"], ["topics", "list"], ["publish"], ["ask"], ["event"], ["consume"], ["replay"],
             ["experiment"], ["explain"], ["user"], ["import", "table"], ["import", "movielens"],
             ["artifact", "build"], ["artifact", "show"],
             ["artifact", "verify"], ["image"], ["doctor"]],
    ids=" ".join,
)  # fmt: skip
def test_every_command_that_prints_data_prints_json(path: list[str]) -> None:
    """--json is there."""
    assert "--json" in call(*path, "--help").output


def test_choices_are_those_of_the_library() -> None:
    """What is spelled twice so that --help stays fast is spelled the same."""
    assert set(ask_cli.LANGUAGES) == set(get_args(Language))
    assert set(event_cli.RULES) == ITEM_TAGS - {"item", "item_update", "delete"}
    assert list(experiment_cli.METRICS) == list(METRICS)
    assert set(BEHAVIORS) == set(CODE)
    assert event_cli.IDENTIFY == IDENTIFY


def test_help_loads_nothing_heavy() -> None:
    """The list of commands comes at once: without Kafka, Faust, numpy or a model runtime."""
    code = (
        "import sys; from streams.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'aiokafka', 'faust', 'numba', 'numpy', 'onnxruntime', 'redis', 'river', 'rich'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=30, cwd=checkout())


@pytest.mark.parametrize(
    ("arguments", "env", "words"),
    [
        (["topics", "list"], {"STREAMRANK_WEB_PORT": "many"}, "STREAMRANK_WEB_PORT='many'"),
        (["topics", "list"], {"STREAMRANK_KAFKA": "127.0.0.1:1"}, "Kafka at 127.0.0.1:1"),
        (["ask"], {"STREAMRANK_KAFKA": "nowhere"}, "host:port"),
        (["publish", "missing.jsonl"], {}, "missing.jsonl"),
        (["replay", "missing.jsonl"], {}, "missing.jsonl"),
        (["replay", "log.csv"], {}, ".jsonl"),
        (["event", "click", "--user", "u1"], {}, "item_id: required"),
        (["event", "rule", "--rule", "r1", "--action", "pin"], {}, "item_ids: a pin needs"),
        (["event", "delete_rule"], {}, "rule_id: required"),
        (["ask", "--offset", "2000"], {}, "offset"),
        (["event", "rating", "--user", "u1", "--item", "p", "--value", "9"], {}, "value"),
        (["ask", "--limit", "0"], {}, "limit"),
        (["import", "movielens", "-o", "x.jsonl"], {}, "movielens needs PATH"),
        (["artifact", "show", "no/such/folder"], {}, "manifest.json"),
        (["artifact", "build", "ranker"], {}, "--log"),
        (["artifact", "build", "ranker", "--precision", "int8"], {}, "--precision is 'int8', and a ranker is float32"),
    ],
)
def test_an_error_that_the_user_can_mend_is_one_line_and_exit_code_2(
    arguments: list[str], env: dict[str, str], words: str
) -> None:
    """No traceback; the line names what is wrong."""
    result = call(*arguments, env=env)
    assert result.exit_code == 2
    assert words in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [["nonsense"], ["event", "stare", "--user", "u"], ["publish", "x.jsonl", "--speed", "0"],
     ["import", "complete-journey", "-o", "x.jsonl", "--weeks", "a-b"], ["ask", "--after", "3"],
     ["serve", "--role", "x"]],
)  # fmt: skip
def test_wrong_usage_is_exit_code_2(arguments: list[str]) -> None:
    """click's own errors, and those of the options' types."""
    assert call(*arguments).exit_code == 2


def test_an_unexpected_error_shows_its_traceback_with_debug_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without --debug one line and exit code 70; with it the exception itself."""

    def fail() -> None:
        raise ZeroDivisionError("boom")

    monkeypatch.setattr("streams.settings.load", fail)
    result = call("topics", "list")
    assert result.exit_code == 70
    assert "ZeroDivisionError: boom" in result.stderr
    with pytest.raises(ZeroDivisionError):
        call("--debug", "topics", "list")


async def test_a_first_session_on_kafka(broker: Broker, tmp_path: Path) -> None:
    """Make topics, publish an event and a log, ask, follow: each command does its part and prints JSON."""
    env = {
        "STREAMRANK_KAFKA": broker.kafka, "STREAMRANK_TOPIC_PREFIX": broker.prefix + "-",
        "STREAMRANK_PARTITIONS": "2", "STREAMRANK_FETCH_WAIT_MS": "10",
    }  # fmt: skip

    async def out(*arguments: str) -> object:
        result = await asyncio.to_thread(call, *arguments, "--json", env=env)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    made = await out("topics", "create")
    listed = await out("topics", "list")
    assert isinstance(made, dict)
    assert len(made["created"]) == len(list(topics()))
    assert isinstance(listed, list)
    assert all(row["wrong"] == [] for row in listed)
    place = await out("event", "click", "--user", "u1", "--item", "p1", "--event-id", "e1")
    assert isinstance(place, dict)
    assert (place["event_id"], place["offset"]) == ("e1", 0)
    log = tmp_path / "day.jsonl"
    log.write_text('{"event":"view","event_id":"e2","user_id":"u1","item_id":"p1","time":1}\nbroken\n')
    summary = await out("publish", str(log), "--end-now")
    assert isinstance(summary, dict)
    assert (summary["behaviors"], summary["broken"]) == (1, 1)
    settings = Settings(kafka=broker.kafka, topic_prefix=broker.prefix + "-", partitions=2, fetch_wait_ms=10)
    async with answering(settings):
        answer = await out(
            "ask", "--user", "u1", "--text", "酸奶", "--after", f"{place['partition']}:{place['offset']}"
        )
    followed = await out("consume", "--from-start", "--limit", "1")
    assert isinstance(answer, dict)
    assert answer["items"][0]["item_id"] == "酸奶"
    assert answer["seen"] == {"partition": place["partition"], "offset": 0}
    assert followed == answer


async def test_topics_that_differ_are_told_and_exit_code_1(broker: Broker) -> None:
    """`topics list` ends with 1 when a topic has other partitions than the settings say."""
    await create_topics(Settings(kafka=broker.kafka, topic_prefix=broker.prefix + "-", partitions=2))
    env = {"STREAMRANK_KAFKA": broker.kafka, "STREAMRANK_TOPIC_PREFIX": broker.prefix + "-"}
    result = await asyncio.to_thread(call, "topics", "list", "--json", env=env)
    assert result.exit_code == 1
    assert "STREAMRANK_PARTITIONS=2" in result.stdout


async def test_topics_that_differ_stop_what_would_write_to_them(broker: Broker, tmp_path: Path) -> None:
    """`topics create` and `publish` end with 2 and a line with the topic, its number, the setting and the remedy."""
    await create_topics(Settings(kafka=broker.kafka, topic_prefix=broker.prefix + "-", partitions=2))
    env = {"STREAMRANK_KAFKA": broker.kafka, "STREAMRANK_TOPIC_PREFIX": broker.prefix + "-"}
    log = tmp_path / "day.jsonl"
    log.write_text('{"event":"view","event_id":"e2","user_id":"u1","item_id":"p1","time":1}\n')
    for arguments in (["topics", "create"], ["publish", str(log)]):
        result = await asyncio.to_thread(call, *arguments, env=env)
        (line,) = [one for one in result.stderr.splitlines() if one.strip()]
        assert result.exit_code == 2
        assert "STREAMRANK_PARTITIONS=8" in line
        assert f"{broker.prefix}-query-events has 2" in line
        assert "set STREAMRANK_PARTITIONS=2" in line


@pytest.mark.servers
def test_a_replay_is_compared_with_its_golden_file(tmp_path: Path) -> None:
    """The same log again is exit code 0, an altered golden file 1 with the place, an unreadable one 2."""
    log, golden = tmp_path / "day.jsonl", tmp_path / "golden.jsonl"
    log.write_text(
        '{"event":"item","item_id":"p1","time":1,"title":"coffee"}\n{"event":"click"}\n'
        '{"event":"query","request_id":"r1","time":2,"text":"coffee"}\n'
    )
    dead = tmp_path / "dead.jsonl"
    first = call("replay", str(log), "--answers", str(golden), "--dead-letters", str(dead), "--json")
    assert first.exit_code == 0, first.output
    assert json.loads(first.stdout)["dead_letters"] == 1
    assert "missing" in dead.read_text()
    assert call("replay", str(log), "--expect", str(golden)).exit_code == 0
    golden.write_text(golden.read_text().replace('"surface":"search"', '"surface":"home"'))
    different = call("replay", str(log), "--expect", str(golden))
    assert different.exit_code == 1
    assert "line 1, request r1, surface" in different.stdout
    assert call("replay", str(log), "--expect", str(tmp_path / "none.jsonl")).exit_code == 2


@pytest.mark.parametrize(
    ("command", "url", "remedy"),
    [
        ("replay", "redis://me:hush@h:1,h:2", "redis+cluster://"),
        ("evaluate", "redis+sentinel://me:hush@s1", "/service/0"),
    ],
)
def test_an_address_of_redis_that_cannot_be_read_is_refused(command: str, url: str, remedy: str) -> None:
    """Before anything is read or connected, with what to do and without the password."""
    result = CliRunner().invoke(main, [command, "log.jsonl", "--redis", url])
    assert result.exit_code == 2
    assert remedy in result.output
    assert "hush" not in result.output
