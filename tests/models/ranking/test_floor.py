"""The floor under a ranker that learnt another shop's log."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.base.artifact import Artifact, verify, write
from models.base.errors import ArtifactError
from models.features.registry import FEATURES, INDEX
from models.ranking.floor import FLOOR, FLOOR_FILE, Floor, Part, for_others
from models.ranking.ranker import Ranker, RankInput
from tests.support.synthetic import rankings

pytestmark = pytest.mark.usefixtures("quick_judging")


def a_list(text: bool = False) -> RankInput:
    """One of the synthetic lists, as home or as a search."""
    one = rankings(1, 30, seed=9).rank_input(0)
    features = np.abs(one.features)
    features[:, INDEX["has_text"]] = float(text)
    return replace(one, features=features)


def test_the_floor_is_added_to_what_was_learnt(trained: Path, tmp_path: Path) -> None:
    """On lists without a text, alone and together with others; the artifact verifies, and has a version of its own."""
    built = for_others(Artifact.load(trained), tmp_path / "ranker")
    assert verify(built.path).version != Artifact.load(trained).version
    home, search, before, after = a_list(), a_list(text=True), Ranker(trained, "cpu"), Ranker(built.path, "cpu")
    floor = FLOOR.of(home.features)
    assert floor.std() > 0
    assert after.score([home])[0] == pytest.approx(before.score([home])[0] + floor, abs=1e-5)
    assert after.score_together([search, home])[1] == pytest.approx(after.score([home])[0], abs=1e-4)
    assert after.score([search])[0].tobytes() == before.score([search])[0].tobytes()


def test_an_explanation_credits_the_floor_to_the_features_that_make_it(trained: Path, tmp_path: Path) -> None:
    """Values still add up to the score, also where the network does not take a feature of the floor."""
    ranker, one = Ranker(for_others(Artifact.load(trained), tmp_path / "ranker").path, "cpu"), a_list()
    scores = ranker.score([one])[0]
    found = ranker.explain(one, scores)
    assert found.base + found.values.sum(axis=1) == pytest.approx(scores.astype(float), abs=1e-4)
    assert np.ptp(found.values[:, found.groups.index("neighbours")]) > 1


def test_a_part_is_a_share_of_the_best_and_less_for_what_is_common() -> None:
    """However many events a shop has; an item of fifteen events counts half at a rarity of a quarter."""
    features = np.zeros((3, len(FEATURES)), np.float32)
    features[:, INDEX["basket_cosine"]] = [4, 4, 1]
    features[:, INDEX["purchases"]] = np.log1p([0, 15, 0])
    plain, rare = Floor(2.0, {"basket_cosine": Part(1.0)}), Floor(2.0, {"basket_cosine": Part(1.0, rarity=0.25)})
    assert plain.of(features) == pytest.approx([2, 2, 0.5])
    assert rare.of(features) == pytest.approx([2, 1, 0.5])
    features[:, INDEX["basket_cosine"]] *= 1_000
    assert plain.of(features) == pytest.approx([2, 2, 0.5])
    assert plain.of(features[:0]).shape == (0,)


def test_a_floor_of_an_unknown_feature_is_refused(trained: Path, tmp_path: Path) -> None:
    """By its name, when it is opened."""
    artifact = Artifact.load(trained)
    assert FLOOR_FILE not in artifact.manifest.files
    strange = for_others(artifact, tmp_path / "ranker", Floor(1.0, {"luck": Part(1.0)}))
    with pytest.raises(ArtifactError, match="luck"):
        Ranker(strange.path, "cpu")
    broken = write(tmp_path / "broken", artifact.manifest, {
        **{name: artifact.file(name) for name in artifact.manifest.files}, FLOOR_FILE: b"{"
    })  # fmt: skip
    with pytest.raises(ArtifactError, match=FLOOR_FILE):
        Ranker(broken.path, "cpu")
