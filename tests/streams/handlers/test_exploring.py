"""Exploration from setting to answer, to what is kept, to what is learnt."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from models.base.errors import ModelError
from models.learning.online import INPUTS, OnlineRanker
from models.learning.position_bias import PositionBias
from state import keys
from state.impressions import decode as decode_shown
from streamrank_client.answers import Answer
from streamrank_client.errors import SettingsError
from streamrank_client.events import Query, encode
from streamrank_client.fields import Place
from streamrank_client.making import behavior
from streams.handlers.learning import on_feedback
from streams.handlers.queries import Answered
from streams.policy.choice import PlanChoice
from streams.policy.plans import plan_of
from streams.settings import Settings
from streams.wire.feedback import Feedback
from tests.support.composing import Answering
from tests.support.driving import Ingest, records
from tests.support.small_log import START

NOW = START + 10 * 60_000


@pytest.fixture
def explored(shelf: Answering) -> Answering:
    """The shelf under a Plackett-Luce policy."""
    plan = plan_of(Settings(exploration="plackett-luce", temperature=2.0, explored_positions="2-4"))
    return replace(shelf, plans=PlanChoice(plan))


def ask(shelf: Answering, **given: object) -> Answered:
    """The answer to one query on an empty state, and what is kept of it."""
    query = Query(**{"time": NOW, "request_id": "r1", "user_id": "u1", "text": "milk", "limit": 5, **given})  # type: ignore[arg-type]
    return shelf.answers(query)


def ids(answer: Answer) -> list[str]:
    """The items of an answer."""
    return [item.item_id for item in answer.items]


def test_an_answer_names_its_policy_and_only_the_positions_of_the_setting_change(explored: Answering) -> None:
    """Twenty requests: the first and the fifth item stay, with propensity 1; those between are drawn."""
    plain = ask(explored.with_plan(policy=plan_of(Settings()).policy)).answers[0]
    assert plain.exploration == "none"
    assert b"exploration" not in encode(plain)
    drawn = [ask(explored, request_id=f"r{n}").answers[0] for n in range(20)]
    assert {answer.exploration for answer in drawn} == {"plackett-luce"}
    for answer in drawn:
        assert [ids(answer)[k] for k in (0, 4)] == [ids(plain)[k] for k in (0, 4)]
        assert [answer.items[k].propensity for k in (0, 4)] == [1, 1]
        assert all(0 < answer.items[k].propensity < 1 for k in (1, 2, 3))
    assert len({tuple(ids(answer)) for answer in drawn}) > 5
    assert encode(drawn[3]) == encode(ask(explored, request_id="r3").answers[0])


def test_pages_under_plackett_luce_share_nothing(explored: Answering) -> None:
    """A further page that names page one goes on from what that one drew; one that names none is not explored."""
    explored = explored.with_plan(positions=((1, 9),))
    for n in range(5):
        pages = [
            ask(explored, request_id=f"q{n}-{p}", page_of=f"q{n}-0" if p else None, offset=5 * p).answers[0]
            for p in range(3)
        ]
        found = [item for page in pages for item in ids(page)]
        assert len(found) == len(set(found))
    assert ask(explored, offset=5).answers[0].exploration == "none"


def test_a_click_carries_how_its_item_could_have_been_exchanged(explored: Answering) -> None:
    """From the answer's impression to the training example; the first item could not."""
    kept = ask(explored)
    stored = dict(kept.expiring)
    shown = decode_shown(stored[keys.impression(0, "r1")])
    assert shown.exchange is not None
    assert shown.exchange[0].tolist() == [0, 0]
    assert (shown.exchange[1:3, 1] > 0).all()
    found = Ingest(stored=stored)
    events = [
        behavior("click", event_id=f"e{k}", user_id="u1", item_id=shown.items[k], request_id="r1", time=NOW + 1_000 + k)
        for k in (0, 2)
    ]
    found.fold(records(events, arrival=NOW))
    first, third = found.feedback
    assert (first.up, first.down) == (0.0, 0.0)
    assert [third.up, third.down] == shown.exchange[2].tolist()


def test_without_exploration_nothing_more_is_kept(shelf: Answering) -> None:
    """Nor stands it on the feedback."""
    shown = decode_shown(dict(ask(shelf).expiring)[keys.impression(0, "r1")])
    assert shown.exchange is None


