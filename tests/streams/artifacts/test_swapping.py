"""An artifact swapped in while a batch is answered: the batch goes on with the models that it began with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from models.base.arrays import AnyRows, Floats
from models.items.catalogue import Catalogue
from models.ranking.ranker import Ranker, RankInput
from models.text.encoder import Encoder
from models.tower.column import TowerColumn
from models.tower.item_tower import ItemTower
from state.store import LeaveOut, Store
from streamrank_client.answers import Answer, decode_answer
from streamrank_client.events import Query, encode
from streamrank_client.making import behavior
from streams.artifacts.opening import Opened
from streams.artifacts.tables import Tables
from streams.wire.messages import Record
from streams.worker.stages.queries import QueryStage
from tests.support.composing import Answering, opened
from tests.support.driving import Ingest, batch_of, records
from tests.support.small_log import START
from tests.support.stages import Kept, workplace

NOW = START + 600_000
#: rounds in which a turn of queries reads
READS = 3


class Interrupted:
    """A store over a dict that calls ``meanwhile`` after the ``after``-th read, while the turn waits for Redis."""

    def __init__(self, stored: dict[bytes, bytes], meanwhile: Callable[[], None], after: int) -> None:
        self.stored, self.meanwhile, self.after, self.reads = stored, meanwhile, after, 0

    async def read(self, wanted: Sequence[bytes], leave_out: LeaveOut | None = None) -> list[bytes | None]:
        """What is stored."""
        self.reads += 1
        if self.reads == self.after:
            self.meanwhile()
        return [self.stored.get(name) for name in wanted]

    async def write_expiring(self, pairs: Sequence[tuple[bytes, bytes]], seconds: int) -> None:
        """Nothing is kept."""


class Lifted:
    """A ranker under a version of its own, which scores everything higher by five."""

    def __init__(self, ranker: Ranker) -> None:
        self._ranker, self.version = ranker, "lifted"

    def __getattr__(self, name: str) -> object:
        return getattr(self._ranker, name)

    def score(self, batch: Sequence[RankInput]) -> list[Floats]:
        """The other's scores and five."""
        return [scores + np.float32(5) for scores in self._ranker.score(batch)]


def clicked() -> dict[bytes, bytes]:
    """What is stored after u1 clicked three items."""
    ingest = Ingest()
    clicks = [behavior("click", event_id=f"e{n}", user_id="u1", item_id=f"p{n}", time=START + n) for n in range(3)]
    ingest.fold(records(clicks))
    return ingest.all_stored


async def answers(
    shelf: Answering,
    tables: Tables,
    meanwhile: Callable[[], None] = lambda: None,
    after: int = 0,
    *,
    explained: bool,
) -> list[Answer]:
    """The answers of one turn: to a query that is explained, or to two of u1's partition that are not; ``meanwhile`` is
    called after so many reads.
    """
    store, kept = Interrupted(clicked(), meanwhile, after), Kept()
    stage = QueryStage(workplace(cast(Store, store), kept, tables, plans=shelf.plans))
    asked = [Query(time=NOW, request_id="r1", user_id="u1", explain=explained, language="en")]
    if not explained:
        asked.append(Query(time=NOW, request_id="r2", user_id="u2", text="milk"))
    batch = batch_of([Record(query.key.encode(), encode(query), n, NOW) for n, query in enumerate(asked)])
    await stage.handle(0, batch)
    assert store.reads == READS
    return [decode_answer(raw) for raw in kept.of("recommendations")]


@pytest.mark.parametrize("explained", [False, True])
@pytest.mark.parametrize("after", range(1, READS + 1))
async def test_an_answer_is_scored_and_labelled_by_the_ranker_that_its_turn_began_with(
    shelf: Answering, after: int, explained: bool
) -> None:
    """Whichever read the swap comes in: byte for byte as without it; the next turn has the new ranker throughout."""
    before = await answers(shelf, Tables(shelf.models), explained=explained)
    tables = Tables(shelf.models)
    lifted = replace(opened(), ranker=cast(Ranker, Lifted(shelf.models.ranker)))
    during = await answers(shelf, tables, lambda: tables.swap(lifted, tower=False), after, explained=explained)
    assert [encode(answer) for answer in during] == [encode(answer) for answer in before]
    later = await answers(shelf, tables, explained=explained)
    assert {answer.artifact for answer in before} == {shelf.models.ranker.version}
    assert {answer.artifact for answer in later} == {"lifted"}
    for old, new in zip(before, later, strict=True):
        assert [item.score for item in new.items] == pytest.approx([item.score + 5 for item in old.items], abs=1e-4)


def tower() -> TowerColumn:
    """A tower whose vectors are random, one for each item of the catalogue."""

    def vectors(catalogue: Catalogue, rows: AnyRows) -> Floats:
        some = np.random.default_rng(3).normal(size=(len(catalogue), 64))[rows]
        return cast(Floats, (some / np.linalg.norm(some, axis=1, keepdims=True)).astype(np.float32))

    return TowerColumn(cast(ItemTower, SimpleNamespace(version="random", vectors=vectors)))


@pytest.mark.parametrize("explained", [False, True])
@pytest.mark.parametrize("after", range(1, READS + 1))
async def test_a_tower_that_is_taken_away_while_a_turn_is_answered_serves_it_to_its_end(
    shelf: Answering, after: int, explained: bool
) -> None:
    """Its candidates and features are those of an undisturbed turn; the next one does without."""
    column = tower()
    column.put(shelf.models.catalogue, np.arange(len(shelf.models.catalogue)))
    models = replace(shelf.models, tower=column)
    before = await answers(shelf, Tables(models), explained=explained)
    assert any("tower" in item.sources for item in before[0].items)
    tables = Tables(models)
    gone: Opened = replace(opened(), tower=None)
    during = await answers(shelf, tables, lambda: tables.swap(gone, tower=True), after, explained=explained)
    assert [encode(answer) for answer in during] == [encode(answer) for answer in before]
    assert tables.models.tower is None
    later = await answers(shelf, tables, explained=explained)
    assert not any("tower" in item.sources for answer in later for item in answer.items)


def test_a_swap_leaves_the_composition_that_a_turn_holds_as_it_is(shelf: Answering) -> None:
    """Only what the tables hold is another; catalogue, lore and rules are the same objects in both."""
    tables = Tables(shelf.models)
    lifted = cast(Ranker, Lifted(shelf.models.ranker))
    own = cast(Encoder, SimpleNamespace(version="own"))
    tables.swap(replace(opened(), ranker=lifted, intent_encoder=own), tower=False)
    assert shelf.models.ranker is not lifted
    assert shelf.models.intent_encoder is not own
    assert tables.models.versions()["intent-encoder"] == "own"
    assert tables.models.ranker is lifted
    for name in ("catalogue", "lore", "rule_book"):
        assert getattr(tables.models, name) is getattr(shelf.models, name)
