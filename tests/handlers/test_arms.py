"""Arms in the query handler: they change the answer, and nothing but the answer of their own users."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from models.base.arrays import Floats
from models.base.artifact import MANIFEST, Artifact
from models.base.artifact import write as write_artifact
from models.ranking.ranker import RankInput
from models.ranking.weights import INPUTS, OnlineWeights
from state import keys
from state.impressions import decode as decode_shown
from streamrank_client.answers import Answer
from streamrank_client.events import Query, encode
from streamrank_client.making import behavior
from streams.artifacts.opening import artifact_path, open_rankers
from streams.handlers.brain import Brain
from streams.handlers.outcomes import Outcome
from streams.handlers.queries import on_queries
from streams.policy.experiment_file import Experiment, load_experiment
from streams.settings import Settings
from streams.worker.metrics import Metrics
from tests.data.small_log import START
from tests.handlers.driving import TOPIC, Ingest, records, run

NOW = START + 10 * 60_000
HEAD = (
    'name = "trial"\nsurfaces = ["home", "rerank", "search"]\n[arms.control]\nshare = 0.5\n[arms.other]\nshare = 0.5\n'
)


@pytest.fixture
def arms(shelf: Brain, tmp_path: Path) -> Iterator[Brain]:
    """The shelf; ``trial`` puts it into an experiment."""
    yield shelf
    shelf.experiment, shelf.rankers, shelf.weights = None, {}, {}


def trial(brain: Brain, folder: Path, settings: str) -> Experiment:
    """Two halves, the other with these settings."""
    path = folder / "trial.toml"
    path.write_text(HEAD + f"settings = {settings}\n")
    worker = Settings(device="cpu")
    brain.experiment = load_experiment(path, worker)
    brain.rankers = open_rankers(worker, brain.experiment)
    return brain.experiment


def of_arm(experiment: Experiment, name: str, count: int = 1) -> list[str]:
    """Users of an arm."""
    return [u for u in (f"u{n}" for n in range(100 + 10 * count)) if experiment.arm(u).name == name][:count]


def ask(brain: Brain, *queries: Query) -> list[Answer]:
    """Answers on an empty state."""
    return run(on_queries(queries, 0, TOPIC, brain), lambda _: None)[0].answers


def home(user: str, request: str = "r1", **more: object) -> Query:
    """A query for the home feed."""
    return Query(**{"time": NOW, "request_id": request, "user_id": user, **more})  # type: ignore[arg-type]


def test_epsilon_1_in_one_arm_swaps_items_there_and_nowhere_else(arms: Brain, tmp_path: Path) -> None:
    """Ten requests of each arm: the control's are the ranked order with propensity 1, the other's are not."""
    found = trial(arms, tmp_path, "{ epsilon = 1.0 }")
    for name, certain in (("control", True), ("other", False)):
        (user,) = of_arm(found, name)
        given = ask(arms, *(home(user, f"r{n}", limit=5) for n in range(10)))
        assert {(answer.experiment, answer.arm) for answer in given} == {("trial", name)}
        assert all(item.propensity == 1 for answer in given for item in answer.items) is certain


def test_sources_that_are_off_give_no_candidates(arms: Brain, tmp_path: Path) -> None:
    """In an arm without the lexical and semantic sources, a search finds nothing by its words."""
    found = trial(arms, tmp_path, '{ sources = ["trending"] }')
    users = [*of_arm(found, "control"), *of_arm(found, "other")]
    control, other = ask(arms, *(home(user, f"r-{user}", text="milk") for user in users))
    assert {"lexical", "semantic"} & {source for item in control.items for source in item.sources}
    assert not {"lexical", "semantic"} & {source for item in other.items for source in item.sources}


def test_an_arm_without_online_weights_is_ranked_as_if_nothing_was_learnt(arms: Brain, tmp_path: Path) -> None:
    """The control's answer names the version in use, the other's names 0, and their scores differ."""
    found = trial(arms, tmp_path, "{ online = false }")
    n = len(INPUTS)
    learnt = OnlineWeights(version=7, names=INPUTS, weights=(0.3,) * (n - 1) + (0.9,), scale=(1.0,) * n, pairs=9)
    arms.weights = {"rerank": learnt}
    users = [*of_arm(found, "control"), *of_arm(found, "other")]
    control, other = ask(arms, *(home(user, f"r-{user}", candidates=["p1", "p2", "p3"]) for user in users))
    assert (control.weights_version, other.weights_version) == (7, 0)
    assert {i.item_id: i.score for i in control.items} != {i.item_id: i.score for i in other.items}


def other_ranker(folder: Path) -> Artifact:
    """The shipped ranker with another feature order in its manifest's note: the same graph under another version."""
    shipped = Artifact.load(artifact_path(Settings(), "ranker"))
    files: dict[str, bytes | Path] = {name: shipped.path / name for name in shipped.manifest.files}
    return write_artifact(folder / "ranker-b", shipped.manifest, {**files, "note.txt": b"another"})


