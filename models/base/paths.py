"""Where the files shipped with the checkout (or image) lie."""

from __future__ import annotations

from pathlib import Path

#: Root of the checkout: streamrank runs from its checkout or its image, never from site-packages.
ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "data"
