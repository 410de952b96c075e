"""The ranker as it serves: padding, equal bytes, explanations, and what it refuses."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from models.base.artifact import Artifact, verify, write
from models.base.errors import ArtifactError
from models.features.kernels import RECENT
from models.features.registry import FEATURES, FEATURES_VERSION, GROUPS
from models.ranking.ranker import NAMES_FILE, Ranker, RankInput
from tests.support.examples import at_most

pytestmark = pytest.mark.usefixtures("quick_judging")


@pytest.fixture(scope="module")
def ranker(trained: Path) -> Ranker:
    """The ranker, on the CPU."""
    return Ranker(trained, "cpu")


def a_list(size: int, seed: int, history: bool = True) -> RankInput:
    """A random list of ``size`` candidates."""
    rng = np.random.default_rng(seed)
    weight = np.where(np.arange(RECENT) < (9 if history else 0), rng.normal(size=RECENT), 0)
    return RankInput(
        rng.lognormal(size=(size, len(FEATURES))).astype(np.float32),
        (rng.normal(size=(size, 64)) / 8).astype(np.float32),
        (rng.normal(size=(RECENT, 64)) / 8).astype(np.float32),
        weight.astype(np.float32),
    )


ranker_is_shared = at_most(40, suppress_health_check=[HealthCheck.function_scoped_fixture])


def test_the_artifact_verifies(trained: Path) -> None:
    """Hashes, sizes and ports of what training wrote are what its manifest says."""
    manifest = verify(trained).manifest
    assert (manifest.kind, manifest.requires) == ("ranker", {"features": FEATURES_VERSION})
    assert [port.shape for port in manifest.outputs] == [("lists", "candidates")]


@ranker_is_shared
@given(sizes=st.lists(st.integers(0, 60), min_size=1, max_size=5), seed=st.integers(0, 1000))
def test_padding_never_changes_a_score(ranker: Ranker, sizes: list[int], seed: int) -> None:
    """Lists of any lengths scored together differ from those scored alone by rounding at most."""
    lists = [a_list(size, seed + i, history=i % 2 == 0) for i, size in enumerate(sizes)]
    for one, scores in zip(lists, ranker.score_together(lists), strict=True):
        assert scores.shape == (len(one.features),)
        assert scores == pytest.approx(ranker.score([one])[0], abs=1e-5, rel=1e-5)


def test_a_list_has_the_same_bytes_whatever_it_is_scored_with(trained: Path, ranker: Ranker) -> None:
    """Alone, between others, and in a session of its own: what replay promises."""
    one = a_list(100, 3)
    scores = ranker.score([one])[0].tobytes()
    assert ranker.score([a_list(17, 4), one, a_list(155, 5)])[1].tobytes() == scores
    assert Ranker(trained, "cpu").score([one])[0].tobytes() == scores


@ranker_is_shared
@given(size=st.integers(2, 40), seed=st.integers(0, 1000))
def test_the_order_of_candidates_does_not_matter(ranker: Ranker, size: int, seed: int) -> None:
    """A candidate's score depends on its list, not on its place in it."""
    one = a_list(size, seed)
    order = np.random.default_rng(seed).permutation(size)
    mixed = replace(one, features=one.features[order], candidates=one.candidates[order])
    assert ranker.score([mixed])[0] == pytest.approx(ranker.score([one])[0][order], abs=1e-4)


@ranker_is_shared
@given(size=st.integers(0, 30), seed=st.integers(0, 1000))
def test_explanations_add_up_to_the_score(ranker: Ranker, size: int, seed: int) -> None:
    """Base and the groups' contributions are the score to within 1e-4."""
    one = a_list(size, seed)
    explanation = ranker.explain(one)
    assert explanation.groups == tuple(GROUPS)
    assert explanation.values.shape == (size, len(GROUPS))
    total = explanation.base + explanation.values.sum(axis=1)
    assert total == pytest.approx(ranker.score([one])[0], abs=1e-4)


def test_what_is_the_same_for_all_candidates_explains_nothing(ranker: Ranker) -> None:
    """A group whose features do not differ within the list contributes exactly nothing."""
    one = a_list(20, 7)
    one.features[:, [FEATURES.index(name) for name in GROUPS["price"]]] = 0.5
    place = list(GROUPS).index("price")
    assert np.abs(ranker.explain(one).values[:, place]).max() < 1e-5


def test_the_users_recent_items_matter(ranker: Ranker) -> None:
    """The same features with another history give other scores: the graph attends to the recent items."""
    one = a_list(20, 8)
    stranger = replace(one, recent_weight=np.zeros(RECENT, np.float32))
    assert np.abs(ranker.score([one])[0] - ranker.score([stranger])[0]).max() > 1e-3


@ranker_is_shared
@given(seed=st.integers(0, 1000), scale=st.sampled_from([0.0, 1e-9, 1.0, 1e3, 1e6]))
def test_scores_are_finite_however_large_the_features(ranker: Ranker, seed: int, scale: float) -> None:
    """Whatever ``compute`` can give (up to ±1e6) is ranked."""
    one = a_list(10, seed)
    signs = np.random.default_rng(seed).choice([-1, 1], one.features.shape)
    wild = replace(one, features=np.clip(one.features * signs * scale, -1e6, 1e6).astype(np.float32))
    assert np.isfinite(ranker.score([wild])[0]).all()


def test_nothing_to_rank_is_no_error(ranker: Ranker) -> None:
    """No lists, or lists without candidates, have no scores."""
    assert ranker.score([]) == []
    assert [len(s) for s in ranker.score([a_list(0, 1), a_list(2, 1), a_list(0, 2)])] == [0, 2, 0]


def test_shapes_that_do_not_fit_are_refused(ranker: Ranker) -> None:
    """A list with a feature too few says what was expected."""
    one = a_list(3, 1)
    with pytest.raises(ValueError, match=rf"expected \(\(3, {len(FEATURES)}\)"):
        ranker.score([replace(one, features=one.features[:, :-1])])


def test_a_ranker_of_other_features_is_refused(trained: Path, tmp_path: Path) -> None:
    """Another feature version, or other names, is an error that says to build it again."""
    loaded = Artifact.load(trained)
    names = msgspec.json.encode(("other", *FEATURES[1:]))
    write(tmp_path / "names", loaded.manifest, {"model.onnx": loaded.graph, NAMES_FILE: names})
    with pytest.raises(ArtifactError, match="other"):
        Ranker(tmp_path / "names", "cpu")
    older = msgspec.structs.replace(loaded.manifest, requires={"features": "0"})
    files = {"model.onnx": loaded.graph, NAMES_FILE: loaded.file(NAMES_FILE)}
    write(tmp_path / "version", older, files)
    with pytest.raises(ArtifactError, match="features"):
        Ranker(tmp_path / "version", "cpu")


def test_a_hundred_candidates_take_less_than_three_milliseconds(ranker: Ranker) -> None:
    """The best of 50 calls on one thread (0.5 ms on an idle core)."""
    one, taken = a_list(100, 9), []
    for _ in range(50):
        start = time.perf_counter()
        ranker.score([one])
        taken.append(time.perf_counter() - start)
    assert min(taken) < 3e-3
