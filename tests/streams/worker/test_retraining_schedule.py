"""The schedule of retraining: when it is due, one process at a time, and what becomes of it."""

from __future__ import annotations

import asyncio
import os
import sys
from time import monotonic

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamrank_client.errors import SettingsError
from streams.settings import Settings
from streams.worker import retraining_schedule
from streams.worker.metrics import Metrics
from streams.worker.retraining_schedule import RetrainingOutcome, Schedule

DONE = RetrainingOutcome("better", "old", "new", 300, 30, 0.5, 0.4, (0.1, 0.05, 0.15), 1.0)


def schedule(code: str, every: int = 10) -> Schedule:
    """A schedule whose process runs this Python code."""
    return Schedule(Settings(retrain_every=every), Metrics(), True, (sys.executable, "-c", code))


def count(one: Schedule, outcome: str) -> float:
    """How many retrainings ended so."""
    value = one._metrics.registry.get_sample_value("streamrank_retrainings_total", {"outcome": outcome})
    return value or 0.0


async def until(one: Schedule, outcome: str) -> None:
    """Wait until a retraining has ended so."""
    deadline = monotonic() + 30
    while not count(one, outcome):
        assert monotonic() < deadline, f"none ended with {outcome!r}"
        await asyncio.sleep(0.01)


@given(every=st.integers(1, 50), sizes=st.lists(st.integers(1, 49), max_size=40))
def test_however_feedback_is_cut_and_restarted_it_is_due_every_so_often(every: int, sizes: list[int]) -> None:
    """Batches no longer than the interval: as many retrainings as the number of examples has full intervals."""
    sizes = [min(size, every) for size in sizes]
    first = due = 0
    for size in sizes:
        # a schedule of its own for each batch: nothing is remembered but the offsets
        due += Schedule(Settings(retrain_every=every), Metrics()).due(first, first + size - 1)
        first += size
    assert due == sum(sizes) // every


def test_before_the_first_interval_it_is_due_whenever_the_feedback_has_doubled() -> None:
    """A shop's first few hundred choices are worth a ranker; with an interval of 1,000: 400, 800, then 1,000, 2,000."""
    one = Schedule(Settings(retrain_every=1_000), Metrics())
    assert [n + 1 for n in range(2_500) if one.due(n, n)] == [400, 800, 1_000, 2_000]
    assert one.due(350, 450)
    assert not one.due(400, 798)


async def test_the_outcome_of_the_process_is_counted() -> None:
    """What the process says on its last line is the outcome; it starts with the example that makes the number full."""
    one = schedule(f"print('hello'); print({msgspec.json.encode(DONE).decode()!r})")
    one.learnt(3, 8)
    assert one._task is None
    one.learnt(9, 9)
    await until(one, "better")
    assert (count(one, "kept"), count(one, "failed")) == (0, 0)


@pytest.mark.parametrize("code", ["import sys; sys.exit('no lists')", "print('no outcome')", "pass"])
async def test_a_process_that_fails_is_counted_as_failed(code: str) -> None:
    """An exit code, a line that is none, and silence: each is a failure, and the next one may start."""
    one = schedule(code)
    one.start()
    await until(one, "failed")
    assert one._task is not None
    await one._task
    one.start()
    assert not one._task.done()
    await one.stop()


async def test_one_process_runs_at_a_time_and_ends_with_the_worker() -> None:
    """A second start while the first runs is left out; stop ends the process by its id."""
    one = schedule("import time; time.sleep(600)")
    one.start()
    deadline = monotonic() + 30
    while one._process is None:
        assert monotonic() < deadline
        await asyncio.sleep(0.01)
    pid = one._process.pid
    one.start()
    await asyncio.sleep(0.05)
    assert one._process.pid == pid
    await one.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_worker_without_torch_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the worker that takes feedback needs it, and only where rankers are retrained."""
    monkeypatch.setattr(retraining_schedule, "find_spec", lambda _: None)
    with pytest.raises(SettingsError, match=r"STREAMRANK_RETRAIN_EVERY=5 .*extra `train`"):
        Schedule(Settings(retrain_every=5), Metrics())
    Schedule(Settings(retrain_every=5), Metrics(), here=False)
    Schedule(Settings(), Metrics())
