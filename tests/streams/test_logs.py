"""What a worker writes to its log: one form for all that it runs, and no secret in any."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from time import monotonic

import msgspec
import pytest

from bench.servers import RealKafka, RealRedis
from streamrank_client.client import Client
from streams.kafka.admin import create_topics
from streams.settings import checkout
from tests.support.worker_process import WorkerProcess, deployment

#: as it is, and as JSON and Python write it
SECRET = 'zq7"hush\\höre'
ESCAPES = (SECRET, r"zq7\"hush", r"zq7\\hush", r"hush\\h", "höre")
CODE = """
import logging, warnings
import structlog
from streams.settings import Settings
from streams.logs import log_to_stderr

settings = Settings(kafka_password=SECRET, operator_token="zq7token", log_format=FORMAT, log_level=LEVEL)
log_to_stderr(settings)
log = structlog.get_logger("streams.worker.app")
log.info("worker starts", web="here", count=3, share=float("nan"), key=b"k\\xff", old={"a": [SECRET]})
log.debug("a detail")
try:
    raise ValueError(settings.kafka_password, settings.operator_token)
except ValueError as error:
    log.exception("it failed", error=repr(error))
    logging.getLogger("faust.worker").exception("theirs failed: %s", error)
logging.getLogger("faust.worker").info("theirs is chatty")
logging.getLogger("streams.worker.app").info("so are their services, by the names of our modules")
logging.getLogger("aiokafka.conn").error("again: %s", SECRET)
warnings.warn("old " + SECRET)
"""


def written(form: str, level: str = "info", *, terminal: bool = False) -> str:
    """What the code above writes to stderr in a form."""
    code = CODE.replace("SECRET", repr(SECRET)).replace("FORMAT", repr(form)).replace("LEVEL", repr(level))
    main, second = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=second if terminal else subprocess.PIPE,
        timeout=60, check=True, cwd=checkout(),
    )  # fmt: skip
    os.close(second)
    assert done.stdout == b""
    said = os.read(main, 1 << 16) if terminal else done.stderr
    os.close(main)
    return said.decode()


def lines(text: str) -> list[dict[str, object]]:
    """Every line of a log as JSON."""
    return [msgspec.json.decode(line, type=dict[str, object]) for line in text.splitlines()]


def test_every_line_is_json_where_there_is_no_terminal() -> None:
    """Ours, Faust's and warnings alike, with time, level, logger and what was said; tracebacks within their line."""
    found = lines(written("auto"))
    assert [(line["level"], line["logger"]) for line in found] == [
        ("info", "streams.worker.app"), ("error", "streams.worker.app"), ("error", "faust.worker"),
        ("warning", "py.warnings"),
    ]  # fmt: skip
    assert found[0] | {"timestamp": 0} == {
        "timestamp": 0, "level": "info", "event": "worker starts", "logger": "streams.worker.app", "web": "here",
        "count": 3, "share": None, "key": "k\ufffd", "old": {"a": ["***"]},
    }  # fmt: skip
    assert list(found[0])[:3] == ["timestamp", "level", "event"]
    assert all("Traceback" in str(line["exception"]) for line in found[1:3])


def test_aiokafka_is_heard_where_details_are_wanted() -> None:
    """Its errors come as exceptions too, at each attempt: only `debug` shows them."""
    assert "aiokafka.conn" not in written("json")
    found = {line["logger"]: line["event"] for line in lines(written("json", "debug"))}
    assert found["aiokafka.conn"] == "again: ***"


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_secret_is_in_any_line(form: str) -> None:
    """Neither as it is nor as it is escaped: in values, nested ones, tracebacks, warnings, other packages' lines."""
    said = written(form, "debug")
    assert said.count("***") >= 6
    assert not [one for one in (*ESCAPES, "zq7token") if one in said]


def test_text_is_for_terminals() -> None:
    """`auto` on a terminal, and `text` anywhere."""
    for said in (written("auto", terminal=True), written("text")):
        assert "worker starts" in said
        assert not said.startswith("{")


class Misspelt(WorkerProcess):
    """A worker with a variable that is no setting."""

    def environment(self) -> Mapping[str, str]:
        """The settings, and a name that nearly is one."""
        return {**super().environment(), "STREAMRANK_PARTITION": "3"}


async def test_a_worker_tells_when_it_is_ready_and_when_it_has_stopped(
    kafka: RealKafka, redis_server: RealRedis, topic_prefix: str
) -> None:
    """All lines of its life are JSON, without secrets, the first one about a misspelt variable, the last one that it
    has stopped.
    """
    settings = replace(deployment(kafka, redis_server, topic_prefix, 9), operator_token=SECRET)
    await create_topics(settings)
    with Misspelt(settings) as worker:
        began = monotonic()
        while "worker ready" not in worker.log:
            assert monotonic() - began < 10
        async with Client(settings=settings) as client:
            await client.ask(text="tea", timeout=30)
        assert worker.terminate() == 0
        found = lines(worker.log)
    events = [line["event"] for line in found]
    assert (found[0]["variable"], found[0]["nearest"]) == ("STREAMRANK_PARTITION", "STREAMRANK_PARTITIONS")
    assert events[1] == "worker starts"
    assert events.count("worker ready") == 1
    assert events[-1] == "worker stopped"
    assert {line["role"] for line in found if str(line["event"]).startswith("worker ")} == {"all"}
    assert not [one for one in ESCAPES if one in str(found)]
