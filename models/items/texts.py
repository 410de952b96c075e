"""What an item is found by: the terms of its texts, field by field."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from models.items.attributes import AttributeValue
from models.text.markup import plain
from models.text.words import Words

#: of a description so many characters are searched
DESCRIPTION: Final = 4_000
#: what a title says after one of these it is for: "Case for WH-1000XM5"
_FOR: Final = re.compile(
    r"\s(?:for|fits|compatible with|suitable for|für|passend|voor|geschikt|pour|para|per|para o|för|til|dla|для)\s",
    re.I,
)


def fields(
    words: Words,
    title: str,
    brand: str = "",
    category: Sequence[str] = (),
    attributes: Mapping[str, AttributeValue] | None = None,
    description: str = "",
) -> list[list[str]]:
    """The terms of each field in the order of ``models.items.bm25.FIELDS``; the texts without markup.

    >>> fields(Words.load(), "Hard Case for XM5", "Ltgem", ["Audio", "Cases"], {"colour": "Red", "new": True})[:5]
    [['hard', 'case', 'for'], ['xm', '5', 'xm5'], ['ltgem'], ['audio', 'cases'], ['red']]
    """
    said = _FOR.search(title)
    name, purpose = (title[: said.end()], title[said.end() :]) if said else (title, "")
    values = " . ".join(_texts(attributes.values())) if attributes else ""
    texts = (name, purpose, brand, " . ".join(category), values, description[:DESCRIPTION])
    return [[term for word in words.read(plain(text)) for term in word.terms] for text in texts]


def _texts(values: Iterable[AttributeValue]) -> Iterable[str]:
    """Texts and numbers as they are written; a truth value says nothing without its name.

    >>> list(_texts(["Red", 42.0, True, ["S", "M"]]))
    ['Red', '42', 'S', 'M']
    """
    for value in values:
        if isinstance(value, list):
            yield from _texts(value)
        elif not isinstance(value, bool):
            yield f"{value:g}" if isinstance(value, float) and abs(value) < 1e6 else str(value)
