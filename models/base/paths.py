"""Where the data that streamrank is shipped with lie: artifacts, word lists, projections, texts of intents."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from models.base.errors import TextError

_MODELS: Final = Path(__file__).resolve().parent.parent
_IN_WHEEL: Final = _MODELS / "data"

#: Whether this is an installed wheel: then the data lie inside the package, in a checkout beside it.
INSTALLED: Final = _IN_WHEEL.is_dir()
DATA: Final = _IN_WHEEL if INSTALLED else _MODELS.parent / "data"


def data_lines(path: Path) -> list[str]:
    """The lines of a word list without its comments; raises ``TextError`` if it is unreadable."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except OSError as error:
        raise TextError(
            f"data/words/{path.name} cannot be read: {error.strerror}.",
            "restore it from git, or install streamrank again.",
        ) from error
    return [line for line in lines if not line.startswith("#")]
