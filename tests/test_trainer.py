"""The trainer on a real Redis: what it knows of positions is stored with its watermark, and goes on from there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from models.position_bias import PositionBias
from models.weights import INPUTS
from state.store import Store
from streams.events import Place
from streams.handlers.feedback import Feedback, encode_feedback
from streams.messages import Message, Record
from streams.settings import Settings
from streams.topics import topics
from streams.trainer import Trainer
from tests.integration.worker_process import stored
from tests.servers import flush

LEARNT = ("online:*", "position_bias:*", "wm:*feedback")


class Kept:
    """A publisher that keeps what it is given."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def publish(self, messages: Sequence[Message]) -> None:
        """Keep them."""
        self.messages += messages

    async def exists(self, topic: str) -> bool:
        """There is every topic."""
        return True


def feedback(count: int) -> list[Record]:
    """Clicks and purchases on explored answers of two surfaces."""
    rng = np.random.default_rng(4)
    found: list[Record] = []
    for n in range(count):
        chosen, surface = int(rng.integers(4)), ("home", "search")[n % 2]
        inputs = rng.normal(size=(4, len(INPUTS))).astype(np.float32)
        up, down = (0.0, 0.0) if n % 5 == 0 else (float(chosen > 0), float(rng.random() * (chosen < 3)))
        kind = "purchase" if n % 7 == 0 else "click"
        one = Feedback(
            Place(n % 3, n), surface, f"r{n}", "u1", "p1", kind, n, 1.0, chosen, 0.5, "control", list("abcd"),
            inputs.tolist(), up=up, down=down,
        )  # fmt: skip
        found.append((surface.encode(), encode_feedback(one), n, n, ()))
    return found


async def state_after(url: str, cuts: Sequence[int], correct: bool, restart: bool) -> dict[bytes, bytes]:
    """What is stored after the same feedback in batches cut there; each delivered twice, by one trainer or by many."""
    flush(url)
    settings = Settings(partitions=4, position_bias=correct)
    records = feedback(60)
    store = Store(url)
    try:
        made = Trainer(settings, store, Kept(), topics(4))
        for first, last in zip([0, *cuts], [*cuts, 60], strict=True):
            await made.learn(records[first:last])
            if restart:
                made = Trainer(settings, store, Kept(), topics(4))
            assert await made.learn(records[first:last]) is None
    finally:
        await store.close()
    return stored(url, *LEARNT)


@pytest.mark.parametrize("correct", [False, True])
async def test_restarts_and_repeated_deliveries_change_nothing_that_is_stored(redis_url: str, correct: bool) -> None:
    """Weights, position bias and watermark are byte for byte those of one trainer that was never stopped."""
    once = await state_after(redis_url, (20, 41), correct, restart=False)
    assert await state_after(redis_url, (20, 41), correct, restart=True) == once
    assert {key.split(b":")[0] for key in once} == {b"online", b"position_bias", b"wm"}


async def test_position_bias_does_not_depend_on_the_cut_or_on_whether_it_is_applied(redis_url: str) -> None:
    """It is learnt whatever the setting, of clicks only; the weights differ by the setting."""
    off = await state_after(redis_url, (20, 41), False, restart=False)
    on = await state_after(redis_url, (7, 8, 55), True, restart=False)
    bias = {key: value for key, value in off.items() if key.startswith(b"position_bias")}
    assert bias == {key: value for key, value in on.items() if key.startswith(b"position_bias")}
    home, search = (PositionBias.restore(bias[b"position_bias:{0}:" + s]) for s in (b"home", b"search"))
    assert home.known == search.known == 4
    assert home.state() != search.state()
    assert off[b"online:{0}:home"] != on[b"online:{0}:home"]


async def test_what_the_trainer_knows_of_positions_is_told(redis_url: str) -> None:
    """Examination by position for the metrics; nothing for a surface without exploration."""
    flush(redis_url)
    store = Store(redis_url)
    try:
        trainer = Trainer(Settings(partitions=4), store, Kept(), topics(4))
        learnt = await trainer.learn(feedback(60))
        assert learnt is not None
        assert sorted(learnt.biased) == ["home", "search"]
        assert trainer.examination("home")[0] == 1.0
        assert len(trainer.examination("home")) == 4
        assert trainer.examination("cart") == []
    finally:
        await store.close()
