"""`streamrank evaluate`: a log in, figures out, over the handlers that serve."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from models.evaluate import sample, strikes
from streamrank_client.answers import decode_answer
from streamrank_client.events import Click, Query, encode
from streamrank_client.logs import read_lines, write_lines
from streams.cli import evaluate as command
from streams.cli import main
from streams.offline.evaluation import serving
from tests.support.round_log import write_round

pytestmark = [pytest.mark.servers, pytest.mark.usefixtures("quick_judging")]


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two hundred users who each buy three of a dozen items in a round: what follows is always the next item."""
    return write_round(tmp_path_factory.mktemp("evaluate") / "shop.jsonl")


def run(*args: str) -> dict[str, Any]:
    """The command's JSON."""
    done = CliRunner().invoke(main, ["evaluate", *args, "--json"])
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_report_has_every_part_and_what_follows_is_found(log: Path) -> None:
    """Metrics with intervals, differences, groups, windows and settings; the next item of a round is in the list."""
    found = run(str(log), "--tests", "40", "--compare", "no-online,frozen")
    assert set(found) == {
        "log", "tested", "metrics", "differences", "retrieval", "coverage", "groups", "windows", "alarms",
        "settings", "drill",
    }  # fmt: skip
    assert found["drill"] is None
    assert found["tested"] == 40
    ours = found["metrics"]["ndcg@10"]["streamrank"]
    assert 0 < ours["low"] <= ours["mean"] <= ours["high"] <= 1
    assert set(found["differences"]["ndcg@10"]) == {"no-online", "frozen"}
    assert found["metrics"]["recall@100"]["no-online"]["mean"] == 1.0
    assert found["groups"]["later in a basket"]["metrics"]["ndcg@10"]["no-online"]["mean"] > 0.5
    assert found["settings"]["task"] == "unseen"


def test_the_same_seed_gives_the_same_report(log: Path) -> None:
    """Nothing in a report depends on the clock or on chance."""
    assert run(str(log), "--tests", "25", "--seed", "3") == run(str(log), "--tests", "25", "--seed", "3")


def test_the_plot_draws_a_line_with_a_band_for_each_system(log: Path, tmp_path: Path) -> None:
    """It is well-formed XML with as many lines and bands as systems."""
    path = tmp_path / "time.svg"
    run(str(log), "--tests", "40", "--compare", "popular,no-online", "--plot", str(path))
    root = ElementTree.parse(path).getroot()
    names = [element.tag.partition("}")[2] for element in root.iter()]
    assert names.count("polyline") == names.count("polygon") == 3
    assert "popular" in [element.text for element in root.iter()]


def test_what_was_learnt_after_the_cut_does_not_reach_the_frozen_state(log: Path) -> None:
    """Users who came after the first tenth have no context there: what follows their last item is not known."""
    found = run(str(log), "--tests", "40", "--compare", "frozen")
    later = found["groups"]["later in a basket"]["metrics"]["ndcg@10"]
    assert later["frozen"]["mean"] < later["streamrank"]["mean"]


def test_a_task_that_nothing_fits_is_told(log: Path) -> None:
    """Nobody buys anything twice here: `repeat` ends with one line that names the task."""
    done = CliRunner().invoke(main, ["evaluate", str(log), "--task", "repeat"])
    assert done.exit_code == 2
    assert "'repeat'" in done.output
    assert "name another task" in done.output


def test_an_unknown_baseline_is_told_before_anything_is_read(tmp_path: Path) -> None:
    """The names that exist stand in the error."""
    done = CliRunner().invoke(main, ["evaluate", str(tmp_path / "none.jsonl"), "--compare", "oracle"])
    assert done.exit_code == 2
    assert "'oracle' is no baseline" in done.output


@pytest.mark.parametrize("drill", ["covisits", "tastes"])
def test_a_drill_strikes_at_three_quarters_and_not_before(log: Path, drill: str) -> None:
    """Before it the lists are those of the undisturbed run; after it they are worse."""
    calm = run(str(log), "--tests", "200", "--compare", "none")["windows"]
    struck = run(str(log), "--tests", "200", "--compare", "none", "--drill", drill)["windows"]
    ours = [[w["metrics"]["ndcg@10"]["streamrank"]["mean"] for w in windows] for windows in (calm, struck)]
    assert ours[0][:4] == ours[1][:4]
    assert sum(ours[1][6:]) < sum(ours[0][6:])


