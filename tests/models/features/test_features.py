"""What the ranker sees of each candidate."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.ask import Companions, Followers, Recent
from models.base.arrays import Floats
from models.features import neighbours
from models.features.kernels import RECENT, compute, recent_inputs
from models.features.registry import FEATURES, GROUPS, INDEX, MEANING
from models.items.catalogue import Catalogue
from models.retrieval.candidates import Candidates
from models.retrieval.sources.registry import SOURCES
from models.sample import asked, sample
from state import records
from tests.support.examples import at_most

NOW = 1_700_000_000_000
HOUR = 3600.0


def shelf(rows: int) -> Catalogue:
    """A catalogue of random items in 5 categories of 2 departments, half of them at half price."""
    rng = np.random.default_rng(rows)
    vectors = rng.normal(size=(rows, 64))
    compact = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype("<f4")
    price, reduced = rng.uniform(1, 9, rows), rng.random(rows) < 0.5
    category, brand = rng.integers(2, 7, rows), rng.integers(-1, 4, rows)
    columns = {
        "time": [NOW - 10 * 86_400_000] * rows,
        "compact": [row.tobytes() for row in compact],
        "price": price.tolist(),
        "list_price": [2 * p if half else None for p, half in zip(price.tolist(), reduced.tolist(), strict=True)],
        "category": [[str(c % 2), str(c)] for c in category.tolist()],
        "brand": [str(b) if b >= 0 else "" for b in brand.tolist()],
    }
    return sample([f"item {n}" for n in range(rows)], dim=4, **columns)


SHELF = shelf(50)


def candidates(rows: list[int]) -> Candidates:
    """Candidates with scores that tell the sources apart."""
    scores = np.arange(len(rows) * len(SOURCES), dtype=np.float32).reshape(-1, len(SOURCES))
    return Candidates(np.array(rows, np.int32), scores)


def counted(n: int) -> NDArray[np.void]:
    """Count records of items on which nothing happened."""
    return np.zeros(n, records.COUNT)


def recent(rows: list[int], ages: list[float], kind: int = 2, weight: float = 2.0) -> Recent:
    """Recent events, newest first."""
    n = len(rows)
    return Recent(
        np.array(rows, np.int32),
        np.array(ages, np.float32),
        np.full(n, weight, np.float32),
        np.full(n, kind, np.uint8),
    )


def column(values: Floats, name: str) -> list[float]:
    """One feature of all candidates."""
    return [float(v) for v in values[:, INDEX[name]]]


def test_names_are_unique_grouped_and_explained() -> None:
    """Every feature stands in exactly one group and has a line that says what it is."""
    assert list(chain.from_iterable(GROUPS.values())) == list(FEATURES)
    assert len(set(FEATURES)) == len(FEATURES)
    assert set(MEANING) == set(FEATURES)


def test_an_unknown_user_with_nothing_gets_every_feature() -> None:
    """A cold user's home feed has finite features, the source scores among them."""
    values = compute(asked("home", NOW), SHELF, candidates([3, 4]), counted(2))
    assert values.shape == (2, len(FEATURES))
    assert np.isfinite(values).all()
    assert [column(values, name)[1] for name in SOURCES] == list(range(len(SOURCES), 2 * len(SOURCES)))


def test_no_candidates_give_no_rows() -> None:
    """An empty list is an empty array, not an error."""
    first, row, one = np.zeros(1, np.int32), np.ones(1, np.int32), np.ones(1, np.float32)
    ask = asked(
        "home", NOW, recent=recent([1], [5.0]), anchors=np.array([1], np.int32), followers=Followers(first, row, one),
        companions=Companions(first, row, one, one), anchor_mass=np.ones((1, 3), np.float32),
    )  # fmt: skip
    assert compute(ask, SHELF, candidates([]), counted(0)).shape == (0, len(FEATURES))


def test_a_click_is_seen_at_once_in_the_features_of_its_item() -> None:
    """The newest event counts in own_events, own_events_hour and own_recency of its item alone."""
    before = compute(asked("home", NOW), SHELF, candidates([3, 4]), counted(2))
    after = compute(asked("home", NOW, recent=recent([4], [0.0])), SHELF, candidates([3, 4]), counted(2))
    assert column(before, "own_events") == [0, 0]
    assert column(after, "own_events") == [0, 1]
    assert column(after, "own_events_hour") == [0, 1]
    assert column(after, "own_recency") == [0, 1]


