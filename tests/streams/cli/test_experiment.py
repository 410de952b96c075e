"""From a log to a report: replay with an experiment, then `streamrank experiment` on its files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from streamrank_client.answers import decode_answer
from streamrank_client.events import Click, Dwell, Impression, Purchase, Query, decode_event, encode
from streamrank_client.making import behavior
from streams.cli import main
from streams.policy.experiment_file import load_experiment
from streams.settings import Settings, variable
from tests.support.servers import flush
from tests.support.small_log import Size, log

FILE = """
name = "trial"
[arms.control]
share = 0.5
[arms.explore]
share = 0.5
settings = { epsilon = 1.0 }
"""


def call(*arguments: str) -> Result:
    """The command, its output and exit code."""
    return CliRunner().invoke(main, arguments)


@pytest.fixture
def replayed(tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the log, and the answers of its replay with the experiment."""
    for name, value in (("partitions", "4"), ("device", "cpu"), ("experiment", str(tmp_path / "trial.toml"))):
        monkeypatch.setenv(variable(name), value)
    (tmp_path / "trial.toml").write_text(FILE)
    asked = [
        encode(Query(time=1_760_000_700_000 + n * 60_000, request_id=f"q{n}", user_id=f"u{n % 30}")) for n in range(60)
    ]
    (tmp_path / "log.jsonl").write_bytes(b"\n".join([*log(Size(users=30, behaviors=300, queries=20)), *asked]) + b"\n")
    done = call("replay", str(tmp_path / "log.jsonl"), "--answers", str(tmp_path / "a.jsonl"), "--redis", redis_url)
    assert done.exit_code == 0, done.output
    return tmp_path


def after(folder: Path) -> list[bytes]:
    """What users did with the answers: a click on the first item, twice sent; of every third a purchase and a dwell."""
    found: list[bytes] = []
    for n, line in enumerate((folder / "a.jsonl").read_bytes().splitlines()):
        answer = decode_answer(line)
        if answer.user_id is None or not answer.items:
            continue
        given: dict[str, object] = {
            "user_id": answer.user_id, "item_id": answer.items[0].item_id, "request_id": answer.request_id,
            "time": answer.time + 1_000,
        }  # fmt: skip
        found += [encode(behavior("click", event_id=f"after{n}", **given))] * 2
        if n % 3 == 0:
            found.append(encode(behavior("purchase", event_id=f"bought{n}", **given)))
            found.append(encode(behavior("dwell", event_id=f"stayed{n}", milliseconds=4_000, **given)))
    return found


def test_a_replay_with_an_experiment_and_its_report_agree(replayed: Path) -> None:
    """The report's figures are those counted here by hand from both files; each user is in the arm of the file."""
    events = [*(replayed / "log.jsonl").read_bytes().splitlines(), *after(replayed)]
    (replayed / "all.jsonl").write_bytes(b"\n".join(events) + b"\n")
    answers = [decode_answer(line) for line in (replayed / "a.jsonl").read_bytes().splitlines()]
    experiment = load_experiment(replayed / "trial.toml", Settings())
    assert all(a.arm == experiment.arm(a.user_id or a.request_id).name for a in answers)
    assert {a.experiment for a in answers} == {"trial"}

    result = call(
        "experiment", "trial", "--answers", str(replayed / "a.jsonl"), "--events", str(replayed / "all.jsonl"), "--json"
    )
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    by_request = {a.request_id: a for a in answers if a.user_id is not None}
    expected = {
        arm: {
            "users": len({a.user_id for a in by_request.values() if a.arm == arm}),
            "answers": sum(a.arm == arm for a in by_request.values()),
            "items": sum(len(a.items) for a in by_request.values() if a.arm == arm),
            "clicks": 0.0, "purchases": 0.0, "dwell_seconds": 0.0,
        }
        for arm in ("control", "explore")
    }  # fmt: skip
    seen = set()
    for event in map(decode_event, events):
        if isinstance(event, Impression) or not isinstance(event, Click | Purchase | Dwell) or event.event_id in seen:
            continue
        seen.add(event.event_id)
        a = by_request.get(event.request_id or "")
        if a is not None and a.user_id == event.user_id and event.item_id in {i.item_id for i in a.items}:
            column = {Click: "clicks", Purchase: "purchases", Dwell: "dwell_seconds"}[type(event)]
            expected[a.arm][column] += event.milliseconds / 1000 if isinstance(event, Dwell) else 1
    for arm, totals in expected.items():
        assert {name: found["totals"][arm][name] for name in totals} == totals
        assert totals["clicks"] > 5
        assert totals["dwell_seconds"] > 5
    assert found["verdicts"] == {"explore": "too few users"}
    assert found["shares"] == {"control": 0.5, "explore": 0.5}
    assert found["counted"]["repeated"] >= 60


