"""What of our own is kept beside a library that does the same: docs/decisions/0024-kept-libraries.md has the figures.

``datasketches`` is measured where it is installed: ``uv run --with datasketches python -m bench kept``.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import count
from string import ascii_lowercase
from time import process_time
from typing import Any, Final

import numpy as np
from rapidfuzz import process
from rapidfuzz.distance import OSA
from redis.asyncio import Connection
from scipy import sparse  # type: ignore[import-untyped]

from models.items.bm25 import FIELDS, K1, Bm25
from models.items.catalogue import Catalogue
from models.lore.query_spelling import SpeltTexts, squeezed
from models.lore.spelling import Speller, edits
from models.sample import sample_entry
from state import query_clicks
from state.records import QUERY_CLICK
from state.server import packed_command

WORDS: Final = 50_000
TITLES: Final = 20_000
ROWS: Final = 500
DELTAS: Final = 2_000
#: letters by how often they are used, so that made-up words are as near to each other as real ones
_LETTERS: Final = "etaoinshrdlucmfwypvbgkjqxz"
_OFTEN: Final = [1 / place for place in range(1, 27)]


def measure() -> dict[str, dict[str, float]]:
    """Microseconds of processor time by what is done and by whom: the least of some rounds' means."""
    rng = random.Random(0)
    words = sorted({"".join(rng.choices(_LETTERS, _OFTEN, k=rng.randint(4, 12))) for _ in range(2 * WORDS)})
    rng.shuffle(words)
    words = words[:WORDS]
    return {
        "500 records of 2.8 KB packed for Redis": _packing(500, 2_800),
        "8 records of 200 bytes packed for Redis": _packing(8, 200),
        f"a word looked up among {WORDS:,}": _word(words, rng),
        f"a query looked up among {WORDS:,}": _query(words, rng),
        f"a title replaced among {TITLES:,}, then a search": _search(words, rng),
        f"{DELTAS:,} choices added to {ROWS} stored rows": _choices(),
        "the rows of 96 keys that were asked for before": _rows(),
    }


def table(figures: Mapping[str, Mapping[str, float]]) -> list[str]:
    """The figures as lines."""
    return [
        f"{done}: " + ", ".join(f"{by} {micros:,.2f} µs" for by, micros in times.items())
        for done, times in figures.items()
    ]


def _least(call: Callable[[], Any], times: int, rounds: int = 5) -> float:
    call()
    spent = []
    for _ in range(rounds):
        began = process_time()
        for _ in range(times):
            call()
        spent.append((process_time() - began) / times)
    return round(min(spent) * 1e6, 3)


