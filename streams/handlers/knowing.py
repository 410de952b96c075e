"""What is known of queries before anything is ranked: users, texts, trends and co-visits, in two reads of Redis."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from models.ask import Ask, AskedQuery, AskedText, AskingUser, Crowd, Weighted
from models.serving import Models
from models.text.words import normalise
from state import keys
from state.marks import behavior_mark
from streamrank_client.events import Query
from streamrank_client.fields import Place
from streamrank_client.vocabulary import RATING, key
from streams.handlers.asking import (
    StoredUser,
    anchor_keys,
    anchor_rows,
    asked_query,
    asking_user,
    choices_of,
    near_choices_of,
    trending,
)
from streams.handlers.sessions import continued, spoken_of
from streams.handlers.shelves import filled_shelves, shelf_keys, shelves_of
from streams.handlers.steps import Values
from streams.policy.deployment import Deployment
from streams.policy.plans import Plan


@dataclass(frozen=True, slots=True)
class _Begun:
    """A query as far as it is known before the second read: the parts of its ask, and what is to be read.

    ``anchors``: u64 keys of items whose co-visits are read; ``texts``: u64 keys of the text, and of the known query
    that it was taken for; ``shares``: of the categories in question, by code.
    """

    query: AskedQuery
    text: AskedText
    user: AskingUser
    trends: tuple[Weighted, ...]
    anchors: list[int]
    texts: list[int]
    shares: dict[int, float]


_NOTHING: Final = StoredUser()


def know(
    queries: Sequence[Query], plans: Sequence[Plan], partition: int, models: Models, deployment: Deployment
) -> Generator[list[bytes], Values, tuple[list[Ask], Place | None]]:
    """An Ask for each query of one partition.

    Reads what belongs to the users, then what belongs to the texts and to the items that they used last. Returns
    the asks, and the last behaviour event whose effects they contain.
    """
    asked = [asked_query(query, plan, models.catalogue) for query, plan in zip(queries, plans, strict=True)]
    trend_keys = [keys.trends(p) for p in range(deployment.partitions)]
    users = list(dict.fromkeys(q.user_id for q in queries if q.user_id is not None))
    read = yield [
        keys.watermark(partition, deployment.topics.behavior_events.name),
        *trend_keys,
        *(keys.context(partition, u) for u in users),
        *(keys.session(partition, u) for u in users),
        *(keys.purchases(partition, u) for u in users),
        *(keys.dislikes(partition, u) for u in users),
    ]
    mark, trends, of_users = read[0], read[1 : 1 + len(trend_keys)], read[1 + len(trend_keys) :]
    parts = (of_users[n * len(users) : (n + 1) * len(users)] for n in range(4))
    stored = dict(zip(users, map(StoredUser, *parts), strict=True))
    own = [stored.get(query.user_id or "", _NOTHING) for query in queries]
    begun = _begun(queries, asked, own, [plan.rules.dislike_ms for plan in plans], trends, models)
    asks = yield from _with_crowds(begun, models, deployment)
    last = behavior_mark(mark).last
    return asks, Place(partition, last) if last >= 0 else None


def _begun(
    queries: Sequence[Query],
    asked: Sequence[AskedQuery],
    stored: Sequence[StoredUser],
    dislike_ms: Sequence[float],
    trends: Values,
    models: Models,
) -> list[_Begun]:
    """The parts of each ask that follow from what is stored of its user, its text understood."""
    catalogue = models.catalogue
    users, anchors, both = [], [], []
    for query, one, own, lasts in zip(queries, asked, stored, dislike_ms, strict=True):
        user, recent = asking_user(own, query.time, lasts, catalogue)
        used = (user.recent.weight > 0) | (user.recent.kind == RATING)
        users.append(user)
        anchors.append(anchor_keys(query, recent, used))
        both.append(continued(one, query, own.session, models))
    texts = models.understand([text for _, text in both])
    begun = []
    for n, query in enumerate(queries):
        one, text = both[n][0], texts[n]
        text = replace(text, about=spoken_of(Ask(one, text, users[n]), query, catalogue))
        keys_of_texts = [key(normalise(t)) for t in (text.asked, text.known_as) if t]
        if text.compact is not None and keys_of_texts:
            text = replace(text, near=models.lore.neighbours(text.compact, keys_of_texts))
        begun.append(
            _Begun(
                query=one,
                text=text,
                user=users[n],
                trends=trending(trends, query.time, catalogue),
                anchors=anchors[n],
                texts=keys_of_texts,
                shares=shelves_of(one.filter, users[n].recent, catalogue),
            )
        )
    return begun


def _with_crowds(
    begun: Sequence[_Begun], models: Models, deployment: Deployment
) -> Generator[list[bytes], Values, list[Ask]]:
    """The asks, once it was read what was chosen after their texts and after known queries like them, and what went
    with their anchors.
    """
    partitions, catalogue = deployment.partitions, models.catalogue
    near = [text.key for one in begun for text in one.text.near]
    texts = list(dict.fromkeys([*(t for one in begun for t in one.texts), *near]))
    anchors = list(dict.fromkeys(a for one in begun for a in one.anchors))
    codes = list(dict.fromkeys(code for one in begun for code in one.shares))
    shelves = shelf_keys(codes, partitions, catalogue)
    read = yield (
        [keys.query_clicks(partitions, t) for t in texts] + [keys.covisits(partitions, a) for a in anchors] + shelves
    )
    choices = dict(zip(texts, read, strict=False))
    rows = dict(zip(anchors, read[len(texts) :], strict=False))
    popular = dict(zip(shelves, read[len(texts) + len(anchors) :], strict=True))
    return [_ask(one, choices, rows, popular, models, partitions) for one in begun]


def _ask(
    one: _Begun,
    choices: Mapping[int, bytes | None],
    rows: Mapping[int, bytes | None],
    popular: Mapping[bytes, bytes | None],
    models: Models,
    partitions: int,
) -> Ask:
    query, text, catalogue = one.query, one.text, models.catalogue
    chosen = near_chosen = Weighted()
    if one.texts:
        # it has been chosen after: its own choices count, however few
        if choices[one.texts[0]] is not None:
            text = replace(text, known_as="")
        chosen = choices_of(choices[one.texts[-1 if text.known_as else 0]], query.now, catalogue)
        near_chosen = near_choices_of(text.near, choices, query.now, catalogue)
    anchors = anchor_rows(one.anchors, rows, query.now, catalogue)
    crowd = Crowd(
        anchors=anchors.anchors,
        followers=anchors.followers,
        companions=anchors.companions,
        anchor_mass=anchors.anchor_mass,
        choices=chosen,
        near_choices=near_chosen,
        trends=one.trends,
        shelves=filled_shelves(one.shares, popular, query.now, partitions, catalogue),
    )
    ruled = models.rule_book.find(query.surface, normalise(text.asked), text.tokens, query.now, catalogue)
    return Ask(query, text, one.user, crowd, ruled)
