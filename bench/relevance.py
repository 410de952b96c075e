"""What search finds before there is any behaviour: CrowdFlower's judged searches, and Chinese choices of one in four.

Items are published with title and description, nobody is known and nothing was chosen. Each query is asked as open
search over all items and as a rerank of its judged ones, through the handlers that serve; beside it stand BM25,
encoders alone, and BM25 with multilingual-e5-small by reciprocal ranks.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from msgspec.structs import replace

from bench.bm25 import Bm25
from bench.judged import Judged, choices, crowdflower
from models.base.arrays import Doubles, Floats
from models.evaluate.bootstrap import Draws, Interval
from models.text.e5_build import NAME, build_e5
from models.text.encoder import Encoder
from models.text.encoder_build import build_encoder
from models.text.words import normalise
from streamrank_client.events import Query, encode
from streams.artifacts.opening import open_models
from streams.artifacts.tables import Tables
from streams.handlers.catalogue import key_of, on_items
from streams.handlers.queries import on_queries
from streams.handlers.steps import run_on, run_steps
from streams.offline.building.artifacts import ensure_encoders
from streams.policy.choice import PlanChoice
from streams.policy.deployment import Deployment
from streams.settings import Settings, load
from streams.wire.messages import Record

CUT: Final = 10
#: Characters of the description that BM25 reads.
DESCRIBED: Final = 200
#: The constant of reciprocal rank fusion (Cormack, Clarke and Büttcher, SIGIR 2009).
DEPTH: Final = 60
OURS, BM25, ENCODER, E5, BOTH = "streamrank", "bm25", "encoder", "e5", "bm25 and e5"
#: What streamrank is compared with.
OTHERS: Final = (BM25, E5, BOTH)
#: So many of the default encoder's dimensions are e5's own, all of one length.
E5_WIDTH: Final = 384
#: The two ways to ask.
TASKS: Final = ("open", "rerank")

#: item ids of each query, best first
Lists = list[list[str]]
#: texts to their vectors, as queries or as passages
Reader = Callable[[Sequence[str], bool], Floats]
#: gains of a query's list and of its judged items to a figure
Metric = Callable[[Sequence[float], Sequence[float]], float]


def measure(data: Path, say: Callable[[str], None]) -> dict[str, object]:
    """Figures with 95 % intervals over queries; ``data`` is the folder that holds both sets.

    Raises LogError on files of another form, ModelError where an artifact or a wheel is missing.
    """
    settings = load()
    sets: tuple[tuple[str, Judged, Mapping[str, Metric]], ...] = (
        ("crowdflower", crowdflower(data), {"open": ndcg, "rerank": ndcg}),
        ("zh_select", choices(data), {"open": reciprocal, "rerank": first}),
    )
    found: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, judged, metrics in sets:
            say(f"{name}: publish {len(judged.items)} items")
            tables = published(settings, judged)
            readers = _readers(tables.models.encoder, Path(folder))
            found["encoder"] = f"{tables.models.encoder.name} {tables.models.encoder.version}"
            say(f"{name}: ask {len(judged.queries)} queries")
            lists = {OURS: answers(settings, tables, judged)} | baselines(judged, readers)
            found[name] = {"queries": len(judged.queries), "items": len(judged.items)} | {
                task: figures({system: _scored(judged, own[task], metrics[task]) for system, own in lists.items()})
                for task in TASKS
            }
    return found


def table(found: Mapping[str, object]) -> list[str]:
    """The figures as lines."""
    lines = []
    for name, own in found.items():
        if not isinstance(own, dict):
            lines.append(f"{name}: {own}")
            continue
        for task in TASKS:
            for kind in ("systems", "over"):
                for system, one in own[task][kind].items():
                    said = f"streamrank over {system}" if kind == "over" else system
                    lines.append(f"{name}, {task}, {said}: {one['mean']} [{one['low']}, {one['high']}]")
    return lines


def published(settings: Settings, judged: Judged) -> Tables:
    """The models in use with a catalogue of the judged items, understood by the handler that serves."""
    ensure_encoders(settings)
    tables, topics = Tables(open_models(settings)), Deployment.of(settings).topics
    records = [Record(key_of(item).encode(), encode(item), n, item.time) for n, item in enumerate(judged.items)]
    changes = run_on(on_items(records, -1, 0, tables.models, topics), {})
    assert not changes.dead, changes.dead[0]
    for topic, reader in tables.broadcasts(topics).items():
        reader.take([reader.read(one.key, one.value) for one in changes.messages if one.topic == topic])
    return tables


def answers(settings: Settings, tables: Tables, judged: Judged) -> dict[str, Lists]:
    """What is answered to each query, by task."""
    queries: dict[str, list[Query]] = {task: [] for task in TASKS}
    for n, (text, gains) in enumerate(judged.queries):
        open_query = Query(time=judged.items[0].time, request_id=f"relevance-{n}", text=text, limit=CUT)
        queries["open"].append(open_query)
        queries["rerank"].append(replace(open_query, candidates=list(gains)))
    return {task: ask(settings, tables, some) for task, some in queries.items()}


def ask(settings: Settings, tables: Tables, queries: Sequence[Query]) -> Lists:
    """The items of each answer, through the handler that serves; nothing is stored of anybody."""
    plans, deployment = PlanChoice.of(settings), Deployment.of(settings)

    async def nothing(keys: list[bytes]) -> list[bytes | None]:
        return [None] * len(keys)

    async def ask_all() -> Lists:
        lists = []
        for query in queries:
            steps = on_queries([query], [plans.plan_for(query)], 0, tables.models, deployment)
            lists.append([item.item_id for item in (await run_steps(steps, nothing)).answers[0].items])
        return lists

    return asyncio.run(ask_all())


def baselines(judged: Judged, readers: Mapping[str, Reader]) -> dict[str, dict[str, Lists]]:
    """By system and task, the items in the order of its scores; what it does not find comes last, as published."""
    bm25 = Bm25([f"{item.title} {item.description[:DESCRIBED]}" for item in judged.items])
    texts = [text for text, _ in judged.queries]
    scores: dict[str, Doubles] = {BM25: np.stack([bm25.scores(text) for text in texts])}
    titles = [item.title or normalise(item.description) for item in judged.items]
    for name, read in readers.items():
        scores[name] = (read(texts, False) @ read(titles, True).T).astype(np.float64)
    scores[BOTH] = sum((1 / (DEPTH + 1 + _ranks(scores[name])) for name in (BM25, E5)), np.zeros(()))
    return {name: {"open": _open(judged, own), "rerank": _rerank(judged, own)} for name, own in scores.items()}


def figures(scores: Mapping[str, Doubles]) -> dict[str, dict[str, dict[str, float]]]:
    """Means by system, and the mean differences of streamrank to the others, with intervals of the same draws."""
    draws = Draws(np.arange(len(scores[OURS])))
    return {
        "systems": {name: _rounded(draws.mean(own)) for name, own in scores.items()},
        "over": {name: _rounded(draws.mean(scores[OURS] - scores[name])) for name in OTHERS},
    }


def ndcg(gains: Sequence[float], judged: Sequence[float]) -> float:
    """NDCG@10 of a list's gains, beside the best order of all that was judged.

    >>> ndcg([3, 0, 1], [0, 1, 3]), ndcg([0, 0, 0], [0, 1, 3])
    (0.964..., 0.0)
    """
    weights = 1 / np.log2(np.arange(2, CUT + 2))
    best = np.sort(judged)[::-1][:CUT]
    return float(np.dot(gains[:CUT], weights[: len(gains)]) / np.dot(best, weights[: len(best)]))


def reciprocal(gains: Sequence[float], _judged: Sequence[float]) -> float:
    """One over the place of the first that gains, within ten.

    >>> reciprocal([0, 1], [1]), reciprocal([0], [1])
    (0.5, 0.0)
    """
    return next((1 / place for place, gain in enumerate(gains[:CUT], 1) if gain), 0.0)


def first(gains: Sequence[float], _judged: Sequence[float]) -> float:
    """Whether the first one gains."""
    return float(bool(gains) and gains[0] > 0)


def _readers(used: Encoder, folder: Path) -> dict[str, Reader]:
    """The encoder in use, and e5 alone: a part of that if it is the default one, else of one built from its wheel."""
    default = used
    if used.name != NAME:
        if not (folder / "e5").is_dir():
            build_e5(folder / "e5")
            build_encoder(folder / "small")
        default = Encoder(folder / "e5", "cpu", beside=Encoder(folder / "small", "cpu"))

    def whole(texts: Sequence[str], passages: bool) -> Floats:
        return used.encode(texts, passages).vector

    def alone(texts: Sequence[str], passages: bool) -> Floats:
        part: Floats = default.encode(texts, passages).vector[:, :E5_WIDTH]
        return part

    return {ENCODER: whole, E5: alone}


def _scored(judged: Judged, lists: Lists, metric: Metric) -> Doubles:
    found = []
    for one, (_, gains) in zip(lists, judged.queries, strict=True):
        found.append(metric([gains.get(name, 0.0) for name in one], list(gains.values())))
    return np.array(found)


def _open(judged: Judged, scores: Doubles) -> Lists:
    order = np.argsort(-scores, axis=1, kind="stable")[:, :CUT]
    return [[judged.items[n].item_id for n in row] for row in order.tolist()]


def _rerank(judged: Judged, scores: Doubles) -> Lists:
    place = {item.item_id: n for n, item in enumerate(judged.items)}
    lists = []
    for own, (_, gains) in zip(scores, judged.queries, strict=True):
        lists.append(sorted(gains, key=lambda name: -own[place[name]]))
    return lists


def _ranks(scores: Doubles) -> Doubles:
    """Each item's place in its row, from 0; those that score nothing share the last."""
    ranks = np.argsort(np.argsort(-scores, axis=1, kind="stable"), axis=1)
    return np.where(scores == 0, scores.shape[1], ranks)


def _rounded(interval: Interval) -> dict[str, float]:
    return {name: round(getattr(interval, name), 4) for name in ("mean", "low", "high")}
