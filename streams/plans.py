"""Plans: how a query is answered, all that one arm of an experiment may do differently from another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from models.explore import Policy, policy
from models.rule_book import SURFACES
from models.rules import PLAIN, UNASKED, Rules
from streams.by_name import parse_by_name
from streams.settings import Settings, variable

DAY_S: Final = 86_400


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
    new_share: float = 0.0
    new_days: float = 14.0


def plan_of(settings: Settings, arm: str = "control") -> Plan:
    """The plan that the settings describe. Raises ModelError when epsilon is no probability, SettingsError naming
    the part of a rule's setting that is wrong.

    What it reads is what an arm may set, so it reads every setting it depends on, whatever the others say.
    """
    return Plan(
        arm=arm,
        sources=settings.source_names,
        candidates=settings.candidates,
        policy=policy(settings.epsilon),
        rules=_rules(settings),
        online=settings.online,
        new_share=settings.new_share,
        new_days=settings.new_days,
    )


def _rules(settings: Settings) -> Rules:
    """The business rules that the settings describe; a share or a strength by default holds where nobody asked."""
    repeat = parse_by_name(settings.repeat_days, variable("repeat_days"))
    brand, category = (
        parse_by_name(getattr(settings, name), variable(name), names=SURFACES, whole=True).over(UNASKED)
        for name in ("per_brand", "per_category")
    )
    diversity = parse_by_name(settings.diversity, variable("diversity"), names=SURFACES, most=1)
    return Rules(
        repeat_after=repeat.default * DAY_S,
        repeat_by_category=tuple((name, days * DAY_S) for name, days in repeat.named),
        per_brand=tuple((surface, int(most)) for surface, most in brand),
        per_category=tuple((surface, int(most)) for surface, most in category),
        diversity=diversity.over(UNASKED),
    )