def example(offset: int, chosen: int, up: float = 0.0, down: float = 0.0) -> Feedback:
    """A click on one of four items, each found by a source of its own."""
    inputs = np.eye(4, len(INPUTS), dtype=np.float32)
    return Feedback(
        Place(0, offset), "home", f"r{offset}", "u1", "p1", "click", NOW, 1.0, chosen, 0.5, "control", list("abcd"),
        inputs.tolist(), up=up, down=down,
    )  # fmt: skip


def trained(examples: list[Feedback], correct: bool) -> tuple[dict[str, float], PositionBias]:
    """The weights after examples, and the position bias."""
    ranker, bias = OnlineRanker(0.1), PositionBias()
    on_feedback(examples, np.array([-1]), {"home": ranker}, {"home": bias}, correct)
    return dict(zip(INPUTS, ranker.current().weights, strict=True)), bias


def test_a_click_further_down_counts_more_where_positions_are_known_to_matter() -> None:
    """Looked at a quarter as often as the first, a click on the third of four moves its weight four times as far."""
    moved = {}
    for chosen in (0, 2):
        ranker, bias = OnlineRanker(0.01), PositionBias()
        for position, clicks in ((0, 200), (1, 90), (2, 35)):
            for _ in range(clicks):
                bias.learn(position, float(position > 0), float(position < 2))
        assert (bias.weight(0), bias.weight(2)) == (0.25, 1.0)
        on_feedback([example(0, chosen)], np.array([-1]), {"home": ranker}, {"home": bias}, correct=True)
        weights = dict(zip(INPUTS, ranker.current().weights, strict=True))
        moved[chosen] = weights[INPUTS[chosen]]
        # all the others are what it is compared with, not only those above and the next
        assert all(weights[name] < 0 for name in INPUTS[:4] if name != INPUTS[chosen])
    assert moved[2] == pytest.approx(4 * moved[0], rel=0.05)


def test_the_correction_waits_until_something_is_known() -> None:
    """Without exchanges the setting changes nothing; without the setting, what is known does not."""
    blind = [example(n, n % 4) for n in range(30)]
    assert trained(blind, True)[0] == trained(blind, False)[0]
    seen = [msgspec.structs.replace(one, down=1.0) for one in blind]
    assert trained(seen, False)[0] == trained(blind, False)[0]
    assert trained(seen, True)[0] != trained(blind, False)[0]


def test_a_purchase_says_nothing_of_positions() -> None:
    """What is bought was clicked before: the click has been counted."""
    bought = [msgspec.structs.replace(example(n, 1, 1.0, 1.0), kind="purchase") for n in range(9)]
    assert trained(bought, True)[1].known == 0


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({}, "none"),
        ({"epsilon": 0.1}, "epsilon-swap"),
        ({"exploration": "epsilon-swap", "epsilon": 0.1}, "epsilon-swap"),
        ({"exploration": "none", "epsilon": 0.1}, "none"),
        ({"exploration": "plackett-luce", "epsilon": 0.1}, "plackett-luce"),
    ],
    ids=str,
)
def test_the_settings_name_a_policy(given: dict[str, object], name: str) -> None:
    """Epsilon alone is an epsilon-swap, as it was before there were others."""
    assert plan_of(Settings(**given)).policy.name == name  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"exploration": "epsilon-swap"}, "STREAMRANK_EXPLORATION=epsilon-swap.*STREAMRANK_EPSILON"),
        ({"explored_positions": "0-3"}, "STREAMRANK_EXPLORED_POSITIONS='0-3'.*from 1"),
        ({"explored_positions": "4-2"}, "STREAMRANK_EXPLORED_POSITIONS='4-2'.*lower one first"),
        ({"explored_positions": "1,top"}, "'top': expected a position or a range"),
        ({"temperature": 0.0}, "STREAMRANK_TEMPERATURE"),
        ({"floor": -1.0}, "STREAMRANK_FLOOR"),
    ],
    ids=str,
)
def test_a_wrong_setting_is_refused_by_name(given: dict[str, object], said: str) -> None:
    """With the value and what to do."""
    with pytest.raises((SettingsError, ModelError), match=said):
        plan_of(Settings(**given))  # type: ignore[arg-type]
