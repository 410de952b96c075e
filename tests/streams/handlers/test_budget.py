"""A query's budget of work: what is scored is counted, and what would be more is cut and said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.ranking.explanations import NOT_EXPLAINED
from models.ranking.ranker import Ranker, RankInput
from streamrank_client.answers import CANDIDATES_CUT, REASONS_CUT
from streamrank_client.errors import SettingsError
from streamrank_client.events import Query
from streams.handlers.budget import cost, explained, ranked
from streams.policy.plans import plan_of
from streams.settings import PlanSettings
from tests.support.composing import Answering
from tests.support.small_log import START


def given_items(count: int, **more: object) -> Query:
    """A query that has the first items of the shelf put in order, explained in words."""
    items = [f"p{n}" for n in range(count)]
    asked = {"time": START + 1, "request_id": "r1", "candidates": items, "explain": True, "language": "en", **more}
    return Query(**asked)  # type: ignore[arg-type]


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many candidates each run of the ranker scored."""
    counts: list[int] = []
    run = Ranker._run

    def counted(self: Ranker, batch: list[RankInput]) -> object:
        counts.extend(len(one.features) for one in batch)
        return run(self, batch)

    monkeypatch.setattr(Ranker, "_run", counted)
    return counts


@given(st.integers(0, 5_000), st.integers(100, 100_000), st.booleans())
def test_no_query_costs_more_than_its_budget(candidates: int, budget: int, explain: bool) -> None:
    """However many candidates it has; and it is explained among all of them where the budget allows it."""
    assert cost(candidates, budget, explain=explain) <= budget
    assert explained(candidates, budget) <= ranked(candidates, budget) or candidates > budget


@pytest.mark.parametrize("work", [100, 200, 800, 1_500, 10_000])
def test_what_is_scored_for_an_explained_query_is_within_its_budget(
    shelf: Answering, scored: list[int], work: int
) -> None:
    """The ranker's own count of rows is at most the budget, which is said to be cut where it does not suffice."""
    answer = shelf.with_plan(work=work).answer(given_items(80))
    assert 0 < sum(scored) <= cost(80, work, explain=True) <= work
    assert answer.cut == ([] if work >= 10_000 else [REASONS_CUT])


@pytest.mark.parametrize("work", [1_500, 2_000])
def test_reasons_that_are_cut_add_up_to_the_scores(shelf: Answering, work: int) -> None:
    """The candidates among which an item was not explained are a line of its reasons."""
    whole = shelf.answer(given_items(80))
    cut = shelf.with_plan(work=work).answer(given_items(80))
    assert [(one.item_id, one.score) for one in cut.items] == [(one.item_id, one.score) for one in whole.items]
    assert len(cut.items) == 10
    for item in cut.items:
        assert sum((item.reasons or {}).values()) == pytest.approx(item.score, abs=1e-4)
    assert any(NOT_EXPLAINED in (item.reasons or {}) for item in cut.items)
    assert not any(NOT_EXPLAINED in (item.reasons or {}) for item in whole.items)


def test_the_last_items_have_no_reasons_where_the_budget_ends_before_them(shelf: Answering) -> None:
    """Eighty are ranked, and what is left of the budget explains three of the ten shown."""
    answer = shelf.with_plan(work=180).answer(given_items(80))
    assert [item.reasons is not None for item in answer.items] == [True] * 3 + [False] * 7
    assert all(item.features for item in answer.items)


def test_candidates_beyond_the_budget_are_not_ranked_and_the_answer_says_so(shelf: Answering) -> None:
    """A query's first candidates are; without `explain` nothing else is cut."""
    answer = shelf.with_plan(work=50).answer(given_items(80, explain=False, limit=100))
    assert {item.item_id for item in answer.items} == {f"p{n}" for n in range(50) if n != 28}, "p28 is sold out"
    assert answer.cut == [CANDIDATES_CUT]


def test_an_answer_that_is_not_cut_says_nothing(shelf: Answering) -> None:
    """Two hundred candidates and their explanation are within the default budget."""
    assert cost(200, plan_of(PlanSettings()).work, explain=True) < plan_of(PlanSettings()).work
    assert shelf.answer(Query(time=START + 1, request_id="r1", text="milk", explain=True)).cut == []


def test_more_candidates_than_the_budget_are_refused_at_the_start() -> None:
    """What a deployment ranks by default is never cut."""
    with pytest.raises(SettingsError, match="STREAMRANK_CANDIDATES=500 is more than STREAMRANK_QUERY_WORK=400"):
        plan_of(PlanSettings(candidates=500, query_work=400))
