"""The image source by its definition."""

from __future__ import annotations

import numpy as np

from models.ask import Filter, Recent
from models.features.kernels import compute
from models.features.registry import FEATURES, INDEX
from models.retrieval.candidates import retrieve
from models.retrieval.sources.base import candidates_of
from models.retrieval.sources.image import RESCORED
from models.retrieval.sources.registry import SOURCES
from models.sample import asked, sample
from state.records import COUNT
from streamrank_client.vocabulary import SURFACES
from tests.models.items.test_images import raw, units
from tests.support.asks import score_of

DIM = 96
VECTORS = units(3_000, DIM, seed=4)
#: every fourth item has no image
CATALOGUE = sample(
    [f"item i{n}" for n in range(3_000)], dim=DIM,
    image=[one if n % 4 else b"" for n, one in enumerate(raw(VECTORS))],
    price=[float(n % 10) for n in range(3_000)],
)  # fmt: skip
IMAGE = SOURCES["image"]


def rows(*values: int) -> np.ndarray:
    """Rows as an array."""
    return np.array(values, np.int32)


def near(n: int, noise: float = 0.05, seed: int = 1) -> np.ndarray:
    """A vector that looks like item n's."""
    made = VECTORS[n] + noise * units(1, DIM, seed)[0]
    return np.asarray(made / np.linalg.norm(made), np.float32)


def test_the_look_alike_comes_first() -> None:
    """For a hundred items, the one whose image is nearest is found first, at its true cosine."""
    for n in range(1, 400, 4):
        found = candidates_of(IMAGE, asked("search", image=near(n)), CATALOGUE, 10)
        assert found.rows[0] == n
        assert found.weight[0] == score_of(IMAGE, asked("search", image=near(n)), CATALOGUE, rows(n))[0]


def test_most_of_the_exact_top_are_among_the_candidates() -> None:
    """Of the exact top ten among three thousand random vectors, the hardest case, more than nine."""
    held = []
    for seed in range(30):
        ask = asked("search", image=units(1, DIM, seed + 90)[0])
        assert ask.query.image is not None
        exact = np.argsort(-CATALOGUE.images.cosines(np.arange(3_000), ask.query.image), kind="stable")[:10]
        held.append(np.isin(exact, candidates_of(IMAGE, ask, CATALOGUE, 100).rows).sum())
    assert np.mean(held) > 9


def test_an_item_without_an_image_is_never_found_by_image() -> None:
    """Whatever is asked for, and however many; its score is 0."""
    for seed in range(20):
        ask = asked("search", image=units(1, DIM, seed)[0])
        found = candidates_of(IMAGE, ask, CATALOGUE, 300)
        assert len(found.rows) > 100
        assert (found.rows % 4 != 0).all()
        assert not score_of(IMAGE, ask, CATALOGUE, rows(0, 4, 8)).any()


def test_only_what_may_be_shown_is_found() -> None:
    """A filter holds before the nearest are taken; with fewer left than are rescored, all of them are."""
    ask = asked("search", image=near(11), filter=Filter(price_max=0.0))
    found = candidates_of(IMAGE, ask, CATALOGUE, 2 * RESCORED)
    assert (CATALOGUE.price[found.rows] == 0).all()
    assert ask.query.image is not None
    cosine = CATALOGUE.images.cosines(np.arange(3_000), ask.query.image)
    assert len(found.rows) == int(((CATALOGUE.price == 0) & (cosine > 0)).sum())


def test_similar_takes_the_items_image_and_home_that_of_what_was_liked() -> None:
    """The anchor's; or the mean of the newest anchors that have one, a cart's alike."""
    similar = asked("similar", anchors=rows(5, 6))
    assert score_of(IMAGE, similar, CATALOGUE, rows(5))[0] > 0.999
    assert 5 not in candidates_of(IMAGE, similar, CATALOGUE, 10).rows
    for surface in ("home", "cart"):
        ask = asked(surface, anchors=rows(-1, 0, 5, 6, 7, 9, 10, 11))
        mean = VECTORS[[5, 6, 7, 9, 10]].mean(axis=0)
        expected = VECTORS[11] @ mean / np.linalg.norm(mean)
        assert abs(score_of(IMAGE, ask, CATALOGUE, rows(11))[0] - expected) < 2e-3
    for anchors in (rows(), rows(-1, 0, 4)):
        assert not len(candidates_of(IMAGE, asked("home", anchors=anchors), CATALOGUE, 10).rows)


