"""Adding is local: what a shop adds is a module of its own, named by entry points, and no file here knows of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from models.base.paths import DATA
from streamrank_client.events import Click, Item, Query, encode
from streamrank_client.vocabulary import DAY_MS

ROOT = DATA.parent
ITEMS = [
    Item(time=0, item_id=f"p{n}", title=title, category=["kitchen"], price=3.0 + n)
    for n, title in enumerate(("Ground coffee", "Black socks", "Red tea", "Winter boots", "Umbrella"))
]
ASKED = [
    Query(time=20_000 * DAY_MS, request_id="plain", user_id="u1"),
    Query(time=20_000 * DAY_MS, request_id="told", user_id="u1", explain=True, language="en"),
    Query(time=20_000 * DAY_MS, request_id="gesagt", user_id="u1", explain=True, language="zh"),
]

SEASONAL = '''
    """Seasonal: what the shop marks as of the season."""

    import numpy as np

    from models.ask import Weighted
    from models.retrieval.sentences import Sentence
    from models.retrieval.sources.base import Search, Source


    def of_the_season(case):
        return {"title": case.title(case.row)} if "Winter" in case.title(case.row) else None


    class Seasonal(Source):
        """Winter things."""

        name = "seasonal"
        meaning = "1 for winter things"
        surfaces = ("home",)
        weight = 5.0
        sentences = (Sentence(of_the_season, "{title} is for the winter", "{title}适合冬天"),)

        def candidates(self, search, k):
            rows = np.array([n for n, t in enumerate(search.catalogue.titles) if "Winter" in t], np.int32)
            return Weighted(rows, np.ones(len(rows), np.float32))

        def score(self, search, rows):
            return np.array(["Winter" in search.catalogue.titles[row] for row in rows], np.float32)
'''

LETTERS = '''
    """Letters: how long a title is."""

    import numpy as np

    from models.features.base import Family


    class Letters(Family):
        """The length of the title."""

        groups = {"letters": {"title_letters": "number of characters of the title"}}

        def columns(self, of):
            return {"title_letters": np.array([len(of.catalogue.titles[row]) for row in of.rows], np.float32)}
'''

SUNNY = '''
    """Sunny: no umbrellas today."""

    import numpy as np

    from models.ranking.adjustments.base import Adjustment


    class Sunny(Adjustment):
        """Umbrellas stand last."""

        name = "sunny"

        def added(self, to):
            titles = [to.catalogue.titles[row] for row in to.candidates.rows]
            return np.array([-50.0 * (title == "Umbrella") for title in titles], np.float32)
'''

OWN_SHOP = '''
    """An importer of the shop's own, and a baseline."""

    import numpy as np

    from models.evaluate.baseline import Baseline
    from models.evaluate.lists import Scored
    from streamrank_client.events import Click, Item
    from streams.offline.importers.base import Importer


    def events(path, *, keep_order=False, seed=0):
        """Ten users click one thing after the other."""
        for n in range(5):
            yield Item(time=0, item_id=f"p{n}", title=f"thing {n}")
        for n in range(200):
            yield Click(time=n + 1, event_id=f"e{n}", user_id=f"u{n % 10}", item_id=f"p{n // 10 % 5}")


    IMPORTER = Importer("own-shop", "the shop's own", events, (), needs_path=False)


    class First(Baseline):
        """Item number 0 before all others."""

        name = "first"
        filled = False

        def __init__(self, journal, texts):
            """Nothing to learn."""

        def advance(self, row):
            """Nothing to learn."""

        def score(self, row):
            return Scored(np.array([0]), np.array([1.0]))