def test_own_purchases_count_purchases_only() -> None:
    """A click on the item is no purchase of it."""
    bought = compute(asked("home", NOW, recent=recent([4], [9e4], kind=4)), SHELF, candidates([4]), counted(1))
    clicked = compute(asked("home", NOW, recent=recent([4], [9e4], kind=2)), SHELF, candidates([4]), counted(1))
    assert (column(bought, "own_purchases"), column(clicked, "own_purchases")) == ([1], [0])
    assert column(bought, "own_events_hour") == [0]


def test_covisits_are_shares_of_each_anchor() -> None:
    """after_newest reads anchor 0 alone, after_newest_2 the first two; basket anchors are the young ones."""
    anchor, rows = np.array([0, 0, 1], np.int32), np.array([4, -1, 4], np.int32)
    together, wide = np.array([1, 9, 8], np.float32), np.array([6, 9, 8], np.float32)
    ask = asked(
        "home",
        NOW,
        recent=recent([10, 11], [60.0, 5 * HOUR]),
        anchors=np.array([10, 11], np.int32),
        followers=Followers(anchor, rows, after=np.array([2, 9, 3], np.float32)),
        companions=Companions(anchor, rows, together, wide),
        anchor_mass=np.array([[4, 10, 8], [30, 15, 15]], np.float32),
    )
    counts = counted(3)
    counts["kinds"][1, 4] = 3
    values = compute(ask, SHELF, candidates([5, 4, 3]), counts)
    assert column(values, "after_newest") == pytest.approx([0, 0.5, 0])
    assert column(values, "after_newest_2") == pytest.approx([0, 0.6, 0])
    assert column(values, "together_newest") == pytest.approx([0, 0.1, 0])
    assert column(values, "together_basket") == pytest.approx([0, 0.1, 0])
    assert column(values, "after_strength") == pytest.approx([0, np.log1p(5), 0])
    assert column(values, "wide_newest") == pytest.approx([0, (6 / 3 + 8 / 4 / 2) / 2, 0])
    assert column(values, "wide_cosine") == pytest.approx([0, (6 / 3 + 8 / 4) / 2, 0])
    assert column(values, "wide_strength") == pytest.approx([0, np.log1p(14), 0])
    assert column(values, "basket_cosine") == pytest.approx([0, 1 / np.sqrt(11) / 2, 0])


def test_what_lies_below_a_floor_does_not_add_up() -> None:
    """One neighbour that an anchor has often stays; one that both have now and then is gone above the floor."""
    anchor, rows = np.array([0, 0, 1], np.int32), np.array([4, 5, 5], np.int32)
    strength = np.array([10, 2, 2], np.float32)
    ask = asked(
        "home",
        NOW,
        recent=recent([10, 11], [60.0, 70.0]),
        anchors=np.array([10, 11], np.int32),
        followers=Followers(anchor, rows, strength),
        companions=Companions(anchor, rows, strength, strength),
        anchor_mass=np.full((2, 3), 99, np.float32),
    )
    values = compute(ask, SHELF, candidates([4, 5]), counted(2))
    for floor, share in neighbours.FLOORS.items():
        often, seldom = 10 - share * 99, max(2 - share * 99, 0)
        assert column(values, f"after_above_{floor}") == pytest.approx([often / 10, seldom * 1.5 / 10])
        assert column(values, f"wide_above_{floor}") == pytest.approx([often / 10, seldom * (1 + 0.5**0.5) / 10])
        assert column(values, f"basket_above_{floor}") == pytest.approx([often / 200, seldom / 100])
    assert column(values, "wide_above_four")[1] == 0 < column(values, "wide_above_one")[1]


def test_popularity_decays_to_the_time_of_the_query() -> None:
    """A weight of 8 a week ago is 4 at a half-life of 7 days, 1/16 at one of 1 day, next to nothing at 6 hours."""
    counts = counted(1)
    counts["last"], counts["popularity"] = NOW - 7 * 86_400_000, 8.0
    values = compute(asked("home", NOW), SHELF, candidates([0]), counts)
    assert column(values, "popularity_7_days") == pytest.approx([4.0])
    assert column(values, "popularity_1_day") == pytest.approx([0.0625])
    assert column(values, "popularity_6_hours") == pytest.approx([8 * 2.0**-28])


def test_category_share_counts_recent_items_of_the_same_category() -> None:
    """Half of the recent items are of the candidate's category; the basket holds only the other one."""
    same = int(np.flatnonzero(SHELF.category == SHELF.category[0])[1])
    other = int(np.flatnonzero(SHELF.category != SHELF.category[0])[0])
    ask = asked("home", NOW, recent=recent([other, same], [60.0, 9 * HOUR]))
    values = compute(ask, SHELF, candidates([0]), counted(1))
    assert column(values, "category_share") == [0.5]
    assert column(values, "category_basket_share") == [0]