def test_an_arms_own_ranker_scores_its_queries_and_is_named_on_its_answers(
    arms: Brain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both arms in one batch: each list goes to its arm's ranker, explanations too, and answers stay in order."""
    artifact = other_ranker(tmp_path)
    found = trial(arms, tmp_path, '{ ranker = "ranker-b" }')
    own = arms.rankers["other"]
    assert own.version == artifact.version != arms.ranker.version
    users = [of_arm(found, name, 3)[n] for n in range(3) for name in ("control", "other")]
    given = ask(arms, *(home(user, f"r-{user}", explain=True, candidates=["p1", "p2", "p3"]) for user in users))
    assert [answer.user_id for answer in given] == users
    assert [answer.artifact for answer in given] == [arms.ranker.version, own.version] * 3

    called: list[int] = []
    score = own.score

    def lifted(lists: Sequence[RankInput]) -> list[Floats]:
        called.append(len(lists))
        return [one + 5 for one in score(lists)]

    monkeypatch.setattr(own, "score", lifted)
    moved = ask(arms, *(home(user, f"r-{user}", candidates=["p1", "p2", "p3"]) for user in users))
    assert called == [3]
    for before, after in zip(given, moved, strict=True):
        lift = 5 if after.arm == "other" else 0
        assert [i.score for i in after.items] == pytest.approx([i.score + lift for i in before.items], abs=1e-4)


def test_a_ranker_that_was_changed_on_disk_is_refused_at_the_start(arms: Brain, tmp_path: Path) -> None:
    """Its files are checked against their hashes before anything is answered."""
    artifact = other_ranker(tmp_path)
    assert (artifact.path / MANIFEST).is_file()
    (artifact.path / "note.txt").write_text("changed")
    with pytest.raises(Exception, match=r"note\.txt"):
        trial(arms, tmp_path, '{ ranker = "ranker-b" }')


def test_a_surface_that_takes_no_part_is_answered_as_without_an_experiment(arms: Brain, tmp_path: Path) -> None:
    """Byte for byte, by the worker's own plan."""
    alone = ask(arms, *(home(f"u{n}", f"r{n}", item_id="p3") for n in range(5)))
    trial(arms, tmp_path, "{ epsilon = 1.0, candidates = 10 }")
    assert [encode(a) for a in ask(arms, *(home(f"u{n}", f"r{n}", item_id="p3") for n in range(5)))] == [
        encode(a) for a in alone
    ]
    assert {(answer.experiment, answer.arm) for answer in alone} == {("", "control")}


def test_feedback_and_metrics_know_the_arm_of_the_impression(arms: Brain, tmp_path: Path) -> None:
    """What a user does with an answer counts for its arm: clicks, purchases and seconds of dwell; what names another
    item, another user's answer or no answer does not."""
    found = trial(arms, tmp_path, "{ epsilon = 1.0 }")
    (user,) = of_arm(found, "other")
    answers, _ = run(on_queries([home(user, "r1")], 0, TOPIC, arms), lambda _: None)
    ((name, value),) = answers.expiring
    assert name == keys.impression(0, "r1")
    assert (decode_shown(value).experiment, decode_shown(value).arm) == ("trial", "other")
    item = answers.answers[0].items[0].item_id
    ingest = Ingest(stored={name: value})
    acts: list[tuple[str, dict[str, object]]] = [
        ("click", {}), ("click", {"item_id": "p-not-shown"}), ("click", {"user_id": "stranger"}), ("view", {}),
        ("click", {"request_id": None}), ("purchase", {}), ("dwell", {"milliseconds": 2_500}), ("add_to_cart", {}),
        ("dwell", {"milliseconds": 500}), ("click", {"time": NOW - 1}),
    ]  # fmt: skip
    given: dict[str, object] = {"user_id": user, "item_id": item, "request_id": "r1", "time": NOW + 5}
    events = [behavior(kind, event_id=f"e{n}", **{**given, **more}) for n, (kind, more) in enumerate(acts)]
    ingest.fold(records(events))
    assert {(f.experiment, f.arm, f.kind) for f in ingest.feedback} == {
        ("trial", "other", kind) for kind in ("click", "purchase", "add_to_cart")
    }
    expected = {"click": 1.0, "purchase": 1.0, "add_to_cart": 1.0, "dwell": 3.0}
    assert ingest.outcomes == {Outcome("trial", "other", kind): value for kind, value in expected.items()}
    metrics = Metrics()
    metrics.count_outcomes(ingest.outcomes)
    text = metrics.text().decode()
    assert 'streamrank_arm_outcomes_total{arm="other",experiment="trial",kind="purchase"} 1.0' in text
    assert 'streamrank_arm_dwell_seconds_total{arm="other",experiment="trial"} 3.0' in text


def test_an_impression_stored_before_experiments_is_still_read(arms: Brain) -> None:
    """The new field is at the end and has a default."""
    answers, _ = run(on_queries([home("u1")], 0, TOPIC, arms), lambda _: None)
    fields = msgspec.msgpack.decode(answers.expiring[0][1])
    old = decode_shown(msgspec.msgpack.encode(fields[:13]))
    assert (old.experiment, old.arm) == ("", "control")


def test_the_worker_restarted_with_the_same_file_gives_every_user_the_same_arm(arms: Brain, tmp_path: Path) -> None:
    """A second brain that loads the file from another folder answers 40 users in the same arms."""
    found = trial(arms, tmp_path, "{ epsilon = 0.5 }")
    (tmp_path / "b").mkdir()
    again = load_experiment(shutil.copy(tmp_path / "trial.toml", tmp_path / "b"), replace(Settings(), candidates=50))
    users = [f"user {n}" for n in range(40)]
    given = ask(arms, *(home(user, f"r-{user}") for user in users))
    assert [answer.arm for answer in given] == [again.arm(user).name for user in users]
    assert len({answer.arm for answer in given}) == 2
    assert found.name == again.name
