"""The stage of feedback on a real Redis: what it knows is stored with its watermark, and goes on from there."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

import numpy as np
import pytest
from structlog.testing import capture_logs

from models.learning.drift import DriftAlarm
from models.learning.position_bias import PositionBias
from models.ranking.weights import INPUTS
from state.store import Store
from streamrank_client.fields import Place
from streams.errors import NotOwner
from streams.settings import checkout
from streams.wire.feedback import Feedback, encode_feedback
from streams.wire.messages import Batch, Record
from streams.worker.stages.feedback import FeedbackStage
from tests.support.driving import DEPLOYMENT, batch_of
from tests.support.servers import flush
from tests.support.stages import Kept, workplace
from tests.support.worker_process import stored

LEARNT = ("online:*", "position_bias:*", "drift:*", "silence:*", "wm:*feedback")


def feedback(count: int) -> Batch:
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
            inputs.tolist(), up=up, down=down, scored=["covisits", "popular"] if n % 3 else ["popular"],
        )  # fmt: skip
        found.append(Record(surface.encode(), encode_feedback(one), n, n))
    return batch_of(found)


async def state_after(url: str, cuts: Sequence[int], correct: bool, restart: bool) -> dict[bytes, bytes]:
    """What is stored after the same feedback in batches cut there, by one worker or by many; each comes twice, and is
    refused the second time.
    """
    flush(url)
    records = feedback(60)
    store = Store(url)
    place = workplace(store, Kept(), deployment=DEPLOYMENT, position_bias=correct)
    try:
        stage = FeedbackStage(place)
        for first, last in zip([0, *cuts], [*cuts, 60], strict=True):
            await stage.handle(0, batch_of(records[first:last]))
            once = stored(url, *LEARNT)
            if restart:
                stage = FeedbackStage(place)
            with pytest.raises(NotOwner):
                await stage.handle(0, batch_of(records[first:last]))
            assert stored(url, *LEARNT) == once
    finally:
        await store.close()
    return stored(url, *LEARNT)


@pytest.mark.parametrize("correct", [False, True])
async def test_restarts_and_repeated_deliveries_change_nothing_that_is_stored(redis_url: str, correct: bool) -> None:
    """What is learnt, the drift alarms and the watermark are byte for byte those of one worker never stopped."""
    once = await state_after(redis_url, (20, 41), correct, restart=False)
    assert await state_after(redis_url, (20, 41), correct, restart=True) == once
    assert {key.split(b":")[0] for key in once} == {b"online", b"position_bias", b"drift", b"silence", b"wm"}


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
    place = workplace(store, Kept(), deployment=DEPLOYMENT)
    try:
        await FeedbackStage(place).handle(0, feedback(60))
    finally:
        await store.close()
    samples = [sample for family in place.metrics.registry.collect() for sample in family.samples]
    told = [sample for sample in samples if sample.name == "streamrank_examination"]
    assert {sample.labels["surface"] for sample in told} == {"home", "search"}
    home = {sample.labels["position"]: sample.value for sample in told if sample.labels["surface"] == "home"}
    assert home.keys() == {"1", "2", "3", "4"}
    assert home["1"] == 1.0


async def test_the_alarm_is_the_same_however_batches_are_cut(redis_url: str) -> None:
    """It takes each loss once and in order, whatever the weights make of a cut."""
    whole = await state_after(redis_url, (), False, restart=False)
    cut = await state_after(redis_url, (1, 2, 33), False, restart=True)
    for surface in (b"home", b"search"):
        assert whole[b"drift:{0}:" + surface] == cut[b"drift:{0}:" + surface]
        assert whole[b"silence:{0}:" + surface] == cut[b"silence:{0}:" + surface]
        assert DriftAlarm.restore(whole[b"drift:{0}:" + surface]).seen == 30


def click_at(position: int, number: int, scored: list[str] | None = None) -> Record:
    """A click at a position of a list of ten on the home surface, in which these sources scored something."""
    inputs = np.zeros((10, len(INPUTS)), np.float32).tolist()
    items = [f"p{n}" for n in range(10)]
    one = Feedback(
        Place(0, number), "home", f"r{number}", "u1", items[position], "click", number, 1.0, position, 1.0, "control",
        items, inputs, scored=scored, usual=5.5,
    )  # fmt: skip
    return Record(b"home", encode_feedback(one), number, number)


async def test_a_worker_raises_the_alarm_when_choices_sink_in_the_list(redis_url: str) -> None:
    """Counted on `/metrics` by surface, and told in one log line that says where to look."""
    flush(redis_url)
    store = Store(redis_url)
    stage = FeedbackStage(workplace(store, Kept(), deployment=DEPLOYMENT))
    try:
        with capture_logs() as lines:
            await stage.handle(0, batch_of([click_at(n % 2, n) for n in range(400)]))
            calm = stage.at.metrics.text().decode()
            await stage.handle(0, batch_of([click_at(9, n) for n in range(400, 500)]))
    finally:
        await store.close()
    assert 'streamrank_drift_alarms_total{surface="home"} 0.0' in calm
    told = stage.at.metrics.text().decode()
    assert 'streamrank_drift_alarms_total{surface="home"} 1.0' in told
    losses = [line for line in told.splitlines() if line.startswith("streamrank_feedback_loss{")]
    assert len(losses) == 1
    assert 0.3 < float(losses[0].split()[-1]) < 0.6
    (line,) = [line for line in lines if line["event"].startswith("drift alarm")]
    assert line["surface"] == "home"
    assert line["loss"] > line["loss_before"]
    assert "docs/operations.md" in line["look_at"]


async def test_a_worker_tells_which_source_fell_silent(redis_url: str) -> None:
    """After fifty lists without a score of it, once, by name; feedback of an older version says nothing of sources."""
    flush(redis_url)
    store = Store(redis_url)
    stage = FeedbackStage(workplace(store, Kept(), deployment=DEPLOYMENT))
    both, one = ["covisits", "popular"], ["popular"]
    try:
        with capture_logs() as lines:
            await stage.handle(0, batch_of([click_at(0, n, both) for n in range(300)]))
            await stage.handle(0, batch_of([click_at(0, n) for n in range(300, 400)]))
            await stage.handle(0, batch_of([click_at(0, n, one) for n in range(400, 449)]))
            before = list(lines)
            await stage.handle(0, batch_of([click_at(0, n, one) for n in range(449, 549)]))
    finally:
        await store.close()
    assert not before
    (line,) = lines
    assert (line["surface"], line["source"]) == ("home", "covisits")
    counted = stage.at.metrics.text().decode()
    assert 'streamrank_silent_sources_total{source="covisits",surface="home"} 1.0' in counted


def test_a_worker_that_does_not_train_does_not_load_river() -> None:
    """River comes with the first feedback; the application alone, and the query path, do without."""
    code = "import sys, streams.worker.app, streams.handlers.queries; assert 'river' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, cwd=checkout())
