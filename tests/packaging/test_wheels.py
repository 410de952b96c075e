"""Both wheels, built and installed into environments of their own, as their users have them: no checkout in reach.

The client's lies beside a project that has a ``models``, a ``streams`` and a ``state`` of its own; the application's
runs from a folder that has them too.
"""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path

import pytest

from streamrank_client.events import Item, Purchase, Query, encode
from streamrank_client.logs import read_lines, write_lines
from tests.packaging.environments import ROOT, Environment, build, fresh, install

EXTRAS = "[cpu,embedded,demo]"


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The application's and the client's wheel."""
    return build(tmp_path_factory.mktemp("wheels"))


@pytest.fixture(scope="module")
def application(wheels: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with the application, and the encoder built by its own command.

    The same as `python -m venv` and `pip install --find-links dist 'streamrank[cpu,embedded,demo]'` there. `uv tool
    install --find-links dist '…'` and `pipx install --pip-args='--find-links dist' '…'` make an environment of their
    own by the same steps, and link its command into a folder of the PATH.
    """
    made = fresh(tmp_path_factory.mktemp("application"))
    wheel, client = wheels
    install(["pip", "install", "--python", made.bin / "python", f"{wheel}{EXTRAS}", client], "run.txt")
    return made


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory whose packages are taken for streamrank's by whoever looks there."""
    folder = tmp_path_factory.mktemp("elsewhere")
    for name in ("streams", "models"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(f"raise ImportError('{name} of the working directory')\n")
    (folder / "state.py").write_text("raise ImportError('state of the working directory')\n")
    return folder


@pytest.fixture(scope="module")
def encoder(application: Environment, elsewhere: Path) -> Path:
    """The encoder, built by the installed command where it puts it by itself."""
    done = application.run("streamrank", "artifact", "build", "encoder", "--json", cwd=elsewhere)
    assert done.returncode == 0, done.stderr
    return Path(json.loads(done.stdout)["path"])


def names(wheel: Path) -> set[str]:
    """The files in a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_clients_wheel_is_one_small_package(wheels: tuple[Path, Path]) -> None:
    """`streamrank_client` with its types, and no entry point that would load anything into other projects."""
    files = names(wheels[1])
    assert {name.partition("/")[0] for name in files if ".dist-info/" not in name} == {"streamrank_client"}
    assert "streamrank_client/py.typed" in files
    assert not [name for name in files if name.endswith("entry_points.txt")]
    assert wheels[1].stat().st_size < 100_000


def test_the_applications_wheel_holds_its_data_and_no_tests(wheels: tuple[Path, Path]) -> None:
    """Everything under data/ is in it, byte for byte; tests, benches and the client are not."""
    files = names(wheels[0])
    assert {name.partition("/")[0] for name in files if ".dist-info/" not in name} == {"models", "state", "streams"}
    page = ROOT / "streams" / "gateway" / "playground"
    assert {path.relative_to(ROOT).as_posix() for path in page.rglob("*") if path.is_file()} <= files
    with zipfile.ZipFile(wheels[0]) as archive:
        for path in (path for path in (ROOT / "data").rglob("*") if path.is_file()):
            assert archive.read(f"models/data/{path.relative_to(ROOT / 'data')}") == path.read_bytes()
    assert wheels[0].stat().st_size < 5_000_000


# ---------------------------------------------------------------- the application
def test_the_command_says_what_it_can_do(application: Environment, elsewhere: Path) -> None:
    """From any folder, whatever lies there."""
    done = application.run("streamrank", "--help", cwd=elsewhere)
    assert done.returncode == 0, done.stderr
    assert "Run an event log through the handlers, without Kafka." in done.stdout


def test_no_torch_is_installed(application: Environment, elsewhere: Path) -> None:
    """Nor anything else of training and tests."""
    code = "import sys; from importlib.util import find_spec; print([name for name in sys.argv[1:] if find_spec(name)])"
    wanted = ("torch", "transformers", "pytest", "bench", "tests", "streamrank_client")
    assert application.run("python", "-P", "-c", code, *wanted, cwd=elsewhere).stdout == "['streamrank_client']\n"


def test_an_artifact_is_built_into_the_users_cache(application: Environment, encoder: Path, elsewhere: Path) -> None:
    """$XDG_CACHE_HOME, else ~/.cache; and together with those in the wheel it verifies."""
    assert encoder == application.home / ".cache" / "streamrank" / "artifacts" / "encoder"
    done = application.run("streamrank", "artifact", "verify", "--json", cwd=elsewhere)
    assert done.returncode == 0, done.stderr
    found = {line["kind"]: line for line in map(json.loads, done.stdout.splitlines())}
    for kind in ("intent", "ranker"):
        shipped = json.loads((ROOT / "data" / "artifacts" / kind / "manifest.json").read_bytes())
        assert found[kind]["version"] == shipped["version"]
        assert Path(found[kind]["path"]).is_relative_to(application.bin.parent)
    moved = application.run("streamrank", "artifact", "verify", "encoder", cwd=elsewhere, XDG_CACHE_HOME="/nowhere")
    assert moved.returncode == 2
    assert "/nowhere/streamrank/artifacts/encoder" in moved.stderr
    assert "streamrank artifact build encoder" in moved.stderr


@pytest.mark.servers
def test_a_log_is_replayed(application: Environment, encoder: Path, elsewhere: Path, tmp_path: Path) -> None:
    """Answers and dead letters to files, by the embedded Valkey; nothing is written elsewhere."""
    before = sorted(elsewhere.rglob("*"))
    events = [
        Item(time=1, item_id="p1", title="ground coffee"),
        Item(time=1, item_id="p2", title="black socks"),
        Purchase(time=2, event_id="e1", user_id="u1", item_id="p1"),
        Query(time=3, request_id="r1", user_id="u2", text="咖啡"),
    ]
    write_lines(tmp_path / "day.jsonl", map(encode, events))
    done = application.run(
        "streamrank", "replay", tmp_path / "day.jsonl", "--answers", tmp_path / "answers.jsonl", cwd=elsewhere
    )
    assert done.returncode == 0, done.stderr
    assert "4 lines replayed: 1 answers, 0 dead letters" in done.stdout
    (answer,) = (json.loads(line.raw) for line in read_lines(tmp_path / "answers.jsonl"))
    assert answer["items"][0]["item_id"] == "p1"
    assert sorted(elsewhere.rglob("*")) == before


def test_doctor_says_what_is_wrong(application: Environment, encoder: Path, elsewhere: Path) -> None:
    """No Kafka and no Redis here; artifacts, inference and embedded servers are as they should be."""
    done = application.run(
        "streamrank", "doctor", "--json", cwd=elsewhere, STREAMRANK_KAFKA="127.0.0.1:9",
        STREAMRANK_REDIS="redis://127.0.0.1:9/0",
    )  # fmt: skip
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    checks = {check["name"]: check for check in json.loads(done.stdout)}
    assert {name for name, check in checks.items() if check["state"] == "fail"} == {"kafka", "redis"}
    assert str(encoder) in checks["artifact encoder"]["message"]


@pytest.mark.servers
@pytest.mark.timeout(900)
def test_the_demo_runs(application: Environment, elsewhere: Path) -> None:
    """From the log in a wheel to answers that have learnt from a click, with an encoder that it builds by itself."""
    cache = str(application.home / "of the demo")
    done = application.run("streamrank", "demo", cwd=elsewhere, timeout=850, XDG_CACHE_HOME=cache)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "and the online ranker has learnt from it" in done.stdout
    assert (application.home / "of the demo" / "streamrank" / "artifacts" / "encoder" / "manifest.json").is_file()


def test_uv_tool_installs_the_application(
    wheels: tuple[Path, Path], application: Environment, encoder: Path, elsewhere: Path, tmp_path: Path
) -> None:
    """By its name from the folder of the wheels, as from an index; its command lies in a folder of the PATH."""
    folders = {"UV_TOOL_DIR": str(tmp_path / "tools"), "UV_TOOL_BIN_DIR": str(tmp_path / "bin")}
    wheel = f"streamrank{EXTRAS} @ {wheels[0].as_uri()}"
    command: list[str | Path] = ["tool", "install", "--python", sys.executable, "--find-links", wheels[0].parent, wheel]
    install(command, "run.txt", folders)
    tool = Environment(tmp_path / "bin", application.home)
    done = tool.run("streamrank", "artifact", "verify", cwd=elsewhere)
    assert done.returncode == 0, done.stderr
    assert "encoder" in done.stdout


# ---------------------------------------------------------------- the client
CONFTEST = 'pytest_plugins = ["streamrank_client.pytest_plugin"]\n'
SHOP = {
    "models/__init__.py": "OURS = True\n",
    "streams/__init__.py": "",
    "streams/errors.py": "class OursToo(Exception): pass\n",
    "state.py": "def fold(orders): return len(orders)\n",
    "tests/test_shop.py": """
import asyncio
import sys
import time

import models
import state
from streams.errors import OursToo
from streamrank_client import Item, Purchase, Query

DAY = [
    Item(time=1, item_id="p1", title="Ground coffee"),
    Item(time=1, item_id="p2", title="Black socks"),
    Purchase(time=2, event_id="e1", user_id="u1", item_id="p1"),
    Query(time=3, request_id="r1", user_id="u1", text="咖啡"),
]


def test_the_projects_own_packages_are_imported():
    assert models.OURS and state.fold([1]) == 1 and issubclass(OursToo, Exception)
    assert not {"numpy", "redis", "aiokafka"} & set(sys.modules)


def test_coffee_is_found_in_chinese(replay):
    (answer,) = replay(DAY)
    assert answer.items[0].item_id == "p1"


async def test_in_a_loop(replay):
    assert await asyncio.to_thread(replay, DAY) == replay(DAY)


def test_the_second_call_is_quick(replay):
    replay(DAY)
    began = time.perf_counter()
    replay([*DAY, b"{}"], settings={"partitions": 2})
    assert time.perf_counter() - began < 0.5
    assert [letter.code for letter in replay.dead_letters] == ["missing"]
""",
}


@pytest.fixture(scope="module")
def shop(wheels: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """A shop's environment: the client's wheel alone, and what its tests need."""
    made = fresh(tmp_path_factory.mktemp("shop"))
    tests = ["pytest", "pytest-asyncio"]
    install(
        ["pip", "install", "--python", made.bin / "python", "--find-links", wheels[1].parent, wheels[1], *tests],
        "test.txt",
    )
    return made


def project(folder: Path, files: dict[str, str]) -> Path:
    """A project's folder with these files."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.mark.servers
def test_a_shop_tests_with_the_fixture_beside_packages_of_the_same_names(
    shop: Environment, application: Environment, encoder: Path, tmp_path: Path
) -> None:
    """`models`, `streams` and `state` are the project's; streamrank runs in its own environment, named by a variable.

    PYTHONPATH leads to the project's packages, as in many projects: the command must not follow it.
    """
    folder = project(tmp_path, SHOP | {"conftest.py": CONFTEST})
    done = shop.run(
        "python", "-m", "pytest", "-q", "-o", "asyncio_mode=auto", cwd=folder, PYTHONPATH=str(folder),
        STREAMRANK_COMMAND=str(application.bin / "streamrank"),
        HOME=str(application.home),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout


def test_a_shop_without_streamrank_is_told_what_to_do(shop: Environment, tmp_path: Path) -> None:
    """One line with the variable and the remedy; the project's other tests pass."""
    done = shop.run(
        "python", "-m", "pytest", "-q", "-o", "asyncio_mode=auto", "-k", "own or chinese", "--tb=line",
        cwd=project(tmp_path, SHOP | {"conftest.py": CONFTEST}), STREAMRANK_COMMAND="no-streamrank",
    )  # fmt: skip
    assert "1 failed, 1 passed" in done.stdout
    assert "STREAMRANK_COMMAND='no-streamrank': there is no such command: install streamrank" in done.stdout


def test_a_project_that_does_not_ask_for_the_fixture_does_not_have_it(shop: Environment, tmp_path: Path) -> None:
    """Installing the client changes nothing in a project's tests."""
    files = {"tests/test_nothing.py": "import sys\ndef test_it(): assert 'streamrank_client' not in sys.modules\n"}
    done = shop.run("python", "-m", "pytest", "--fixtures", cwd=project(tmp_path, files))
    assert "replay" not in done.stdout
    assert "1 passed" in shop.run("python", "-m", "pytest", "-q", cwd=tmp_path).stdout


def test_the_client_alone_prints_the_document(shop: Environment, tmp_path: Path) -> None:
    """`python -m streamrank_client.asyncapi`, the same as in docs/."""
    done = shop.run("python", "-m", "streamrank_client.asyncapi", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["asyncapi"] == "3.0.0"
    assert done.stdout == (ROOT / "docs" / "asyncapi.json").read_text()
