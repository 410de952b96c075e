"""The ranker against LightGBM on the same logged lists, and what it costs beside the bare ONNX Runtime call."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime as ort  # type: ignore[import-untyped]
from numpy.typing import NDArray

from models.base.arrays import Doubles, Floats, Ints
from models.evaluate.boosted import Boosted, RankedRows
from models.evaluate.bootstrap import Draws, Interval, RelativeDifference
from models.evaluate.journal import Journal
from models.evaluate.sample import drawn, eligible
from models.ranking.ranker import Ranker, RankInput
from models.serving import Models
from models.training.figures import quality
from models.training.ranker import train
from models.training.rankings import Rankings, RankingsWriter
from state.store import Store
from streamrank_client.errors import LogError
from streamrank_client.logs import Line, in_time_order, input_lines
from streams.artifacts.opening import open_models
from streams.offline.building.artifacts import ensure_encoders
from streams.offline.evaluation.evaluation import Options, check
from streams.offline.evaluation.prequential import Course, Prequential
from streams.offline.evaluation.reading import read_journal
from streams.offline.evaluation.serving import Served
from streams.offline.servers import EmbeddedRedis
from streams.settings import Settings, load

RANKER: Final = "ranker"
LIGHTGBM: Final = "lightgbm"
AVERAGE: Final = "average"
CANDIDATES: Final = 100
#: calls that are timed, of each of the two in turn
CALLS: Final = 400

Say = Callable[[str], None]


@dataclass(frozen=True)
class Gathered:
    """Lists as they were ranked, in order of the log, but for those that do not hold what was then chosen.

    ``rows`` (L,): places in the journal; ``half``: the place at which the second half begins; ``tests`` (T,): the
    tested places; ``users`` (T,): whose they are.
    """

    rankings: Rankings
    rows: Ints
    half: int
    tests: Ints
    users: Ints

    @property
    def trained(self) -> int:
        """Lists of the first half, which come first."""
        return int(np.searchsorted(self.rows, self.half))


def measure(log: Path, task: str, lists: int, tests: int, seeds: int, say: Say) -> dict[str, Any]:
    """NDCG@10 of the tested lists, means over ``seeds`` with 95 % intervals over users, and times.

    ``lists`` and ``tests``: at most so many, of the first half from its tenth on and of the second. Raises LogError
    where there is nothing to test, RankingsError with fewer than 100 lists to train on, SettingsError where a package
    is missing.
    """
    check(Options(train=True, compare=(LIGHTGBM,)))
    settings = load()
    ensure_encoders(settings)
    gathered = gather(in_time_order(list(input_lines(log))), settings, task, lists, tests, say)
    return {"log": log.name, "task": task} | judge(gathered, seeds, say)


def gather(lines: Sequence[Line], settings: Settings, task: str, lists: int, tests: int, say: Say) -> Gathered:
    """Feed the log to the handlers that serve, and keep the lists that are trained on or tested."""
    journal, queries = read_journal(lines)
    ok = eligible(journal, task)
    tested = drawn(ok, 0.5, 1.0, tests, 0)
    if not len(tested):
        raise LogError(f"no event of task {task!r} in the second half of the log: name another task")
    course = Course(journal, task, None, tested, drawn(ok, 0.1, 0.5, lists, 0), alone=False)

    def told(done: int, total: int) -> None:
        if done % 10_000 == 0:
            say(f"handlers: {done} of {total} lines")

    async def run(redis: str) -> _Keeping:
        store = Store(redis, settings.redis_timeout_s, settings.redis_ca)
        try:
            keeping = _Keeping(course, settings, open_models(settings), [store])
            await keeping.run(lines, queries, told)
        finally:
            await store.close()
        return keeping

    with EmbeddedRedis() as redis:
        kept = asyncio.run(run(redis.redis))
    rows = np.array(kept.rows, np.int64)
    return Gathered(kept.writer.rankings(), rows, int(len(journal) * 0.5), tested, journal.user[tested])


class _Keeping(Prequential):
    """Keeps every list that it asks for, with its features."""

    def __init__(self, course: Course, settings: Settings, models: Models, stores: Sequence[Store]) -> None:
        super().__init__(course, settings, models, stores)
        self.writer = RankingsWriter()
        self.rows: list[int] = []

    def _kept(self, row: int, served: Served) -> None:
        journal: Journal = self.course.journal
        target = self.tables.models.catalogue.row(journal.items[journal.item[row]])
        places = np.flatnonzero(served.candidates == target).tolist()
        one, surface = served.rank_input, served.ranked.ask.query.surface
        before = len(self.writer)
        self.writer.add(
            one.features, one.candidates, one.recent, one.recent_weight, places, int(journal.time[row]), surface,
            int(journal.user[row]),
        )  # fmt: skip
        self.rows += [row] * (len(self.writer) - before)


def judge(gathered: Gathered, seeds: int, say: Say) -> dict[str, Any]:
    """Train both on the lists of the first half, with each seed, and judge them on the tested ones.

    A tested list that does not hold what was chosen counts 0 for both. ``average``: the sum of both scores, each less
    its mean over the list and divided by its deviation.
    """
    trained, rankings = gathered.trained, gathered.rankings
    found: dict[str, list[Doubles]] = {RANKER: [], LIGHTGBM: [], AVERAGE: []}
    networks, sizes = [], []
    times: dict[str, Any] = {}
    for seed in range(seeds):
        say(f"seed {seed}: the ranker")
        with tempfile.TemporaryDirectory() as folder:
            report = train(rankings.part(0, trained), Path(folder) / "ranker", seed)
            ranker = Ranker(Path(folder) / "ranker", "cpu")
            ours = tested_scores(gathered, ranker)
            times = times or timed(ranker, rankings)
        networks.append(report.network)
        say(f"seed {seed}: lightgbm")
        theirs, size = boosted(gathered, seed)
        sizes.append(f"{size[1]} trees of {size[0]} leaves")
        both = [_z(one) + _z(other) for one, other in zip(ours, theirs, strict=True)]
        for name, scores in ((RANKER, ours), (LIGHTGBM, theirs), (AVERAGE, both)):
            found[name].append(tested_gains(gathered, scores))
            say(f"seed {seed}: {name} {found[name][-1].mean():.4f}")
    return {
        "tested": len(gathered.tests), "found": len(rankings) - trained, "lists": trained, "seeds": seeds,
        "network": networks, "trees": sizes, **_compared(found, gathered.users), "time": times,
    }  # fmt: skip


def boosted(gathered: Gathered, seed: int) -> tuple[list[Doubles], tuple[int, int]]:
    """LightGBM's scores of the tested lists, trained once at the half; and its leaves and trees."""
    rankings, trained = gathered.rankings, gathered.trained
    spans = [rankings.rows(i) for i in range(len(rankings))]
    ranked = RankedRows(
        gathered.rows,
        [rankings.features[span] for span in spans],
        [np.arange(span.stop - span.start) for span in spans],
        np.array([int(np.argmax(rankings.chosen[span])) for span in spans]),
    )
    system = Boosted(ranked, seed)
    system.choose(gathered.half)
    model = system.fit(np.arange(trained), system.size)
    return [system.scores(model, i) for i in range(trained, len(rankings))], system.size


