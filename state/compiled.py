"""Loops that numpy has no words for, as machine code.

A row's neighbours depend on each other from one delta to the next, which whole-array steps cannot say. numba compiles
such a function when it is first called, and keeps the code beside the module (or in NUMBA_CACHE_DIR) for later starts.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """``function``, compiled at its first call; numba is imported no earlier.

    It may use numbers, arrays and constants of its module or of the function around it, and calls no other function
    that is compiled.

    >>> @compiled
    ... def double(n: int) -> int:
    ...     return 2 * n
    >>> double(4)
    8
    """

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        result: R = _machine_code(function)(*args, **kwargs)
        return result

    return call


@cache
def _machine_code(function: Callable[..., Any]) -> Callable[..., Any]:
    from numba import njit

    try:
        found: Callable[..., Any] = njit(cache=True, nogil=True)(function)
    except RuntimeError:  # no folder to keep it in: compiled again at each start
        found = njit(nogil=True)(function)
    return found
