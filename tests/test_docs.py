"""The pages say what is there: links, paths, commands, settings, rooms, topics, records, metrics, codes.

``test_docs_commands.py`` runs what they tell to run.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

from models.features.registry import FEATURES, GROUPS
from models.retrieval.sources.registry import SOURCES
from state import keys, records
from streamrank_client.errors import CODES
from streamrank_client.events import decode_event
from streamrank_client.topics import topics
from streams.cli import COMMANDS
from streams.gateway.metrics import GatewayMetrics
from streams.gateway.openapi import OPERATIONS
from streams.settings import Settings, variable
from streams.worker.metrics import Metrics
from tests.support.pages import PAGES, ROOT, all_blocks, check, check_span, commands, indented, name_of, page, spans

#: variables that are no settings: of the tests, the compose files and the pytest fixture
OTHERS = {"STREAMRANK_DATA", "STREAMRANK_REQUIRE_SERVERS", "STREAMRANK_REQUIRE_DATA", "STREAMRANK_LOCK"}
OTHERS |= {"STREAMRANK_IMAGE", "STREAMRANK_COMMAND", "STREAMRANK_"}
#: what is spelled as metrics are, and is none
OTHER_NAMES = {"streamrank_client", "streamrank_eps"}
#: pages that name what is gone
HISTORY = ("CHANGELOG.md",)
#: the first parts of paths and module names that are ours
ROOMS = r"(?:streams|models|state|client|streamrank_client|tests|bench|docs|data|compose|requirements)"
EVERY_PAGE = pytest.mark.parametrize("name", [name_of(path) for path in PAGES])
NO_HISTORY = pytest.mark.parametrize("name", [name_of(path) for path in PAGES if name_of(path) not in HISTORY])


def anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    text = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower().replace("`", "")).replace(" ", "-") for title in titles}


@EVERY_PAGE
def test_every_link_leads_to_a_file_and_a_heading(name: str) -> None:
    """A page or a heading that was moved or renamed must not leave a dead link behind."""
    text = re.sub(r"```.*?```", "", page(name), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("http"):
            continue
        file, _, anchor = target.partition("#")
        path = (ROOT / name).parent / file if file else ROOT / name
        assert path.exists(), target
        assert not anchor or anchor in anchors(path), target


@NO_HISTORY
def test_every_path_named_exists(name: str) -> None:
    """A file is looked for where a page says that it lies."""
    found = set(re.findall(rf"(?<![\w./@-]){ROOMS}/[\w./-]*\w", page(name)))
    assert {path for path in found if not (ROOT / path).exists()} == set()


@NO_HISTORY
def test_every_module_named_exists(name: str) -> None:
    """`models.serving` and `streamrank_client.vocabulary` are what they are called."""
    wrong = set()
    for dotted in re.findall(rf"(?<![\w./-])(?!client\.|data\.|docs\.){ROOMS}(?:\.\w+)+(?![\w/])", page(name)):
        if not dotted.endswith((".toml", ".md", ".json", ".csv", ".yaml", ".npy", ".rst")) and not there(dotted):
            wrong.add(dotted)
    assert wrong == set()


def there(dotted: str) -> bool:
    """Whether a dotted name is a module, or something in one."""
    for cut in range(dotted.count(".") + 1):
        module, names = dotted.rsplit(".", cut)[0], dotted.split(".")[dotted.count(".") + 1 - cut :]
        try:
            if importlib.util.find_spec(module) is None:
                continue
            thing: object = importlib.import_module(module) if names else None
        except ImportError:
            continue
        return not names or hasattr(thing, names[0])
    return False


@EVERY_PAGE
def test_every_setting_named_exists(name: str) -> None:
    """A page must not tell of a variable that nobody reads."""
    known = {variable(field) for field in Settings.__dataclass_fields__} | OTHERS
    assert set(re.findall(r"\bSTREAMRANK_[A-Z_]*", page(name))) <= known


@NO_HISTORY
def test_every_command_in_running_text_exists(name: str) -> None:
    """Commands between backticks, which may be cut short, and whole ones in indented blocks."""
    for text in spans(name):
        check_span(text)
    for line in indented(name):
        for words in commands(line):
            check(words)


def test_every_event_in_the_pages_decodes() -> None:
    """The JSON that a reader copies is what workers take."""
    lines = [line for block in all_blocks("json") for line in block.text.splitlines()]
    assert len(lines) > 3
    for line in lines:
        decode_event(line.encode())


def test_the_first_pages_stay_short() -> None:
    """Two screens for who comes new, and one sitting for who changes the code."""
    assert page("README.md").count("\n") <= 160
    assert page("ARCHITECTURE.md").count("\n") <= 250


# ---------------------------------------------------------------- ARCHITECTURE.md
def test_the_architecture_has_a_row_for_every_room_in_the_order_of_the_contract() -> None:
    """Who may know whom is what import-linter holds."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    rooms = [room.strip() for layer in layers for room in layer.split("|")]
    table = page("ARCHITECTURE.md").partition("| room |")[2].partition("\n\n")[0]
    named = [
        name
        for row in table.splitlines()
        for name in re.findall(r"`([\w/.]+)`", row.partition("|")[2].partition("|")[0])
    ]
    modules = [name.removeprefix("client/").rstrip("/").removesuffix(".py").replace("/", ".") for name in named]
    assert modules == rooms


