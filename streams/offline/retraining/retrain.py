"""`python -m streams.offline.retraining.retrain`: train a ranker on the newest feedback; it takes over if it is better.

A worker starts it (``streams/worker/retraining_schedule.py``); by hand it does the same once. The last line on stdout
is the outcome, as JSON. Needs the extra `train`.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final, Literal

import click
import msgspec

from models.base.artifact import Artifact, current_version, with_figures
from models.base.errors import ModelError
from models.base.threads import one_thread
from models.ranking.ranker import Ranker
from streamrank_client.errors import SettingsError, StreamrankError
from streams.artifacts.opening import artifact_path, built_path
from streams.offline.retraining.logged_lists import (
    answered,
    catalogue_of,
    items_of,
    learnt_biases,
    newest_feedback,
    rankings_of,
)
from streams.settings import Settings, load
from streams.worker.retraining_schedule import RetrainingOutcome

__all__ = ["retrain"]

#: how much less urgent than serving it is (nice)
NICE: Final = 10
LOCK: Final = ".retraining"


async def retrain(settings: Settings, step: Callable[[], None] = lambda: None) -> RetrainingOutcome:
    """Train on the newest feedback, judge beside the ranker in place on the newest of it, and replace it if better.

    ``step`` is called at each step of training. Raises RankingsError with too few lists, SettingsError while another
    one is at work on these artifacts.
    """
    began = time.perf_counter()
    with _alone(settings.own_artifacts):
        place = artifact_path(settings, "ranker")
        old = Ranker(place, "cpu")
        biases = await learnt_biases(settings) if settings.position_bias else None
        lists = answered(await newest_feedback(settings), biases)
        catalogue = await catalogue_of(settings, items_of(lists))
        step()
        from models.training.ranker import SIZES, train

        rankings = rankings_of(lists, catalogue)
        with tempfile.TemporaryDirectory() as folder:
            draft = Path(folder) / "ranker"
            report = train(
                rankings, draft, progress=lambda *_: step(), source="feedback", sizes=SIZES, precision=_precision(old),
                against=old,
            )  # fmt: skip
            found, why = report.comparison, ""
            assert found is not None
            gain = found.difference
            if not report.written:
                why = "not better on the newest lists by more than chance"
            elif current_version(place) != old.version:
                why = "another ranker was put in place meanwhile"
            else:
                told = f"{gain.mean:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]"
                gained = {f"ndcg@10 over {old.version}": told}
                with_figures(Artifact.load(draft), built_path(settings, "ranker"), gained)
    return RetrainingOutcome(
        outcome="kept" if why else "better",
        old=old.version,
        new=report.version,
        lists=len(rankings),
        judged=found.lists,
        ndcg=round(found.new, 4),
        before=round(found.old, 4),
        difference=(round(gain.mean, 4), round(gain.low, 4), round(gain.high, 4)),
        seconds=round(time.perf_counter() - began, 1),
        why=why,
    )


def _precision(ranker: Ranker) -> Literal["float32", "float16"]:
    """That of a ranker's graph, which its successor keeps: it was chosen for the device of the workers."""
    return "float16" if ranker.artifact.manifest.created_from.get("precision") == "float16" else "float32"


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, which ends with this process. Raises SettingsError while another one holds it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SettingsError(f"'{folder}': a ranker is being retrained there: wait until it is done") from None
        yield


def main() -> int:
    """Retrain once, as little urgent as can be; the exit code. Ends when the process that started it has."""
    parent = os.getppid()
    os.nice(NICE)
    signal.signal(signal.SIGTERM, _end)
    one_thread()

    def step() -> None:
        if os.getppid() != parent:
            raise SystemExit("the worker that started this has ended")

    try:
        outcome = asyncio.run(retrain(load(), step))
    except (StreamrankError, ModelError) as error:
        click.echo(str(error), err=True)
        return 1
    click.echo(msgspec.json.encode(outcome))
    return 0


def _end(_number: int, _frame: FrameType | None) -> None:
    """End as the interpreter does, so that temporary files go."""
    raise SystemExit("ended by SIGTERM")


if __name__ == "__main__":
    sys.exit(main())