def test_a_promotion_hunt_marks_discounted_items() -> None:
    """Half price and a sure promotion intent make 0.5; without a list price there is no discount."""
    half = int(np.flatnonzero(~np.isnan(SHELF.list_price))[0])
    full = int(np.flatnonzero(np.isnan(SHELF.list_price))[0])
    ask = asked("search", NOW, asked="deals", intent=np.array([0, 0, 1, 0, 0, 0], np.float32))
    values = compute(ask, SHELF, candidates([half, full]), counted(2))
    assert column(values, "promotion_hunt") == pytest.approx([0.5, 0])
    assert column(values, "has_text") == [1, 1]


def test_cosines_are_those_of_the_compact_vectors() -> None:
    """The newest liked item is exactly like itself; a dislike is not the newest liked item."""
    ask = asked("home", NOW, recent=recent([4], [0.0]), short=SHELF.compact[3], compact=SHELF.compact[5])
    values = compute(ask, SHELF, candidates([3, 4, 5]), counted(3))
    assert column(values, "like_newest")[1] == pytest.approx(1, abs=1e-6)
    assert column(values, "like_short_interest")[0] == pytest.approx(1, abs=1e-6)
    assert column(values, "like_text")[2] == pytest.approx(1, abs=1e-6)
    disliking = replace(ask, user=replace(ask.user, recent=recent([4], [0.0], kind=6, weight=-4)))
    assert column(compute(disliking, SHELF, candidates([4]), counted(1)), "like_newest") == [0]


def test_shapes_that_do_not_fit_are_refused() -> None:
    """Counts of another number of candidates are an error that says so."""
    with pytest.raises(ValueError, match=r"counts have shape \(3,\), not \(2,\)"):
        compute(asked("home", NOW), SHELF, candidates([3, 4]), counted(3))


def test_recent_inputs_are_padded_and_fade() -> None:
    """Unknown items are left out, weights halve in an hour, the rest is padding."""
    vectors, weights = recent_inputs(recent([7, -1, 8], [0.0, 1.0, HOUR]), SHELF)
    assert vectors.shape == (RECENT, 64)
    assert weights[:3].tolist() == [2, 1, 0]
    assert np.array_equal(vectors[1], SHELF.compact[8])


wild = st.floats(allow_nan=True, allow_infinity=True, width=32)
row = st.integers(-1, 49)


@at_most(60)
@given(
    rows=st.lists(st.integers(0, 49), max_size=30),
    seen=st.lists(st.tuples(row, wild, wild, st.integers(0, 255)), max_size=32),
    near=st.lists(st.tuples(st.integers(0, 6), row, wild, wild), max_size=40),
    number=st.floats(-1e300, 1e300),
    last=st.integers(0, 2 * NOW),
)
def test_features_are_finite_whatever_was_read(
    rows: list[int],
    seen: list[tuple[int, float, float, int]],
    near: list[tuple[int, int, float, float]],
    number: float,
    last: int,
) -> None:
    """NaN, infinities, late times and unknown rows in every input still give finite features."""
    counts = counted(len(rows))
    counts["popularity"], counts["ratings"], counts["last"] = number, number, last
    counts["kinds"] = 2**32 - 1
    fields = list(zip(*seen, strict=True)) or [(), (), (), ()]
    acts = Recent(
        np.array(fields[0], np.int32),
        np.array(fields[1], np.float32),
        np.array(fields[2], np.float32),
        np.array(fields[3], np.uint8),
    )
    sides = list(zip(*near, strict=True)) or [(), (), (), ()]
    anchor, beside = np.array(sides[0], np.int32), np.array(sides[1], np.int32)
    one, two = np.array(sides[2], np.float32), np.array(sides[3], np.float32)
    ask = asked(
        "search",
        NOW,
        asked="x",
        short=np.full(64, number % 1e30, np.float32),
        events=len(seen),
        recent=acts,
        anchors=np.array([r for r in fields[0] if r >= 0][:5], np.int32),
        followers=Followers(anchor, beside, one),
        companions=Companions(anchor, beside, two, two),
        anchor_mass=np.full((7, 3), number % 1e30, np.float32),
    )
    with np.errstate(all="ignore"):
        values = compute(ask, SHELF, candidates(rows), counts)
        _, weights = recent_inputs(acts, SHELF)
    assert np.isfinite(values).all()
    assert np.isfinite(weights).all()
