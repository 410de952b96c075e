"""Who has the say over a search's order: tiers that no score reaches across.

From the top: an item of which the text is an identifier; what the shopper's refinement asks for; what people chose
after this very text; an item whose title is the text; one that holds all its words; the rest. Rules stand above
(``models.ranking.order``): what is hidden is out, what is pinned stands where it is pinned, what is buried is last.

>>> from models.sample import asked, sample
>>> from models.retrieval.text_evidence import evidence
>>> catalogue = sample(["red tea cup", "red tea", "green tea"])
>>> ask, rows = asked("search", asked="tea red", tokens=("tea", "red")), np.arange(3, dtype=np.int32)
>>> tiers(ask, rows, evidence(ask, catalogue, rows)).tolist()
[1, 1, 0]
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.ask import Ask
from models.base.arrays import Mask, Rows
from models.retrieval.text_evidence import Evidence

Tiers = NDArray[np.int8]

REST: Final = 0
ALL_WORDS: Final = 1
#: stop words too, where they make the name
EVERY_WORD: Final = 2
TITLED: Final = 3
CHOSEN: Final = 4
#: what a refinement asks for stands above all that it did not ask for
REFINED: Final = 8
IDENTIFIED: Final = 16
#: what was chosen after a text has this share of its choices: a stray click is none
SHARE: Final = 0.05


def tiers(ask: Ask, rows: Rows, found: Evidence | None) -> Tiers:
    """The tier of each row, (n,): higher ones stand first; all 0 where no text asks for anything.

    ``found``: what the text says of the rows, None where there is none.
    """
    out = np.zeros(len(rows), np.int8)
    if found is None:
        return out
    if ask.query.image is None:
        out[found.all_words] = ALL_WORDS
        out[found.every_word] = EVERY_WORD
        out[found.titled] = TITLED
    out[_chosen(ask, rows)] = CHOSEN
    if len(ask.text.preferred):
        out[np.isin(rows, ask.text.preferred)] += REFINED
    out[found.identified] = IDENTIFIED
    return out


def _chosen(ask: Ask, rows: Rows) -> Mask:
    """What was chosen after the text, or after the known query that it was taken for, a slip away."""
    choices = ask.crowd.choices
    if not len(choices.rows):
        return np.zeros(len(rows), np.bool_)
    some = choices.rows[choices.weight >= SHARE * choices.weight.sum()]
    return np.isin(rows, some)
