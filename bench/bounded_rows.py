"""Which neighbours stay in a full co-visit row: ours, space-saving and Misra-Gries at equal bytes, on a real log.

    streamrank import online-retail PATH -o retail.jsonl.gz
    python -m bench.bounded_rows retail.jsonl.gz

Pairs of each user's items up to five apart, in batches of 4,000. ``kept``: the share of the weight of each row's
true top 10 that the row's own top 10 has; ``error``: mean relative error of the weights of the true top 10; rows
count by their number of true neighbours. ``drift``: from three quarters of the log on all neighbours are replaced
by new items, and only those count.
"""

from __future__ import annotations

import argparse
import gzip
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from state import covisits, sketch
from state.sketch import Deltas, Items, Sums
from streams.events import Purchase, decode_event
from streams.ids import key

BATCH = 4_000
LAGS = 5
TOP = 10
Fold = Callable[[Items, list[Sums], Sums, Deltas], None]


class Pairs(NamedTuple):
    """Neighbours in order of time: row numbers, items' keys, (2, n) weights in forward decay."""

    row: NDArray[np.intp]
    item: Items
    weights: Sums


def read_pairs(log: Path, limit: int) -> Pairs:
    """The first ``limit`` purchases of an event log as pairs: both directions in an hour, else the later one."""
    numbers: dict[str, int] = {}
    last: dict[str, list[tuple[int, int]]] = {}
    found: list[tuple[int, int, float, float, int]] = []
    count = 0
    with gzip.open(log, "rb") if log.suffix == ".gz" else log.open("rb") as lines:
        for line in lines:
            event = decode_event(line)
            if not isinstance(event, Purchase) or count == limit:
                continue
            count += 1
            item, time = numbers.setdefault(event.item_id, len(numbers)), event.time // 1000
            recent = last.setdefault(event.user_id, [])
            for lag, (other, before) in enumerate(reversed(recent), 1):
                together = float(time - before < 3_600)
                if other != item:
                    found.append((other, item, 1 / lag, together, time))
                    found.append((item, other, 0.0, together, time))
            recent[:] = [*recent[1 - LAGS :], (item, time)]
    table = np.array(found, np.float64)
    table = table[table[:, 2] + table[:, 3] > 0].T
    keys = np.array([key(name) for name in numbers], np.uint64)
    growth = sketch.growth(table[4].astype(np.uint32), covisits.HALF_LIFE_DAYS)
    return Pairs(table[0].astype(np.intp), keys[table[1].astype(np.intp)], table[2:4] * growth)


def ours(items: Items, weights: list[Sums], error: Sums, deltas: Deltas) -> None:
    """The rule of ``state.sketch``."""
    sketch.fold(items, weights, deltas)


def row_by_row(choose: Callable[[dict[int, Sums], dict[int, Sums], int], dict[int, Sums]]) -> Fold:
    """A fold that lets ``choose`` make each row from what it held and what came: item → weights and error."""

    def fold(items: Items, weights: list[Sums], error: Sums, deltas: Deltas) -> None:
        """Row after row, in Python: slow, and plain to read beside the rule."""
        columns = [*weights, error]
        starts = np.flatnonzero(np.diff(deltas.row, prepend=-1))
        for start, end in zip(starts, [*starts[1:], len(deltas.row)], strict=True):
            row = deltas.row[start]
            held = np.stack([column[row] for column in columns], axis=1)
            old = {i: v for i, v in zip(items[row].tolist(), held, strict=True) if i}
            added = np.vstack([deltas.weights[:, start:end], np.zeros(end - start)]).T
            new = choose(old, dict(zip(deltas.item[start:end].tolist(), added, strict=True)), items.shape[1])
            items[row] = 0
            items[row, : len(new)] = list(new)
            for number, column in enumerate(columns):
                column[row] = 0
                column[row, : len(new)] = [values[number] for values in new.values()]

    return fold


