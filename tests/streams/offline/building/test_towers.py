"""The item tower in a deployment: built by the command, swapped in, replayed in the same bytes, taken away again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from models.sample import sample_entry
from streamrank_client.answers import decode_answer
from streamrank_client.logs import write_lines
from streams.artifacts.opening import open_artifacts, open_models
from streams.artifacts.records import ItemRecord
from streams.artifacts.swapping import Swapper
from streams.artifacts.tables import Tables
from streams.cli import main
from streams.offline.replay import replay
from streams.policy.plans import plan_of
from streams.settings import Settings
from tests.support.composing import link_encoders
from tests.support.servers import flush
from tests.support.small_log import Size, lines, log

pytestmark = pytest.mark.servers

RAW = log(Size(users=20, behaviors=600, queries=25))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of artifacts with the encoder and a tower that the command has built of a small log."""
    out = tmp_path_factory.mktemp("artifacts")
    link_encoders(out)
    write_lines(out / "small.jsonl", RAW)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STREAMRANK_ARTIFACTS", str(out))
        run = CliRunner().invoke
        nothing = run(main, ["artifact", "build", "item-tower"])
        assert (nothing.exit_code, "--log" in nothing.stderr) == (2, True)
        built = run(main, ["artifact", "build", "item-tower", "--log", str(out / "small.jsonl"), "--json"])
        assert built.exit_code == 0, built.stderr
        manifest = json.loads(built.stdout)["manifest"]
        assert (manifest["kind"], manifest["created_from"]["items"]) == ("item-tower", "80")
        assert run(main, ["artifact", "verify", "item-tower"]).exit_code == 0
        early = run(main, ["artifact", "build", "item-tower", "--log", str(out / "small.jsonl"), "--until", "7"])
        assert (early.exit_code != 0, "too few" in early.stderr) == (True, True)
    return out


async def answers(url: str, settings: Settings) -> list[bytes]:
    """The answers of a replay on an emptied database."""
    flush(url)
    found: list[bytes] = []
    await replay(lines(RAW), settings, url, on_answer=found.append, on_dead=lambda _: None)
    return found


async def test_replays_with_a_tower_give_the_same_bytes_and_its_candidates(folder: Path, redis_url: str) -> None:
    """Twice the same; the source gives some items; without it, or its artifact, the answers do not name it."""
    settings = Settings(device="cpu", partitions=4, artifacts=str(folder))
    one = await answers(redis_url, settings)
    assert await answers(redis_url, settings) == one
    given = {source for answer in one for item in decode_answer(answer).items for source in item.sources}
    assert "tower" in given


async def test_without_the_artifact_answers_have_the_bytes_of_those_without_the_source(redis_url: str) -> None:
    """The default sources, and the same but for `tower`."""
    settings = Settings(device="cpu", partitions=4)
    others = ",".join(name for name in plan_of(settings).sources if name != "tower")
    assert await answers(redis_url, settings) == await answers(
        redis_url, Settings(device="cpu", partitions=4, sources=others)
    )


def without_tower(folder: Path, own: Path) -> Settings:
    """Settings of a worker whose artifacts are those of the folder, but for the tower."""
    link_encoders(own)
    return Settings(device="cpu", artifacts=str(own))


def test_a_tower_takes_over_once_it_has_a_vector_for_every_item(folder: Path, tmp_path: Path) -> None:
    """In slices; items that come meanwhile and afterwards get theirs too."""
    settings = without_tower(folder, tmp_path)
    tables = Tables(open_models(settings))
    tables.take_items([record(f"milk {n}") for n in range(300)])
    shutil.copytree(folder / "item-tower", tmp_path / "item-tower")
    tables.swap(open_artifacts(settings), tower=True)
    assert tables.grow()
    tables.take_items([record("late milk")])
    assert (tables.models.tower, "item-tower" in tables.models.versions()) == (None, False)
    assert not tables.grow()
    tower = tables.models.tower
    assert tower is not None
    assert np.allclose(np.linalg.norm(tower.vectors(301), axis=1), 1, atol=1e-5)
    tables.take_items([record("later milk")])
    assert tower.vectors(302)[301].any()


async def test_a_worker_swaps_a_tower_in_and_out(folder: Path, tmp_path: Path) -> None:
    """It looks at the folder: nothing new, a tower, and none again; a batch goes on with what it began with."""
    settings = without_tower(folder, tmp_path)
    tables = Tables(open_models(settings))
    tables.take_items([record(f"milk {n}") for n in range(300)])
    swapper = Swapper(settings, tables)
    assert (await swapper.swap(), tables.models.tower) == (False, None)
    shutil.copytree(folder / "item-tower", tmp_path / "item-tower")
    assert await swapper.swap()
    models = tables.models
    assert models.tower is not None
    assert models.versions()["item-tower"] == models.tower.tower.version
    shutil.rmtree(tmp_path / "item-tower")
    assert await swapper.swap()
    assert tables.models.tower is None
    assert models.tower is not None


def record(title: str) -> ItemRecord:
    """An item as it is read from the catalogue topic."""
    return title, sample_entry(title)
