"""Training finds a known preference, and exports what it found."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from models.base.artifact import Artifact, current_version
from models.base.errors import SessionError
from models.base.onnx_session import open_session
from models.features.kernels import RECENT
from models.features.registry import FEATURES, INDEX
from models.ranking.ranker import Ranker
from models.training import export, fitting
from models.training.figures import interval, quality
from models.training.network import KNOTS, UNSEEN, Normaliser, RankerNetwork, fit_scales, list_stats
from models.training.ranker import TrainingReport, train
from models.training.rankings import Rankings, RankingsError, RankingsWriter
from tests.support.examples import at_most
from tests.support.synthetic import rankings

pytestmark = pytest.mark.usefixtures("quick_judging")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainingReport]:
    """The artifact's folder and the report of its training on 700 lists of 40."""
    out = tmp_path_factory.mktemp("trained") / "ranker"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("models.training.ranker.IMPORTANCE_LISTS", 100)
        return out, train(rankings(700), out, seed=1)


def test_training_beats_every_baseline_by_a_margin(trained: tuple[Path, TrainingReport]) -> None:
    """On held-out lists NDCG@10 gains at least 15 % on each baseline, the intervals above 0."""
    report = trained[1]
    assert (report.trained, report.held_out) == (500, 200)
    assert all(gain.mean > 0.15 and gain.low > 0 for gain in report.gains.values())
    assert report.metrics["ranker"]["ndcg@10"].mean > 0.7


def test_importance_names_what_the_users_follow(trained: tuple[Path, TrainingReport]) -> None:
    """Co-visits (a source's score, and a share that goes with it) and interest decide; price is noise."""
    importance = trained[1].importance
    ranked = sorted(importance, key=lambda group: -importance[group])
    assert set(ranked[:3]) == {"covisits", "neighbours", "interest"}
    assert abs(importance["price"]) < importance[ranked[1]] / 5


def test_scores_are_on_a_fair_scale(trained: tuple[Path, TrainingReport]) -> None:
    """What softmax over a fresh list promises for its first item comes true within 12 points, in 1,500 lists."""
    ranker = Ranker(trained[0], "cpu")
    fresh, promised, came = rankings(300, seed=5), [], []
    for i in range(len(fresh)):
        scores = ranker.score([fresh.rank_input(i)])[0].astype(np.float64)
        chances = np.exp(scores - scores.max())
        promised.append(chances.max() / chances.sum())
        came.append(float(fresh.chosen[fresh.rows(i)][int(np.argmax(scores))]))
    assert np.mean(promised) == pytest.approx(np.mean(came), abs=0.12)


def test_the_manifest_holds_the_figures(trained: tuple[Path, TrainingReport]) -> None:
    """Whoever looks at the artifact sees how good it was, on how many lists, and how near to torch it is."""
    path, report = trained
    manifest = Artifact.load(path).manifest
    assert manifest.figures["ndcg@10 ranker"] == round(report.metrics["ranker"]["ndcg@10"].mean, 5)
    assert manifest.figures["held_out_lists"] == 200
    assert float(manifest.figures["onnx_against_torch"]) <= export.TOLERANCE["float32"]
    assert manifest.created_from["precision"] == "float32"
    assert current_version(path) == report.version


def test_the_same_seed_gives_the_same_artifact(tmp_path: Path) -> None:
    """Training is reproducible: equal rankings and seed, equal version; another seed, another one."""
    some = rankings(100, 10)
    versions = [train(some, tmp_path / str(n), seed=seed).version for n, seed in enumerate((3, 3, 4))]
    assert versions[0] == versions[1] != versions[2]


def test_progress_counts_up_to_the_last_step(tmp_path: Path) -> None:
    """The bar ends where it said it would, for the judged network and for the written one, with finite losses."""
    seen: list[tuple[int, int, float]] = []
    train(rankings(150, 20), tmp_path / "r", progress=lambda *now: seen.append(now))
    judged, written = seen[0][1], seen[-1][1]
    assert [s[0] for s in seen] == [*range(1, judged + 1), *range(1, written + 1)]
    assert np.isfinite([s[2] for s in seen]).all()


def test_what_is_written_has_learnt_all_and_what_is_judged_has_not(tmp_path: Path) -> None:
    """A ranker that must be better than one as good is judged without the newest tenth, and not written."""
    some, out = rankings(150, 20), tmp_path / "r"
    free = train(some, tmp_path / "free")
    judged = train(some, out, against=Ranker(tmp_path / "free", "cpu"))
    assert (judged.written, out.exists(), free.written) == (False, False, True)
    assert judged.version != free.version == current_version(tmp_path / "free")
    assert judged.metrics == free.metrics
    assert Artifact.load(tmp_path / "free").manifest.created_from["lists"] == "150"


