"""The house keeps its rules: few modules at the top, one name for one class, one vocabulary, no chains over topics.

Who may import whom is import-linter's to say (``make layers``); this reads the syntax trees of the sources.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from streamrank_client.topics import topics
from streamrank_client.vocabulary import KINDS, SURFACES
from streams.settings import checkout

ROOT: Final = checkout()
PACKAGES: Final = ("streams", "models", "state", "client/streamrank_client")

#: where some surfaces or kinds may be named together, by file or folder, and why
SPELLED: Final = {
    "client/streamrank_client/vocabulary.py": "it is the vocabulary",
    "client/streamrank_client/asyncapi.py": "an example of every event, for the document",
    "models/retrieval/sources": "each source says on which surfaces it gives candidates, and which it reads how",
    "models/retrieval/candidates.py": "the surfaces whose lists are fused by the sources' weights",
    "models/retrieval/facts.py": "the surfaces whose query names items itself",
    "models/evaluate/sample.py": "what an event must have to be tested on each surface",
    "models/evaluate/groups.py": "groups of tested events, two of them named like surfaces",
    "streams/cli/demonstration/scenes.py": "a question of each kind, which the demo times",
    "streams/offline/building/towers.py": "the kinds that choose an item, as co-visits count them",
    "streams/offline/importers/table/formats/ga4.py": "events as Google names them, two of them named like kinds",
    "streams/offline/experiments/joining.py": "the kinds that a report counts, each with its column",
}
#: comparisons of topics that are no chain over stages, and why
COMPARED: Final = {
    "streams/offline/publishing/arrival.py": "a dead letter says which topic it is of",
}


@cache
def sources(*packages: str) -> tuple[tuple[str, ast.Module], ...]:
    """Every module of some packages: its path from the checkout, and its syntax tree."""
    paths = [path for package in packages or PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    return tuple((path.relative_to(ROOT).as_posix(), ast.parse(path.read_text())) for path in paths)


@pytest.mark.parametrize(("package", "most"), [("streams", 6), ("models", 4)])
def test_few_modules_stand_at_the_top_of_a_package(package: str, most: int) -> None:
    """What is new goes into a room."""
    there = sorted(path.name for path in (ROOT / package).glob("*.py"))
    assert len(there) <= most, there


def test_no_two_public_classes_have_one_name() -> None:
    """A name means one thing wherever it is read."""
    where: dict[str, list[str]] = defaultdict(list)
    for path, tree in sources():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                where[node.name].append(path)
    assert len(where) > 200
    assert {name: paths for name, paths in where.items() if len(paths) > 1} == {}


def collected(node: ast.AST) -> set[str]:
    """The texts that a tuple, list, set or dict holds, a dict as its keys."""
    parts: list[ast.expr | None] = []
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        parts += node.elts
    elif isinstance(node, ast.Dict):
        parts += node.keys
    return {part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)}


def excepted(path: str, exceptions: dict[str, str]) -> str | None:
    """The exception that covers a file: its own, or that of a folder which it lies in."""
    return next((name for name in (path, *map(str, Path(path).parents)) if name in exceptions), None)


WORDS: Final[tuple[set[str], ...]] = ({*SURFACES}, {kind.name for kind in KINDS})


@pytest.mark.parametrize("words", WORDS, ids=["surfaces", "kinds of behaviour"])
def test_surfaces_and_kinds_are_spelled_in_the_vocabulary_alone(words: set[str]) -> None:
    """Elsewhere two of them stand together only for a reason that is given above."""
    found = {
        f"{path}:{node.lineno}"
        for path, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.expr) and len(collected(node) & words) > 1 and not excepted(path, SPELLED)
    }
    assert found == set()


def test_every_exception_is_still_needed() -> None:
    """One that covers nothing any more goes."""
    spelled = {
        excepted(path, SPELLED)
        for path, tree in sources()
        for node in ast.walk(tree)
        if any(len(collected(node) & some) > 1 for some in WORDS)
    }
    assert spelled - {None} == SPELLED.keys()
    assert {excepted(path, COMPARED) for path, _ in comparisons()} - {None} == COMPARED.keys()


def is_topic(side: ast.expr) -> bool:
    """Whether an expression is a topic, or the name of one."""
    text = ast.unparse(side)
    if isinstance(side, ast.Constant):
        return "-" in str(side.value) and side.value in {spec.name for spec in topics()}
    last = text.rpartition(".")[2].lstrip("_")
    named = last == "name" and any(word in text for word in ("topic", "spec."))
    return named or last == "topic" or (isinstance(side, ast.Attribute) and "topics." in text)


def comparisons() -> Iterator[tuple[str, int]]:
    """Where topics are compared: file and line."""
    for path, tree in sources():
        if not path.startswith(("streams/", "models/")):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Compare) and any(
                isinstance(operator, ast.Eq | ast.NotEq | ast.Is | ast.IsNot) for operator in node.ops
            ):
                sides = [node.left, *node.comparators]
                none = any(isinstance(side, ast.Constant) and side.value is None for side in sides)
                if not none and any(map(is_topic, sides)):
                    yield path, node.lineno
            if isinstance(node, ast.MatchValue) and is_topic(node.value):
                yield path, node.value.lineno


def test_no_module_compares_topics() -> None:
    """What is done with a topic's records is looked up in a table, or said by its stage: no chain of ifs."""
    assert [f"{path}:{line}" for path, line in comparisons() if not excepted(path, COMPARED)] == []


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("topic == topics.signals.name", True),
        ("self.topics.feedback.name != name", True),
        ("record.topic == wanted", True),
        ("name == 'item-events'", True),
        ("spec is self._topics.query_events", True),
        ("spec.name != self._topic", True),
        ("kind.name == 'click'", False),
        ("topic in self.stages", False),
        ("name == 'feedback'", False),
    ],
)
def test_a_comparison_of_topics_is_seen(code: str, found: bool) -> None:
    """The check above can fail."""
    node = ast.parse(code, mode="eval").body
    assert isinstance(node, ast.Compare)
    equal = isinstance(node.ops[0], ast.Eq | ast.NotEq | ast.Is | ast.IsNot)
    assert (equal and any(map(is_topic, [node.left, *node.comparators]))) == found
