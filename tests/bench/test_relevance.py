"""The bench of relevance on a handful of judged searches."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("Stemmer")

from bench import relevance
from bench.bm25 import Bm25
from bench.judged import CHOICES, CROWDFLOWER, choices, crowdflower
from models.base.arrays import Floats
from models.text.encoder import Encoder
from streamrank_client.errors import LogError

KINDS = ("tea", "lamp", "shoe", "drill")
TITLES = [(f"{colour} {kind}", kind) for kind in KINDS for colour in ("red", "blue", "old", "new")]
ZH = [
    ("酸奶", ["原味酸奶 200g", "电动牙刷", "运动鞋", "雨衣"], 0),
    ("台灯", ["原味酸奶 200g", "红茶", "护眼台灯", "雨伞"], 2),
]


def write(folder: Path, rated: int = 8) -> Path:
    """Four searches for one word each, whose four items are perfect and others bad; two Chinese choices."""
    with gzip.open(folder / CROWDFLOWER, "wt", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("query", "product_id", "title", "description", "relevance"))
        for kind in KINDS:
            right = [(n, 4) for n, (_, own) in enumerate(TITLES) if own == kind]
            wrong = [(n, 1) for n, (_, own) in enumerate(TITLES) if own != kind][: rated - len(right)]
            writer.writerows((kind, f"p{n}", TITLES[n][0], "", rating) for n, rating in right + wrong)
    with gzip.open(folder / CHOICES, "wt", encoding="utf-8") as text:
        for query, candidates, chosen in ZH:
            row = {"query": query, "candidates": candidates, "right": candidates[chosen]}
            text.write(json.dumps(row, ensure_ascii=False) + "\n")
    return folder


def test_every_system_is_judged_in_both_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Words decide here: BM25 and streamrank are right in all; means lie in their intervals; the table tells all."""

    def readers(used: Encoder, _folder: Path) -> dict[str, relevance.Reader]:
        def read(texts: Sequence[str], passages: bool) -> Floats:
            return used.encode(texts, passages).vector

        return {"encoder": read, "e5": read}

    monkeypatch.setattr(relevance, "_readers", readers)
    found = relevance.measure(write(tmp_path), lambda _: None)
    json.dumps(found)
    own = found["crowdflower"]
    assert isinstance(own, dict)
    assert (own["queries"], own["items"]) == (4, len(TITLES))
    for task in relevance.TASKS:
        systems = own[task]["systems"]
        assert systems.keys() == {"streamrank", "bm25", "encoder", "e5", "bm25 and e5"}
        assert systems["bm25"]["mean"] == systems["streamrank"]["mean"] == 1
        assert own[task]["over"]["bm25"] == {"mean": 0.0, "low": 0.0, "high": 0.0}
        for one in systems.values():
            assert 0 <= one["low"] <= one["mean"] <= one["high"] <= 1
    chosen = found["zh_select"]
    assert isinstance(chosen, dict)
    assert chosen["rerank"]["systems"]["streamrank"]["mean"] == 1
    assert chosen["open"]["systems"]["bm25"]["mean"] == 1
    assert len(relevance.table(found)) == 1 + 2 * 2 * (5 + 3)


def test_a_query_that_is_asked_twice_counts_twice(tmp_path: Path) -> None:
    """The same text with other titles is another choice."""
    rows = [{"query": "茶", "candidates": [right, "雨伞"], "right": right} for right in ("红茶", "绿茶")]
    with gzip.open(tmp_path / CHOICES, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    judged = choices(tmp_path)
    assert [text for text, _ in judged.queries] == ["茶", "茶"]
    assert [sum(gains.values()) for _, gains in judged.queries] == [1, 1]


def test_ranks_are_fused_and_what_scores_nothing_comes_last() -> None:
    """Places from 0; a zero shares the last place, whatever its row."""
    ranks = relevance._ranks(np.array([[0.2, 0.9, 0.0, 0.0]]))
    assert ranks.tolist() == [[1, 0, 4, 4]]


def test_bm25_knows_stems_and_chinese_words() -> None:
    """A plural finds its singular, a word within a Chinese title is found, rarer words weigh more."""
    index = Bm25(["dress shoes", "running shoe", "原味酸奶"])
    assert (index.scores("shoes") > 0).tolist() == [True, True, False]
    assert index.scores("酸奶").argmax() == 2
    scores = index.scores("dresses shoe")
    assert scores[0] > scores[1] > 0


def test_a_query_with_few_ratings_is_left_out(tmp_path: Path) -> None:
    """Seven rated items are too few; its items stay in the catalogue."""
    judged = crowdflower(write(tmp_path, rated=7))
    assert judged.queries == []
    assert len(judged.items) > 0


def test_files_of_another_form_are_named(tmp_path: Path) -> None:
    """Other columns, other lines, no file: the path and what was expected."""
    with pytest.raises(LogError, match=rf"{CHOICES}.*expected lines with query"):
        choices(tmp_path)
    with gzip.open(tmp_path / CROWDFLOWER, "wt") as file:
        file.write("query,item\na,b\n")
    with pytest.raises(LogError, match=rf"{CROWDFLOWER}.*expected columns query.*product_id"):
        crowdflower(tmp_path)
    with gzip.open(tmp_path / CHOICES, "wt") as file:
        file.write('{"query": "a"}\n')
    with pytest.raises(LogError, match="candidates"):
        choices(tmp_path)
