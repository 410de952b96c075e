"""Where the data that streamrank is shipped with lie: artifacts, word lists, projections, texts of intents."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_MODELS: Final = Path(__file__).resolve().parent.parent
_IN_WHEEL: Final = _MODELS / "data"

#: Whether this is an installed wheel: then the data lie inside the package, in a checkout beside it.
INSTALLED: Final = _IN_WHEEL.is_dir()
DATA: Final = _IN_WHEEL if INSTALLED else _MODELS.parent / "data"
