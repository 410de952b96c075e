"""The kinds of artifacts that workers use."""

from __future__ import annotations

from typing import Final

KINDS: Final = ("encoder", "intent", "ranker")
#: what a worker uses where it is there
OPTIONAL: Final = ("intent-encoder", "item-tower")
#: what is learnt from a shop's log, and so is its own where several share an installation
OWN: Final = ("ranker", "item-tower")
