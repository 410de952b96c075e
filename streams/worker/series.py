"""Every labelled series that a worker may count in, there from its start with 0, so that a rate sees the first event.

Gauges that say nothing before they are measured come when they are: ``streamrank_feedback_loss``,
``streamrank_examination``, and what tells of artifacts and devices.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Final

from prometheus_client.metrics import MetricWrapperBase

from models.ranking.weights import OPENING
from models.retrieval.sources.registry import SOURCES
from state.layouts import LAYOUTS, NewerLayout, UnreadableMark, UnreadableValue
from streamrank_client.errors import CODES
from streamrank_client.vocabulary import SURFACES
from streams.handlers.outcomes import COUNTED
from streams.handlers.queries import STAGES
from streams.policy.choice import PlanChoice
from streams.worker.metrics import Metrics
from streams.worker.stages.base import Stage

__all__ = ["LATER", "begin"]

#: what is there once it was measured
LATER: Final = frozenset(
    ("streamrank_feedback_loss", "streamrank_examination", "streamrank_artifact", "streamrank_provider",
     "streamrank_provider_fell_back")
)  # fmt: skip
#: codes of answers with an error to a query that could be used
_DECLINED: Final = ("overloaded", "late")
#: what becomes of a retraining
_OUTCOMES: Final = ("better", "kept", "failed")


def begin(metrics: Metrics, stages: Sequence[Stage], broadcasts: Iterable[str], plans: PlanChoice) -> None:
    """Begin the series of a worker with these stages, which reads these broadcast topics."""
    m = metrics
    names = {stage.name: stage.topic.name for stage in stages}
    for metric in (m.retries, m.seconds, m.lag, m.stuck):
        _begin(metric, names)
    for metric in (m.gap_events, m.stopped, m.damaged_batches):
        _begin(metric, names.values())
    _begin(m.events, names.keys() - {"query"})
    _begin(m.dead_letters, names.values(), CODES)
    _begin(m.rerouted, [names[name] for name in ("items", "behavior", "query") if name in names])
    _begin(m.bad_records, broadcasts)
    _begin(m.bad_values, [kind.decode() for kind in LAYOUTS])
    if "query" in names:
        _begin_queries(m)
    if "feedback" in names:
        _begin(m.drift_alarms, SURFACES)
        _begin(m.silent_sources, SURFACES, SOURCES)
        _begin(m.retrainings, _OUTCOMES)
    for experiment, arms in _arms(plans).items():
        if "query" in names:
            _begin(m.arm_answers, [experiment], arms)
            _begin(m.arm_items, [experiment], arms)
        if "behavior" in names:
            _begin(m.arm_outcomes, [experiment], arms, [kind for kind in COUNTED.values() if kind != "dwell"])
            _begin(m.arm_dwell, [experiment], arms)


def _begin_queries(m: Metrics) -> None:
    _begin(m.answers, SURFACES)
    _begin(m.errors, (*CODES, *_DECLINED))
    _begin(m.unreadable, [kind.__name__ for kind in (NewerLayout, UnreadableMark, UnreadableValue)])
    _begin(m.source_seconds, SOURCES)
    _begin(m.answer_stage_seconds, ("wait", *STAGES, "publish"))
    _begin(m.weights, (*SURFACES, OPENING))


def _arms(plans: PlanChoice) -> Mapping[str, Sequence[str]]:
    """The arms of each experiment; those who take part in none are of one without a name."""
    alone = {plans.plan.experiment: [plans.plan.arm]}
    return alone if plans.experiment is None else alone | {plans.experiment.name: list(plans.experiment.shares)}


def _begin(metric: MetricWrapperBase, *labels: Iterable[str]) -> None:
    for values in product(*labels):
        metric.labels(*values)
