"""Types for others: from the document, docs/types makes TypeScript and Go that compile and say what workers take."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from streamrank_client.answers import Answer, AnswerItem, FacetValue
from streamrank_client.asyncapi import EXAMPLES, text
from streamrank_client.events import Click, Item, Query, decode_event, encode
from streamrank_client.fields import Filters, Place, Range
from streams.settings import checkout

#: npm's registry is what they need
pytestmark = [pytest.mark.servers, pytest.mark.timeout(600)]

TYPES: Final = checkout() / "docs" / "types"
PROGRAMS: Final = checkout() / "tests" / "support" / "types"
#: how npm says that the registry cannot be reached from here
OFFLINE: Final = re.compile(r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH")

ANSWER: Final = Answer(
    time=5, request_id="r1", seen=Place(0, 7), facets={"price": [FacetValue(2, min=0.0, max=10.0)]},
    items=[AnswerItem("p1", 1.5, 1.0, reasons={"lexical": 1.5}), AnswerItem("p2", 0.0, 0.5)],
)  # fmt: skip
#: what both programs publish, and what they read in the answer
PUBLISHED: Final = [
    Item(time=1_700_000_000_000, item_id="p1", price=0.0, in_stock=False,
         attributes={"colour": ["grey", "black"], "memory_gb": 128.0, "new": True}),
    Click(time=1_700_000_001_000, event_id="e1", user_id="u1", item_id="p1", position=0),
    Query(time=1_700_000_002_000, request_id="r1", user_id="u1", surface="search", text="phone", sort="price",
          filters=Filters(category=[["phones", "cases"], "tablets"], price=Range(max=300.0), in_stock=False,
                          attributes={"colour": ["grey"], "memory_gb": Range(min=0.0), "new": False}),
          after=Place(0, 0)),
]  # fmt: skip
READ: Final = {"shown": ["p1 1.5", "p2 0"], "offset": 7, "from": 0, "counted": 2, "reasons": {"lexical": 1.5}}


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, timeout=240)


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the generators installed as their lock file says; skips without Node 20, npm or a registry."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("node and npm are not on the PATH")
    version = run(node, "--version", cwd=TYPES).stdout.strip()
    if int(version.removeprefix("v").partition(".")[0]) < 20:
        pytest.skip(f"node is {version}: the generators need 20 or newer")
    folder = tmp_path_factory.mktemp("types")
    for name in ("package.json", "package-lock.json", "generate.mjs"):
        shutil.copy(TYPES / name, folder)
    done = run(npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=folder)
    if done.returncode and (offline := OFFLINE.search(done.stderr)):
        pytest.skip(f"npm cannot reach its registry: {offline[0]}")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def types(tools: Path) -> Path:
    """The folder of the types made of the document as it is now."""
    (tools / "asyncapi.json").write_text(text())
    done = run("node", "generate.mjs", "asyncapi.json", "made", cwd=tools)
    assert done.returncode == 0, done.stderr
    return tools / "made"


def compiled(types: Path, program: str) -> subprocess.CompletedProcess[str]:
    """Compile a program beside the types, into a folder beside theirs."""
    (types / "shop.ts").write_text(program)
    compiler = types.parent / "node_modules" / "typescript" / "bin" / "tsc"
    options = ("--strict", "--noEmitOnError", "--skipLibCheck", "--target", "es2022", "--moduleResolution", "bundler")
    return run("node", compiler, *options, "--module", "es2022", "--outDir", "../js", "shop.ts", cwd=types)


def check_output(output: str) -> None:
    """What a program printed is what it was to publish, and to read."""
    *published, read = output.splitlines()
    assert [decode_event(line.encode()) for line in published] == PUBLISHED
    assert json.loads(read) == READ


def test_a_document_that_is_wrong_is_refused_with_the_place(tools: Path) -> None:
    """The parser of AsyncAPI reads the document: what it says of a wrong one is shown, and nothing is made."""
    wrong = json.loads(text())
    wrong["channels"]["query-events"]["messages"] = {"query": {"name": 5}}
    (tools / "wrong.json").write_text(json.dumps(wrong))
    done = run("node", "generate.mjs", "wrong.json", "nothing", cwd=tools)
    assert done.returncode == 1
    assert "channels.query-events.messages" in done.stderr
    assert not (tools / "nothing").exists()


def test_no_type_is_without_a_name(types: Path) -> None:
    """Neither language has a name that a generator had to invent, and TypeScript has one for every event."""
    typescript, go = (types / "streamrank.ts").read_text(), (types / "streamrank.go").read_text()
    code = re.sub(r"/\*.*?\*/|'(?:key|raw)': string \| null", "", typescript, flags=re.DOTALL)
    assert not re.search(r"Anonymous|Reserved|Minus|\bany\b|\bnull\b", code)
    assert not re.search(r"^type \w*(Class|Element|Value\d|Union)\b", go, re.MULTILINE)
    named = set(re.findall(r"^export (?:interface|type) (\w+)", typescript, re.MULTILINE))
    assert {"Surface", "Sort", "Language", "RuleAction", "RuleMatch", "Place", "Range", "Delete", "ItemEvents"} <= named
    for tag in EXAMPLES:
        assert f"'event': '{tag}';" in typescript


def test_typescript_says_what_workers_take_and_reads_their_answer(types: Path) -> None:
    """A small program compiles strictly; what it publishes decodes, and it reads what an answer says."""
    done = compiled(types, (PROGRAMS / "shop.ts").read_text())
    assert done.returncode == 0, done.stdout
    done = run("node", "js/shop.js", encode(ANSWER).decode(), cwd=types.parent)
    assert done.returncode == 0, done.stderr
    check_output(done.stdout)


def test_what_is_wrong_in_typescript_does_not_compile(types: Path) -> None:
    """A misspelt field, a wrong value, a null, and a field that is missing are seen before anything is sent."""
    wrong = {
        'request_id: "r", txt: "phone"': "'txt' does not exist in type 'Query'",
        'request_id: "r", sort: "cheapest"': "not assignable to type 'Sort | undefined'",
        'request_id: "r", surface: null': "Type 'null' is not assignable to type 'Surface | undefined'",
        'text: "phone"': "Property ''request_id'' is missing",
    }
    queries = [f'const q{n}: Query = {{ event: "query", time: 5, {said} }};' for n, said in enumerate(wrong)]
    done = compiled(types, "\n".join(['import type { Query } from "./streamrank";', *queries]))
    assert done.returncode != 0
    for line, said in enumerate(wrong.values(), start=2):
        assert re.search(rf"^shop\.ts\({line},.*{re.escape(said)}", done.stdout, re.MULTILINE), done.stdout


def test_go_says_what_workers_take_and_reads_their_answer(types: Path, tmp_path: Path) -> None:
    """A small program passes go vet; what it publishes decodes, 0 and false too, and it reads an answer."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("go is not on the PATH")
    (tmp_path / "go.mod").write_text("module shop\n\ngo 1.21\n")
    (tmp_path / "streamrank").mkdir()
    shutil.copy(types / "streamrank.go", tmp_path / "streamrank")
    shutil.copy(PROGRAMS / "shop.go", tmp_path / "main.go")
    done = run(go, "vet", "./...", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    done = run(go, "run", ".", encode(ANSWER).decode(), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    check_output(done.stdout)


def test_the_lock_file_pins_every_package_and_names_no_host() -> None:
    """Who installs it takes what was tested, from the registry that is set there."""
    lock: dict[str, Any] = msgspec.json.decode((TYPES / "package-lock.json").read_bytes())
    packages = {name: about for name, about in lock["packages"].items() if name}
    assert len(packages) > 100
    for name, about in packages.items():
        assert about["version"], name
        assert about["integrity"].startswith("sha512-"), name
        assert "resolved" not in about, name