def test_the_querys_own_image_counts_before_any_anchor() -> None:
    """On every surface."""
    for surface in SURFACES:
        ask = asked(surface, anchors=rows(5), image=near(9))
        assert int(np.argmax(score_of(IMAGE, ask, CATALOGUE, rows(5, 9, 13)))) == 1


def test_opposite_likes_leave_no_direction() -> None:
    """A mean of nothing looks for nothing."""
    catalogue = sample(["a", "b"], dim=4, image=raw(np.array([[1, 0, 0, 0], [-1, 0, 0, 0]], np.float32)))
    assert not len(candidates_of(IMAGE, asked("home", anchors=rows(0, 1)), catalogue, 5).rows)


def test_many_equal_images_are_cut_to_the_liked_ones_first() -> None:
    """A thousand items with one picture: what the user knows is kept, then the first rows."""
    catalogue = sample([f"i{n}" for n in range(1_000)], dim=8, image=raw(np.tile(units(1, 8), (1_000, 1))))
    ask = asked("search", image=units(1, 8)[0], anchors=rows(950))
    found = candidates_of(IMAGE, ask, catalogue, 100)
    assert found.rows.tolist() == [950, *range(99)]


def test_text_and_image_both_give_candidates_and_both_scores() -> None:
    """The union holds what each found, and the ranker sees the text's and the image's score of every one."""
    ask = asked("search", tokens=("i7",), image=near(9))
    found = retrieve([ask], CATALOGUE, tuple(SOURCES), 50, 200)[0]
    names = list(SOURCES)
    assert {7, 9} <= set(found.rows.tolist())
    place = {int(row): n for n, row in enumerate(found.rows)}
    assert found.given[place[7], names.index("lexical")]
    assert found.given[place[9], names.index("image")]
    values = compute(ask, CATALOGUE, found, np.zeros(len(found.rows), COUNT))
    assert values.shape[1] == len(FEATURES)
    assert values[place[9], INDEX["image"]] > 0.9
    assert abs(values[place[7], INDEX["image"]]) < 0.5
    assert values[place[7], INDEX["lexical"]] > values[place[9], INDEX["lexical"]]


def test_the_newest_liked_image_is_a_feature() -> None:
    """The newest event with a weight above 0 on an item that has an image; 0 without one."""
    found = retrieve([asked("home", limit=5)], CATALOGUE, tuple(SOURCES), 50, 5)[0]
    found.rows[:] = rows(5, 6, 8, 9, 10)
    counts = np.zeros(5, COUNT)
    likes = Recent(rows(7, 0, 6, 5), np.arange(4, dtype=np.float32), np.array([-4, 2, 2, 2], np.float32),
                   np.full(4, 2, np.uint8))  # fmt: skip
    column = compute(asked("home", recent=likes), CATALOGUE, found, counts)[:, INDEX["like_image_newest"]]
    np.testing.assert_allclose(column, np.where(np.array([5, 6, 8, 9, 10]) == 8, 0, VECTORS[found.rows] @ VECTORS[6]),
                               atol=2e-3)  # fmt: skip
    assert not compute(asked("home"), CATALOGUE, found, counts)[:, INDEX["like_image_newest"]].any()


def test_the_bytes_do_not_depend_on_what_else_is_asked() -> None:
    """Alone or among others."""
    asks = [asked("search", image=near(n, seed=n)) for n in range(1, 9)]
    together = retrieve(asks, CATALOGUE, ("image",), 50, 100)
    for ask, one in zip(asks, together, strict=True):
        alone = retrieve([ask], CATALOGUE, ("image",), 50, 100)[0]
        assert (one.rows.tobytes(), one.scores.tobytes()) == (alone.rows.tobytes(), alone.scores.tobytes())
