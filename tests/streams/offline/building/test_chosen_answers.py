"""A log that holds its answers: what was chosen of them, joined, weighted by position, and ranked again."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import msgspec
import pytest

from models.ranking.ranker import Ranker
from models.training.rankings import RankingsError
from streamrank_client.answers import Answer, AnswerItem, decode_answer
from streamrank_client.errors import LogError
from streamrank_client.events import Behavior, Item, Query, encode
from streamrank_client.making import behavior
from streamrank_client.vocabulary import SURFACES
from streams.offline.building.chosen_answers import ChosenItems, chosen_answers
from streams.offline.building.rankings import LoggedLists, Unranked, log_rankings
from streams.offline.replay import replay
from streams.settings import Settings
from tests.support.composing import composed, opened
from tests.support.small_log import START, Size, behaviors, items, lines

HOUR = 3_600_000


def answer(number: int, shown: list[str], **more: object) -> Answer:
    """The recorded answer to query ``number``: explored by Plackett-Luce, each item as likely as the next."""
    some = [AnswerItem(item, 1.0, 0.5 if n < len(shown) - 1 else 1.0) for n, item in enumerate(shown)]
    given = {"time": START + number * 1_000, "request_id": f"r{number}", "user_id": f"u{number % 5}", "items": some}
    return Answer(**{**given, "surface": "home", "exploration": "plackett-luce", **more})  # type: ignore[arg-type]


def choice(number: int, item: str, kind: str = "click", **more: object) -> Behavior:
    """What the user did with an item of answer ``number``."""
    given = {"event_id": f"{kind}{number}{item}", "user_id": f"u{number % 5}", "item_id": item}
    return behavior(kind, **{**given, "time": START + number * 1_000 + 500, "request_id": f"r{number}", **more})


def raw(*events: Answer | Behavior | Item | Query) -> list[bytes]:
    """Events as the lines of a log."""
    return [encode(event) for event in events]


def test_choices_are_joined_to_the_answers_that_they_name() -> None:
    """The user's own, of an item that was shown, in time; one that came twice counts once."""
    found = chosen_answers("log", lines(raw(
        answer(1, ["a", "b", "c"]), choice(1, "b"), choice(1, "b"), choice(1, "a", "purchase"),
        answer(2, ["a", "b"]), choice(2, "z"), choice(2, "a", user_id="thief"),
        answer(3, ["a", "b"]), choice(3, "a", time=START + 5 * HOUR), choice(3, "b", "view"),
        choice(4, "a"),
    )), HOUR)  # fmt: skip
    assert {request: sorted(own.items) for request, own in found.lists.items()} == {"r1": ["a", "b"]}


def test_a_choice_counts_by_the_inverse_examination_of_its_position() -> None:
    """Where the first position is clicked three times as often as the second, the second counts thrice."""
    events: list[Answer | Behavior] = []
    for number in range(4_000):
        events += [answer(number, ["a", "b", "c"]), choice(number, "b" if number % 4 == 0 else "a")]
    found = chosen_answers("log", lines(raw(*events)), HOUR)
    assert found.lists["r0"].weight / found.lists["r1"].weight == pytest.approx(3, rel=0.1)
    assert found.examination()["examination home"].startswith("1.00 0.3")
    unexplored = [e if isinstance(e, Behavior) else msgspec.structs.replace(e, exploration="none") for e in events]
    assert {own.weight for own in chosen_answers("log", lines(raw(*unexplored)), HOUR).lists.values()} == {1.0}


def test_a_log_without_answers_says_what_to_record() -> None:
    """The error names the log and the topic."""
    with pytest.raises(LogError, match=r"'shop\.jsonl\.gz': nothing was chosen .*recommendations"):
        chosen_answers("shop.jsonl.gz", lines(raw(choice(1, "a"))), HOUR)


async def test_the_logs_own_queries_are_ranked_with_what_was_chosen_of_their_answers(
    redis_url: str,
) -> None:
    """A list for each answered query that was chosen from and whose choice is found, with its weight and surface."""
    settings = Settings(device="cpu", redis=redis_url)
    events = list(behaviors(Size(behaviors=120)))
    at = events[-1].time + 1_000
    asked = [
        Query(time=at, request_id="r1", user_id="u1"),
        Query(time=at + 1, request_id="r2", user_id="u2", text="milk"),
        Query(time=at + 2, request_id="r3", user_id="u3"),
    ]
    log = lines(raw(*items(), *events, *asked))
    chosen = {
        "r1": ChosenItems(["p0", "p8"], 0.25),
        "r2": ChosenItems(["p0"], 1.0),
        "r9": ChosenItems(["p0"], 1.0),
    }
    plan = LoggedLists(warm=0.0, chosen=chosen)
    found, writer = await log_rankings(log, settings, redis_url, composed(settings=settings).models, plan)
    assert (len(found), writer.missed) == (2, 0)
    assert [SURFACES[n] for n in found.surface.tolist()] == ["home", "search"]
    assert found.weight.tolist() == [0.25, 1.0]
    assert [int(found.chosen[found.rows(n)].sum()) for n in range(2)] == [2, 1]
    assert found.time.tolist() == [at, at + 1]


async def test_a_query_that_asks_for_reasons_is_no_trouble_to_lists_that_are_not_ranked(
    redis_url: str,
) -> None:
    """While rankings are logged no ranker says anything: reasons are what else adds to a score, and none is dead."""
    settings = Settings(device="cpu")
    unranked = replace(opened(), ranker=cast(Ranker, Unranked()))
    asked = [
        Query(time=START + HOUR, request_id="r1", user_id="u1", text="milk", explain=True),
        Query(time=START + HOUR, request_id="r2", user_id="u1", explain=True),
    ]
    answers: list[bytes] = []
    dead: list[bytes] = []
    log = lines(raw(*items(), *behaviors(Size(behaviors=40)), *asked))
    await replay(log, settings, redis_url, opened=unranked, on_answer=answers.append, on_dead=dead.append)
    assert dead == []
    shown = [item for answer in map(decode_answer, answers) for item in answer.items]
    assert shown
    assert all(sum((item.reasons or {}).values()) == pytest.approx(item.score, abs=1e-4) for item in shown)


async def test_answers_whose_items_are_gone_give_no_lists(redis_url: str) -> None:
    """What was chosen and is found no longer teaches nothing, and with nothing else the error says so."""
    settings = replace(Settings(device="cpu"), redis=redis_url)
    log = lines(raw(*items(), *behaviors(Size(behaviors=20)), Query(time=START + HOUR, request_id="r1", user_id="u1")))
    plan = LoggedLists(warm=0.0, chosen={"r1": ChosenItems(["gone"], 1.0)})
    with pytest.raises(RankingsError, match="none of 1 lists"):
        await log_rankings(log, settings, redis_url, composed(settings=settings).models, plan)