def test_the_architecture_names_modules_that_are_there() -> None:
    """Also those named by the end of their path."""
    modules = [
        "/" + name_of(path) for room in ("streams", "models", "state", "client") for path in (ROOT / room).rglob("*.py")
    ]
    named = set(re.findall(r"`([\w/]+\.py)`", page("ARCHITECTURE.md")))
    assert len(named) > 20
    assert {name for name in named if not any(module.endswith(f"/{name}") for module in modules)} == set()


def test_the_architecture_counts_sources_and_features() -> None:
    """Numbers in a page grow old first."""
    text = page("ARCHITECTURE.md")
    assert f"{len(FEATURES)} features in {len(GROUPS)} groups" in text
    assert f"a row of {len(FEATURES)} numbers" in text
    assert f"{len(SOURCES)} `sources/`" in text


def test_the_architecture_lists_every_topic_with_its_policy() -> None:
    """Partitions and cleanup policy are those that `topics create` asks for."""
    text = page("ARCHITECTURE.md")
    for spec in topics(partitions=77):
        partitions = "P" if spec.partitions == 77 else str(spec.partitions)
        policy = spec.config.get("cleanup.policy", "delete")
        assert re.search(rf"^\| {spec.name} \| [^|]+ \| {partitions} \| {policy} \|", text, re.MULTILINE), spec.name


def test_the_architecture_lists_every_key() -> None:
    """Each function of `state/keys.py` spells one kind of key."""
    source = inspect.getsource(keys)
    kinds = set(re.findall(r'b"(\w+):\{', source))
    assert len(kinds) > 12
    assert kinds == set(re.findall(r"`(\w+):\{", page("ARCHITECTURE.md").partition("## Redis")[2]))


@pytest.mark.parametrize(
    ("key", "layout"),
    [("ctx", records.CONTEXT), ("cov", records.COVISIT), ("qc", records.QUERY_CLICK), ("cnt", records.COUNT),
     ("trend", records.TREND), ("ctr", records.CATEGORY_TREND)],
)  # fmt: skip
def test_the_architecture_gives_the_size_of_every_record(key: str, layout: np.dtype[np.void]) -> None:
    """A layout that grows must say so."""
    row = next(line for line in page("ARCHITECTURE.md").splitlines() if line.startswith(f"| `{key}:"))
    assert f"| {layout.itemsize:,} |" in row


# ---------------------------------------------------------------- docs/
def test_the_operations_page_lists_every_command() -> None:
    """The table has the commands of the command line, and no other."""
    rows = re.findall(r"^\| `streamrank ([a-z-]+)", page("docs/operations.md"), re.MULTILINE)
    assert sorted(rows) == sorted(COMMANDS)


def test_the_operations_page_lists_every_metric() -> None:
    """Whoever watches a worker finds each metric explained."""
    text = page("docs/operations.md")
    for family in Metrics().registry.collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        assert f"`{name}" in text, name


def test_the_gateway_page_lists_every_metric_path_and_code() -> None:
    """Whoever calls or watches a gateway finds each explained, and no path that is not there."""
    text = page("docs/gateway.md")
    for family in GatewayMetrics().registry.collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        assert f"`{name}" in text, name
    sources = "".join(file.read_text() for file in (ROOT / "streams" / "gateway").glob("*.py"))
    codes = set(re.findall(r'(?:RefusedRequest\(\s*\d+, |ErrorDetail\()"(\w+)"', sources))
    assert len(codes) > 10
    assert {code for code in codes if f"`{code}`" not in text} == set()
    paths = {operation.path for operation in OPERATIONS}
    told = {re.sub(r"\?.*", "", path) for path in re.findall(r"`(?:GET |POST )?(/[\w./{}?=-]+)`", text)}
    assert told - {"/v1/users/{id}"} == paths - {"/v1/users/{user_id}"}


def test_every_metric_on_a_page_is_exported() -> None:
    """One that was renamed or has gone misleads whoever watches it."""
    registries = (Metrics().registry, GatewayMetrics().registry)
    families = [(family.name, family.type) for registry in registries for family in registry.collect()]
    names = {f"{name}_total" if kind == "counter" else name for name, kind in families}
    named = {found for file in PAGES if name_of(file) not in HISTORY
             for found in re.findall(r"`((?:streamrank|process)_[a-z_]+)(?=[`{])", file.read_text())}  # fmt: skip
    assert len(named) > 40
    assert {name for name in named if name not in names and name not in OTHER_NAMES} == set()


def test_the_operations_page_lists_every_code_of_a_dead_letter() -> None:
    """The codes in the source are the codes in the table."""
    sources = "".join(f.read_text() for folder in ("streams", "client") for f in (ROOT / folder).rglob("*.py"))
    codes = set(re.findall(r'InvalidEvent\(\s*"(\w+)"', sources))
    assert codes == set(CODES)
    assert {c for c in codes if f"`{c}`" not in page("docs/operations.md")} == set()


def test_the_decisions_index_lists_every_decision() -> None:
    """A decision that is not in the index is not found."""
    folder = ROOT / "docs" / "decisions"
    index = (folder / "README.md").read_text()
    assert [f.name for f in sorted(folder.glob("*.md")) if f.name != "README.md" and f"({f.name})" not in index] == []
