"""Whose turn it is: explained queries, which are dear, hold nobody up for longer than one of them takes."""

from __future__ import annotations

import asyncio

from streamrank_client.events import Query
from streams.handlers.budget import cost
from streams.policy.plans import plan_of
from streams.settings import PlanSettings
from streams.wire.messages import Record
from streams.worker.lanes import Lanes, Waiting
from streams.worker.stages.queries import TOGETHER, WORK

BUDGET = plan_of(PlanSettings()).work


def waiting(number: int, candidates: int, explain: bool) -> Waiting:
    """A query of a user of its own."""
    query = Query(time=0, request_id=f"r{number}", explain=explain)
    work = cost(candidates, BUDGET, explain=explain)
    return Waiting(query, Record(b"k", b"", number, 0), number % 4, f"u{number}", work, explain, asyncio.Future())


async def test_300_explained_reranks_of_1000_candidates_hold_no_other_query_up() -> None:
    """Of what is done before the last of 138 plain queries is answered, explained ones are at most one a turn.

    Counted in candidates scored: nothing is timed.
    """
    lanes = Lanes(TOGETHER, WORK)
    for number in range(300):
        lanes.put(waiting(number, 1_000, explain=True))
    for number in range(300, 438):
        lanes.put(waiting(number, 200, explain=False))
    plain, turns, explained, work, unlimited = 138, 0, 0, 0, 0
    while plain:
        turn = lanes.take()
        work += sum(one.work for one in turn)
        if turn[0].explained:
            assert len(turn) == 1
            explained += 1
            unlimited += cost(1_000, 1_000_000, explain=True)
        else:
            assert sum(one.work for one in turn) <= WORK
            plain -= len(turn)
            turns += 1
    assert explained <= turns
    assert work <= 138 * 200 + turns * BUDGET
    assert work < 0.45 * (138 * 200 + unlimited), "the budget does not bind"
    assert len(lanes) == 300 - explained


async def test_one_users_many_queries_wait_behind_everybody_elses_first() -> None:
    """A user with 500 queries is one of many in each turn."""
    lanes = Lanes(TOGETHER, WORK)
    many = [Waiting(Query(time=0, request_id=f"m{n}"), Record(b"k", b"", n, 0), 0, "busy", 200, False, asyncio.Future())
            for n in range(500)]  # fmt: skip
    for one in many:
        lanes.put(one)
    others = [Waiting(Query(time=0, request_id=f"o{n}"), Record(b"k", b"", n, 0), 0, f"u{n}", 200, False,
                      asyncio.Future()) for n in range(40)]  # fmt: skip
    for one in others:
        lanes.put(one)
    first = [*lanes.take(), *lanes.take()]
    assert {one.user for one in first} == {"busy", *(f"u{n}" for n in range(40))}
