"""Training on clicks with a known position bias: ignoring it costs, correcting it pays."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.exploration.explore import epsilon_swap, shown
from models.exploration.plackett_luce import PlackettLuce
from models.exploration.slates import Policy
from models.features.kernels import RECENT
from models.features.registry import FEATURES, INDEX
from models.learning.position_bias import PositionBias, exchanges
from models.training.fitting import fit, scores
from models.training.rankings import Rankings, RankingsWriter

ITEMS, SHOWN = 12, 8
#: what the shown order follows, and what relevance depends on; both say a little of the other
RANKED_BY, TELLING = INDEX["popularity_7_days"], INDEX["covisits"]
EXAMINED = np.arange(1.0, SHOWN + 1) ** -1.0


#: features of a list, the order in which it was shown, and the positions that were clicked
Page = tuple[NDArray[np.float32], NDArray[np.intp], list[int]]


def candidates(rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Features (ITEMS, F) of a list, best-ranked first, and the chance of a click on each item that is looked at."""
    features = np.zeros((ITEMS, len(FEATURES)), np.float32)
    features[:, [RANKED_BY, TELLING]] = rng.normal(size=(ITEMS, 2))
    features = features[np.argsort(-features[:, RANKED_BY])]
    utility = 0.3 * features[:, RANKED_BY] + 1.2 * features[:, TELLING]
    return features, 1 / (1 + np.exp(1.5 - utility.astype(np.float64)))


def clicked(seed: int, lists: int) -> tuple[list[Page], PositionBias]:
    """Pages drawn by Plackett-Luce with their clicks, and the examination learnt from what answers tell."""
    rng, bias = np.random.default_rng([seed, 1]), PositionBias()
    found: list[Page] = []
    while len(found) < lists:
        features, relevance = candidates(rng)
        page = shown(features[:, RANKED_BY], SHOWN, f"{seed}-{len(found)}-{rng.random()}", PlackettLuce(1.0))
        places = np.flatnonzero(rng.random(SHOWN) < EXAMINED * relevance[page.order]).tolist()
        chances = exchanges(page.propensity, True)
        for place in places:
            bias.learn(place, *chances[place].tolist())
        if places:
            found.append((features, page.order, places))
    return found, bias


def rankings(pages: list[Page], bias: PositionBias | None) -> Rankings:
    """The lists with what was clicked, by inverse examination or all alike."""
    writer = RankingsWriter()
    vectors, recent = np.zeros((ITEMS, 64), np.float32), np.zeros((RECENT, 64), np.float32)
    for number, (features, order, places) in enumerate(pages):
        weight = float(np.mean([bias.weight(place) for place in places])) if bias is not None else 1.0
        targets = order[places].tolist()
        writer.add(features, vectors, recent, np.zeros(RECENT, np.float32), targets, number, weight=weight)
    return writer.rankings()


def quality(some: Rankings, seed: int) -> float:
    """NDCG by the true relevance of new lists, in the order of a ranker trained on these."""
    torch.manual_seed(seed)
    network = fit(some, len(some), np.random.default_rng(seed))
    rng, writer, gains = np.random.default_rng([seed, 2]), RankingsWriter(), []
    for number in range(400):
        features, relevance = candidates(rng)
        gains.append(relevance)
        vectors, recent = np.zeros((ITEMS, 64), np.float32), np.zeros((RECENT, 64), np.float32)
        writer.add(features, vectors, recent, np.zeros(RECENT, np.float32), [0], number)
    discount = 1 / np.log2(np.arange(2, ITEMS + 2))
    ranked = scores(network, writer.rankings(), np.arange(400))
    return float(np.mean([
        (gain[np.argsort(-own)] @ discount) / (np.sort(gain)[::-1] @ discount)
        for gain, own in zip(gains, ranked, strict=True)
    ]))  # fmt: skip


@pytest.mark.usefixtures("lists_of_twelve")
def test_correcting_for_positions_pays_and_ignoring_them_costs() -> None:
    """In either of two worlds the corrected ranker orders new lists better by their true relevance."""
    gains = []
    for seed in range(2):
        pages, bias = clicked(seed, 800)
        gains.append(quality(rankings(pages, bias), seed) - quality(rankings(pages, None), seed))
    assert min(gains) > 0.005, gains


@pytest.mark.parametrize(("policy", "conditional"), [(PlackettLuce(0.7), True), (epsilon_swap(0.9), False)])
def test_propensities_alone_tell_how_items_could_have_been_exchanged(policy: Policy, conditional: bool) -> None:
    """What an answer carries gives the chances that its impression keeps, for both policies and fixed positions."""
    rng, some = np.random.default_rng(2), 0
    for n in range(300):
        ranges = [(1, 8)] if n % 2 else [(2, 3), (5, 7)]
        one = shown(-np.sort(-rng.normal(size=20)), 8, f"r{n}", policy, positions=ranges)
        np.testing.assert_allclose(exchanges(one.propensity, conditional), one.exchange, atol=1e-9)
        some += int(one.exchange.any())
    assert some > 100
