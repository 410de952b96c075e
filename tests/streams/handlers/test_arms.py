"""Arms in the query handler: they change the answer, and nothing but the answer of their own users."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
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
from streams.handlers.outcomes import Outcome
from streams.policy.choice import PlanChoice
from streams.policy.experiment_file import Experiment, load_experiment
from streams.policy.plans import plan_of
from streams.settings import Settings
from streams.worker.metrics import Metrics
from tests.support.composing import Answering
from tests.support.driving import Ingest, records
from tests.support.small_log import START

NOW = START + 10 * 60_000
HEAD = (
    'name = "trial"\nsurfaces = ["home", "rerank", "search"]\n[arms.control]\nshare = 0.5\n[arms.other]\nshare = 0.5\n'
)


@dataclass(frozen=True)
class Trial:
    """An experiment of two halves, and the shelf that takes part in it."""

    shelf: Answering
    experiment: Experiment

    def users(self, arm: str, count: int = 1) -> list[str]:
        """Users of an arm."""
        users = (f"u{n}" for n in range(100 + 10 * count))
        return [user for user in users if self.experiment.arm(user).name == arm][:count]

    def ask(self, *queries: Query) -> list[Answer]:
        """Answers on an empty state."""
        return self.shelf.answers(*queries).answers


def trial(shelf: Answering, folder: Path, settings: str) -> Trial:
    """Two halves, the other with these settings."""
    path = folder / "trial.toml"
    path.write_text(HEAD + f"settings = {settings}\n")
    worker = Settings(device="cpu")
    experiment = load_experiment(path, worker)
    taking_part = shelf.with_models(rankers=open_rankers(worker, experiment))
    return Trial(replace(taking_part, plans=PlanChoice(plan_of(worker), experiment)), experiment)


def home(user: str, request: str = "r1", **more: object) -> Query:
    """A query for the home feed."""
    return Query(**{"time": NOW, "request_id": request, "user_id": user, **more})  # type: ignore[arg-type]


def test_epsilon_1_in_one_arm_swaps_items_there_and_nowhere_else(shelf: Answering, tmp_path: Path) -> None:
    """Ten requests of each arm: the control's are the ranked order with propensity 1, the other's are not."""
    found = trial(shelf, tmp_path, "{ epsilon = 1.0 }")
    for name, certain in (("control", True), ("other", False)):
        (user,) = found.users(name)
        given = found.ask(*(home(user, f"r{n}", limit=5) for n in range(10)))
        assert {(answer.experiment, answer.arm) for answer in given} == {("trial", name)}
        assert all(item.propensity == 1 for answer in given for item in answer.items) is certain


def test_sources_that_are_off_give_no_candidates(shelf: Answering, tmp_path: Path) -> None:
    """In an arm without the lexical and semantic sources, a search finds nothing by its words."""
    found = trial(shelf, tmp_path, '{ sources = ["trending"] }')
    users = [*found.users("control"), *found.users("other")]
    control, other = found.ask(*(home(user, f"r-{user}", text="milk") for user in users))
    assert {"lexical", "semantic"} & {source for item in control.items for source in item.sources}
    assert not {"lexical", "semantic"} & {source for item in other.items for source in item.sources}


def test_an_arm_without_online_weights_is_ranked_as_if_nothing_was_learnt(shelf: Answering, tmp_path: Path) -> None:
    """The control's answer names the version in use, the other's names 0, and their scores differ."""
    found = trial(shelf, tmp_path, "{ online = false }")
    n = len(INPUTS)
    learnt = OnlineWeights(version=7, names=INPUTS, weights=(0.3,) * (n - 1) + (0.9,), scale=(1.0,) * n, pairs=9)
    found = replace(found, shelf=found.shelf.with_models(weights={"rerank": learnt}))
    users = [*found.users("control"), *found.users("other")]
    control, other = found.ask(*(home(user, f"r-{user}", candidates=["p1", "p2", "p3"]) for user in users))
    assert (control.weights_version, other.weights_version) == (7, 0)
    assert {i.item_id: i.score for i in control.items} != {i.item_id: i.score for i in other.items}


def other_ranker(folder: Path) -> Artifact:
    """The shipped ranker with another feature order in its manifest's note: the same graph under another version."""
    shipped = Artifact.load(artifact_path(Settings(), "ranker"))
    files: dict[str, bytes | Path] = {name: shipped.path / name for name in shipped.manifest.files}
    return write_artifact(folder / "ranker-b", shipped.manifest, {**files, "note.txt": b"another"})


