"""A ranker is replaced while the worker serves; one that does not verify is refused."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from time import monotonic

from models.base.artifact import Artifact, write
from streamrank_client.client import Client
from tests.integration.conftest import Shop

REFUSED = "new artifact refused"


def replace_ranker(folder: Path, note: bytes, model: bytes | None = None) -> str:
    """Put a ranker of another version in place, with a file of its own; its version."""
    old = Artifact.load(folder / "ranker")
    files: dict[str, bytes | Path] = {name: old.file(name) for name in old.manifest.files}
    files["note.txt"] = note
    if model is not None:
        files[old.manifest.graph] = model
    return write(folder / "ranker", old.manifest, files).version


async def served(client: Client) -> str:
    """The ranker's version in the next answer."""
    return (await client.ask(text="milk", timeout=20)).artifact


async def until_served(client: Client, version: str) -> None:
    """Ask until this version answers."""
    deadline = monotonic() + 20
    while (found := await served(client)) != version:
        assert monotonic() < deadline, f"{found} serves after 20 s, not {version}"
        await asyncio.sleep(0.05)


async def until_refused(shop: Shop, times: int) -> None:
    """Wait until the worker has refused so many artifacts."""
    deadline = monotonic() + 20
    while shop.worker.log.count(REFUSED) < times:
        assert monotonic() < deadline, f"{times} artifacts were not refused in 20 s"
        await asyncio.sleep(0.05)


async def test_a_new_ranker_answers_without_a_restart_and_a_broken_one_never(shop: Shop, tmp_path: Path) -> None:
    """Answers name the new version; a graph that does not open, altered bytes and half a copy change nothing."""
    ranker, good = shop.artifacts / "ranker", tmp_path / "good"
    shutil.copytree(ranker, good)
    pid = shop.worker.pid
    async with Client(settings=shop.settings) as client:
        first = await served(client)
        assert first == Artifact.load(ranker).version
        second = replace_ranker(shop.artifacts, b"second")
        assert second != first
        await until_served(client, second)

        seen = shop.worker.log.count(REFUSED)
        assert replace_ranker(shop.artifacts, b"third", model=b"no graph") != second
        await until_refused(shop, seen + 1)
        assert await served(client) == second

        shutil.rmtree(ranker)
        shutil.copytree(good, ranker)
        fourth = replace_ranker(shop.artifacts, b"fourth")
        await until_served(client, fourth)
        seen = shop.worker.log.count(REFUSED)
        alter(ranker, fourth)
        await until_refused(shop, seen + 1)
        assert await served(client) == fourth

        shutil.rmtree(ranker)
        shutil.copytree(good, ranker)
        await until_served(client, first)

        half = tmp_path / "half"
        shutil.copytree(good, half / "ranker")
        copied = replace_ranker(half, b"copied slowly")
        seen = shop.worker.log.count(REFUSED)
        shutil.rmtree(ranker)
        shutil.copytree(half / "ranker", ranker, ignore=shutil.ignore_patterns("model.onnx"))
        await until_refused(shop, seen + 1)
        assert await served(client) == first
        shutil.copy(half / "ranker" / "model.onnx", ranker)
        await until_served(client, copied)
    assert shop.worker.pid == pid


def alter(ranker: Path, version: str) -> None:
    """Change bytes of the graph as a bad copy would, under a manifest that names another version."""
    graph = bytearray((ranker / "model.onnx").read_bytes())
    middle = len(graph) // 2
    graph[middle : middle + 4] = b"\0\0\0\0" if graph[middle : middle + 4] != b"\0\0\0\0" else b"\1\1\1\1"
    (ranker / "model.onnx").write_bytes(graph)
    manifest = ranker / "manifest.json"
    manifest.write_text(manifest.read_text().replace(version, "0" * 12))
