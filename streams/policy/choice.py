"""Which plan a query is answered by: the worker's own, or that of its user's arm."""

from __future__ import annotations

from dataclasses import dataclass

from streamrank_client.events import Query
from streams.policy.experiment_file import Experiment, load_experiment
from streams.policy.plans import Plan, plan_of
from streams.settings import Settings


@dataclass(frozen=True, slots=True)
class PlanChoice:
    """``plan``: how queries are answered that take part in no ``experiment``."""

    plan: Plan
    experiment: Experiment | None = None

    @classmethod
    def of(cls, settings: Settings) -> PlanChoice:
        """What the settings describe. Raises SettingsError where they, or the experiment's file, are wrong."""
        experiment = load_experiment(settings.experiment, settings) if settings.experiment else None
        return cls(plan_of(settings), experiment)

    def plan_for(self, query: Query) -> Plan:
        """How this query is answered: by the plan of its user's arm, where it takes part in an experiment."""
        if self.experiment is None:
            return self.plan
        return self.experiment.plan(query, query.answered_on) or self.plan