def test_a_ranker_that_is_better_than_the_one_in_place_is_written(tmp_path: Path) -> None:
    """The one in place learnt of users who take whatever comes first; both figures are told."""
    some = rankings(200, 20)
    first = np.zeros_like(some.chosen)
    first[some.start[:-1]] = True
    train(replace(some, chosen=first), tmp_path / "wrong")
    report = train(some, tmp_path / "right", against=Ranker(tmp_path / "wrong", "cpu"))
    assert report.version == current_version(tmp_path / "right")
    assert report.written
    assert report.comparison is not None
    assert report.comparison.new > report.comparison.old


def test_the_newest_lists_count_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """After users turned round, a quarter of the lists outweighs the three before it; counting alike, it does not."""
    some, column = rankings(400, 20), INDEX["covisits"]
    old, new = slice(0, int(some.start[300])), slice(int(some.start[300]), None)
    features = np.random.default_rng(2).normal(size=some.features.shape).astype(np.float32)
    features[old, column] = some.chosen[old]
    features[new, column] = -some.chosen[new].astype(np.float32)
    turned = replace(some, features=features)

    def follows_the_new() -> float:
        torch.manual_seed(0)
        network = fitting.fit(turned, 400, np.random.default_rng(0))
        return float(np.mean([found[0] > found[1] for found in _raised_and_lowered(network, turned, column)]))

    monkeypatch.setattr(fitting, "RECENT_LISTS", 10)
    monkeypatch.setattr(fitting, "LEAST_RECENT", 0)
    recent = follows_the_new()
    monkeypatch.setattr(fitting, "RECENT_LISTS", 1e9)
    assert recent > 0.8 > 0.2 > follows_the_new()


def _raised_and_lowered(network: RankerNetwork, some: Rankings, column: int) -> list[tuple[float, float]]:
    """Scores of the first candidate of the newest lists: what is new to be liked, and what was."""
    found = []
    for value in (-1.0, 1.0):
        features = some.features.copy()
        features[:, column] = 0
        features[some.start[:-1], column] = value
        newest = np.arange(350, 400)
        found.append([float(s[0]) for s in fitting.scores(network, replace(some, features=features), newest)])
    return list(zip(*found, strict=True))


def test_too_few_rankings_are_refused(tmp_path: Path) -> None:
    """Fewer than 100 lists are an error that says so, and nothing is written."""
    with pytest.raises(RankingsError, match="99 rankings: too few"):
        train(rankings(99, 10), tmp_path / "r")
    assert not (tmp_path / "r").exists()


def test_a_graph_that_differs_from_the_network_is_refused(tmp_path: Path) -> None:
    """An export that no longer computes what torch computes does not become an artifact."""
    network = RankerNetwork(fit_scales(rankings(20, 20).features))
    export.export(network, tmp_path / "model.onnx")
    session = open_session(tmp_path / "model.onnx", "cpu")
    assert export.check(network, session) <= export.TOLERANCE["float32"]
    with torch.no_grad():
        network.attend.habit.add_(5)
    with pytest.raises(SessionError, match="differs from torch"):
        export.check(network, session)


def test_normalisation_is_a_rank_for_values_it_was_fitted_on() -> None:
    """Quantiles rise with the value; those that tie stand at the middle of their ranks."""
    values = np.array([0, 0, 0, 0, 0, 0, 1, 2, 3, 4], np.float32)[:, None]
    normaliser = Normaliser(fit_scales(values))
    x = torch.from_numpy(values)
    found = (normaliser.quantile(x, normaliser.place(x)) + 0.5)[:, 0]
    assert found.tolist() == pytest.approx([0.3] * 6 + [0.65, 0.75, 0.85, 0.95], abs=1e-6)


finite = st.floats(-1e6, 1e6, width=32, allow_subnormal=False)


@at_most(60)
@given(
    fitted=hnp.arrays(np.float32, (50, 2), elements=finite),
    asked=hnp.arrays(np.float32, (9, 2), elements=finite),
)
def test_counting_and_searching_find_the_same_place(fitted: np.ndarray, asked: np.ndarray) -> None:
    """The way of the graph and the way of training agree, also at a knot; quantiles stay within a half."""
    normaliser = Normaliser(fit_scales(fitted))
    for values in (asked, fitted):
        x = torch.from_numpy(values)
        place = normaliser.place(x)
        assert torch.equal(place, normaliser.place_by_search(x))
        assert 0 <= int(place.min()) <= int(place.max()) < KNOTS
        assert float(normaliser.quantile(x, place).abs().max()) <= 0.5 + 1e-5


