"""New items get their share of the positions, evenly, with true propensities."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.exploration.explore import epsilon_swap, nothing, shown

RANKED, LIMIT, DRAWS = 60, 10, 8_000
SCORES = -np.arange(float(RANKED))


def some_new(*places: int) -> np.ndarray:
    """A mask of the ranked list with the new items at ``places``."""
    new = np.zeros(RANKED, np.bool_)
    new[list(places)] = True
    return new


def test_the_share_of_positions_is_met_and_every_new_item_gets_some() -> None:
    """Of 80,000 positions 2 % show one of the better half of the new items, each of them alike, none at the top."""
    new, share = some_new(*range(20, 40)), 0.02
    counted: Counter[int] = Counter()
    for n in range(DRAWS):
        page = shown(SCORES, LIMIT, f"r{n}", nothing, new=new, new_share=share).order
        assert page[0] == 0
        assert len(set(page.tolist())) == LIMIT
        counted.update(page[page >= LIMIT].tolist())
    assert set(counted) == set(range(20, 30))
    positions = DRAWS * LIMIT
    total = sum(counted.values())
    assert abs(total - share * positions) < 4 * np.sqrt(share * (1 - share) * positions)
    expected = total / len(counted)
    assert all(abs(count - expected) < 4.5 * np.sqrt(expected) for count in counted.values())


def test_propensities_are_what_happens() -> None:
    """How often an item stands at a position is the propensity told there: 1/p weights are unbiased."""
    new = some_new(25, 30, 35, 40, 45, 50)
    for policy in (nothing, epsilon_swap(0.3)):
        seen: Counter[tuple[int, int]] = Counter()
        said: dict[tuple[int, int], float] = {}
        for n in range(DRAWS):
            page = shown(SCORES, LIMIT, f"r{n}", policy, new=new, new_share=0.1)
            for place, (item, p) in enumerate(zip(page.order.tolist(), page.propensity.tolist(), strict=True)):
                seen[item, place] += 1
                assert said.setdefault((item, place), p) == p
        for at, p in said.items():
            # the sum of 1/p weights of an item at a position estimates the number of answers
            assert abs(seen[at] - DRAWS * p) < 5 * np.sqrt(DRAWS * p * (1 - p)) + 1, (policy, at)


def test_fewer_new_items_than_positions_are_counted_right() -> None:
    """One new item and much room: it stands somewhere in the share of answers in which any position is drawn."""
    new = some_new(30)
    pages = [shown(SCORES, LIMIT, f"r{n}", nothing, new=new, new_share=0.2) for n in range(4_000)]
    hits = sum(30 in page.order for page in pages)
    room, each = LIMIT - 1, 0.2 * LIMIT / (LIMIT - 1)
    expected = 1 - (1 - each) ** room
    assert abs(hits / 4_000 - expected) < 4 * np.sqrt(expected * (1 - expected) / 4_000)
    told = {page.propensity[page.order.tolist().index(30)] for page in pages if 30 in page.order}
    assert len(told) == 1
    np.testing.assert_allclose(told.pop() * room, expected, rtol=1e-9)


@given(st.integers(0, 60), st.integers(1, 20), st.floats(0, 0.5), st.integers(0, 1_000), st.data())
def test_a_page_never_repeats_and_pages_never_share(
    ranked: int, limit: int, share: float, seed: int, data: st.DataObject
) -> None:
    """Whatever is new, pinned or late: all pages together are the ranked items, each once, pins in place."""
    new = np.array(data.draw(st.lists(st.booleans(), min_size=ranked, max_size=ranked)), np.bool_)
    pinned = np.array(sorted(data.draw(st.sets(st.integers(0, max(ranked - 1, 0)), max_size=3))), np.intp)
    pinned = pinned[pinned < ranked]
    late = data.draw(st.integers(0, max(ranked - len(pinned), 0)))
    pages = [
        shown(-np.arange(float(ranked)), limit, f"r{seed}", nothing, offset, pinned, late, new, share)
        for offset in range(0, ranked, limit)
    ]
    every = np.concatenate([page.order for page in pages]) if pages else np.zeros(0, np.intp)
    assert sorted(every.tolist()) == list(range(ranked))
    assert every[pinned].tolist() == pinned.tolist()
    assert all((page.propensity > 0).all() and (page.propensity <= 1).all() for page in pages)
