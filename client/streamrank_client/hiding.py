"""Hides what is secret in whatever is written: log lines, tracebacks, tables, errors.

>>> hidden("redis://u:hush-hush@r1:6379 refused", ["hush-hush"])
'redis://u:***@r1:6379 refused'
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Final, TextIO, cast

__all__ = ["LEAST", "hidden", "hide_in_output"]

#: a shorter text is no secret, and hiding it would hide half of what is said
LEAST: Final = 4


def hidden(text: str, secrets: Iterable[str]) -> str:
    """The text without the secrets, also as Python and JSON write them; of two that begin alike the longer one goes
    first.
    """
    written = {form for secret in secrets if len(secret) >= LEAST for form in _forms(secret)}
    for form in sorted(written, key=len, reverse=True):
        text = text.replace(form, "***")
    return text


@lru_cache
def _forms(secret: str) -> frozenset[str]:
    """A secret as it is, and with what quotes escape.

    >>> sorted(_forms('a"b'))
    ['a"b', 'a\\\\"b']
    """
    quoted = repr(secret), json.dumps(secret), json.dumps(secret, ensure_ascii=False)
    return frozenset((secret, *(text[1:-1] for text in quoted)))


def hide_in_output(secrets: Sequence[str]) -> None:
    """Hide secrets in all that this process writes to stdout and stderr from now on."""
    sys.stdout, sys.stderr = (cast(TextIO, _Hiding(stream, secrets)) for stream in (sys.stdout, sys.stderr))


class _Hiding:
    """A text stream that writes without secrets, and is the other stream in all else."""

    def __init__(self, stream: TextIO, secrets: Sequence[str]) -> None:
        self._stream = stream
        self._secrets = secrets

    def write(self, text: str) -> int:
        self._stream.write(hidden(text, self._secrets))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