def test_an_arms_own_ranker_scores_its_queries_and_is_named_on_its_answers(
    shelf: Answering, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both arms in one batch: each list goes to its arm's ranker, explanations too, and answers stay in order."""
    artifact = other_ranker(tmp_path)
    found = trial(shelf, tmp_path, '{ ranker = "ranker-b" }')
    models = found.shelf.models
    own = models.rankers["other"]
    assert own.version == artifact.version != models.ranker.version
    users = [found.users(name, 3)[n] for n in range(3) for name in ("control", "other")]
    given = found.ask(*(home(user, f"r-{user}", explain=True, candidates=["p1", "p2", "p3"]) for user in users))
    assert [answer.user_id for answer in given] == users
    assert [answer.artifact for answer in given] == [models.ranker.version, own.version] * 3

    called: list[int] = []
    score = own.score

    def lifted(lists: Sequence[RankInput]) -> list[Floats]:
        called.append(len(lists))
        return [one + 5 for one in score(lists)]

    monkeypatch.setattr(own, "score", lifted)
    moved = found.ask(*(home(user, f"r-{user}", candidates=["p1", "p2", "p3"]) for user in users))
    assert called == [3]
    for before, after in zip(given, moved, strict=True):
        lift = 5 if after.arm == "other" else 0
        assert [i.score for i in after.items] == pytest.approx([i.score + lift for i in before.items], abs=1e-4)


def test_a_ranker_that_was_changed_on_disk_is_refused_at_the_start(shelf: Answering, tmp_path: Path) -> None:
    """Its files are checked against their hashes before anything is answered."""
    artifact = other_ranker(tmp_path)
    assert (artifact.path / MANIFEST).is_file()
    (artifact.path / "note.txt").write_text("changed")
    with pytest.raises(Exception, match=r"note\.txt"):
        trial(shelf, tmp_path, '{ ranker = "ranker-b" }')


def test_a_surface_that_takes_no_part_is_answered_as_without_an_experiment(shelf: Answering, tmp_path: Path) -> None:
    """Byte for byte, by the worker's own plan."""
    queries = [home(f"u{n}", f"r{n}", item_id="p3") for n in range(5)]
    alone = shelf.answers(*queries).answers
    found = trial(shelf, tmp_path, "{ epsilon = 1.0, candidates = 10 }")
    assert [encode(answer) for answer in found.ask(*queries)] == [encode(answer) for answer in alone]
    assert {(answer.experiment, answer.arm) for answer in alone} == {("", "control")}


def test_feedback_and_metrics_know_the_arm_of_the_impression(shelf: Answering, tmp_path: Path) -> None:
    """What a user does with an answer counts for its arm: clicks, purchases and seconds of dwell; what names another
    item, another user's answer or no answer does not."""
    found = trial(shelf, tmp_path, "{ epsilon = 1.0 }")
    (user,) = found.users("other")
    answers = found.shelf.answers(home(user, "r1"))
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


def test_an_impression_stored_before_experiments_is_still_read(shelf: Answering) -> None:
    """The new field is at the end and has a default."""
    answers = shelf.answers(home("u1"))
    fields = msgspec.msgpack.decode(answers.expiring[0][1])
    old = decode_shown(msgspec.msgpack.encode(fields[:13]))
    assert (old.experiment, old.arm) == ("", "control")


def test_the_worker_restarted_with_the_same_file_gives_every_user_the_same_arm(
    shelf: Answering, tmp_path: Path
) -> None:
    """A second worker that loads the file from another folder answers 40 users in the same arms."""
    found = trial(shelf, tmp_path, "{ epsilon = 0.5 }")
    (tmp_path / "b").mkdir()
    again = load_experiment(shutil.copy(tmp_path / "trial.toml", tmp_path / "b"), replace(Settings(), candidates=50))
    users = [f"user {n}" for n in range(40)]
    given = found.ask(*(home(user, f"r-{user}") for user in users))
    assert [answer.arm for answer in given] == [again.arm(user).name for user in users]
    assert len({answer.arm for answer in given}) == 2
    assert found.experiment.name == again.name