'''


def installed(folder: Path, module: str, code: str, **groups: str) -> dict[str, str]:
    """A package with one module and its entry points in ``folder``; the environment in which it is installed."""
    folder.mkdir(exist_ok=True)
    (folder / f"{module}.py").write_text(dedent(code).lstrip())
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    points = [f"[streamrank.{group}]\n{name.lower()} = {module}:{name}\n" for group, name in groups.items()]
    (info / "entry_points.txt").write_text("\n".join(points))
    clean = {name: value for name, value in os.environ.items() if not name.startswith("STREAMRANK_")}
    return {**clean, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT), str(ROOT / "client")])}


def streamrank(environment: dict[str, str], *arguments: str) -> str:
    """What a command prints."""
    command = [sys.executable, "-m", "streams.cli", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def answers(folder: Path, environment: dict[str, str], log: list[Any]) -> dict[str, Any]:
    """A log's answers by request."""
    (folder / "log.jsonl").write_bytes(b"".join(encode(event) + b"\n" for event in log))
    streamrank(environment, "replay", str(folder / "log.jsonl"), "--answers", str(folder / "answers.jsonl"))
    found = [json.loads(line) for line in (folder / "answers.jsonl").read_text().splitlines()]
    return {answer["request_id"]: answer for answer in found}


@pytest.mark.servers
def test_a_source_is_one_file_and_its_name(tmp_path: Path) -> None:
    """It retrieves, counts in fusion, is explained and said in both languages; the shipped ranker does without it."""
    environment = installed(tmp_path, "shop_sources", SEASONAL, sources="Seasonal")
    found = answers(tmp_path, environment, [*ITEMS, *ASKED])
    boots = next(item for item in found["told"]["items"] if item["item_id"] == "p3")
    assert "seasonal" in boots["sources"]
    assert boots["features"]["seasonal"] == 1
    assert boots["why"] == "Winter boots is for the winter."
    told = next(item for item in found["gesagt"]["items"] if item["item_id"] == "p3")
    assert told["why"] == "Winter boots适合冬天。"
    assert sum(boots["reasons"].values()) == pytest.approx(boots["score"], abs=1e-4)
    off = answers(tmp_path, {**environment, "STREAMRANK_SOURCES": "trending,popular"}, [*ITEMS, *ASKED])
    assert all("seasonal" not in item["sources"] for item in off["plain"]["items"])


@pytest.mark.servers
def test_a_source_is_timed_and_counts_in_fusion(tmp_path: Path) -> None:
    """With its weight it fills the candidates first; its time is measured under its name; it is in every registry."""
    environment = installed(tmp_path, "shop_sources", SEASONAL, sources="Seasonal")
    code = """
        import json
        from models.features.registry import FEATURES, GROUPS, MEANING
        from models.retrieval.candidates import retrieve
        from models.retrieval.sources.registry import SOURCES
        from models.sample import asked, sample
        from streams.policy.plans import plan_of
        from streams.settings import Settings
        from streams.worker.metrics import Metrics

        metrics = Metrics()
        catalogue = sample([f"thing {n}" for n in range(300)] + ["Winter boots"])
        plan = plan_of(Settings())
        (found,) = retrieve([asked("home")], catalogue, plan.sources, 100, 10, timed=metrics.timed_source)
        print(json.dumps({
            "rows": found.rows.tolist(), "timed": 'source="seasonal"' in metrics.text().decode(),
            "plan": plan.sources, "last": FEATURES[-1], "group": GROUPS["seasonal"], "means": MEANING["seasonal"],
        }))
    """
    done = subprocess.run(
        [sys.executable, "-c", dedent(code)], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert 300 in found["rows"]
    assert found["timed"]
    assert found["plan"][-1] == found["last"] == "seasonal"
    assert found["group"] == ["seasonal"]
    assert found["means"] == "score of the source seasonal: 1 for winter things"


@pytest.mark.servers
def test_a_family_of_features_is_one_file_and_its_name(tmp_path: Path) -> None:
    """Its columns are computed and told; the shipped ranker, which was trained without, orders as before."""
    plain = answers(tmp_path, installed(tmp_path / "none", "nothing", ""), [*ITEMS, *ASKED])
    environment = installed(tmp_path / "one", "shop_features", LETTERS, features="Letters")
    found = answers(tmp_path, environment, [*ITEMS, *ASKED])
    lengths = {item["item_id"]: item["features"]["title_letters"] for item in found["told"]["items"]}
    assert lengths["p2"] == len("Red tea")
    assert found["plain"] == plain["plain"]


@pytest.mark.servers
def test_an_adjustment_is_one_file_and_its_name(tmp_path: Path) -> None:
    """It moves what it speaks of, and stands in the explanation, which still adds up."""
    environment = installed(tmp_path, "shop_adjustments", SUNNY, adjustments="Sunny")
    found = answers(tmp_path, environment, [*ITEMS, *ASKED])
    last = found["told"]["items"][-1]
    assert last["item_id"] == "p4"
    assert last["reasons"]["sunny"] == -50
    assert sum(last["reasons"].values()) == pytest.approx(last["score"], abs=1e-4)


@pytest.mark.servers
def test_an_importer_and_a_baseline_are_one_file_and_their_names(tmp_path: Path) -> None:
    """`import` takes the one by its name, `evaluate` compares with the other."""
    environment = installed(tmp_path, "own_shop", OWN_SHOP, importers="IMPORTER", baselines="First")
    log = str(tmp_path / "own.jsonl")
    assert "200 click" in streamrank(environment, "import", "own-shop", "-o", log)
    report = json.loads(
        streamrank(environment, "evaluate", log, "--task", "all", "--tests", "20", "--compare", "first", "--json")
    )
    assert "first" in report["metrics"]["ndcg@10"]


def test_what_a_package_names_wrongly_is_told_with_the_remedy(tmp_path: Path) -> None:
    """The entry point, what is wrong with it, and what to do: no traceback."""
    environment = installed(tmp_path, "shop_wrong", "Broken = 7", sources="Broken")
    code = "from models.retrieval.sources import registry"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert "entry point broken = 'shop_wrong:Broken' of streamrank.sources: it is no Source" in done.stderr
    assert "Operator action" in done.stderr


@pytest.mark.servers
def test_a_kind_of_behaviour_is_a_line_and_a_struct(tmp_path: Path) -> None:
    """With both in the client alone, events of the kind are taken, counted, weighed and explained everywhere."""
    client = tmp_path / "client"
    shutil.copytree(ROOT / "client" / "streamrank_client", client / "streamrank_client")
    words = client / "streamrank_client" / "vocabulary.py"
    line = '    Kind("wishlist", interest=2.5, popularity=2.5, feedback=1.25, en="wished for", zh="收藏过"),\n'
    before, dwell, after = words.read_text().partition('    Kind("dwell"')
    rest, newline, after = after.partition("\n")
    words.write_text(before + dwell + rest + newline + line + after)
    events = client / "streamrank_client" / "events.py"
    struct = (
        'class Wishlist(ItemEvent, tag="wishlist", kw_only=True):\n    """The item was put on a wish list."""\n\n\n'
    )
    text = events.read_text().replace("class Dwell(", struct + "class Dwell(")
    events.write_text(text.replace("| Dislike | Dwell\n", "| Dislike | Dwell | Wishlist\n"))
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("STREAMRANK_")},
        "PYTHONPATH": os.pathsep.join([str(client), str(ROOT)]),
        "STREAMRANK_SOURCES": "context",
    }
    wish = encode(Click(time=20_000 * DAY_MS - 1, event_id="e1", user_id="u1", item_id="p2")).replace(
        b'"click"', b'"wishlist"'
    )
    log = [*ITEMS, *ASKED]
    (tmp_path / "log.jsonl").write_bytes(b"".join(encode(event) + b"\n" for event in log) + wish + b"\n")
    streamrank(
        environment, "replay", str(tmp_path / "log.jsonl"), "--answers", str(tmp_path / "a.jsonl"), "--dead-letters",
        str(tmp_path / "dead.jsonl"),
    )  # fmt: skip
    assert (tmp_path / "dead.jsonl").read_text() == ""
    told = json.loads((tmp_path / "a.jsonl").read_text().splitlines()[1])
    tea = next(item for item in told["items"] if item["item_id"] == "p2")
    assert tea["features"]["own_weight"] == 2.5
    assert any("you wished for" in item.get("why", "").lower() for item in told["items"])