def timed(ranker: Ranker, rankings: Rankings, candidates: int = CANDIDATES, calls: int = CALLS) -> dict[str, Any]:
    """Milliseconds of this process's CPU, medians: the ranker's own call for one list of ``candidates``, and the bare
    one of ONNX Runtime on the same list. One thread; in turn, so that both meet the same load.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    bare = ort.InferenceSession(str(ranker.artifact.graph), options, providers=["CPUExecutionProvider"])
    spent: dict[str, list[int]] = {"ranker_ms": [], "bare_ms": []}
    for call in range(calls):
        one = _of_size(rankings.rank_input(call % len(rankings)), candidates)
        feeds = {
            "features": one.features[None], "mask": np.ones((1, candidates), np.float32),
            "candidates": one.candidates[None], "recent": one.recent[None], "recent_weight": one.recent_weight[None],
        }  # fmt: skip
        began = time.process_time_ns()
        ranker.score([one])
        between = time.process_time_ns()
        bare.run(None, feeds)
        spent["ranker_ms"].append(between - began)
        spent["bare_ms"].append(time.process_time_ns() - between)
    medians = {name: float(np.median(values)) / 1e6 for name, values in spent.items()}
    ratio = medians["ranker_ms"] / medians["bare_ms"]
    return (
        {"candidates": candidates} | {name: round(ms, 3) for name, ms in medians.items()} | {"ratio": round(ratio, 3)}
    )


def table(figures: dict[str, Any]) -> list[str]:
    """The figures as lines."""
    lines = [f"{figures['log']}, {figures['task']}: {figures['lists']} lists, {figures['tested']} tests"]
    for name, one in figures["ndcg@10"].items():
        line = f"{name:10} {one['mean']:.4f} [{one['low']:.4f}, {one['high']:.4f}]"
        over = figures["over_lightgbm"].get(name)
        lines.append(line + (f"  {over['relative']:+.1%} [{over['low']:+.1%}, {over['high']:+.1%}]" if over else ""))
    spent = figures["time"]
    lines.append(
        f"{spent['candidates']} candidates: {spent['ranker_ms']} ms, bare {spent['bare_ms']} ms, {spent['ratio']}x"
    )
    return lines


def _compared(found: dict[str, list[Doubles]], users: Ints) -> dict[str, Any]:
    """Means over seeds of each system, the mean of each seed, and the relative differences over LightGBM."""
    draws = Draws(users)
    means = {name: np.mean(values, axis=0) for name, values in found.items()}
    metrics = {}
    for name, values in means.items():
        by_seed = [round(float(one.mean()), 4) for one in found[name]]
        metrics[name] = rounded(draws.mean(values)) | {"by_seed": by_seed}
    gains = {name: draws.gain(means[name], means[LIGHTGBM]) for name in (RANKER, AVERAGE)}
    return {"ndcg@10": metrics, "over_lightgbm": {name: rounded(gain) for name, gain in gains.items() if gain}}


def tested_scores(gathered: Gathered, ranker: Ranker) -> list[Floats]:
    """The ranker's scores of the lists of the second half, in their order."""
    rankings = gathered.rankings
    return [ranker.score([rankings.rank_input(i)])[0] for i in range(gathered.trained, len(rankings))]


def tested_gains(gathered: Gathered, scores: Sequence[NDArray[np.floating]]) -> Doubles:
    """NDCG@10 (T,) of the tested places by the scores of their lists; items that tie stand at their mean rank."""
    rankings, trained = gathered.rankings, gathered.trained
    gains = np.zeros(len(gathered.tests))
    places = np.searchsorted(gathered.tests, gathered.rows[trained:])
    for place, i, own in zip(places.tolist(), range(trained, len(rankings)), scores, strict=True):
        gains[place] = quality(own.astype(np.float32), rankings.chosen[rankings.rows(i)])[0]
    return gains


def _z(scores: NDArray[np.floating]) -> Doubles:
    values = scores.astype(np.float64)
    z: Doubles = (values - values.mean()) / max(float(values.std()), 1e-9)
    return z


def _of_size(one: RankInput, n: int) -> RankInput:
    """The list's first ``n`` candidates, from the first again where it is shorter."""
    places = np.arange(n) % len(one.features)
    return RankInput(one.features[places], one.candidates[places], one.recent, one.recent_weight)


def rounded(figure: Interval | RelativeDifference) -> dict[str, Any]:
    """Its fields, to four places."""
    return {name: round(getattr(figure, name), 4) for name in figure.__struct_fields__}
