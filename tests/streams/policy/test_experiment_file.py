"""The file of an experiment: what an arm may set, errors that name the place, and assignment that sticks."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from streamrank_client.errors import SettingsError
from streamrank_client.events import Query
from streams.artifacts.opening import open_models
from streams.policy.experiment_file import allowed, load_experiment
from streams.policy.plans import plan_of
from streams.settings import Settings, checkout, load, variable
from tests.support.composing import opened

GOOD = """
name = "diverse-home"
salt = "1"
surfaces = ["home", "search"]
[arms.control]
share = 0.5
[arms.explore]
share = 0.3
settings = { epsilon = 1.0, online = false, sources = ["covisits", "trending"] }
[arms.narrow]
share = 0.2
settings = { candidates = 20 }
"""


def written(folder: Path, text: str) -> Path:
    """The file of an experiment."""
    path = folder / "home.toml"
    path.write_text(text)
    return path


def test_arms_differ_from_the_worker_in_what_they_set_and_in_nothing_else(tmp_path: Path) -> None:
    """Each plan is that of the worker's settings with the arm's own in their place."""
    worker = Settings(candidates=77, epsilon=0.25)
    found = load_experiment(written(tmp_path, GOOD), worker)
    control, explore, narrow = (arm.plan for arm in found.arms)
    assert found.shares == {"control": 0.5, "explore": 0.3, "narrow": 0.2}
    assert (found.name, found.salt, found.control) == ("diverse-home", "1", "control")
    assert {plan.experiment for plan in (control, explore, narrow)} == {"diverse-home"}
    assert (control.candidates, explore.candidates, narrow.candidates) == (77, 77, 20)
    assert (control.online, explore.online) == (True, False)
    assert explore.sources == ("covisits", "trending")
    assert control.sources == plan_of(worker).sources == narrow.sources


def test_what_an_arm_may_set_is_what_a_plan_reads() -> None:
    """Settings of the wire, the state and the process are not among them; a setting new in plans is, at once."""
    names = allowed()
    assert {"epsilon", "sources", "online", "candidates"} <= set(names)
    assert not {"kafka", "redis", "partitions", "device", "join_hours", "experiment", "log_level"} & set(names)
    assert set(names) < {f.name for f in fields(Settings)}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("share = 0.3", "share = 0.4", ["[arms] share", "1.1", "add up to 1"]),
        ("share = 0.3", "share = 1.5", ["[arms.explore] share", "1.5", "from 0 to 1"]),
        ("share = 0.3", "", ["[arms.explore] share", "None", "from 0 to 1"]),
        ("share = 0.3", "share = nan", ["[arms.explore] share", "nan", "from 0 to 1"]),
        ("[arms.control]\nshare = 0.5", "[arms]\ncontrol = 3", ["[arms.control]", "3", "share, settings"]),
        ("share = 0.3", "share = 0.3\nweight = 2", ["[arms.explore] weight", "2", "share, settings"]),
        ("candidates = 20", "kafka = 'k:1'", ["[arms.narrow] settings.kafka", "'k:1'", "epsilon", "ranker"]),
        ("candidates = 20", "candidate = 20", ["[arms.narrow] settings.candidate", "20", "candidates"]),
        ("epsilon = 1.0", "epsilon = 7", ["[arms.explore] settings.epsilon", "7", "0 to 1"]),
        ("epsilon = 1.0", "epsilon = true", ["[arms.explore] settings.epsilon", "true", "a number"]),
        ("candidates = 20", "candidates = 20.5", ["[arms.narrow] settings.candidates", "20.5", "whole number"]),
        ("online = false", "online = 'maybe'", ["[arms.explore] settings.online", "'maybe'", "true or false"]),
        ("candidates = 20", "candidates = { a = 1 }", ["[arms.narrow] settings.candidates", "{'a': 1}", "a number"]),
        ('"covisits"', '"covisit"', ["[arms.explore] settings", "'covisit'", "covisits"]),
        ("candidates = 20", "ranker = 'nowhere'", ["[arms.narrow] settings.ranker", "nowhere", "artifact build"]),
        ('salt = "1"', 'salt = "1"\ncontrol = "contro"', ["control", "'contro'", "explore"]),
        ("[arms.control]", "[arms.base]", ["control", "'control'", "base, explore, narrow"]),
        ('["home", "search"]', '["home", "shop"]', ["surfaces", "'shop'", "similar"]),
        ('name = "diverse-home"', 'name = "a b"', ["name", "'a b'", "letters"]),
        ('name = "diverse-home"', "", ["name", "None", "letters"]),
        ('salt = "1"', "salt = 1", ["salt", "1", "quotes"]),
        ('salt = "1"', "sale = 1", ["sale", "1", "surfaces"]),
        ("[arms.explore]", "[arms.explore", ["not TOML", "line"]),
    ],
)  # fmt: skip
def test_a_wrong_file_is_told_with_file_place_value_and_remedy(
    tmp_path: Path, old: str, new: str, words: list[str]
) -> None:
    """One line that says where and what, and what is allowed there."""
    assert old in GOOD
    path = written(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(SettingsError) as raised:
        load_experiment(path, Settings())
    for word in (str(path), *words):
        assert word in str(raised.value)


def test_one_arm_is_no_experiment(tmp_path: Path) -> None:
    """Nor is a file without arms."""
    for text in ('name = "a"', 'name = "a"\n[arms.control]\nshare = 1.0'):
        with pytest.raises(SettingsError, match="at least two tables"):
            load_experiment(written(tmp_path, text), Settings())


def test_a_file_that_is_not_there_is_told_by_its_variable(tmp_path: Path) -> None:
    """The setting is checked when settings are loaded."""
    with pytest.raises(SettingsError, match=r"STREAMRANK_EXPERIMENT=.*none\.toml.*no such file"):
        load({variable("experiment"): str(tmp_path / "none.toml")})


def test_a_user_keeps_the_arm_across_processes_and_files(tmp_path: Path) -> None:
    """Another process, reading the same file anew, puts 500 users where this one does; another salt does not."""
    path = written(tmp_path, GOOD)
    code = (
        "import sys; from streams.policy.experiment_file import load_experiment\n"
        "from streams.settings import Settings\n"
        "found = load_experiment(sys.argv[1], Settings(candidates=99))\n"
        "print(','.join(found.arm(f'u{n}').name for n in range(500)))"
    )
    other = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True, cwd=checkout()
    ).stdout.strip()
    found = load_experiment(path, Settings())
    here = [found.arm(f"u{n}").name for n in range(500)]
    assert other.split(",") == here
    salted = load_experiment(written(tmp_path, GOOD.replace('salt = "1"', 'salt = "2"')), Settings())
    assert sum(salted.arm(f"u{n}").name == here[n] for n in range(500)) < 300


def test_users_fall_into_arms_by_their_shares(tmp_path: Path) -> None:
    """Of 20,000 users each arm has its share, within four standard deviations of the binomial."""
    found = load_experiment(written(tmp_path, GOOD), Settings())
    names = [found.arm(f"u{n}").name for n in range(20_000)]
    for arm in found.arms:
        spread = (20_000 * arm.share * (1 - arm.share)) ** 0.5
        assert abs(names.count(arm.name) - 20_000 * arm.share) < 4 * spread


def test_a_plan_is_that_of_the_users_arm_and_of_surfaces_that_take_part(tmp_path: Path) -> None:
    """A query of nobody known goes by its request id; one on another surface is answered as without an experiment."""
    found = load_experiment(written(tmp_path, GOOD), Settings())
    asked = Query(time=0, request_id="r1", user_id="u1")
    assert found.plan(asked, "home") is found.arm("u1").plan
    assert found.plan(Query(time=0, request_id="r1"), "home") is found.arm("r1").plan
    assert found.plan(asked, "similar") is None


def test_an_arm_with_another_models_folder_is_refused(tmp_path: Path) -> None:
    """An intent head in the ranker's place is told as the worker loads, with the arm."""
    folder = checkout() / "data" / "artifacts" / "intent"
    path = written(tmp_path, GOOD.replace("candidates = 20", f"ranker = '{folder}'"))
    with pytest.raises(Exception, match=r"(?s)expected ranker, found intent.*arms\.narrow"):
        open_models(Settings(device="cpu"), load_experiment(path, Settings()), opened())
