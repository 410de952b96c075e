"""Where the data that streamrank is shipped with lie: artifacts, word lists, projections, texts of intents."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_MODELS: Final = Path(__file__).resolve().parent.parent
_IN_WHEEL: Final = _MODELS / "data"

#: In an installed wheel the data lie inside the package, in a checkout beside it.
DATA: Final = _IN_WHEEL if _IN_WHEEL.is_dir() else _MODELS.parent / "data"
