"""The numbers and codes that name one item: its id, and what its attributes call SKU, EAN, model and the like.

>>> identifiers = Identifiers()
>>> identifiers.put(3, "p-7", {"EAN": "4006381333931", "colour": "red", "mpn": ["FDB 5220", "FDB5220-A"]})
>>> [identifiers.rows(text).tolist() for text in ("P7", "04006381333931", "fdb-5220", "red", "")]
[[3], [3], [3], [], []]
>>> identifiers.put(3, "p-7", {}); identifiers.rows("fdb-5220").tolist()
[]
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from models.base.arrays import Rows
from models.items.attributes import AttributeValue
from models.text.words import squeezed

#: attributes that identify, by their squeezed names
NAMES: Final = frozenset(
    {"sku", "ean", "ean8", "ean13", "gtin", "gtin8", "gtin12", "gtin13", "gtin14", "upc", "mpn", "isbn", "isbn10",
     "isbn13", "model", "modelnumber", "partnumber", "articlenumber", "asin"}
)  # fmt: skip
#: a text that is longer identifies nothing
LONGEST: Final = 64
#: numbers as long as this may be written with zeros before them (an UPC as an EAN)
PADDED: Final = 8


class Identifiers:
    """Rows by identifier, compared by letters and digits alone."""

    def __init__(self) -> None:
        self._rows: dict[str, list[int]] = {}
        self._of: dict[int, tuple[str, ...]] = {}

    def put(self, row: int, item_id: str, attributes: Mapping[str, AttributeValue]) -> None:
        """Give a row these identifiers instead of those it had."""
        texts = [item_id]
        for name, value in attributes.items():
            if squeezed(name) in NAMES:
                texts += [_text(one) for one in (value if isinstance(value, list) else [value])]
        found = tuple(dict.fromkeys(one for one in map(_identifier, texts) if one))
        if self._of.get(row, ()) == found:
            return
        self.drop(row)
        self._of[row] = found
        for one in found:
            self._rows.setdefault(one, []).append(row)

    def drop(self, row: int) -> None:
        """Forget a row; nothing happens when it is not held."""
        for one in self._of.pop(row, ()):
            rows = self._rows[one]
            rows.remove(row)
            if not rows:
                del self._rows[one]

    def rows(self, text: str) -> Rows:
        """Rows that a text identifies, ascending."""
        return np.array(sorted(self._rows.get(_identifier(text), ())), np.int32)


def _identifier(text: str) -> str:
    found = squeezed(text) if len(text) <= LONGEST else ""
    return found.lstrip("0") if found.isdigit() and len(found) >= PADDED else found


def _text(value: bool | float | str) -> str:
    """A value as it is written; a number that is whole without its point.

    >>> _text(4006381333931.0), _text("A-1")
    ('4006381333931', 'A-1')
    """
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
