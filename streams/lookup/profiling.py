"""What is known of a user, for an operator: interests with their decay, prices, rhythm, recent items and searches."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import numpy as np

from models.ask import Ask, AskedQuery
from models.features.base import Inputs
from models.features.situation import Situation
from models.items.catalogue import Catalogue
from state import contexts, sessions
from state.marks import behavior_mark
from state.records import CONTEXT, COUNT
from streamrank_client.events import Query
from streamrank_client.vocabulary import DAY_MS, KINDS
from streams.handlers.asking import StoredUser, asking_user
from streams.lookup.user_profile import (
    Interest,
    PriceRange,
    Profile,
    RankerView,
    RecentEvent,
    Rhythm,
    Searches,
)
from streams.policy.choice import PlanChoice

#: interests and nearest categories that are listed
TOP: Final = 10
NEAREST: Final = 5
_USER: Final = ("user_events", "basket_size")


def profile(user_id: str, stored: StoredUser, catalogue: Catalogue, plans: PlanChoice, now: int) -> Profile:
    """A user's profile at ``now``, Unix ms."""
    context = stored.context or bytes(CONTEXT.itemsize)
    user, keys = asking_user(stored, now, 0, catalogue)
    ask = Ask(AskedQuery(now, "home"), user=user)
    recent = user.recent
    plan = plans.plan_for(Query(time=now, request_id="profile", user_id=user_id))
    row = np.frombuffer(context, CONTEXT)[0].copy()
    if row["encoder"] != contexts.encoder_id(catalogue.encoder):
        row["short"] = row["long"] = 0
    return Profile(
        user_id=user_id,
        at=now,
        events=ask.user.events,
        newest=int(row["last"]),
        counts={kind.name: int(n) for kind, n in zip(KINDS, row["counts"], strict=True) if n},
        categories=_interests(ask, lambda r: _category(catalogue, r)),
        brands=_interests(ask, lambda r: _brand(catalogue, r)),
        nearest_categories=_nearest(ask, catalogue),
        prices=_prices(ask, catalogue),
        rhythm=_rhythm(ask, catalogue),
        recent=[
            RecentEvent(*_named(r, key, catalogue), KINDS[kind].name, round(now - 1000 * float(age)), float(weight))
            for r, key, kind, age, weight in zip(
                recent.rows.tolist(), keys.tolist(), recent.kind, recent.age, recent.weight, strict=True
            )
        ],
        searches=_searches(stored.session, now),
        experiment=plan.experiment,
        arm=plan.arm,
        ranker=_ranker_view(ask, row, catalogue),
    )


def _named(row: int, key: int, catalogue: Catalogue) -> tuple[str, str]:
    """Id and title of a row; an item that the catalogue does not hold goes by its stored key."""
    return (catalogue.ids[row], catalogue.titles[row]) if row >= 0 else (f"key {key:016x}", "")


def _category(catalogue: Catalogue, row: int) -> str:
    code = int(catalogue.category[row])
    return " / ".join(catalogue.categories.paths[code]) if code >= 0 else ""


def _brand(catalogue: Catalogue, row: int) -> str:
    code = int(catalogue.brand[row])
    return catalogue.brands.names[code] if code >= 0 else ""


def _interests(ask: Ask, name: Callable[[int], str]) -> list[Interest]:
    """Each name's events, and their weights halved every hour and every 30 days; the strongest long interest first."""
    sums: dict[str, list[float]] = {}
    for row, age, weight in zip(
        ask.user.recent.rows.tolist(), ask.user.recent.age, ask.user.recent.weight, strict=True
    ):
        if row < 0 or not (label := name(row)):
            continue
        one = sums.setdefault(label, [0.0, 0.0, 0.0])
        one[0] += 1
        one[1] += float(weight) * 2.0 ** (-float(age) * 1000 / contexts.SHORT_MS)
        one[2] += float(weight) * 2.0 ** (-float(age) * 1000 / contexts.LONG_MS)
    found = [Interest(label, int(n), round(short, 4), round(long, 4)) for label, (n, short, long) in sums.items()]
    return sorted(found, key=lambda one: (-one.long, one.name))[:TOP]


