"""The pages say what is there: links, modules, commands, topics, records, metrics, codes."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import numpy as np
import pytest

from state import records
from streamrank_client.topics import topics
from streams.cli import COMMANDS
from streams.settings import Settings, checkout, variable
from streams.worker.metrics import Metrics

ROOT = checkout()
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def page(name: str) -> str:
    """The text of a page."""
    return (ROOT / name).read_text()


def modules() -> list[Path]:
    """Every module of the three packages, from its package."""
    found = [f.relative_to(ROOT / p) for p in ("streams", "models", "state") for f in (ROOT / p).rglob("*.py")]
    return sorted(f for f in found if not f.name.startswith("__"))


@pytest.mark.parametrize("path", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_link_leads_to_a_file(path: Path) -> None:
    """A page that was moved or renamed must not leave a dead link behind."""
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text()):
        if not target.startswith("http"):
            assert (path.parent / target).exists(), target


def test_the_architecture_names_every_module() -> None:
    """A module is named itself, or the folder that it lies in."""
    text = page("ARCHITECTURE.md")
    unnamed = [m for m in modules() if f"{m}`" not in text and not any(f"`{folder}/`" in text for folder in m.parents)]
    assert not unnamed


def test_the_architecture_names_no_module_that_is_gone() -> None:
    """A renamed module must not live on in the tables."""
    there = {str(m) for m in modules()}
    rooms = page("ARCHITECTURE.md").partition("## The rooms")[2].partition("## Topics")[0]
    named = {n for row in rooms.splitlines() if row.startswith("|") for n in re.findall(r"`([\w/]+\.py)`", row)}
    assert len(named) > 50
    assert {n for n in named if n not in there and n not in ("registry.py", "retrieval.py")} == set()


def test_the_readme_lists_every_command() -> None:
    """The table has the commands of the command line, and no other."""
    rows = re.findall(r"^\| `streamrank ([a-z-]+)", page("README.md"), re.MULTILINE)
    assert sorted(rows) == sorted(COMMANDS)


def test_the_readmes_python_compiles() -> None:
    """Examples are pasted: a typo in one is the first thing that a newcomer meets."""
    blocks = re.findall(r"^```python\n(.*?)^```", page("README.md"), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        ast.parse(block)


def test_the_architecture_lists_every_topic_with_its_policy() -> None:
    """Partitions and cleanup policy are those that `topics create` asks for."""
    text = page("ARCHITECTURE.md")
    for spec in topics(partitions=77):
        partitions = "P" if spec.partitions == 77 else str(spec.partitions)
        policy = spec.config.get("cleanup.policy", "delete")
        assert re.search(rf"^\| {spec.name} \| [^|]+ \| {partitions} \| {policy} \|", text, re.MULTILINE), spec.name


@pytest.mark.parametrize(
    ("key", "layout"),
    [("ctx", records.CONTEXT), ("cov", records.COVISIT), ("qc", records.QUERY_CLICK), ("cnt", records.COUNT),
     ("trend", records.TREND)],
)  # fmt: skip
def test_the_architecture_gives_the_size_of_every_record(key: str, layout: np.dtype[np.void]) -> None:
    """A layout that grows must say so."""
    row = next(line for line in page("ARCHITECTURE.md").splitlines() if line.startswith(f"| `{key}:"))
    assert f"| {layout.itemsize:,} |" in row


def test_the_operations_page_lists_every_metric() -> None:
    """Whoever watches a worker finds each metric explained."""
    text = page("docs/operations.md")
    for family in Metrics().registry.collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        assert f"`{name}" in text, name


def test_the_operations_page_lists_every_code_of_a_dead_letter() -> None:
    """The codes in the source are the codes in the table."""
    sources = "".join(f.read_text() for f in (ROOT / "streams").rglob("*.py"))
    codes = set(re.findall(r'InvalidEvent\(\s*"(\w+)"', sources))
    assert len(codes) > 5
    assert {c for c in codes if f"`{c}`" not in page("docs/operations.md")} == set()


@pytest.mark.parametrize("path", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_setting_named_exists(path: Path) -> None:
    """A page must not tell of a variable that nobody reads; tests have a few of their own."""
    known = {variable(name) for name in Settings.__dataclass_fields__}
    known |= {"STREAMRANK_DATA", "STREAMRANK_REQUIRE_SERVERS", "STREAMRANK_REQUIRE_DATA", "STREAMRANK_"}
    known |= {"STREAMRANK_LOCK", "STREAMRANK_IMAGE"}
    named = set(re.findall(r"\bSTREAMRANK_[A-Z_]*", path.read_text()))
    assert named <= known


def test_the_decisions_index_lists_every_decision() -> None:
    """A decision that is not in the index is not found."""
    folder = ROOT / "docs" / "decisions"
    index = (folder / "README.md").read_text()
    assert [f.name for f in sorted(folder.glob("*.md")) if f.name != "README.md" and f"({f.name})" not in index] == []