def test_a_constant_feature_deviates_by_exactly_nothing() -> None:
    """However odd the constant, rounding must not become a signal."""
    values = torch.full((2, 33, 1), 0.1234567)
    mean, spread = list_stats(values, torch.ones(2, 33))
    assert torch.equal((values - mean) / spread, torch.zeros(2, 33, 1))


def test_what_training_never_saw_does_not_move_a_score() -> None:
    """A feature that was 0 in every training list is ignored at any value, the item tower's score too; but a silent
    source has its prior.
    """
    some = rankings(30, 20)
    silent = [INDEX["views"], INDEX["query_clicks"], INDEX["tower"]]
    some.features[:, silent] = 0
    network = RankerNetwork(fit_scales(some.features)).eval()
    one = some.rank_input(0)

    def scores(features: np.ndarray) -> np.ndarray:
        arrays = (features, np.ones(20, np.float32), one.candidates, one.recent, one.recent_weight)
        with torch.no_grad():
            return np.asarray(network(*(torch.tensor(a)[None] for a in arrays))[0])

    seen, clicked = one.features.copy(), one.features.copy()
    seen[:5, INDEX["views"]] = 100
    seen[:5, INDEX["tower"]] = 0.9
    clicked[3, INDEX["query_clicks"]] = 0.5
    assert np.array_equal(scores(seen), scores(one.features))
    moved = scores(clicked) - scores(one.features)
    assert moved[3] == pytest.approx(UNSEEN / 2, abs=1e-5)
    assert np.array_equal(np.delete(moved, 3), np.zeros(19))


def test_rankings_survive_the_disk(tmp_path: Path) -> None:
    """What is saved is loaded, field by field; broken or foreign files say what they are."""
    some = rankings(20, 10)
    some.save(tmp_path / "r.npz")
    loaded = Rankings.load(tmp_path / "r.npz")
    for field in fields(Rankings):
        assert np.array_equal(getattr(loaded, field.name), getattr(some, field.name)), field.name
    (tmp_path / "bad.npz").write_bytes(b"no archive")
    with pytest.raises(RankingsError, match="not a file of rankings"):
        Rankings.load(tmp_path / "bad.npz")
    np.savez(tmp_path / "old.npz", version=np.array("0"), names=np.array(["a"]))
    with pytest.raises(RankingsError, match="other features"):
        Rankings.load(tmp_path / "old.npz")


def test_a_list_is_read_back_as_it_was_served() -> None:
    """Vectors kept once are put back in their places; lists come in order of time."""
    rng = np.random.default_rng(0)
    writer = RankingsWriter()
    vectors = rng.normal(size=(3, 64)).astype(np.float32)
    recent, weight = np.zeros((RECENT, 64), np.float32), np.zeros(RECENT, np.float32)
    recent[0], weight[0] = vectors[2], 1.5
    features = rng.normal(size=(3, len(FEATURES))).astype(np.float32)
    writer.add(features, vectors, recent, weight, [1], time=9)
    writer.add(features[:2], vectors[1:], recent, weight, [0], time=4)
    writer.add(features, vectors, recent, weight, [], time=5)
    found = writer.rankings()
    assert (len(found), writer.missed, found.time.tolist()) == (2, 1, [4, 9])
    one = found.rank_input(1)
    assert np.array_equal(one.candidates, vectors)
    assert np.array_equal(one.recent, recent)
    assert np.array_equal(one.features, features)
    assert found.chosen[found.rows(0)].tolist() == [True, False]


def test_a_target_that_is_no_place_is_refused() -> None:
    """A wrong target would teach nonsense silently."""
    features, vectors = np.zeros((1, len(FEATURES)), np.float32), np.zeros((1, 64), np.float32)
    recent, weight = np.zeros((RECENT, 64), np.float32), np.zeros(RECENT, np.float32)
    with pytest.raises(ValueError, match="targets"):
        RankingsWriter().add(features, vectors, recent, weight, [1], time=0)


def test_quality_counts_ties_in_the_middle() -> None:
    """A score that is the same for all four candidates puts the chosen one at place 2.5."""
    ndcg, hit, reciprocal = quality(np.zeros(4, np.float32), np.array([True, False, False, False]))
    assert (hit, reciprocal) == (1.0, 0.4)
    assert ndcg == pytest.approx(1 / np.log2(3.5))


def test_intervals_are_wider_when_few_users_gave_the_lists() -> None:
    """A hundred lists of five users are no hundred independent lists."""
    rng = np.random.default_rng(0)
    values = np.repeat(rng.normal(size=5), 20)
    few = interval(values, np.repeat(np.arange(5), 20))
    many = interval(values, np.arange(100))
    assert few.low < many.low < many.mean < many.high < few.high
