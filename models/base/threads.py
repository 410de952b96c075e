"""The one process-wide switch of numerics, thrown by a process's entry point and by nothing else."""

from __future__ import annotations

import numpy as np  # noqa: F401  only a library that is loaded can be told, and the command line loads numpy late
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]


def one_thread() -> None:
    """Matrix products on one thread: the same bytes on any number of cores, and no spinning beside other work."""
    threadpool_limits(limits=1, user_api="blas")