def _nearest(ask: Ask, catalogue: Catalogue) -> dict[str, float]:
    """Categories whose items are nearest to the long interest, by mean cosine."""
    use = catalogue.recommendable & (catalogue.category >= 0)
    if not ask.user.long.any() or not use.any():
        return {}
    codes = catalogue.category[use]
    count = np.bincount(codes)
    mean = np.bincount(codes, catalogue.compact[use] @ ask.user.long) / np.maximum(count, 1)
    mean[count == 0] = -np.inf
    best = np.argsort(-mean, kind="stable")[:NEAREST]
    return {
        " / ".join(catalogue.categories.paths[code]): round(float(mean[code]), 4)
        for code in best.tolist()
        if count[code]
    }


def _prices(ask: Ask, catalogue: Catalogue) -> PriceRange | None:
    """Quartiles of what the liked items cost at the profile's time."""
    liked = ask.user.recent.rows[(ask.user.recent.rows >= 0) & (ask.user.recent.weight > 0)]
    prices = catalogue.price_at(ask.query.now, liked)
    prices = prices[prices > 0]
    if not len(prices):
        return None
    low, middle, high = np.quantile(prices.astype(np.float64), (0.25, 0.5, 0.75)).tolist()
    return PriceRange(len(prices), round(low, 2), round(middle, 2), round(high, 2))


def _rhythm(ask: Ask, catalogue: Catalogue) -> list[Rhythm]:
    """Items bought on two or more days, as the ranker knows them: the mean gap, and when the next purchase is due."""
    had = ask.user.bought
    rhythms = []
    for row, count, span, since in zip(
        had.rows.tolist(), had.count.tolist(), had.span.tolist(), had.since.tolist(), strict=True
    ):
        if count < 2:
            continue
        gap = span / (count - 1)
        due = ask.query.now + round(DAY_MS * (gap - since))
        rhythms.append(Rhythm(catalogue.ids[row], catalogue.titles[row], int(count), round(gap, 3), due))
    return sorted(rhythms, key=lambda one: (one.due, one.item_id))


def _searches(session: bytes | None, now: int) -> Searches | None:
    stored = sessions.stored(session)
    if stored is None:
        return None
    continues = sessions.decode(session, now) is not None
    return Searches(stored.time, list(stored.texts), continues)


def _ranker_view(ask: Ask, row: np.void, catalogue: Catalogue) -> RankerView:
    columns = {}
    if len(catalogue):
        none = np.zeros(1, np.int32)
        columns = Situation().columns(Inputs.of(ask, catalogue, none, np.zeros(1, COUNT)))
    return RankerView(
        features={name: round(float(columns[name][0]), 6) for name in _USER if name in columns},
        recent_items=int((ask.user.recent.rows >= 0).sum()),
        short_interest=_norm(row, "short", contexts.SHORT_MS, ask.query.now),
        long_interest=_norm(row, "long", contexts.LONG_MS, ask.query.now),
    )


def _norm(row: np.void, name: str, half_life: int, now: int) -> float:
    """Length of an interest vector decayed to ``now``, in units of a behaviour's weight."""
    start = int(row[name + "_epoch"]) * contexts.EPOCH * half_life
    length = float(np.linalg.norm(row[name].astype(np.float64))) / contexts.SCALE
    return round(float(length * 2.0 ** min(-(now - start) / half_life, 1000.0)), 6)


def newest(marks: Iterable[bytes | None], context: bytes) -> int:
    """The time that a user is looked at for: the newest event of the partition, or of the user, in Unix ms."""
    return max([int(np.frombuffer(context, CONTEXT)[0]["last"]), *(behavior_mark(m).newest for m in marks)])
