"""Rankings of made-up users of a known preference: they follow co-visits, their taste, and little else."""

from __future__ import annotations

import numpy as np

from models.features.kernels import RECENT
from models.features.registry import FEATURES, INDEX
from models.training.rankings import Rankings, RankingsWriter


def rankings(lists: int = 600, size: int = 40, seed: int = 0) -> Rankings:
    """Lists whose chosen item maximises a non-linear utility of features and recent items, plus noise.

    The items are always the same; ``seed`` draws the lists.
    """
    rng = np.random.default_rng(0)
    items = rng.normal(size=(300, 64)).astype(np.float32)
    items /= np.linalg.norm(items, axis=1, keepdims=True)
    popularity = rng.lognormal(1, 1.5, 300).astype(np.float32)
    rng = np.random.default_rng(seed + 1)
    writer = RankingsWriter()
    for number in range(lists):
        shown = rng.permutation(300)[:size]
        features = rng.normal(size=(size, len(FEATURES))).astype(np.float32)
        covisits = rng.exponential(1, size) * (rng.random(size) < 0.2)
        features[:, INDEX["covisits"]] = covisits
        features[:, INDEX["after_newest_5"]] = covisits * rng.uniform(0.5, 1.5, size)
        features[:, INDEX["popularity_7_days"]] = popularity[shown]
        features[:, INDEX["user_events"]] = 3.0
        taste = items[rng.integers(300)]
        recent = np.zeros((RECENT, 64), np.float32)
        weight = np.zeros(RECENT, np.float32)
        nearest = np.argsort(-(items @ taste))[:6]
        recent[:6], weight[:6] = items[nearest], np.linspace(2, 0.5, 6)
        utility = 4 * np.minimum(covisits, 1) + 6 * (items[shown] @ taste) + 0.3 * np.log(popularity[shown])
        target = int(np.argmax(utility + rng.gumbel(0, 0.5, size)))
        writer.add(features, items[shown], recent, weight, [target], number * 1000, user=number % 97)
    return writer.rankings()