def test_a_dead_source_is_compared_with_the_run_that_it_did_not_die_in(log: Path) -> None:
    """Before the strike both give the same lists; after it the drill's part tells by how much they are worse."""
    found = run(str(log), "--tests", "300", "--compare", "none", "--drill", "covisits")
    drill = found["drill"]
    assert drill["name"] == "covisits"
    before = [one for one in drill["stretches"] if one["last"] <= 0]
    after = [one for one in drill["stretches"] if one["first"] >= 0]
    assert len(before) + len(after) == len(drill["stretches"])
    assert all(one["metrics"]["streamrank"] == one["metrics"]["undisturbed"] for one in before)
    calm = run(str(log), "--tests", "300", "--compare", "none")["windows"]
    for window, other in zip(calm, found["windows"], strict=True):
        assert window["metrics"]["ndcg@10"]["streamrank"] == other["metrics"]["ndcg@10"]["undisturbed"]
    assert after[0]["differences"]["undisturbed"]["relative"] < 0
    assert set(drill["alarms"]) == {"streamrank", "undisturbed"}
    assert list(drill["silent"]) == ["covisits"]
    assert 49 <= drill["silent"]["covisits"][0] <= 60


def test_the_tables_tell_groups_over_each_baseline_and_the_drill(log: Path) -> None:
    """Without `--json`: a column for each baseline, stretches from the strike, and where alarms were raised."""
    done = CliRunner().invoke(
        main, ["evaluate", str(log), "--tests", "200", "--compare", "frozen,no-online", "--drill", "tastes"],
        env={"COLUMNS": "200"},
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "trained on complete-journey-weeks-1-12.jsonl; --train trains it on this log" in done.stdout
    assert "streamrank over each other, NDCG@10 by group" in done.stdout
    assert "streamrank over frozen" in done.stdout
    (row,) = [line for line in done.stdout.splitlines() if line.strip().startswith("later in a basket") and "%" in line]
    assert row.count("%") == 6
    assert "NDCG@10 around the strike of tastes" in done.stdout
    assert "drift alarm of a worker" in done.stdout


def test_a_drill_of_nothing_is_refused(log: Path) -> None:
    """The error names what there is, beside a source that there is too."""
    done = CliRunner().invoke(main, ["evaluate", str(log), "--drill", "covisits,earthquake"])
    assert done.exit_code == 2
    assert "'earthquake' is none" in done.output


def test_a_ranker_of_the_log_and_lightgbm_learn_what_follows(log: Path) -> None:
    """Both are trained on lists of the first half, and find in the second what always comes next."""
    pytest.importorskip("torch")
    pytest.importorskip("lightgbm")
    found = run(str(log), "--train", "--task", "all", "--compare", "lightgbm,popular", "--tests", "60")
    later = found["groups"]["later in a basket"]["metrics"]["ndcg@10"]
    assert later["lightgbm"]["mean"] > later["popular"]["mean"]
    assert found["settings"]["ranker"] == "trained on the log"


def explored(log: Path, folder: Path) -> Path:
    """The shop's log with 400 searches that were answered with exploration; p7 is clicked wherever it stands."""
    searches = [
        Query(time=700_000 + n, request_id=f"r{n}", user_id=f"u{n % 60}", text="thing number", limit=4)
        for n in range(400)
    ]
    lines = [line.raw for line in read_lines(log)] + [encode(search) for search in searches]
    asked = folder / "asked.jsonl"
    write_lines(asked, lines)
    answers = folder / "answers.jsonl"
    done = CliRunner().invoke(main, ["replay", str(asked), "--answers", str(answers)], env={"STREAMRANK_EPSILON": "1"})
    assert done.exit_code == 0, done.output
    given = [decode_answer(line.raw) for line in read_lines(answers)]
    clicks = [
        Click(
            time=800_000 + n, event_id=f"c{n}", user_id=str(answer.user_id), item_id="p7",
            request_id=answer.request_id,
        )
        for n, answer in enumerate(given)
        if "p7" in [item.item_id for item in answer.items]
    ]  # fmt: skip
    path = folder / "explored.jsonl"
    write_lines(path, [*lines, *(encode(answer) for answer in given), *(encode(click) for click in clicks)])
    return path


def test_off_policy_weighs_what_was_shown_by_its_propensity(log: Path, tmp_path: Path) -> None:
    """One item of four was swapped in every answer: both policies agree at three of four positions."""
    path = explored(log, tmp_path)
    found = run(str(path), "--off-policy")
    assert found["answers"] == 400
    assert found["shown"] == 1_600
    assert found["agreement"] == pytest.approx(0.75)
    assert found["effective"] == pytest.approx(1_200)
    assert set(found["estimates"]) == {"ips", "snips", "dr"}
    truth = found["logged"]["value"]
    for one in found["estimates"].values():
        assert one["low"] <= one["value"] <= one["high"]
        assert abs(one["value"] - truth) < 0.25


def test_off_policy_without_answers_says_what_to_record(log: Path) -> None:
    """A log of events alone holds no propensities."""
    done = CliRunner().invoke(main, ["evaluate", str(log), "--off-policy"])
    assert done.exit_code == 2
    assert "record the topic recommendations" in done.output


def test_the_command_spells_tasks_as_the_models_do() -> None:
    """They are repeated in the command only so that --help stays fast."""
    assert command.TASKS == sample.TASKS


def test_a_drill_counts_as_shown_what_serving_does() -> None:
    """The number is spelled twice, as models know nothing of serving."""
    assert strikes.SHOWN == serving.SHOWN
