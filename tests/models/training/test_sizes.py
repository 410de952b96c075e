"""The network's size is chosen by the data, on lists that neither trained it nor judge it."""

from __future__ import annotations

import numpy as np
import pytest

from models.features.kernels import RECENT
from models.features.registry import FEATURES, INDEX
from models.training.ranker import LEAST_TO_CHOOSE, choose
from models.training.rankings import Rankings, RankingsWriter


def crossed(lists: int, size: int = 12) -> Rankings:
    """Lists whose chosen item has two features of one sign: no sum of the two can tell."""
    rng, writer = np.random.default_rng(0), RankingsWriter()
    two = [INDEX["covisits"], INDEX["popularity_7_days"]]
    recent, weight = np.zeros((RECENT, 64), np.float32), np.zeros(RECENT, np.float32)
    vectors = rng.normal(size=(size, 64)).astype(np.float32)
    for number in range(lists):
        features = np.zeros((size, len(FEATURES)), np.float32)
        features[:, two] = rng.normal(size=(size, 2))
        target = int(np.argmax(features[:, two].prod(axis=1)))
        writer.add(features, vectors, recent, weight, [target], number, user=number % 50)
    return writer.rankings()


@pytest.mark.usefixtures("lists_of_twelve")
def test_a_size_that_is_better_by_more_than_chance_is_chosen() -> None:
    """One hidden unit cannot learn a product, sixteen can; both figures are told."""
    some = crossed(1_500)
    size, figures = choose(some, 1_350, 1, ((1,), (16,)))
    assert size == (16,)
    assert list(figures) == ["mlp-1", "mlp-16"]
    assert figures["mlp-16"].low > figures["mlp-1"].high


@pytest.mark.usefixtures("lists_of_twelve")
def test_the_recipes_size_stays_where_the_data_do_not_tell() -> None:
    """Equal networks differ by nothing: the first one stays. With too few lists nothing is compared at all."""
    some = crossed(LEAST_TO_CHOOSE * 10 // 9 + 1)
    size, figures = choose(some, LEAST_TO_CHOOSE, 1, ((4,), (4,)))
    assert (size, len(figures)) == ((4,), 1)
    assert choose(some, LEAST_TO_CHOOSE - 1, 1, ((4,), (16,))) == ((4,), {})
