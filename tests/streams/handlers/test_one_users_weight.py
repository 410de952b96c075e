"""Nobody makes an item popular alone: two users of two hundred click one item 4,000 times each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import pytest

from models.items.catalogue import Catalogue
from state import keys, query_clicks, trends
from state.event_ids import IdWindow, block_keys
from state.marks import behavior_mark
from state.records import QUERY_CLICK
from streamrank_client.events import Behavior, Click
from streamrank_client.vocabulary import POPULARITY_DAYS, key
from streams.handlers.contexts import on_behavior
from streams.handlers.signals import fold_signals
from tests.support.driving import DEPLOYMENT, PARTITIONS, batch_of, records, run
from tests.support.small_log import Size, behaviors

#: the log of tests.support.small_log, of 200 users
LOG: Final = list(behaviors(Size(users=200, items=80, behaviors=3_000)))
NEWEST: Final = max(event.time for event in LOG)
ITEMS: Final = [key(f"p{n}") for n in range(80)]


def stored_after(events: Sequence[Behavior], daily: int = 2) -> dict[bytes, bytes]:
    """What Redis holds after a partition's events and all that follows for items and queries."""
    deployment = replace(DEPLOYMENT, user_daily=daily)
    stored: dict[bytes, bytes] = {}
    mark, window = behavior_mark(None), IdWindow([None] * len(block_keys(0)), 0)
    marks = {target: np.full(PARTITIONS, -1) for target in range(PARTITIONS)}
    held = records(events, arrival=NEWEST)
    for start in range(0, len(held), 1_000):
        batch = batch_of(held[start : start + 1_000])
        changes, _ = run(on_behavior(batch, mark, window, 0, Catalogue(capacity=1), deployment), stored.get)
        mark = changes.mark
        window.add(changes.ids)
        stored.update(zip(changes.pairs[::2], changes.pairs[1::2], strict=True))
        for target, signals in changes.signals.items():
            told, _ = run(fold_signals([signals], marks[target], PARTITIONS, target), stored.get)
            marks[target] = told.marks
            stored.update(zip(told.pairs[::2], told.pairs[1::2], strict=True))
    return stored


def order(stored: dict[bytes, bytes], half_life: int) -> list[int]:
    """Items by popularity, best first."""
    rows = [stored.get(keys.trends(p)) for p in range(PARTITIONS)]
    found: list[int] = trends.decayed(rows, NEWEST / 1000, 100)[half_life].item.tolist()
    return found


def clicks(user: str, item: str, count: int = 4_000, query: str | None = None) -> list[Behavior]:
    """One user's clicks on one item, within an hour of the log's end."""
    return [
        Click(event_id=f"{user}-{n}", user_id=user, item_id=item, time=NEWEST - 3_600_000 + n * 800, query=query)
        for n in range(count)
    ]


BEFORE: Final = stored_after(LOG)


@pytest.mark.parametrize("half_life", range(len(POPULARITY_DAYS)))
@pytest.mark.parametrize("place", [10, 20, 40])
def test_an_item_stays_out_of_the_first_ten(half_life: int, place: int) -> None:
    """Whether it was just behind them or in the middle; nothing else moves by more than one place."""
    before = order(BEFORE, half_life)
    lifted = f"p{ITEMS.index(before[place])}"
    both = sorted([*LOG, *clicks("bot1", lifted), *clicks("bot2", lifted)], key=lambda event: event.time)
    after = order(stored_after(both), half_life)
    assert before[place] not in after[:10]
    for n, item in enumerate(before):
        if item != before[place]:
            assert abs(after.index(item) - n) <= 1


def test_without_the_limit_it_would_be_first() -> None:
    """What the limit is for."""
    lifted = f"p{ITEMS.index(order(BEFORE, 1)[40])}"
    both = sorted([*LOG, *clicks("bot1", lifted)], key=lambda event: event.time)
    assert order(stored_after(both, daily=0), 1)[0] == key(lifted)


def test_what_is_chosen_after_a_query_is_bounded_too() -> None:
    """4,000 clicks after one text weigh as two."""
    stored = stored_after(clicks("bot", "p7", query="tea"))
    row = np.frombuffer(stored[keys.query_clicks(PARTITIONS, key("tea"))], QUERY_CLICK)
    chosen = query_clicks.decayed(row, NEWEST / 1000)
    assert chosen.weight[0].sum() == pytest.approx(4.0, rel=0.01)
