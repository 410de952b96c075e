"""Behaviour that tells what users do not want to see, folded into the records of their dislikes."""

from __future__ import annotations

from typing import Final

import numpy as np

from state import dislikes
from state.contexts import EventColumns
from streamrank_client.vocabulary import ADD_TO_CART, DISLIKE, PURCHASE
from streams.handlers.steps import Values

#: kinds that say that an item is not wanted, or is after all
WANTING: Final = (DISLIKE, ADD_TO_CART, PURCHASE)
#: those that say it is after all
ENDING: Final = (ADD_TO_CART, PURCHASE)


class Unwanted:
    """The events that tell what users do not want to see, or want after all."""

    def __init__(self, columns: EventColumns) -> None:
        self._columns = columns
        self._place = np.flatnonzero(np.isin(columns.kind, WANTING))
        self.users, self._who = np.unique(columns.user[self._place], return_inverse=True)

    def fold(self, values: Values) -> list[bytes]:
        """The records of ``users``, with the events in them."""
        columns, place = self._columns, self._place
        dislike = columns.kind[place] == DISLIKE
        return dislikes.fold(values, self._who, columns.item[place], columns.time[place], dislike)
