"""What is true of a candidate and may be said of it: one function a fact, each giving what its sentence names.

A fact that does not hold is None. Nothing is said of a person but what their own recent events say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.ask import Ask
from models.base.arrays import Rows
from models.items.catalogue import Catalogue
from streamrank_client.vocabulary import DAY_MS, KINDS

#: among so many most popular items of the week
POPULAR: Final = 50
ALIKE: Final = 0.5
OFTEN: Final = 0.3
WELL_RATED: Final = 4.0
LEAST_PERCENT: Final = 5
TITLE: Final = 60

#: what a sentence names, ``verb`` a kind of behaviour; None: it is not true
Found = dict[str, str] | None


@dataclass(frozen=True, slots=True)
class Case:
    """One candidate of an ask: its catalogue ``row``, and ``feature``, the value of a feature by its name."""

    ask: Ask
    catalogue: Catalogue
    row: int
    feature: Callable[[str], float]

    def title(self, row: int) -> str:
        """A title to show, its item's id where there is none."""
        title = self.catalogue.titles[row] or self.catalogue.ids[row]
        return title if len(title) <= TITLE else title[: TITLE - 1] + "…"

    def did(self, row: int) -> str | None:
        """What the user lately did with an item that shows most interest, None for nothing."""
        recent = self.ask.user.recent
        liked = np.flatnonzero((recent.rows == row) & (recent.weight > 0))
        if row < 0 or not len(liked):
            return None
        kind = KINDS[int(recent.kind[liked[np.argmax(recent.weight[liked])]])]
        return kind.name if kind.en else None


def followed(case: Case) -> Found:
    """The user's recent item that it followed, or went with, most."""
    anchor = _anchor(case)
    verb = case.did(anchor)
    return {"title": case.title(anchor), "verb": verb} if verb else None


def beside(case: Case) -> Found:
    """The item that the query itself names (the basket's, or what similar ones are wanted of) that it went with."""
    anchor = _anchor(case)
    named = case.ask.query.surface in ("cart", "similar") and anchor >= 0 and case.did(anchor) is None
    return {"title": case.title(anchor)} if named else None


def _anchor(case: Case) -> int:
    """Row of the anchor of which the candidate has the largest share, -1 for none."""
    ask = case.ask
    mass = np.maximum(ask.crowd.anchor_mass, 1e-9)
    came, went = ask.crowd.followers, ask.crowd.companions
    after, beside = np.flatnonzero(came.rows == case.row), np.flatnonzero(went.rows == case.row)
    anchor = np.concatenate([came.anchor[after], went.anchor[beside]])
    if not len(anchor):
        return -1
    weights = np.zeros((len(anchor), 3), np.float32)
    weights[: len(after), 0] = came.after[after]
    weights[len(after) :, 1], weights[len(after) :, 2] = went.together[beside], went.wide[beside]
    share = (weights / mass[anchor]).max(axis=1)
    return int(ask.crowd.anchors[anchor[np.argmax(share)]])


def similar(case: Case) -> Found:
    """The user's recent item that it is most like."""
    rows = _liked(case)
    if not len(rows):
        return None
    cosines: NDArray[np.float32] = case.catalogue.compact[rows] @ case.catalogue.compact[case.row]
    best = int(np.argmax(cosines))
    verb = case.did(int(rows[best]))
    return {"title": case.title(int(rows[best])), "verb": verb} if cosines[best] >= ALIKE and verb else None


def resembles(case: Case) -> Found:
    """The item that similar ones are wanted of, where its text is near."""
    row = case.ask.similar_to
    return {"title": case.title(row)} if row >= 0 and case.feature("semantic") >= ALIKE else None


def own(case: Case) -> Found:
    """What the user did with this very item."""
    verb = case.did(case.row)
    return {"verb": verb} if verb else None


def chosen(case: Case) -> Found:
    """It was chosen after the query's text, or after the known query that it was taken for."""
    text = case.ask.text.known_as or case.ask.text.asked
    return {"text": text} if text and case.row in case.ask.crowd.choices.rows else None


def chosen_near(case: Case) -> Found:
    """It was chosen after queries like this one."""
    return {} if case.ask.text.near and case.row in case.ask.crowd.near_choices.rows else None


def searched(case: Case) -> Found:
    """It shares words or meaning with the query's text."""
    hit = case.ask.text.asked and (case.feature("lexical") > 0 or case.feature("semantic") > 0)
    return {"text": case.ask.text.asked} if hit else None


def refined(case: Case) -> Found:
    """It has what the user added to the search before."""
    return {} if case.ask.text.refined_from and case.row in case.ask.text.preferred else None


def pictured(case: Case) -> Found:
    """It is like the query's image."""
    return {} if case.ask.query.image is not None and case.feature("image") > 0 else None


def popular(case: Case) -> Found:
    """It is among the most popular of the week."""
    trends = case.ask.crowd.trends
    return {} if len(trends) > 1 and case.row in trends[1].rows[:POPULAR] else None


def new(case: Case) -> Found:
    """It came within the days for which an item is new."""
    age = case.ask.query.now - int(case.catalogue.first_time[case.row])
    return {} if 0 <= age <= case.ask.query.new_days * DAY_MS else None


def reduced(case: Case) -> Found:
    """It costs less than its list price at the query's time; ``until``: when that ends, as a date (UTC)."""
    row = np.array([case.row], np.int32)
    percent = round(100 * float(case.catalogue.discount_at(case.ask.query.now, row)[0]))
    if percent < LEAST_PERCENT:
        return None
    end = case.catalogue.promotion_ends(case.row)
    until = datetime.fromtimestamp(end / 1000, UTC).date().isoformat() if end is not None else ""
    return {"percent": str(percent), "until": until}


def rated(case: Case) -> Found:
    """Shoppers rated it well: the mean, smoothed towards 3.5, is 4 or more."""
    return {} if case.feature("rating") >= WELL_RATED else None


def category(case: Case) -> Found:
    """Much of what the user liked is of its category."""
    code, liked = int(case.catalogue.category[case.row]), _liked(case)
    if code < 0 or not len(liked) or (case.catalogue.category[liked] == code).mean() < OFTEN:
        return None
    return {"name": case.catalogue.categories.paths[code][-1]}


def brand(case: Case) -> Found:
    """The user liked other items of its brand."""
    code, liked = int(case.catalogue.brand[case.row]), _liked(case)
    if code < 0 or not (case.catalogue.brand[liked] == code).any():
        return None
    return {"name": case.catalogue.brands.names[code]}


def _liked(case: Case) -> Rows:
    """Rows of the user's recent events that show interest, in other items than this one."""
    recent = case.ask.user.recent
    liked: Rows = recent.rows[(recent.rows >= 0) & (recent.rows != case.row) & (recent.weight > 0)]
    return liked


Fact = Callable[[Case], Found]
