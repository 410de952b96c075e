"""Process-wide switches are thrown by a process's entry point: importing and using the library throws none."""

from __future__ import annotations

import subprocess
import sys

from streams.settings import checkout

USED = """
import asyncio, gc, importlib, os, pkgutil, sys
os.environ["OPENBLAS_NUM_THREADS"] = "2"
import numpy
from threadpoolctl import threadpool_info

def switches():
    limits = sorted((pool["filepath"], pool["num_threads"]) for pool in threadpool_info() if pool["user_api"] == "blas")
    policy = type(asyncio.get_event_loop_policy()).__name__
    return limits, gc.get_freeze_count(), gc.get_threshold(), gc.isenabled(), sys.getswitchinterval(), policy

before = switches()
assert before[0], "numpy has no BLAS that threadpoolctl knows"
assert all(threads == 2 for _, threads in before[0])
import models, state, streamrank_client, streams
for package in (models, state, streamrank_client, streams):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        training = module.name.startswith("models.training")
        if not training and "pytest" not in module.name and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
from streamrank_client.events import Query
from streams.worker.app import Worker
from tests.support.composing import SETTINGS, Answering
from tests.support.small_log import START, items
shelf = Answering.of(items())
answer = shelf.answer(Query(time=START, request_id="r1", user_id="u1", text="milk", explain=True))
assert answer.items
Worker(SETTINGS)
now = switches()
assert now[1:] == before[1:], (before, now)
assert set(before[0]) <= set(now[0]), (before, now)
"""


def test_importing_and_using_the_library_throws_no_process_wide_switch() -> None:
    """Threads of BLAS, the collector, the interpreter's switches, the event loop's policy stay as they were."""
    done = subprocess.run([sys.executable, "-c", USED], cwd=checkout(), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]


def test_the_entry_points_switch_is_thrown_where_it_is_called() -> None:
    """After ``one_thread`` every BLAS has one thread: the test above could fail."""
    code = (
        "import os; os.environ['OPENBLAS_NUM_THREADS'] = '2'\n"
        "import numpy; from threadpoolctl import threadpool_info; from models.base.threads import one_thread\n"
        "one_thread()\n"
        "assert all(pool['num_threads'] == 1 for pool in threadpool_info() if pool['user_api'] == 'blas')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=checkout(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
