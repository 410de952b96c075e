"""What is known of queries before anything is ranked: users, texts, trends and co-visits, in two reads of Redis."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from models.ask import Ask
from state import keys
from streams.handlers.brain import Brain
from streamrank_client.fields import Place
from streamrank_client.events import Query, Rating
from streams.handlers.asking import add_choices, add_near_choices, add_neighbours, add_purchases, add_user, anchor_keys, new_ask, trending
from streams.handlers.contexts import KIND, read_mark
from streams.handlers.sessions import refine, speaks_of
from streams.handlers.shelves import add_shelves, shelf_keys, shelves_of
from streamrank_client.vocabulary import key

Values = list[bytes | None]


def know(
    queries: Sequence[Query], partition: int, topic: str, brain: Brain
) -> Generator[list[bytes], Values, tuple[list[Ask], Place | None]]:
    """An Ask for each query of one partition; ``topic`` is that of the behaviour events.

    Reads what belongs to the users, then what belongs to the texts and to the items that they used last. Returns
    the asks, and the last behaviour event whose effects they contain.
    """
    asks = [new_ask(q, brain.catalogue) for q in queries]
    trend_keys = [keys.trends(p) for p in range(brain.partitions)]
    users = list(dict.fromkeys(q.user_id for q in queries if q.user_id is not None))
    found = yield [
        keys.watermark(partition, topic),
        *trend_keys,
        *(keys.context(partition, u) for u in users),
        *(keys.session(partition, u) for u in users),
        *(keys.purchases(partition, u) for u in users),
    ]
    mark, trends, of_users = found[0], found[1 : 1 + len(trend_keys)], found[1 + len(trend_keys) :]
    user_values = dict(zip(users, of_users[: len(users)], strict=True))
    sessions = dict(zip(users, of_users[len(users) : 2 * len(users)], strict=True))
    bought = dict(zip(users, of_users[2 * len(users) :], strict=True))
    anchors = []
    for query, ask in zip(queries, asks, strict=True):
        recent = add_user(ask, user_values.get(query.user_id or ""), brain.catalogue)
        add_purchases(ask, bought.get(query.user_id or ""), brain.catalogue)
        ask.crowd.trends = trending(trends, query.time, brain.catalogue)
        used = (ask.user.recent.weight > 0) | (ask.user.recent.kind == KIND[Rating])
        anchors.append(anchor_keys(query, recent, used))
        refine(ask, query, sessions.get(query.user_id or ""), brain)
    brain.understand(asks)
    for query, ask in zip(queries, asks, strict=True):
        speaks_of(ask, query, brain.catalogue)
    for ask in asks:
        ask.ruled = brain.rule_book.find(ask.query.surface, brain.normalise(ask.text.asked), ask.text.tokens, ask.query.now, brain.catalogue)
    yield from _neighbourhood(asks, anchors, brain)
    offset = int(read_mark(mark)["offset"])
    return asks, Place(partition, offset) if offset >= 0 else None


def _neighbourhood(
    asks: Sequence[Ask], anchors: Sequence[list[int]], brain: Brain
) -> Generator[list[bytes], Values, None]:
    """Read what was chosen after the asks' texts and after known queries like them, and the co-visits of their
    ``anchors`` (u64 keys).
    """
    texts = [[key(brain.normalise(t)) for t in (ask.text.asked, ask.text.known_as) if t] for ask in asks]
    for ask, own in zip(asks, texts, strict=True):
        if ask.text.compact is not None and own:
            ask.text.near = brain.lore.neighbours(ask.text.compact, own)
    known = [near.key for ask in asks for near in ask.text.near]
    asked = list(dict.fromkeys([*(t for own in texts for t in own), *known]))
    wanted = list(dict.fromkeys(a for own in anchors for a in own))
    shares = [shelves_of(ask, brain.catalogue) for ask in asks]
    codes = list(dict.fromkeys(code for own in shares for code in own))
    shelves = shelf_keys(codes, brain.partitions, brain.catalogue)
    found = yield (
        [keys.query_clicks(brain.partitions, t) for t in asked]
        + [keys.covisits(brain.partitions, a) for a in wanted]
        + shelves
    )
    choices = dict(zip(asked, found, strict=False))
    rows = dict(zip(wanted, found[len(asked) :], strict=False))
    popular = dict(zip(shelves, found[len(asked) + len(wanted) :], strict=True))
    for ask, own_texts, own in zip(asks, texts, anchors, strict=True):
        if own_texts:
            # it has been chosen after: its own choices count, however few
            if choices[own_texts[0]] is not None:
                ask.text.known_as = ""
            add_choices(ask, choices[own_texts[-1 if ask.text.known_as else 0]], brain.catalogue)
            add_near_choices(ask, choices, brain.catalogue)
        add_neighbours(ask, own, rows, brain.catalogue)
    for ask, share in zip(asks, shares, strict=True):
        add_shelves(ask, share, popular, brain.partitions, brain.catalogue)
