"""From a query and what Redis holds to an Ask: stored records, brought to the query's time and to catalogue rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.items import attributes
from models.ask import Ask, Bought, Filter, Followers, Companions as Neighbours, Recent, Weighted
from models.items.catalogue import Catalogue
from models.lore.query_lore import nearness
from state import contexts, covisits, purchases, query_clicks, trends
from state.records import CONTEXT, COVISIT, FOLLOWERS, NEIGHBOURS, QUERY_CLICK, RING
from streamrank_client.vocabulary import DAY_MS
from streamrank_client.fields import Filters, Range
from streamrank_client.events import Query
from streamrank_client.fields import Wanted
from streams.handlers.images import query_image
from streamrank_client.vocabulary import key

#: how many of the user's recent items have their co-visits read, after the query's own items: as far as pairs reach
ANCHORS: Final = 31
TREND_ITEMS: Final = 100


def surface_of(query: Query) -> str:
    """The query's surface, or what follows from what it gives.

    >>> surface_of(Query(time=0, request_id="r", text="tea"))
    'search'
    """
    if query.surface is not None:
        return query.surface
    given = (
        ("rerank", query.candidates),
        ("similar", query.item_id),
        ("cart", query.cart),
        ("search", query.text or query.image_vector),
    )
    return next((surface for surface, value in given if value), "home")


def new_ask(query: Query, catalogue: Catalogue) -> Ask:
    """An Ask that knows the query alone. Raises InvalidEvent when its image is none."""
    return Ask(
        now=query.time,
        surface=surface_of(query),
        text=query.text,
        image=query_image(query.image_vector, catalogue.images.dim),
        candidates=_known_rows(query.candidates, catalogue) if query.candidates else None,
        exclude=_known_rows([*query.exclude, *query.cart], catalogue),
        filter=_filter(query.filters),
        limit=query.limit,
        offset=query.offset,
    )


def add_user(ask: Ask, value: bytes | None, catalogue: Catalogue) -> NDArray[np.uint64]:
    """Put the user's stored context into ``ask``; returns the u64 keys of the recent events, newest first."""
    if value is None:
        return np.zeros(0, np.uint64)
    context = np.frombuffer(value, CONTEXT)
    short, long = contexts.interest(context)
    ask.user.short, ask.user.long = short[0], long[0]
    ask.user.events = int(context["events"][0])
    held = min(ask.user.events, RING)
    # ring order is order of arrival; the user's own order is that of time, latest arrival first among equals
    slots = (ask.user.events - 1 - np.arange(held)) % RING
    at = context["at"][0].take(slots)
    order = np.argsort(-at.astype(np.int64), kind="stable")
    slots = slots.take(order)
    items: NDArray[np.uint64] = context["item"][0].take(slots)
    ask.user.recent = Recent(
        rows=catalogue.rows(items),
        age=np.maximum(ask.query.now / 1000 - at.take(order), 0).astype(np.float32),
        weight=context["weight"][0].take(slots).astype(np.float32) / 8,
        kind=context["kind"][0].take(slots),
    )
    return items


def add_purchases(ask: Ask, value: bytes | None, catalogue: Catalogue) -> None:
    """Put what the user bought into ``ask``, as far as the catalogue holds it."""
    had = purchases.read(value)
    rows = catalogue.rows_of_heads(had["item"].astype(np.uint64))
    had, rows = had[rows >= 0], rows[rows >= 0]
    first, last = had["first"].astype(np.float32), had["last"].astype(np.float32)
    since = np.maximum(np.float32(ask.query.now / DAY_MS) - last - np.float32(0.5), 0)
    ask.user.bought = Bought(rows, had["count"].astype(np.float32), last - first, since)


def anchor_keys(query: Query, recent: NDArray[np.uint64], liked: NDArray[np.bool_]) -> list[int]:
    """Keys of the items whose co-visits are read: the cart's or the similar item's, then recent distinct ones."""
    own = [key(query.item_id)] if query.item_id else [key(i) for i in query.cart]
    return list(dict.fromkeys([*own, *recent[liked].tolist()]))[: len(own) + ANCHORS]


