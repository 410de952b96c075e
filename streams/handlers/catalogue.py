"""Item events: understand each item once, and tell every worker through the catalogue topic; rules through theirs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from models.items import texts
from models.items.entries import Entry, encode_entry
from models.serving import Models
from models.shop.rule_book import RuleEntry, encode_rule
from models.text.markup import plain
from models.text.words import normalise
from streamrank_client.answers import DeadLetter
from streamrank_client.errors import InvalidEvent
from streamrank_client.events import Delete, Item, ItemEvents, decode_item
from streamrank_client.rules import DeleteRule, Rule, check_rule, rule_key
from streamrank_client.topics import Topics
from streamrank_client.vocabulary import DAY_MS, RULE_KEY, key
from streams.handlers.decoding import dead_letter, decode_one
from streams.handlers.images import item_image
from streams.wire.messages import Message, Record


@dataclass(slots=True)
class ItemChanges:
    """What one batch of item events leads to; ``newest``: the newest item time seen."""

    messages: list[Message]
    dead: list[DeadLetter]
    accepted: int
    newest: int


def on_items(records: Sequence[Record], newest: int, partition: int, models: Models, topics: Topics) -> ItemChanges:
    """Turn a partition's item events into records of the catalogue topic, its rule events into records of the rules
    topic; a later one of an item or a rule wins.

    A tombstone with an item's id as key deletes it, as a ``delete`` event does; so does one with a rule's key. Times
    more than a day ahead of both the partition's ``newest`` and the record's arrival make dead letters.
    """
    latest: dict[str, Item | RuleEntry | None] = {}
    dead: list[DeadLetter] = []
    accepted = 0
    for record in records:
        try:
            name, event = _read(record, newest, models.catalogue.images.dim)
            latest[name] = _rule_entry(event, models) if isinstance(event, Rule) else event
        except InvalidEvent as error:
            dead.append(dead_letter(record, error, topics.item_events.name, partition))
            continue
        if event is not None:
            newest = max(newest, event.time)
        accepted += 1
    kept = [item for item in latest.values() if isinstance(item, Item)]
    entries = dict(zip((i.item_id for i in kept), _entries(kept, models), strict=True))
    messages = []
    for name, thing in latest.items():
        if name.startswith(RULE_KEY):
            rule_id = name.removeprefix(RULE_KEY).encode()
            value = encode_rule(thing) if isinstance(thing, RuleEntry) else None
            messages.append(Message(topics.rules.name, rule_id, value))
        else:
            value = encode_entry(entries[name]) if thing is not None else None
            messages.append(Message(topics.catalogue.name, name.encode(), value))
    return ItemChanges(messages, dead, accepted, newest)


def key_of(event: ItemEvents) -> str:
    """The key of an event's record on item-events.

    >>> key_of(Delete(time=0, item_id="p1")), key_of(DeleteRule(time=0, rule_id="r1"))
    ('p1', 'rule:r1')
    """
    return rule_key(event.rule_id) if isinstance(event, Rule | DeleteRule) else event.item_id


def _read(record: Record, newest: int, image_dim: int) -> tuple[str, Item | Rule | None]:
    """A record's key, and its item or rule: None where that is deleted."""
    if record.value is None and record.key:
        try:
            return record.key.decode(), None
        except UnicodeDecodeError:
            raise InvalidEvent("wrong_key", "key", "a tombstone's key must be an item id in UTF-8") from None
    event = decode_one(record, decode_item, key_of)
    if event.time > max(newest, record.timestamp_ms) + DAY_MS:
        raise InvalidEvent("future", "time", f"{event.time} is more than a day ahead of the newest, {newest}")
    if isinstance(event, Item | Delete) and event.item_id.startswith(RULE_KEY):
        raise InvalidEvent("invalid", "item_id", f"{event.item_id!r} begins like a rule's key: choose another id")
    if isinstance(event, Item):
        _check_promotion(event)
        item_image(event.image_vector, image_dim)
    return key_of(event), None if isinstance(event, Delete | DeleteRule) else event


def _check_promotion(item: Item) -> None:
    if item.valid_from is None and item.valid_to is None:
        return
    if item.list_price is None:
        field = "valid_from" if item.valid_from is not None else "valid_to"
        raise InvalidEvent("invalid", "list_price", f"missing, though {field} is given: send what it costs otherwise")
    if item.valid_from is not None and item.valid_to is not None and item.valid_from > item.valid_to:
        said = f"{item.valid_from} is after valid_to, {item.valid_to}: send when the promotion begins"
        raise InvalidEvent("invalid", "valid_from", said)


def _rule_entry(rule: Rule, models: Models) -> RuleEntry:
    """The rule as query workers hold it. Raises InvalidEvent for one that could never do anything."""
    check_rule(rule)
    text = normalise(rule.text)
    if rule.text and not text:
        raise InvalidEvent("invalid", "text", f"{rule.text!r} is blank: give a text, or leave it out for all queries")
    words = sorted(set(models.words.tokens(rule.text))) if rule.match == "words" else []
    if rule.match == "words" and not words:
        raise InvalidEvent("invalid", "text", f"{rule.text!r} holds no word that is searched by: match it as a whole")
    return RuleEntry(
        rule_id=rule.rule_id,
        action=rule.action,
        item_ids=rule.item_ids,
        category=rule.category,
        brand=rule.brand,
        surfaces=list(rule.surfaces),
        text=text,
        words=words,
        position=rule.position,
        valid_from=rule.valid_from,
        valid_to=rule.valid_to,
    )


def _entries(items: Sequence[Item], models: Models) -> list[Entry]:
    titles = [plain(item.title) for item in items]
    encoded = models.encoder.encode(
        [title or item_text(item) for title, item in zip(titles, items, strict=True)], passages=True
    )
    terms = [
        texts.fields(models.words, title, item.brand, item.category, item.attributes, item.description)
        for title, item in zip(titles, items, strict=True)
    ]
    return [
        Entry(
            key=key(item.item_id),
            item_id=item.item_id,
            time=item.time,
            title=titles[n],
            category=item.category,
            brand=item.brand,
            price=item.price,
            list_price=item.list_price,
            in_stock=item.in_stock,
            attributes=item.attributes,
            tokens=terms[n][0],
            words=terms[n][1:],
            vector=encoded.vector[n].astype("<f2").tobytes(),
            compact=encoded.compact[n].astype("<f4").tobytes(),
            valid_from=item.valid_from,
            valid_to=item.valid_to,
            first_time=_first_time(item, models),
            image=item_image(item.image_vector, models.catalogue.images.dim),
        )
        for n, item in enumerate(items)
    ]


def _first_time(item: Item, models: Models) -> int:
    """When an item was first heard of: what the catalogue says, else the time of its event now."""
    row = models.catalogue.row(item.item_id)
    return int(models.catalogue.first_time[row]) if row >= 0 else item.time


def item_text(item: Item) -> str:
    """What an item without a title is encoded by: brand, its categories from leaf to root, the description's start.

    >>> item_text(Item(time=0, item_id="p", brand="Farm", category=["Dairy", "Milk"]))
    'Farm Milk Dairy'
    """
    parts = [item.brand, *reversed(item.category), item.description[:200]]
    return " ".join(plain(part) for part in parts if part)