def test_two_replays_with_an_experiment_are_equal_byte_for_byte(replayed: Path, redis_url: str) -> None:
    """Assignment and exploration depend on ids alone."""
    flush(redis_url)
    log_file, golden = str(replayed / "log.jsonl"), str(replayed / "a.jsonl")
    assert call("replay", log_file, "--expect", golden, "--redis", redis_url).exit_code == 0
    flush(redis_url)
    (replayed / "trial.toml").write_text(FILE.replace("[arms.control]", 'salt = "2"\n[arms.control]', 1))
    assert call("replay", log_file, "--expect", golden, "--redis", redis_url).exit_code == 1


def files(folder: Path, control: int, explore: int) -> tuple[str, str, str]:
    """A file of answers with so many users in each arm, of which every second clicked, a log, and the config."""
    lines, events = [], []
    for n in range(control + explore):
        arm = "control" if n < control else "explore"
        lines.append({
            "event": "answer", "time": n, "request_id": f"r{n}", "user_id": f"u{n}", "experiment": "trial", "arm": arm,
            "items": [{"item_id": "p1"}],
        })  # fmt: skip
        if n % 2:
            events.append({
                "event": "click", "time": n + 1, "event_id": f"e{n}", "user_id": f"u{n}", "item_id": "p1",
                "request_id": f"r{n}",
            })  # fmt: skip
    for name, found in (("a.jsonl", lines), ("e.jsonl", events)):
        (folder / name).write_text("".join(json.dumps(one) + "\n" for one in found))
    (folder / "trial.toml").write_text(FILE)
    return str(folder / "a.jsonl"), str(folder / "e.jsonl"), str(folder / "trial.toml")


def test_the_table_shows_rates_differences_and_what_cannot_be_concluded(tmp_path: Path) -> None:
    """Of two equal arms: no difference shown, and how large one would have to be."""
    answers, events, config = files(tmp_path, 300, 310)
    result = call("experiment", "trial", "--config", config, "--answers", answers, "--events", events)
    assert result.exit_code == 0, result.output
    assert "0.5000 [0.4433, 0.5567]" in result.output
    assert "no difference shown" in result.output
    assert "That is not proof of equality: a difference below" in result.output
    assert "Arms share what they learn" in result.output


def test_a_wrong_sample_ratio_ends_with_exit_code_1_and_says_what_to_check(tmp_path: Path) -> None:
    """300 against 500 users at equal shares; without the file the ratio is not checked, and that is said."""
    answers, events, config = files(tmp_path, 300, 500)
    wrong = call("experiment", "trial", "--config", config, "--answers", answers, "--events", events)
    assert wrong.exit_code == 1
    assert "SAMPLE RATIO MISMATCH" in wrong.output
    assert "shares or salt changed" in wrong.output
    unchecked = call("experiment", "trial", "--answers", answers, "--events", events)
    assert unchecked.exit_code == 0
    assert "The sample ratio was not checked" in unchecked.output


def test_dates_narrow_the_report(tmp_path: Path) -> None:
    """Answers from --since on, before --until."""
    answers, events, config = files(tmp_path, 300, 300)
    given = ["experiment", "trial", "--config", config, "--answers", answers, "--events", events, "--json"]
    found = json.loads(call(*given, "--since", "200", "--until", "400").stdout)
    assert {arm: totals["answers"] for arm, totals in found["totals"].items()} == {"control": 100, "explore": 100}
    assert (found["first"], found["last"]) == (200, 399)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["else"], ["trial.toml", "name = 'trial'", "'else'"]),
        (["trial", "--control", "base"], ["'base'", "control, explore", "--control"]),
        (["trial", "--since", "yesterday"], ["--since", "yesterday", "2026-03-01"]),
        (["trial", "--since", "2030-01-01"], ["'trial'", "dates"]),
        (["trial", "--primary", "sales"], ["--primary", "ctr"]),
    ],
)
def test_a_wrong_call_is_told_in_one_line(tmp_path: Path, arguments: list[str], words: list[str]) -> None:
    """With the option, its value and what is expected; exit code 2."""
    answers, events, config = files(tmp_path, 3, 3)
    result = call("experiment", *arguments, "--config", config, "--answers", answers, "--events", events)
    assert result.exit_code == 2
    for word in words:
        assert word in result.output


def test_files_come_in_pairs_and_hold_answers(tmp_path: Path) -> None:
    """One of the two alone, or a log in the answers' place, is told."""
    answers, events, config = files(tmp_path, 3, 3)
    assert "give both" in call("experiment", "trial", "--answers", answers).output
    none = call("experiment", "trial", "--config", config, "--answers", events, "--events", events)
    assert none.exit_code == 2
    assert "holds no answer" in none.output
