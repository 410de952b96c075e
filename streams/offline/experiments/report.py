"""The report of an experiment: what was counted, the statistics, and what can be concluded from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.experiments.comparison import (
    COLUMNS,
    FEWEST,
    LEVEL,
    METRICS,
    RATIO_LEVEL,
    ArmDifference,
    RateEstimate,
    SampleRatio,
    analyse,
)
from streamrank_client.errors import SettingsError
from streams.offline.experiments.joining import Counted, Join

__all__ = ["ExperimentReport", "plain", "report"]

#: always true, said each time
LIMITS: Final = (
    "The test is for one look at a length fixed beforehand: looking until something shows finds something. "
    "Arms share what they learn (counts, co-visits, online weights), so an arm that explores also teaches the others, "
    "and the difference shown is that of answers, not of two separate systems."
)


@dataclass(frozen=True, slots=True)
class ExperimentReport:
    """``totals`` and ``metrics`` by arm, ``differences`` to ``control`` by arm and metric, None where undefined.

    ``first`` and ``last``: times of the first and last answer, Unix ms.
    """

    experiment: str
    control: str
    primary: str
    first: int | None
    last: int | None
    totals: dict[str, dict[str, float]]
    metrics: dict[str, dict[str, RateEstimate | None]]
    differences: dict[str, dict[str, ArmDifference | None]]
    sample_ratio: SampleRatio | None
    shares: dict[str, float] | None
    verdicts: dict[str, str]
    winner: str | None
    conclusion: list[str]
    counted: Counted


def report(join: Join, control: str, shares: Mapping[str, float] | None, primary: str = "ctr") -> ExperimentReport:
    """Analyse what a join has counted; ``shares`` are the configured ones, None where they are not known.

    Raises SettingsError when there is nothing to analyse, the control had no answers, or an arm is not configured.
    """
    users = join.users
    if not users:
        raise SettingsError(
            f"no answer to a known user takes part in the experiment {join.experiment!r}: check its name, the dates, "
            "and that the workers ran with STREAMRANK_EXPERIMENT"
        )
    if shares is not None:
        odd = sorted(set(users) - set(shares))
        if odd:
            raise SettingsError(
                f"answers of {join.experiment!r} name the arm {odd[0]!r}, which its file does not have "
                f"({', '.join(shares)}): the arms were changed; name the file as it was with --config, "
                "or leave out what was before with --since"
            )
        users = {arm: users.get(arm, np.zeros((0, len(COLUMNS)))) for arm in shares}
    if control not in users:
        raise SettingsError(f"no answer of the arm {control!r}: expected one of {', '.join(users)} as --control")
    found = analyse(users, control, shares, primary)
    lines = [*_alarms(join, found.sample_ratio, shares, users)]
    lines += [_sentence(arm, control, primary, found.verdicts[arm], d[primary]) for arm, d in found.differences.items()]
    return ExperimentReport(
        experiment=join.experiment,
        control=control,
        primary=primary,
        first=join.first,
        last=join.last,
        totals={arm: _totals(rows) for arm, rows in users.items()},
        metrics=found.metrics,
        differences=found.differences,
        sample_ratio=found.sample_ratio,
        shares=dict(shares) if shares is not None else None,
        verdicts={arm: str(verdict) for arm, verdict in found.verdicts.items()},
        winner=found.winner,
        conclusion=[*lines, LIMITS],
        counted=join.counted,
    )


def _totals(rows: NDArray[np.float64]) -> dict[str, float]:
    return {"users": len(rows), **{name: float(value) for name, value in zip(COLUMNS, rows.sum(axis=0), strict=True)}}


def _alarms(
    join: Join, ratio: SampleRatio | None, shares: Mapping[str, float] | None, users: Mapping[str, NDArray[np.float64]]
) -> list[str]:
    lines = []
    if ratio is not None and ratio.alarm:
        counts = ", ".join(f"{arm} {len(rows)}" for arm, rows in users.items())
        lines.append(
            f"SAMPLE RATIO MISMATCH: users by arm ({counts}) do not fit the shares (chi-square {ratio.chi_square:.1f}, "
            f"p = {ratio.p:.2g}, alarm below {RATIO_LEVEL:g}). No figure can be trusted until the cause is found: "
            "shares or salt changed while it ran (look from then on with --since), workers ran with different files, "
            "one arm's answers fail or time out more often, or its users are filtered later."
        )
    if shares is None:
        lines.append("The sample ratio was not checked: name the experiment's file with --config.")
    if join.counted.moved:
        lines.append(
            f"{join.counted.moved} users had answers of more than one arm: shares, arms or salt were changed while it "
            "ran. They count in both; look from the change on with --since."
        )
    return lines


def _sentence(arm: str, control: str, primary: str, verdict: str, found: ArmDifference | None) -> str:
    what = f"{arm} against {control} on {primary} ({METRICS[primary].help})"
    if verdict == "sample ratio mismatch":
        return f"{what}: nothing can be concluded while the sample ratio is wrong."
    if verdict == "too few users":
        return f"{what}: fewer than {FEWEST} users in an arm; nothing can be concluded yet."
    if found is None:
        return f"{what}: undefined, there was nothing to divide by."
    size = f"{found.difference:+.4g} [{found.low:+.4g}, {found.high:+.4g}], p = {found.p:.2g}"
    if found.relative is not None and found.relative_low is not None and found.relative_high is not None:
        size = f"{found.relative:+.1%} [{found.relative_low:+.1%}, {found.relative_high:+.1%}], p = {found.p:.2g}"
    if verdict != "no difference shown":
        return f"{what}: {verdict}, {size}. That holds for these users and this time, at the level {LEVEL:g}."
    line = f"{what}: no difference shown, {size} (the level for a verdict is {LEVEL:g}). That is not proof of equality"
    if found.detectable is not None:
        line += f": a difference below {found.detectable:.1%} would mostly be missed at this size"
    return line + "."


def plain(found: ExperimentReport) -> dict[str, object]:
    """The report as JSON has it: without variances."""
    data = asdict(found)
    for metrics in data["metrics"].values():
        for estimate in metrics.values():
            if estimate is not None:
                del estimate["variance"]
    return data
