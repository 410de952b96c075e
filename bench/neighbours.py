"""Which neighbours a co-visit row must keep: rules, sizes and reaches on a real log, by what they find next.

    streamrank import online-retail PATH -o retail.jsonl.gz
    python -m bench.neighbours retail.jsonl.gz

Each event is paired with those of its user up to ``reach`` before it, either way, weighing distance ** -1/2 in forward
decay. Before some events of the second half, drawn by seed, that are their user's first on an item, all items are
scored as the source covisits_wide does (each also divided by a root of its own count), what the user had is left out,
and the event's item ranked. Rules for a full row of ``slots``: `whole` keeps everything; `lightest` is the one of
``state.covisits``; `replace` gives the lightest slot to each newcomer; `inherit` too, and its weight with it
(space-saving). ``sampled``: of the events 6 to 20 back one in five is paired, and counts five times.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.base.arrays import Ints
from models.evaluate.journal import Journal
from models.evaluate.sample import drawn, eligible
from state.compiled import compiled
from streamrank_client.logs import in_time_order, input_lines
from streams.offline.evaluation.reading import read_journal

Singles = NDArray[np.float32]
RULES: Final = ("whole", "lightest", "replace", "inherit")
#: the user's newest distinct items that are asked, and how far back they are looked for
ANCHORS: Final = 20
BACK: Final = 64
#: a table of all pairs is made for at most so many items
MOST_WHOLE: Final = 12_000
YEAR_MS: Final = 365 * 86_400_000


class Variant(NamedTuple):
    """A reach, a rule and the slots of a row (0: no bound)."""

    reach: int
    rule: str
    slots: int
    sampled: bool = False


VARIANTS: Final = (
    *(Variant(reach, "whole", 0) for reach in (5, 10, 20)),
    Variant(20, "whole", 0, sampled=True),
    *(Variant(10, rule, 64) for rule in ("replace", "inherit")),
    *(Variant(10, "lightest", slots) for slots in (32, 64, 96, 128)),
    Variant(20, "lightest", 64, sampled=True),
)


@compiled
def _learn(
    start: int, stop: int, item: Ints, growth: NDArray[np.float64], by_user: Ints, place: Ints, begin: Ints,
    count: NDArray[np.float64], names: NDArray[np.int32], weights: Singles, reach: int, rule: int, sampled: bool,
) -> None:  # fmt: skip
    """Learn from events ``start`` to ``stop``; ``names`` (items, slots): -1 for none; see ``measure``."""
    slots = names.shape[1]
    for event in range(start, stop):
        new = item[event]
        count[new] += growth[event]
        for lag in range(1, min(reach, place[event] - begin[event]) + 1):
            old, weight = item[by_user[place[event] - lag]], growth[event] / np.sqrt(lag)
            if sampled and lag > 5:
                weight *= 5 if (event * 2654435761 >> 7) % 5 == lag % 5 else 0
            if old == new or weight == 0:
                continue
            for row, other in ((old, new), (new, old)):
                slot = other if slots == 0 else 0
                while slot < slots and names[row, slot] != other and names[row, slot] >= 0:
                    slot += 1
                if slot == slots and slots > 0:
                    slot = int(np.argmin(weights[row]))
                    if rule == 1 and weights[row, slot] > weight:
                        weights[row, slot] -= weight
                        continue
                    if rule != 3:
                        weights[row, slot] = 0
                if slots > 0:
                    names[row, slot] = other
                weights[row, slot] += weight


@compiled
def _score(anchors: Ints, count: NDArray[np.float64], names: NDArray[np.int32], weights: Singles) -> Singles:
    """Every item's score for a user with these items, newest first."""
    score = np.zeros(len(weights), np.float32)
    for nth in range(len(anchors)):
        anchor = anchors[nth]
        say = 1 / np.sqrt((nth + 1) * count[anchor])
        for slot in range(weights.shape[1]):
            other = slot if names.shape[1] == 0 else names[anchor, slot]
            if other >= 0:
                score[other] += say * weights[anchor, slot] / max(count[other], 1e-30) ** 0.25
    return score


def measure(journal: Journal, tests: Ints, variant: Variant) -> dict[str, float]:
    """NDCG@10 and recall@100 over the tested events."""
    items = len(journal.items)
    growth = np.exp2((journal.time - journal.time[-1]) / YEAR_MS)
    count = np.zeros(items)
    # without a bound ``weights`` is (items, items), and nothing need be named
    names = np.full((items, variant.slots), -1, np.int32)
    weights = np.zeros((items, variant.slots or items), np.float32)
    ranks, done = [], 0
    for event in tests.tolist():
        _learn(
            done, event, journal.item, growth, journal.by_user, journal.place, journal.begin, count, names, weights,
            variant.reach, RULES.index(variant.rule), variant.sampled,
        )  # fmt: skip
        done = event
        before = journal.item[journal.before(event, BACK)]
        anchors = before[np.sort(np.unique(before, return_index=True)[1])][:ANCHORS]
        score = _score(anchors, count, names, weights)
        score[journal.had(event)] = 0
        own = score[journal.item[event]]
        ranks.append(1 + np.count_nonzero(score > own) if own > 0 else items + 1)
    rank = np.array(ranks)
    gain = np.where(rank <= 10, 1 / np.log2(1 + rank), 0)
    return {"ndcg@10": float(gain.mean()), "recall@100": float((rank <= 100).mean())}


def main() -> None:
    """Print one JSON line for each variant."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("log", type=Path)
    parser.add_argument("--tests", type=int, default=3_000)
    options = parser.parse_args()
    journal, _ = read_journal(in_time_order(list(input_lines(str(options.log)))))
    tests = drawn(eligible(journal, "unseen", None), 0.5, 1.0, options.tests, 0)
    for variant in VARIANTS:
        if variant.slots or len(journal.items) <= MOST_WHOLE:
            figures = {name: round(value, 4) for name, value in measure(journal, tests, variant).items()}
            print(msgspec.json.encode(variant._asdict() | figures).decode(), flush=True)


if __name__ == "__main__":
    main()