def space_saving(old: dict[int, Sums], new: dict[int, Sums], slots: int) -> dict[int, Sums]:
    """Newcomers are estimated at the least estimate plus their weight; the largest estimates stay."""
    floor = min(v.sum() for v in old.values()) if len(old) == slots else 0.0
    merged = {i: v + new[i] if i in new else v for i, v in old.items()}
    merged |= {i: v + np.array([0, 0, floor]) for i, v in new.items() if i not in old}
    best = sorted(merged, key=lambda i: (-merged[i].sum(), i))[:slots]
    return {i: merged[i] for i in best}


def misra_gries(old: dict[int, Sums], new: dict[int, Sums], slots: int) -> dict[int, Sums]:
    """The weight of the first that does not fit is taken from all."""
    merged = {i: v + new[i] if i in new else v for i, v in old.items()}
    merged |= {i: v for i, v in new.items() if i not in old}
    best = sorted(merged, key=lambda i: (-merged[i].sum(), i))
    cut = merged[best[slots]].sum() if len(best) > slots else 0.0
    return {i: merged[i] * (1 - cut / merged[i].sum()) for i in best[:slots] if merged[i].sum() > cut}


def measure(pairs: Pairs, slots: int, fold: Fold, scored: int) -> tuple[float, float]:
    """Fold all pairs; ``kept`` and ``error`` of the neighbours that came from pair ``scored`` on."""
    rows = int(pairs.row.max()) + 1
    items = np.zeros((rows, slots), np.uint64)
    weights, error = [np.zeros((rows, slots)), np.zeros((rows, slots))], np.zeros((rows, slots))
    for start in range(0, len(pairs.row), BATCH):
        part = slice(start, start + BATCH)
        fold(items, weights, error, sketch.combine(pairs.row[part], pairs.item[part], pairs.weights[:, part]))
    truth = sketch.combine(pairs.row[scored:], pairs.item[scored:], pairs.weights[:, scored:])
    kept, errors, traffic = [], [], []
    for row in np.unique(truth.row):
        own = slice(*np.searchsorted(truth.row, [row, row + 1]))
        for column, true in zip(weights, truth.weights[:, own], strict=True):
            real = dict(zip(truth.item[own].tolist(), true.tolist(), strict=True))
            held = {i: w for i, w in zip(items[row].tolist(), column[row].tolist(), strict=True) if i in real}
            best = [i for i in sorted(real, key=lambda i: -real[i])[:TOP] if real[i] > 0]
            if not best:
                continue
            mine = sorted(held, key=lambda i: -held[i])[:TOP]
            kept.append(sum(real[i] for i in mine) / sum(real[i] for i in best))
            errors.append(float(np.mean([abs(held.get(i, 0.0) / real[i] - 1) for i in best])))
            traffic.append(own.stop - own.start)
    return float(np.average(kept, weights=traffic)), float(np.average(errors, weights=traffic))


def main() -> None:
    """Print one JSON line for each rule and size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("log", type=Path)
    parser.add_argument("--events", type=int, default=60_000)
    options = parser.parse_args()
    pairs = read_pairs(options.log, options.events)
    later = len(pairs.row) * 3 // 4
    moved = pairs.item.copy()
    moved[later:] ^= np.uint64(0x5DEECE66D5DEECE6)
    drifting = pairs._replace(item=moved)
    rules = [("ours", 32, 24, ours), ("misra-gries", 32, 24, row_by_row(misra_gries))]
    rules += [("space-saving", slots, 32, row_by_row(space_saving)) for slots in (24, 32)]
    for name, slots, size, fold in rules:
        kept, error = measure(pairs, slots, fold, 0)
        kept_drift, error_drift = measure(drifting, slots, fold, later)
        figures = {"kept": kept, "error": error, "drift_kept": kept_drift, "drift_error": error_drift}
        line = {"rule": name, "slots": slots, "bytes": 16 + slots * size}
        line |= {word: round(value, 3) for word, value in figures.items()}
        print(msgspec.json.encode(line).decode())


if __name__ == "__main__":
    main()
