"""The stages by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from streams.worker.stages.base import Stage, Workplace
from streams.worker.stages.behavior import BehaviorStage
from streams.worker.stages.items import ItemStage
from streams.worker.stages.queries import QueryStage
from streams.worker.stages.signals import SignalStage

_INGEST_AND_QUERY: Final = {stage.name: stage for stage in (ItemStage, BehaviorStage, SignalStage, QueryStage)}


def stages(
    names: Sequence[str], at: Workplace, learnt: Callable[[int, int], None] = lambda first, last: None
) -> list[Stage]:
    """The stages named, in their order; ``learnt`` is told of every batch of feedback (``FeedbackStage``)."""
    made: list[Stage] = []
    for name in names:
        if name == "feedback":
            # here: it loads River, which takes a moment and which other workers do without
            from streams.worker.stages.feedback import FeedbackStage

            made.append(FeedbackStage(at, learnt))
        else:
            made.append(_INGEST_AND_QUERY[name](at))
    return made
