"""The item tower on made-up shops of two tastes: what it learns, its graph, its bytes, and the source that uses it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from models.ask import Ask, Recent
from models.base.arrays import Floats
from models.base.artifact import verify
from models.base.errors import ArtifactError
from models.base.onnx_session import open_session
from models.features.kernels import compute
from models.features.registry import INDEX
from models.items.catalogue import Catalogue
from models.retrieval.candidates import retrieve
from models.retrieval.sources.base import candidates_of
from models.retrieval.sources.registry import SOURCES
from models.sample import asked, sample, sample_entry
from models.tower.column import TowerColumn
from models.tower.item_tower import BATCH, ItemTower, inputs_of
from models.training.item_tower import TowerChoices, train
from models.training.rankings import RankingsError
from models.training.tower_network import TowerNetwork, check, export, tensors
from state.records import COUNT
from tests.support.asks import changed, score_of

EACH = 30
#: titles of one taste share a word; the last of each are never chosen
TITLES = [f"{taste} {taste}{n}" for taste in ("tea", "bolt") for n in range(EACH)]
COLD = (EACH - 1, 2 * EACH - 1)
TOWER = SOURCES["tower"]


def shop(dim: int = 0) -> Catalogue:
    """Two tastes of thirty items; half of them have a brand, a category and a price."""
    half = [n % 2 == 0 for n in range(2 * EACH)]
    image = [np.eye(4)[n // EACH].astype("<f2").tobytes() if dim and n % 2 else b"" for n in range(2 * EACH)]
    return sample(
        TITLES, dim=dim, brand=["Oz" if has else "" for has in half], price=[9.0 if has else None for has in half],
        category=[["all", title.split()[0]] if has else [] for has, title in zip(half, TITLES, strict=True)],
        image=image,
    )  # fmt: skip


def choices(count: int = 3_000) -> TowerChoices:
    """Users who choose of one taste only, and nobody the last item of either."""
    rng = np.random.default_rng(0)
    user = rng.integers(0, 100, count)
    return TowerChoices(user, (user % 2) * EACH + rng.integers(0, EACH - 1, count))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tower of that shop, which had images of four numbers."""
    out = tmp_path_factory.mktemp("tower") / "item-tower"
    train(shop(4), choices(), "e1", out, "made up")
    return out


class Placed(NamedTuple):
    """A catalogue, its tower's column, and the vectors (n, 64) in it."""

    catalogue: Catalogue
    tower: TowerColumn
    vectors: Floats


@pytest.fixture(scope="module")
def placed(built: Path) -> Placed:
    """The shop without images, and its tower vectors."""
    catalogue, tower = shop(), TowerColumn(ItemTower(built, "e1"))
    tower.put(catalogue, np.arange(len(catalogue)))
    return Placed(catalogue, tower, tower.vectors(len(catalogue)))


