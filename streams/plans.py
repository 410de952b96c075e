"""Plans: how a query is answered, all that one arm of an experiment may do differently from another."""

from __future__ import annotations

from dataclasses import dataclass

from models.explore import Policy, policy
from models.rules import PLAIN, Rules
from streams.settings import Settings


@dataclass(frozen=True, slots=True)
class Plan:
    """``sources`` in use; ``candidates``: most that are ranked; ``policy`` of exploration; business ``rules``;
    ``online``: whether the online weights are applied; ``arm``, and the ``experiment`` it belongs to: their names
    on answers and feedback.
    """

    arm: str
    sources: tuple[str, ...]
    candidates: int
    policy: Policy
    rules: Rules = PLAIN
    online: bool = True
    experiment: str = ""


def plan_of(settings: Settings, arm: str = "control") -> Plan:
    """The plan that the settings describe. Raises ModelError when epsilon is no probability.

    What it reads is what an arm may set, so it reads every setting it depends on, whatever the others say.
    """
    return Plan(
        arm=arm,
        sources=settings.source_names,
        candidates=settings.candidates,
        policy=policy(settings.epsilon),
        online=settings.online,
    )
