"""What position bias costs the online ranker, and what correcting it pays: a simulation with a known bias.

Lists of 20 items, 10 shown, drawn by Plackett-Luce from an offline score that is a poor or a good guess. A shown item
is clicked with the probability examination × relevance; examination falls with the position, and the trainer does not
know how. The handler that serves learns the feedback; then the learnt weights rank new lists, measured by NDCG@10 on
the true relevance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.base.arrays import Doubles
from models.exploration.explore import shown
from models.exploration.plackett_luce import PlackettLuce
from models.learning.online import OnlineRanker
from models.learning.position_bias import PositionBias
from models.ranking.weights import INPUTS, OFFLINE, apply
from streamrank_client.fields import Place
from streams.handlers.learning import on_feedback
from streams.wire.feedback import Feedback

ITEMS, SHOWN, DIM = 20, 10, len(INPUTS)
#: the inputs that relevance depends on, beside the offline score
TELLING: Final = (0, 1, 3, 4)
#: ignored: every click alike, with the mean weight of the corrected ones; off: the trainer with the setting off
WAYS: Final = ("ignored", "off", "corrected", "known")
#: Student's t for a 95 % interval over so many worlds
STUDENT: Final = {4: 3.182, 8: 2.365, 20: 2.093}


@dataclass(frozen=True, slots=True)
class World:
    """``weights`` (d,) of relevance; ``examination`` (SHOWN,) of positions."""

    weights: Doubles
    examination: Doubles

    def lists(self, rng: np.random.Generator) -> NDArray[np.float32]:
        """Inputs (ITEMS, d) of a list, best offline score first."""
        inputs = np.zeros((ITEMS, DIM), np.float32)
        inputs[:, [*TELLING, OFFLINE]] = rng.normal(size=(ITEMS, len(TELLING) + 1))
        return inputs[np.argsort(-inputs[:, OFFLINE])]

    def relevance(self, inputs: NDArray[np.float32]) -> Doubles:
        """The probability (n,) of a click on an item that is looked at."""
        found: Doubles = 1 / (1 + np.exp(1.5 - inputs @ self.weights))
        return found


class _Given(PositionBias):
    """An examination that is given, in the place of one that is learnt."""

    def __init__(self, examination: Doubles) -> None:
        super().__init__()
        self._given = examination

    @property
    def known(self) -> int:
        return len(self._given)

    def examination(self) -> Doubles:
        return np.concatenate([self._given, np.full(100 - len(self._given), self._given[-1])])


class Result(msgspec.Struct, frozen=True):
    """``ndcg`` of each way, and the learnt ``examination`` of the shown positions."""

    ndcg: dict[str, float]
    examination: list[float]


def world(seed: int, trust: float, steepness: float) -> World:
    """``trust``: the offline score's weight in relevance; examination is position to the power of -``steepness``."""
    weights = np.zeros(DIM)
    weights[list(TELLING)] = np.random.default_rng([seed, 1]).normal(0, 0.6, len(TELLING))
    weights[OFFLINE] = trust
    return World(weights, np.arange(1.0, SHOWN + 1) ** -steepness)


def simulate(seed: int, lists: int, trust: float, steepness: float) -> Result:
    """One world: ``lists`` shown and learnt from in each way, then 500 new ones ranked."""
    true = world(seed, trust, steepness)
    examples = _log(true, seed, lists)
    learnt = PositionBias()
    known = _Given(true.examination)
    mean = float(np.mean([known.weight(one.chosen) for one in examples]))
    ways = {
        "ignored": PositionBias(),
        "off": PositionBias(),
        "corrected": learnt,
        "known": known,
    }
    weights = {}
    for name, bias in ways.items():
        ranker = OnlineRanker()
        own = [msgspec.structs.replace(one, weight=mean) for one in examples] if name == "ignored" else examples
        on_feedback(own, np.array([-1]), {"home": ranker}, {"home": bias}, correct=name in ("corrected", "known"))
        weights[name] = ranker.current()
    rng = np.random.default_rng([seed, 2])
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(500):
        inputs = true.lists(rng)
        gain = true.relevance(inputs)
        for name, applied in weights.items():
            found[name].append(_ndcg(np.argsort(-apply(applied, inputs), kind="stable"), gain))
    return Result(
        {name: float(np.mean(values)) for name, values in found.items()}, learnt.examination()[:SHOWN].tolist()
    )


def _log(true: World, seed: int, lists: int) -> list[Feedback]:
    rng, policy = np.random.default_rng([seed, 3]), PlackettLuce(1.0)
    found: list[Feedback] = []
    for n in range(lists):
        inputs = true.lists(rng)
        page = shown(inputs[:, OFFLINE], SHOWN, f"{seed}-{n}", policy)
        own = inputs[page.order]
        rows = own.tolist()
        for k in np.flatnonzero(rng.random(SHOWN) < true.examination * true.relevance(own)).tolist():
            up, down = page.exchange[k].tolist()
            found.append(
                Feedback(
                    Place(0, len(found)), "home", f"r{n}", "u", f"p{k}", "click", n, 1.0, k,
                    float(page.propensity[k]), "control", [f"p{i}" for i in range(SHOWN)], rows, up=up, down=down,
                )
            )  # fmt: skip
    return found


def _ndcg(order: NDArray[np.intp], gain: Doubles) -> float:
    discount = 1 / np.log2(np.arange(2, 12))
    return float((gain[order[:10]] @ discount) / (np.sort(gain)[::-1][:10] @ discount))


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean and 95 % interval over worlds, as many as ``STUDENT`` knows."""
    some = np.array(values)
    half = STUDENT[len(some)] * some.std(ddof=1) / np.sqrt(len(some))
    return float(some.mean()), float(some.mean() - half), float(some.mean() + half)


def measure(worlds: int, lists: int) -> dict[str, dict[str, list[float]]]:
    """For each setting of the simulation: NDCG@10 by way, and the paired gains over ``ignored`` and ``off``."""
    found: dict[str, dict[str, list[float]]] = {}
    for trust, steepness in ((0.3, 1.0), (0.3, 0.5), (1.5, 1.0), (1.5, 0.5)):
        runs = [simulate(seed, lists, trust, steepness) for seed in range(worlds)]
        rows = {way: [run.ndcg[way] for run in runs] for way in WAYS}
        rows |= {
            f"corrected - {way}": [run.ndcg["corrected"] - run.ndcg[way] for run in runs]
            for way in WAYS
            if way != "corrected"
        }
        figures = {name: [round(v, 4) for v in interval(values)] for name, values in rows.items()}
        figures["examination"] = [round(float(v), 3) for v in np.mean([run.examination for run in runs], axis=0)]
        found[f"offline score weighs {trust}, examination 1 / position^{steepness}"] = figures
    return found


def table(figures: dict[str, dict[str, list[float]]]) -> list[str]:
    """The figures as lines of text."""
    lines = []
    for title, rows in figures.items():
        lines.append(title)
        for name, values in rows.items():
            if name == "examination":
                lines.append(f"  learnt examination       {' '.join(f'{v:.2f}' for v in values)}")
            else:
                lines.append(f"  {name:24} {values[0]:.4f} [{values[1]:.4f}, {values[2]:.4f}]")
    return lines