def test_what_was_never_chosen_is_placed_by_its_text_among_its_own(placed: Placed) -> None:
    """The cold items, and one whose title is all that is known of it, are nearest to items of their taste."""
    vectors = placed.vectors
    catalogue = sample([*TITLES, "tea leaf"])
    assert catalogue.row("tea leaf") == 2 * EACH
    alone = placed.tower.tower.vectors(catalogue, np.array([*COLD, 2 * EACH]))
    for vector, taste in zip(alone, (0, 1, 0), strict=True):
        nearest = np.argsort(-(vectors @ vector))
        others = nearest[~np.isin(nearest, COLD)][:10]
        assert (others // EACH == taste).all()


def test_the_manifest_tells_recall_beside_text_and_popularity(built: Path) -> None:
    """With how many choices were held out; the tower finds what the users choose next."""
    manifest = verify(built).manifest
    figures = manifest.figures
    assert (manifest.kind, manifest.requires) == ("item-tower", {"encoder": "e1"})
    assert {"recall@100 tower", "recall@100 text", "recall@100 popularity", "held_out_cold"} <= set(figures)
    assert float(figures["recall@100 tower"]) >= float(figures["recall@100 text"])


@pytest.mark.parametrize("dim", [0, 4])
def test_the_graph_is_the_network(tmp_path: Path, dim: int) -> None:
    """Random weights, with images and without: ONNX within 1e-4 of torch, and of unit length."""
    network = TowerNetwork(5, dim)
    network.own.weight.data.normal_()
    export(network, tmp_path / "model.onnx")
    session = open_session(tmp_path / "model.onnx", "cpu")
    assert check(network, session) < 1e-4
    feeds = inputs_of(shop(dim), np.arange(BATCH), np.arange(BATCH) % 6 - 1, dim)
    wanted = network(**tensors(feeds)).detach().numpy()
    (found,) = session.run(feeds)
    assert np.abs(wanted - found).max() < 1e-4
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_a_vector_has_the_same_bytes_whatever_it_is_computed_with(placed: Placed) -> None:
    """Alone, in another order, in another place of its batch."""
    catalogue, column, vectors = placed
    tower, order = column.tower, np.random.default_rng(1).permutation(len(catalogue))
    assert tower.vectors(catalogue, order).tobytes() == vectors[order].tobytes()
    for row in order[:12]:
        assert tower.vectors(catalogue, np.array([row])).tobytes() == vectors[row].tobytes()


def liking(*rows: int, surface: str = "home") -> Ask:
    """A user who clicked these rows, newest first."""
    n = len(rows)
    seen = np.array(rows, np.int32)
    recent = Recent(seen, np.arange(n, dtype=np.float32), np.full(n, 2, np.float32), np.full(n, 2, np.uint8))
    return asked(surface, recent=recent, anchors=seen)


@pytest.mark.parametrize("surface", ["home", "cart", "similar"])
def test_the_source_finds_items_of_the_users_taste(placed: Placed, surface: str) -> None:
    """The best are of the taste of what was chosen, the cold item among the thirty; weights are the scores."""
    catalogue, tower, _ = placed
    ask = liking(2, 5, surface=surface)
    found = candidates_of(TOWER, ask, catalogue, EACH, tower)
    assert (found.rows[:20] < EACH).all()
    assert COLD[0] in found.rows
    assert found.weight.tobytes() == score_of(TOWER, ask, catalogue, found.rows, tower).tobytes()
    given = retrieve([ask], catalogue, ["tower"], 10, 10, tower=tower)[0]
    assert given.given[:, list(SOURCES).index("tower")].all()


def test_without_a_tower_or_a_user_the_source_is_silent(placed: Placed) -> None:
    """Nothing found, every score 0; other sources' candidates have the same bytes with it as without."""
    bare, rows = shop(), np.arange(4, dtype=np.int32)
    for tower, ask in ((None, liking(1)), (placed.tower, asked("home"))):
        assert not len(candidates_of(TOWER, ask, bare, 10, tower).rows)
        assert not score_of(TOWER, ask, bare, rows, tower).any()
    names = [name for name in SOURCES if name != "tower"]
    ask = changed(liking(1), short=bare.compact[1])
    one, two = (retrieve([ask], bare, some, 20, 30)[0] for some in (names, list(SOURCES)))
    assert (one.rows.tobytes(), one.scores.tobytes()) == (two.rows.tobytes(), two.scores.tobytes())
    assert len(one.rows)


def test_the_feature_is_the_cosine_with_the_newest_item(placed: Placed) -> None:
    """0 for everything where there is no tower."""
    catalogue, tower, vectors = placed
    found = retrieve([liking(2, 5)], catalogue, ["tower"], 10, 10, tower=tower)[0]
    features = compute(liking(2, 5), catalogue, found, np.zeros(len(found.rows), COUNT), tower)
    assert np.allclose(features[:, INDEX["like_tower_newest"]], vectors[found.rows] @ vectors[2], atol=1e-6)
    without = compute(liking(2, 5), shop(), found, np.zeros(len(found.rows), COUNT))
    assert not without[:, INDEX["like_tower_newest"]].any()


def test_a_changed_item_moves_and_a_new_tower_is_grown_in_steps(built: Path) -> None:
    """The column computes what it is given; ``grow`` does a few rows at a time until all are there."""
    catalogue = shop()
    column = TowerColumn(ItemTower(built, "e1"))
    steps = 1
    while column.grow(catalogue, 25):
        steps += 1
    assert steps == 3
    before = column.vectors(len(catalogue)).copy()
    catalogue.upsert([sample_entry(TITLES[0], vector=catalogue.vectors[40].tobytes())])
    column.put(catalogue, np.array([0]))
    moved = np.abs(column.vectors(len(catalogue)) - before).max(axis=1) > 1e-6
    assert moved.nonzero()[0].tolist() == [0]


def test_what_does_not_fit_is_refused(built: Path, tmp_path: Path) -> None:
    """A tower of another encoder, and a log in which hardly anything was chosen."""
    with pytest.raises(ArtifactError, match="encoder"):
        ItemTower(built, "e2")
    with pytest.raises(RankingsError, match="99 choices"):
        train(shop(), choices(99), "e1", tmp_path / "out")
