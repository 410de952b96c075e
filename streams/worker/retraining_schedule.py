"""Retraining on a schedule: the trainer's worker starts a process for it after every so many feedback examples.

The count is that of the feedback topic's offsets, of which the trainer stores how far it has come: whenever it passes
a multiple of the setting, a retraining is due, and before the first of them whenever it has doubled (``EARLY``). So a
restart loses none and counts none twice.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from typing import Final, Literal

import msgspec
import structlog

from streamrank_client.errors import SettingsError
from streamrank_client.settings import environment
from streams.settings import Settings, variable
from streams.worker.metrics import Metrics

log = structlog.get_logger(__name__)

#: -P: a folder `streams` in the working directory is somebody else's
COMMAND: Final = (sys.executable, "-P", "-m", "streams.offline.retraining.retrain")
#: seconds that the process gets to end before it is killed
PATIENCE: Final = 5.0
#: examples after which a ranker is retrained below the setting: a shop's own few hundred choices are worth more to it
#: than all that another shop's ranker knows (docs/decisions/0022-early-retraining.md)
EARLY: Final = tuple(400 << doubled for doubled in range(20))


class RetrainingOutcome(msgspec.Struct, frozen=True):
    """``better``: the ranker ``new`` has taken over from ``old``; ``kept``: it has not, ``why`` says the reason.

    ``lists`` in all, the newest ``judged`` of them judged both: NDCG@10 ``ndcg`` and ``before``, and the paired
    ``difference`` with its 95 % interval (mean, low, high).
    """

    outcome: Literal["better", "kept"]
    old: str
    new: str
    lists: int
    judged: int
    ndcg: float
    before: float
    difference: tuple[float, float, float]
    seconds: float
    why: str = ""


_decoded = msgspec.json.Decoder(RetrainingOutcome).decode


class Schedule:
    """Counts feedback and runs at most one retraining at a time; new rankers are swapped in as any other artifact."""

    def __init__(
        self, settings: Settings, metrics: Metrics, here: bool = True, command: Sequence[str] = COMMAND
    ) -> None:
        """``here``: whether this worker takes feedback. Raises SettingsError where it does, rankers are to be
        retrained and the extra `train` is missing."""
        self._settings = settings
        self._metrics = metrics
        self._command = command
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None
        if here and settings.retrain_every and find_spec("torch") is None:
            name = variable("retrain_every")
            raise SettingsError(f"{name}={settings.retrain_every} needs torch: install the extra `train`, or set 0")

    def learnt(self, first: int, last: int) -> None:
        """Count the examples at the offsets ``first`` to ``last``; start a retraining if one of them makes the number
        full.
        """
        if self.due(first, last):
            self.start()

    def due(self, first: int, last: int) -> bool:
        """Whether one of the examples at the offsets ``first`` to ``last`` makes the number full.

        >>> schedule = Schedule(Settings(retrain_every=0), Metrics())
        >>> schedule.due(0, 10_000)
        False
        """
        every = self._settings.retrain_every
        return every > 0 and retrainings(first, every) < retrainings(last + 1, every)

    def start(self) -> None:
        """Start a retraining, unless one is running: then this one is left out."""
        if self._task is not None and not self._task.done():
            log.warning("a ranker is still being retrained: this time is left out")
            return
        self._task = asyncio.create_task(self._run(), name="streamrank-retraining")

    async def stop(self) -> None:
        """End the process, if one is running, and wait until it has."""
        task, process = self._task, self._process
        if task is None or task.done():
            return
        if process is not None and process.returncode is None:
            with suppress(ProcessLookupError):
                process.terminate()
            if not (await asyncio.wait({task}, timeout=PATIENCE))[0] and process.returncode is None:
                process.kill()
        else:
            task.cancel()
        await asyncio.wait({task})

    async def _run(self) -> None:
        given = self._settings.as_environment()
        pipe = asyncio.subprocess.PIPE
        try:
            self._process = process = await asyncio.create_subprocess_exec(
                *self._command, stdout=pipe, stderr=pipe, env=environment({**given, "OMP_NUM_THREADS": "1"})
            )
            log.info("a ranker is retrained", pid=process.pid)
            said, wrong = await process.communicate()
            found = _decoded(said.splitlines()[-1]) if process.returncode == 0 else None
        except (OSError, IndexError, msgspec.DecodeError) as error:
            self._failed(repr(error))
            return
        if found is None:
            lines = wrong.decode(errors="replace").strip().splitlines()
            self._failed(lines[-1] if lines else "", code=process.returncode)
            return
        self._metrics.retrainings.labels(found.outcome).inc()
        log.info("retraining done", **msgspec.to_builtins(found))

    def _failed(self, error: str, **more: object) -> None:
        self._metrics.retrainings.labels("failed").inc()
        log.warning("retraining failed, the old ranker stays", error=error, **more)


def retrainings(examples: int, every: int) -> int:
    """How many retrainings are due after so many examples, in all: at multiples of ``every``, and below it ``EARLY``.

    >>> [retrainings(examples, 1_000) for examples in (399, 400, 800, 999, 1_000, 1_600, 2_000)]
    [0, 1, 2, 2, 3, 3, 4]
    """
    return examples // every + sum(early <= examples for early in EARLY if early < every)
