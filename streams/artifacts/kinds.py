"""The kinds of artifacts that workers use."""

from __future__ import annotations

from typing import Final

KINDS: Final = ("encoder", "intent", "ranker")
#: what a worker uses where it is there
OPTIONAL: Final = ("intent-encoder", "item-tower")