def _packing(records: int, size: int) -> dict[str, float]:
    pairs = [part for n in range(records) for part in (b"ctx:%d" % n, bytes(size))]
    commands = [(b"MULTI",), (b"MSET", b"mark", b"1", *pairs), (b"EXEC",)]
    connection = Connection()
    times = 100_000 // records
    return {
        "ours": _least(lambda: [packed_command(command) for command in commands], times),
        "redis-py with hiredis": _least(lambda: connection.pack_commands(commands), max(times // 20, 5)),
    }


def _word(words: Sequence[str], rng: random.Random) -> dict[str, float]:
    speller = Speller()
    for word in words:
        speller.add(word)
    typed = [_slip(word, rng) for word in rng.sample(words, 200)]

    def all_words(word: str) -> object:
        return process.extract(word, words, scorer=OSA.distance, score_cutoff=edits(word), limit=None)

    return {
        "our index": _least(lambda: [speller.correct(word, lambda _: 5) for word in typed], 5) / len(typed),
        "rapidfuzz over all": _least(lambda: list(map(all_words, typed)), 1, 3) / len(typed),
    }


def _query(words: Sequence[str], rng: random.Random) -> dict[str, float]:
    texts = [" ".join(rng.sample(words, rng.randint(1, 3))) for _ in range(WORDS)]
    near, bare = SpeltTexts(), [squeezed(text) for text in texts]
    for row, text in enumerate(texts):
        near.put(row, text)
    typed = [_slip(text, rng) for text in rng.sample(texts, 200)]

    def all_texts(text: str) -> object:
        return process.extract(squeezed(text), bare, scorer=OSA.distance, score_cutoff=2, limit=None)

    return {
        "our sift": _least(lambda: list(map(near.near, typed)), 5) / len(typed),
        "rapidfuzz over all": _least(lambda: list(map(all_texts, typed)), 1, 3) / len(typed),
    }


def _search(words: Sequence[str], rng: random.Random) -> dict[str, float]:
    vocabulary = words[:8_000]
    weights = [1 / place for place in range(1, 1 + len(vocabulary))]
    titles = [rng.choices(vocabulary, weights, k=8) for _ in range(TITLES)]
    index, numbers = Bm25(), {word: n for n, word in enumerate(vocabulary)}
    for row, title in enumerate(titles):
        index.put(row, title)
    asked, turn = titles[7][:3], count()

    def ours() -> object:
        index.put(next(turn) % TITLES, rng.choices(vocabulary, weights, k=8))
        return index.scores(asked, TITLES)

    def rebuilt() -> object:
        titles[next(turn) % TITLES] = rng.choices(vocabulary, weights, k=8)
        lengths = np.array([len(title) for title in titles])
        terms = np.array([numbers[word] for title in titles for word in title])
        counts = sparse.csc_matrix(
            (np.ones(len(terms), np.float32), (np.repeat(np.arange(TITLES), lengths), terms)), (TITLES, len(vocabulary))
        )
        held = np.diff(counts.indptr)
        idf = np.log1p((TITLES - held + 0.5) / (held + 0.5))
        b = FIELDS[0].b
        norm = K1 * (1 - b + b * lengths / lengths.mean())
        counts.data *= (K1 + 1) / (counts.data + norm[counts.indices])
        return counts[:, [numbers[word] for word in asked]] @ idf[[numbers[word] for word in asked]]

    return {"ours": _least(ours, 500), "scipy's sparse matrix, built again": _least(rebuilt, 1, 3)}


def _choices() -> dict[str, float]:
    rng = np.random.default_rng(0)
    item = rng.zipf(1.3, (20, DELTAS)).astype(np.uint64) % np.uint64(1 << 40) + np.uint64(1)
    row, weight = rng.integers(0, ROWS, (20, DELTAS)), rng.integers(1, 6, (20, DELTAS)).astype(np.float32)
    time = np.full(DELTAS, query_clicks.LANDMARK + 86_400, np.uint32)
    stored, turn = np.zeros(ROWS, QUERY_CLICK).tobytes(), count()

    def ours() -> None:
        nonlocal stored
        n = next(turn) % 20
        rows = np.frombuffer(stored, QUERY_CLICK).copy()
        query_clicks.fold(rows, row[n], item[n], weight[n], time)
        stored = rows.tobytes()

    figures = {"ours": _least(ours, 40)}
    try:
        import datasketches  # type: ignore[import-not-found]
    except ImportError:
        return figures
    codec = datasketches.PyLongsSerDe()
    # 64 slots, of which it uses three quarters: the nearest to our 32
    kept = [datasketches.frequent_items_sketch(6).serialize(codec) for _ in range(ROWS)]

    def theirs() -> None:
        n = next(turn) % 20
        sketches = [datasketches.frequent_items_sketch.deserialize(raw, codec) for raw in kept]
        for place, key, added in zip(row[n].tolist(), item[n].tolist(), weight[n].tolist(), strict=True):
            sketches[place].update(key, int(added))
        kept[:] = [one.serialize(codec) for one in sketches]

    return figures | {"datasketches": _least(theirs, 4)}


class _Same:
    """An array as a key of a cache: equal to itself alone."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def __hash__(self) -> int:
        return id(self.array)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.array is other.array


def _rows() -> dict[str, float]:
    catalogue = Catalogue()
    catalogue.upsert([sample_entry(f"tea {n}", item_id=f"p{n}") for n in range(2_000)])
    keys = np.random.default_rng(0).choice(catalogue.keys, 96)
    remembered = lru_cache(16)(lambda same, length: catalogue.rows(np.array(same.array)))
    keys.flags.writeable = False
    return {
        "ours": _least(lambda: catalogue.rows(keys), 50_000),
        "functools.lru_cache": _least(lambda: remembered(_Same(keys), len(catalogue)), 50_000),
    }


def _slip(text: str, rng: random.Random) -> str:
    place = rng.randrange(len(text))
    return text[:place] + rng.choice(ascii_lowercase) + text[place + 1 :]
