"""Rankings logged to train on: before which events of a log they are."""

from __future__ import annotations

import pytest

from models.training.rankings import RankingsError
from streamrank_client.events import Behavior, encode
from streamrank_client.making import behavior
from streams.offline.building.chosen_answers import ChosenItems
from streams.offline.building.rankings import LoggedLists, log_rankings
from streams.settings import Settings
from tests.support.composing import composed
from tests.support.small_log import START, items, lines

MINUTE = 60_000


def said(kind: str, count: int, **more: object) -> list[Behavior]:
    """What ten users did with eight items, one a minute, each user the next item after the last."""
    return [
        behavior(
            kind,
            event_id=f"{kind}{n}",
            user_id=f"u{n % 10}",
            item_id=f"p{(n % 10 + n // 10) % 8}",
            time=START + n * MINUTE,
            **more,
        )
        for n in range(count)
    ]


@pytest.mark.parametrize("kind", ["click", "add_to_cart", "purchase", "rating"])
async def test_a_ranker_learns_from_what_an_evaluation_tests(kind: str, redis_url: str) -> None:
    """A list for each, whatever the log calls a choice: a log of ratings alone trains one too."""
    settings = Settings(device="cpu", redis=redis_url)
    log = lines(
        [encode(event) for event in (*items(), *said(kind, 60, **({"value": 4.0} if kind == "rating" else {})))]
    )
    found, writer = await log_rankings(
        log, settings, redis_url, composed(settings=settings).models, LoggedLists(warm=0.5)
    )
    assert len(found) + writer.missed == 30
    assert len(found) > 20


async def test_a_log_without_choices_says_what_is_missing(redis_url: str) -> None:
    """Views teach a ranker nothing: it is told before the log is replayed."""
    settings = Settings(device="cpu", redis=redis_url)
    log = lines([encode(event) for event in (*items(), *said("view", 20))])
    with pytest.raises(RankingsError, match="no click, add_to_cart, purchase or rating"):
        await log_rankings(log, settings, redis_url, composed(settings=settings).models, LoggedLists())


async def test_answers_without_their_queries_say_what_is_missing(redis_url: str) -> None:
    """What was chosen of an answer teaches nothing when the log does not hold what was asked."""
    settings = Settings(device="cpu", redis=redis_url)
    log = lines([encode(event) for event in (*items(), *said("click", 20))])
    plan = LoggedLists(chosen={"r1": ChosenItems(["p0"], 1.0)})
    with pytest.raises(RankingsError, match="no query whose answer it holds"):
        await log_rankings(log, settings, redis_url, composed(settings=settings).models, plan)