def add_neighbours(ask: Ask, anchors: Sequence[int], values: Mapping[int, bytes | None], catalogue: Catalogue) -> None:
    """Put the co-visit rows of ``anchors`` (u64 keys) into ``ask``, decayed to its time."""
    keys = np.array(anchors, np.uint64)
    blank = bytes(COVISIT.itemsize)
    rows = np.frombuffer(b"".join([values[a] or blank for a in anchors]), COVISIT)
    if not len(rows):
        ask.crowd.anchors = catalogue.rows(keys)
        return
    found = covisits.decayed(rows, ask.query.now / 1000)
    ask.crowd.anchors, ask.crowd.anchor_mass = catalogue.rows(keys), found.mass
    came, went = np.flatnonzero(found.follower), np.flatnonzero(found.neighbour)
    # one look into the catalogue for all
    heads = np.concatenate([found.follower.take(came), found.neighbour.take(went)])
    near = catalogue.rows_of_heads(heads.astype(np.uint64))
    after, beside = near[: len(came)], near[len(came) :]
    if len(near) and near.min() < 0:
        came, went = came[after >= 0], went[beside >= 0]
        after, beside = after[after >= 0], beside[beside >= 0]
    anchor = (came // FOLLOWERS).astype(np.int32)
    ask.crowd.followers = Followers(anchor, after, found.after.take(came))
    anchor = (went // NEIGHBOURS).astype(np.int32)
    ask.crowd.companions = Neighbours(anchor, beside, found.together.take(went), found.wide.take(went))


def add_choices(ask: Ask, value: bytes | None, catalogue: Catalogue) -> None:
    """Put what was chosen after the query's text into ``ask``, best first."""
    if value is None:
        return
    row = np.frombuffer(value, QUERY_CLICK)
    weight = query_clicks.decayed(row, ask.query.now / 1000).weight[0]
    ask.crowd.choices = _weighted(row["item"][0], weight, catalogue)


def add_near_choices(ask: Ask, values: Mapping[int, bytes | None], catalogue: Catalogue) -> None:
    """Put what was chosen after the queries near the ask's into it: shares of their choices, by nearness.

    ``values``: QUERY_CLICK rows by query key. An item's share of a query's choices is as in the source query_clicks.
    """
    found = [(near, value) for near in ask.text.near if (value := values[near.key]) is not None]
    if not found:
        return
    rows = np.frombuffer(b"".join(value for _, value in found), QUERY_CLICK)
    weight = query_clicks.decayed(rows, ask.query.now / 1000).weight
    counts = np.array([nearness(near) for near, _ in found])
    share = weight / (weight.sum(axis=1, keepdims=True) + 1) * counts[:, None]
    items, place = np.unique(rows["item"], return_inverse=True)
    total = np.bincount(place.ravel(), share.ravel(), minlength=len(items))
    ask.crowd.near_choices = _weighted(items, total.astype(np.float32), catalogue)


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


def _weighted(items: NDArray[np.uint64], weight: NDArray[np.float32], catalogue: Catalogue) -> Weighted:
    return _best_first(catalogue.rows(items), items, weight)


def _best_first(rows: NDArray[np.int32], items: NDArray[np.uint64], weight: NDArray[np.float32]) -> Weighted:
    """Known rows of items with a weight above 0, heaviest first."""
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
        category=tuple(filters.category) if filters.category is not None else None,
        brand=tuple(filters.brand) if filters.brand is not None else None,
        price_min=price.min if price else None,
        price_max=price.max if price else None,
        in_stock=filters.in_stock,
        attributes=tuple((name, _wanted(value)) for name, value in filters.attributes.items()),
    )


def _wanted(value: Wanted) -> attributes.Wanted:
    if isinstance(value, Range):
        return attributes.between(value.min, value.max)
    return attributes.one_of(value if isinstance(value, list) else [value])
