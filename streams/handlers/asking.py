"""From a query and what Redis holds to the parts of an ask: stored records, at the query's time, as catalogue rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.ask import AskedQuery, AskingUser, Bought, Companions, Filter, Followers, NearText, Recent, Weighted
from models.base.arrays import Floats, Keys, Mask, Rows
from models.items import attributes
from models.items.catalogue import Catalogue
from models.lore.query_lore import nearness
from state import contexts, covisits, dislikes, purchases, query_clicks, trends
from state.records import CONTEXT, COVISIT, FOLLOWERS, NEIGHBOURS, QUERY_CLICK, RING
from streamrank_client.events import Query
from streamrank_client.fields import Filters, Range, WantedValue
from streamrank_client.vocabulary import DAY_MS, key
from streams.handlers.images import query_image
from streams.policy.plans import Plan

#: how many of the user's recent items have their co-visits read, after the query's own items: as far as pairs reach
ANCHORS: Final = 31
TREND_ITEMS: Final = 100


def asked_query(query: Query, plan: Plan, catalogue: Catalogue) -> AskedQuery:
    """What the query itself says. Raises InvalidEvent when its image is none."""
    return AskedQuery(
        now=query.time,
        surface=query.answered_on,
        image=query_image(query.image_vector, catalogue.images.dim),
        candidates=_known_rows(query.candidates[: plan.work], catalogue) if query.candidates else None,
        exclude=_known_rows([*query.exclude, *query.cart], catalogue),
        filter=_filter(query.filters),
        limit=query.limit,
        offset=query.offset,
        new_days=plan.new_days,
        sort=query.sort if query.answered_on != "rerank" else None,
    )


class StoredUser(NamedTuple):
    """What Redis holds of a user: ``ctx:``, ``ses:``, ``own:`` and ``dis:``."""

    context: bytes | None = None
    session: bytes | None = None
    purchases: bytes | None = None
    dislikes: bytes | None = None


def asking_user(stored: StoredUser, now: int, dislike_ms: float, catalogue: Catalogue) -> tuple[AskingUser, Keys]:
    """The user as stored, at ``now``; and the u64 keys of the recent events, newest first.

    What was disliked at most ``dislike_ms`` ago is not wanted, and no event on it counts among the recent ones.
    """
    context = stored.context
    bought = _bought(stored.purchases, now, catalogue)
    unwanted = dislikes.active(stored.dislikes, now, dislike_ms)
    disliked = catalogue.rows(unwanted)
    disliked = disliked[disliked >= 0]
    if context is None:
        return AskingUser(bought=bought, disliked=disliked), np.zeros(0, np.uint64)
    row = np.frombuffer(context, CONTEXT)
    short, long = contexts.interest(row, contexts.encoder_id(catalogue.encoder))
    events = int(row["events"][0])
    held = min(events, RING)
    # ring order is order of arrival; the user's own order is that of time, latest arrival first among equals
    slots = (events - 1 - np.arange(held)) % RING
    at = row["at"][0].take(slots)
    order = np.argsort(-at.astype(np.int64), kind="stable")
    if len(unwanted):
        order = order[~np.isin(row["item"][0].take(slots.take(order)), unwanted)]
    slots = slots.take(order)
    items: Keys = row["item"][0].take(slots)
    recent = Recent(
        rows=catalogue.rows(items),
        age=np.maximum(now / 1000 - at.take(order), 0).astype(np.float32),
        weight=row["weight"][0].take(slots).astype(np.float32) / 8,
        kind=row["kind"][0].take(slots),
    )
    return AskingUser(events, short[0], long[0], recent, bought, disliked), items


def _bought(owned: bytes | None, now: int, catalogue: Catalogue) -> Bought:
    """What the user bought, as far as the catalogue holds it."""
    had = purchases.read(owned)
    rows = catalogue.rows_of_heads(had["item"].astype(np.uint64))
    had, rows = had[rows >= 0], rows[rows >= 0]
    first, last = had["first"].astype(np.float32), had["last"].astype(np.float32)
    since = np.maximum(np.float32(now / DAY_MS) - last - np.float32(0.5), 0)
    return Bought(rows, had["count"].astype(np.float32), last - first, since)


def anchor_keys(query: Query, recent: Keys, liked: Mask) -> list[int]:
    """Keys of the items whose co-visits are read: the cart's or the similar item's, then recent distinct ones."""
    own = [key(query.item_id)] if query.item_id else [key(i) for i in query.cart]
    return list(dict.fromkeys([*own, *recent[liked].tolist()]))[: len(own) + ANCHORS]


class AnchorRows(NamedTuple):
    """The anchors with what followed and accompanied them, as in ``models.ask.Crowd``."""

    anchors: Rows
    followers: Followers
    companions: Companions
    anchor_mass: Floats


def anchor_rows(
    anchors: Sequence[int], values: Mapping[int, bytes | None], now: int, catalogue: Catalogue
) -> AnchorRows:
    """The co-visit rows of ``anchors`` (u64 keys), decayed to ``now``."""
    rows = catalogue.rows(np.array(anchors, np.uint64))
    blank = bytes(COVISIT.itemsize)
    stored = np.frombuffer(b"".join([values[a] or blank for a in anchors]), COVISIT)
    if not len(stored):
        return AnchorRows(rows, Followers(), Companions(), np.zeros((0, 3), np.float32))
    found = covisits.decayed(stored, now / 1000)
    came, went = np.flatnonzero(found.follower), np.flatnonzero(found.neighbour)
    # one look into the catalogue for all
    heads = np.concatenate([found.follower.take(came), found.neighbour.take(went)])
    near = catalogue.rows_of_heads(heads.astype(np.uint64))
    after, beside = near[: len(came)], near[len(came) :]
    if len(near) and near.min() < 0:
        came, went = came[after >= 0], went[beside >= 0]
        after, beside = after[after >= 0], beside[beside >= 0]
    followers = Followers((came // FOLLOWERS).astype(np.int32), after, found.after.take(came))
    anchor = (went // NEIGHBOURS).astype(np.int32)
    companions = Companions(anchor, beside, found.together.take(went), found.wide.take(went))
    return AnchorRows(rows, followers, companions, found.mass)


def choices_of(value: bytes | None, now: int, catalogue: Catalogue) -> Weighted:
    """What was chosen after a text, by its stored row, best first."""
    if value is None:
        return Weighted()
    row = np.frombuffer(value, QUERY_CLICK)
    weight = query_clicks.decayed(row, now / 1000).weight[0]
    return _best_first(row["item"][0], weight, catalogue)


def near_choices_of(
    near: Sequence[NearText], values: Mapping[int, bytes | None], now: int, catalogue: Catalogue
) -> Weighted:
    """What was chosen after the queries near a text: shares of their choices, by nearness, best first.

    ``values``: QUERY_CLICK rows by query key. An item's share of a query's choices is as in the source query_clicks.
    """
    stored = [(one, value) for one in near if (value := values[one.key]) is not None]
    if not stored:
        return Weighted()
    rows = np.frombuffer(b"".join(value for _, value in stored), QUERY_CLICK)
    weight = query_clicks.decayed(rows, now / 1000).weight
    counts = np.array([nearness(one) for one, _ in stored])
    share = weight / (weight.sum(axis=1, keepdims=True) + 1) * counts[:, None]
    items, place = np.unique(rows["item"], return_inverse=True)
    total = np.bincount(place.ravel(), share.ravel(), minlength=len(items))
    return _best_first(items, total.astype(np.float32), catalogue)


def trending(values: Sequence[bytes | None], now: int, catalogue: Catalogue) -> tuple[Weighted, ...]:
    """The most popular items over all signals partitions, for each half-life of popularity."""
    if all(value is None for value in values):
        return ()
    found = trends.decayed(values, now / 1000, TREND_ITEMS)
    return tuple(_popular(catalogue.rows(trend.item), trend.weight) for trend in found)


def _popular(rows: NDArray[np.int32], weight: NDArray[np.float32]) -> Weighted:
    """Known rows with a weight above 0, of rows that are heaviest first."""
    good = np.flatnonzero((rows >= 0) & (weight > 0))
    return Weighted(rows.take(good), weight.take(good))


def _best_first(items: Keys, weight: Floats, catalogue: Catalogue) -> Weighted:
    """Known rows of items with a weight above 0, heaviest first."""
    rows = catalogue.rows(items)
    good = np.flatnonzero((rows >= 0) & (items != 0) & (weight > 0))
    good = good[np.argsort(-weight[good], kind="stable")]
    return Weighted(rows[good], weight[good].astype(np.float32))


def _known_rows(item_ids: Sequence[str], catalogue: Catalogue) -> NDArray[np.int32]:
    rows = [row for row in dict.fromkeys(catalogue.row(i) for i in item_ids) if row >= 0]
    return np.array(rows, np.int32)


def _filter(filters: Filters | None) -> Filter | None:
    if filters is None:
        return None
    price = filters.price
    return Filter(
        category=_categories(filters.category) if filters.category is not None else None,
        brand=tuple(filters.brand) if filters.brand is not None else None,
        price_min=price.min if price else None,
        price_max=price.max if price else None,
        in_stock=filters.in_stock,
        attributes=tuple((name, _wanted(value)) for name, value in filters.attributes.items()),
    )


def _categories(wanted: Sequence[str | list[str]]) -> tuple[str | tuple[str, ...], ...]:
    return tuple(name if isinstance(name, str) else tuple(name) for name in wanted)


def _wanted(value: WantedValue) -> attributes.Wanted:
    if isinstance(value, Range):
        return attributes.between(value.min, value.max)
    return attributes.one_of(value if isinstance(value, list) else [value])
