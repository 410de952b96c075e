"""Plans: how a query is answered, all that one arm of an experiment may do differently from another."""

from __future__ import annotations

from dataclasses import dataclass

from models.exploration.explore import EVERY, Policy, policy
from models.retrieval.candidates import check
from models.retrieval.sources.registry import SOURCES
from models.shop.rules import PLAIN, Rules
from streamrank_client.errors import SettingsError
from streamrank_client.vocabulary import DAY_MS, DAY_S, SURFACES, UNASKED
from streams.policy.named_values import parse_by_name
from streams.settings import PlanSettings, variable


@dataclass(frozen=True, slots=True)
class Plan:
    """``sources`` in use; ``candidates``: most that are ranked; ``work``: most that are scored for one query, each time
    that one is (``streams.handlers.budget``); ``policy`` of exploration; business ``rules``;
    ``positions`` of page one that it may change, ranges from 1; ``new_share`` of them for items that are new for
    ``new_days``; ``online``: whether the online weights are applied; ``arm``, and the ``experiment`` it belongs to:
    their names on answers and feedback.
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
    positions: tuple[tuple[int, int], ...] = EVERY
    work: int = 10_000

    @property
    def own_arm(self) -> str | None:
        """The arm, where it is one of an experiment's."""
        return self.arm if self.experiment else None


def plan_of(settings: PlanSettings, arm: str = "control") -> Plan:
    """The plan that the settings describe. Raises ModelError when a number of the exploration is wrong, SettingsError
    naming the part of a setting that is wrong.

    What it reads is what an arm may set, so it reads every setting it depends on, whatever the others say.
    """
    if settings.candidates > settings.query_work:
        raise SettingsError(
            f"{variable('candidates')}={settings.candidates} is more than {variable('query_work')}="
            f"{settings.query_work}: lower the one or raise the other"
        )
    return Plan(
        arm=arm,
        sources=_sources(settings.sources),
        candidates=settings.candidates,
        work=settings.query_work,
        policy=_policy(settings),
        rules=_rules(settings),
        online=settings.online,
        new_share=settings.new_share,
        new_days=settings.new_days,
        positions=parse_positions(settings.explored_positions, variable("explored_positions")),
    )


def _sources(text: str) -> tuple[str, ...]:
    """The sources in use, in order. Raises ModelError when one is none."""
    if text.strip() == "all":
        return tuple(SOURCES)
    return tuple(check([name.strip() for name in text.split(",") if name.strip()]))


def _policy(settings: PlanSettings) -> Policy:
    """The policy that is named; ε counts only for its own. Raises SettingsError for an epsilon-swap without ε."""
    name, epsilon = settings.exploration, settings.epsilon
    if name == "epsilon-swap" and epsilon == 0:
        raise SettingsError(
            f"{variable('exploration')}=epsilon-swap explores nothing: set {variable('epsilon')} above 0"
        )
    return policy(epsilon, name, settings.temperature, settings.floor)


def parse_positions(text: str, variable: str) -> tuple[tuple[int, int], ...]:
    """Positions from 1 and ranges of them, separated by commas; all where there are none. Raises SettingsError.

    >>> parse_positions("1,4-10", "X")
    ((1, 1), (4, 10))
    """
    found = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        ends = part.split("-")
        if len(ends) > 2 or not all(end.strip().isdecimal() for end in ends):
            raise SettingsError(f"{variable}={text!r}: {part!r}: expected a position or a range such as 2-10")
        first, last = int(ends[0]), int(ends[-1])
        if not 1 <= first <= last:
            raise SettingsError(f"{variable}={text!r}: {part!r}: expected positions from 1, the lower one first")
        found.append((first, last))
    return tuple(found) or EVERY


def _rules(settings: PlanSettings) -> Rules:
    """The business rules that the settings describe; a share or a strength by default holds where nobody asked."""
    repeat = parse_by_name(settings.repeat_days, variable("repeat_days"))
    brand, category = (
        parse_by_name(getattr(settings, name), variable(name), names=SURFACES, whole=True).over(UNASKED)
        for name in ("per_brand", "per_category")
    )
    diversity = parse_by_name(settings.diversity, variable("diversity"), names=SURFACES, most=1)
    return Rules(
        dislike_ms=settings.dislike_days * DAY_MS,
        repeat_after=repeat.default * DAY_S,
        repeat_by_category=tuple((name, days * DAY_S) for name, days in repeat.named),
        per_brand=tuple((surface, int(most)) for surface, most in brand),
        per_category=tuple((surface, int(most)) for surface, most in category),
        diversity=diversity.over(UNASKED),
    )
