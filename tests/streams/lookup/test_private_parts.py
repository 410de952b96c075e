"""Private parts of other packages: all that the code uses are listed, with versions that were tested."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
import textwrap
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

from streams.lookup import doctor
from streams.lookup.private_parts import REACHED_INTO, installed, untested

ROOT: Final = Path(__file__).resolve().parents[3]
#: where the code is, and what lies between it and the root in imports
FOLDERS: Final = {"streams": "", "models": "", "state": "", "bench": "", "client/streamrank_client": "client"}
OURS: Final = frozenset(Path(folder).name for folder in FOLDERS)
BY_TEXT: Final = {"getattr", "setattr", "hasattr", "delattr"}
#: documented in spite of their underscore: what named tuples have, and os._exit
PUBLIC: Final = {"_replace", "_asdict", "_fields", "_make", "_exit"}


def private(name: str) -> bool:
    """Whether a name begins with one underscore."""
    return re.match("_[^_]", name) is not None and name not in PUBLIC


def foreign(module: str) -> bool:
    """Whether a module is of a package that is installed."""
    top = module.split(".")[0]
    return top not in OURS and top not in sys.stdlib_module_names


def used_in(module: str, node: ast.AST, own: frozenset[str] = frozenset()) -> Iterator[str]:
    """The private names that a module uses of what it did not define itself; ``own``: the names of the class around.

    A class's own are those that it, or a class of ours above it, defines or sets on ``self``, unless a foreign class
    above it has the same name: then the class overrides or shares that one. They are its own in the whole of its body;
    anywhere else they are somebody else's.
    """
    if isinstance(node, ast.ClassDef):
        defined, ours, theirs = defined_in(node), *inherited_by(module, node)
        yield from defined & theirs
        own |= (defined | ours) - theirs
    for name in named_by(node):
        if private(name) and name not in own:
            yield name
    for child in ast.iter_child_nodes(node):
        yield from used_in(module, child, own)


def named_by(node: ast.AST) -> Iterator[str]:
    """The names that a node uses: an attribute's, one asked for by a text, a foreign module's and those in it."""
    match node:
        case ast.Attribute(attr=name):
            yield name
        case ast.Call(
            func=ast.Name("getattr" | "setattr" | "hasattr" | "delattr"), args=[_, ast.Constant(str(name)), *_]
        ):
            yield name
        case ast.ImportFrom(module=str(module)) if foreign(module):
            yield from (*module.split("."), *(alias.name for alias in node.names))
        case ast.Import():
            for alias in node.names:
                yield from alias.name.split(".") if foreign(alias.name) else ()


def defined_in(node: ast.AST) -> frozenset[str]:
    """The private names that a class defines: methods, attributes, what is set on ``self``."""
    names = set()
    for child in ast.walk(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(child.name)
        elif isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store):
            names.add(child.id)
        elif isinstance(child, ast.Attribute) and isinstance(child.ctx, ast.Store):
            names |= {child.attr} if ast.unparse(child.value) in ("self", "cls") else set()
    return frozenset(filter(private, names))


def inherited_by(module: str, node: ast.ClassDef) -> tuple[frozenset[str], frozenset[str]]:
    """The private names of our own and of the foreign classes above one of ours."""
    names: tuple[set[str], set[str]] = set(), set()
    # a class that uses nothing private needs no import, and some are dear
    named = (name for child in ast.walk(node) for name in named_by(child))
    if node.bases and (defined_in(node) or any(map(private, named))):
        made = getattr(importlib.import_module(module), node.name, object)
        for above in made.__mro__[1:]:
            if above.__module__.split(".")[0] not in sys.stdlib_module_names:
                names[foreign(above.__module__)].update(names_of(above))
    return frozenset(names[0]), frozenset(names[1])


@cache
def names_of(thing: Any) -> frozenset[str]:
    """The private names of a class, without those above it, or of a module."""
    names = {*vars(thing), *getattr(thing, "__annotations__", {})}
    try:
        names |= defined_in(ast.parse(textwrap.dedent(inspect.getsource(thing))))
    except (OSError, TypeError):
        pass  # compiled: its attributes are all there is
    return frozenset(filter(private, names))


def modules() -> Iterator[tuple[str, ast.Module]]:
    """Every module of ours, by name."""
    for folder, above in FOLDERS.items():
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT / above).with_suffix("").parts
            yield ".".join(part for part in parts if part != "__init__"), ast.parse(path.read_text("utf-8"))


def test_every_private_part_that_is_used_is_listed_and_no_other() -> None:
    """A new one belongs in the list with a reason, or is had by public means; one that is used no more goes."""
    used: dict[str, set[str]] = {}
    for name, tree in modules():
        for part in used_in(name, tree):
            used.setdefault(part, set()).add(name)
    listed = {part for package in REACHED_INTO for parts in package.parts.values() for part in parts}
    assert {part: where for part, where in used.items() if part not in listed} == {}
    assert listed - set(used) == set()


@pytest.mark.parametrize(
    ("package", "owner", "part"),
    [
        pytest.param(package.name, owner, part, id=f"{owner}.{part}")
        for package in REACHED_INTO
        for owner, parts in package.parts.items()
        for part in parts
    ],
)
def test_the_installed_version_has_every_part_that_is_listed(package: str, owner: str, part: str) -> None:
    """A release that renames one fails here, and not in a worker."""
    module, _, name = owner.rpartition(".")
    thing = getattr(importlib.import_module(module), name) if module else importlib.import_module(owner)
    if inspect.ismodule(thing):
        importlib.import_module(f"{owner}.{part}")
    else:
        assert part in frozenset().union(*map(names_of, thing.__mro__))


def test_a_private_part_that_nobody_listed_is_noticed() -> None:
    """Read, set, asked for by name, imported, overridden, or used in a class with a name of its own."""
    code = """
    from thing._inner import _helper
    class Own:
        def __init__(self, other):
            self._kept = other._taken
        @classmethod
        def copy(cls, other):
            return cls(other._kept)
    def outside(own, name):
        own._kept = getattr(own, "_asked", None) or getattr(own, name)._replace(a=1)
    """
    assert set(used_in("streams.settings", ast.parse(textwrap.dedent(code)))) == {
        "_inner", "_helper", "_taken", "_kept", "_asked",
    }  # fmt: skip
    code = "class BatchTopic(Topic):\n    def _clone_args(self):\n        return self.max_batch._x"
    assert set(used_in("streams.kafka.transport.topic", ast.parse(code))) == {"_clone_args", "_x"}


def test_the_bounds_are_those_of_pyproject() -> None:
    """Each package has its bounds once, in both places the same."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    needs = [*project["dependencies"], *(need for extra in project["optional-dependencies"].values() for need in extra)]
    bounds = {}
    for need in needs:
        name, versions = re.match(r"([\w.-]+)(?:\[[\w,]+\])?([^;]*)", need).groups()  # type: ignore[union-attr]
        bounds[name] = versions.strip()
    assert {p.name: f">={p.least},<{p.below}" for p in REACHED_INTO} == {p.name: bounds[p.name] for p in REACHED_INTO}


def test_what_is_installed_here_is_one_of_the_versions_that_are_said_to_be_tested() -> None:
    """Also within its bounds, of course."""
    versions = {package.name: installed(package.name) for package in REACHED_INTO}
    assert untested() == []
    assert {p.name: versions[p.name] for p in REACHED_INTO if versions[p.name] not in p.tested} == {}


def test_a_version_outside_is_told_in_one_line_and_by_the_doctor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Older or newer; a package that is not there (an extra) is not."""
    (check,) = doctor._packages()
    assert (check.name, check.state) == ("packages", "ok")
    assert "aiokafka 0." in check.message
    versions = {"redis": "5.2.1", "river": "0.27.0rc1", "aiokafka": "0.14.9"}
    older, newer = untested(versions.get)
    assert older == "redis 5.2.1 is untested, and private parts of it are used: install redis>=6,<9"
    assert newer.startswith("river 0.27.0rc1 is untested")
    monkeypatch.setattr(doctor, "untested", lambda: [older, newer])
    first, second = doctor._packages()
    assert (first.state, first.remedy) == ("warn", "install redis>=6,<9")
    assert second.message.startswith("river 0.27.0rc1")
