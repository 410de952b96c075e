"""From how many choices on retraining pays: a ranker serves, and its successor learns from what was chosen of it.

The log goes through the handlers that serve. Of each list of the first half the ranker in place shows its best twenty;
where the choice is among them it is a feedback example, and is kept as a worker keeps it. Of these the newest so many
train a ranker as `streams.offline.retraining.retrain` does, and lists of the second half, whole ones, judge it.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.rankers import Say, gather, rounded, tested_gains, tested_scores
from models.evaluate.bootstrap import Draws
from models.ranking.ranker import Ranker, RankInput
from models.training.ranker import SIZES, Comparison, train
from models.training.rankings import Rankings, RankingsWriter
from streamrank_client.logs import in_time_order, input_lines
from streamrank_client.vocabulary import SURFACES
from streams.artifacts.opening import artifact_path
from streams.handlers.keeping import SAMPLED
from streams.offline.evaluation.serving import SHOWN
from streams.offline.retraining.logged_lists import whole_list
from streams.settings import load
from streams.worker.retraining_schedule import EARLY

#: feedback examples of which rankers are trained: those of the schedule, and half of its first
COUNTS: Final = (EARLY[0] // 2, *EARLY[:4])


def measure(log: Path, task: str, lists: int, tests: int, say: Say) -> dict[str, Any]:
    """NDCG@10 of the tested lists by the ranker in place and by those that follow it, after so many examples.

    ``lists`` of the first half at most, and ``tests`` of the second. Raises LogError where there is nothing to test.
    """
    settings = load()
    gathered = gather(in_time_order(list(input_lines(log))), settings, task, lists, tests, say)
    serving = Ranker(artifact_path(settings, "ranker"), "cpu")
    before = tested_gains(gathered, tested_scores(gathered, serving))
    shown = feedback(gathered.rankings.part(0, gathered.trained), serving)
    draws = Draws(gathered.users)
    say(f"in place: {before.mean():.4f}; {len(shown)} feedback examples")
    rows: list[dict[str, Any]] = []
    for count in (count for count in COUNTS if count <= len(shown)):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "ranker"
            report = train(shown.part(len(shown) - count, len(shown)), path, sizes=SIZES, against=serving)
            assert report.comparison is not None
            row: dict[str, Any] = {"examples": count, "judged": _judged(report.comparison), "better": report.written}
            if report.written:
                after = tested_gains(gathered, tested_scores(gathered, Ranker(path, "cpu")))
                gain = draws.gain(after, before)
                row["ndcg@10"], row["over_in_place"] = rounded(draws.mean(after)), rounded(gain) if gain else None
        rows.append(row)
        say(f"{count} examples: {row}")
    return {
        "log": log.name,
        "task": task,
        "tested": len(gathered.tests),
        "feedback": len(shown),
        "in_place": serving.version,
        "ndcg@10": rounded(draws.mean(before)),
        "retrained": rows,
    }


def feedback(rankings: Rankings, ranker: Ranker) -> Rankings:
    """The lists whose choice the ranker shows among its best ``SHOWN``, as retraining gets them: what is shown, and
    ``SAMPLED`` of the others, each as often as it stands for one of them.
    """
    writer, rng = RankingsWriter(), np.random.default_rng(0)
    for i in range(len(rankings)):
        one = rankings.rank_input(i)
        order = np.argsort(-ranker.score([one])[0], kind="stable")
        places = np.flatnonzero(rankings.chosen[rankings.rows(i)][order[:SHOWN]])
        if not len(places):
            continue
        kept = np.concatenate([order[:SHOWN], rng.permutation(order[SHOWN:])[:SAMPLED]])
        some = RankInput(one.features[kept], one.candidates[kept], one.recent, one.recent_weight)
        whole = whole_list(some, min(SHOWN, len(order)), len(order))
        writer.add(
            whole.features, whole.candidates, whole.recent, whole.recent_weight, places.tolist(), int(rankings.time[i]),
            SURFACES[rankings.surface[i]], int(rankings.user[i]),
        )  # fmt: skip
    return writer.rankings()


def table(figures: dict[str, Any]) -> list[str]:
    """The figures as lines."""
    lines = [
        f"{figures['log']}, {figures['task']}: {figures['feedback']} feedback examples, {figures['tested']} tests; "
        f"in place {figures['ndcg@10']['mean']:.4f}"
    ]
    for row in figures["retrained"]:
        line = f"{row['examples']:6} examples: {row['judged']['difference']:+.3f} on {row['judged']['lists']} of them"
        if row["better"]:
            line += f", then {row['ndcg@10']['mean']:.4f}"
        if over := row.get("over_in_place"):
            line += f", {over['relative']:+.1%} [{over['low']:+.1%}, {over['high']:+.1%}]"
        lines.append(line)
    return lines


def _judged(found: Comparison) -> dict[str, float]:
    """What the judge saw: the lists, NDCG@10 of both, and the difference with its interval."""
    gain = found.difference
    told = {"new": found.new, "old": found.old, "difference": gain.mean, "low": gain.low, "high": gain.high}
    return {"lists": found.lists} | {name: round(value, 4) for name, value in told.items()}
