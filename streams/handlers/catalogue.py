"""Item events: understand each item once, and tell every worker through the catalogue topic; rules through theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from models.items import texts
from models.items.catalogue import Catalogue
from models.items.entries import Entry, encode_entry
from models.serving import Models
from models.shop.rule_book import RuleEntry, encode_rule
from models.text.markup import plain
from models.text.words import normalise
from state.item_times import ItemTimes
from state.item_times import decode as decode_times
from state.item_times import encode as encode_times
from state.keys import item_times
from streamrank_client.answers import DeadLetter
from streamrank_client.errors import InvalidEvent
from streamrank_client.events import Delete, Item, ItemEvents, ItemUpdate, decode_item, encode
from streamrank_client.rules import DeleteRule, Rule, check_rule, rule_key
from streamrank_client.topics import Topics
from streamrank_client.vocabulary import DAY_MS, RULE_KEY, key
from streams.handlers.decoding import dead_letter, decode_one
from streams.handlers.images import item_image
from streams.handlers.item_changes import applied, check_promotion, group_of, merged
from streams.handlers.steps import ReadingSteps
from streams.wire.messages import Message, Record

#: header of an item that was published again because some of its fields were changed
MERGED: Final = "merged"


@dataclass(slots=True)
class ItemChanges:
    """What one batch of item events leads to. ``changed``: the keys of the items and rules that are not as before;
    ``newest``: the newest item time seen; ``late``: how many events were older than what is held; ``stored``: (key,
    value) to be kept, ``expiring``: those to be kept for a while.
    """

    messages: list[Message]
    changed: list[str]
    dead: list[DeadLetter]
    accepted: int
    newest: int
    late: int
    stored: list[tuple[bytes, bytes]]
    expiring: list[tuple[bytes, bytes]]


def on_items(
    records: Sequence[Record], newest: int, partition: int, models: Models, topics: Topics
) -> ReadingSteps[ItemChanges]:
    """Turn a partition's item events into records of the catalogue topic, its rule events into records of the rules
    topic; of several of one item or rule the event time decides (``state.item_times``). An item that was changed is
    published whole again, as item-events is compacted: it keeps the last record of an item.

    A tombstone with an item's id as key deletes it, as a ``delete`` event does, at its record's time; so does one with
    a rule's key. Times more than a day ahead of both the partition's ``newest`` and the record's arrival make dead
    letters.
    """
    read: list[tuple[Record, str, ItemEvents | None]] = []
    dead: list[DeadLetter] = []
    for record in records:
        try:
            name, event = _read(record, newest, models)
        except InvalidEvent as error:
            dead.append(dead_letter(record, error, topics.item_events.name, partition))
            continue
        newest = newest if event is None else max(newest, event.time)
        read.append((record, name, event))
    names = list(dict.fromkeys(name for _, name, _ in read))
    values = yield [item_times(partition, name) for name in names]
    held = {name: _held(value, name, models.catalogue) for name, value in zip(names, values, strict=True)}
    changed: dict[str, Item | RuleEntry | None] = {}
    late = 0
    for record, name, event in read:
        if MERGED in dict(record.headers) and event is not None and held[name].newest >= event.time:
            continue
        try:
            if not applied(held[name], event, record.timestamp_ms):
                late += 1
                continue
            changed[name] = _rule_entry(event, models) if isinstance(event, Rule) else merged(held[name])
        except InvalidEvent as error:
            dead.append(dead_letter(record, error, topics.item_events.name, partition))
    dead += [
        dead_letter(record, _unheld(held[name], name), topics.item_events.name, partition)
        for record, name, event in read
        if isinstance(event, ItemUpdate) and name in changed and changed[name] is None
    ]
    stored = [(item_times(partition, name), encode_times(held[name])) for name in changed if held[name].time >= 0]
    expiring = [(item_times(partition, name), encode_times(held[name])) for name in changed if held[name].time < 0]
    messages = _messages(changed, held, models, topics)
    again = dict.fromkeys(name for _, name, event in read if isinstance(event, ItemUpdate) and name in changed)
    messages += [
        Message(topics.item_events.name, name.encode(), encode(item), partition, ((MERGED, b""),))
        for name in again
        if isinstance(item := changed[name], Item)
    ]
    return ItemChanges(messages, list(changed), dead, len(read) - late, newest, late, stored, expiring)


def _held(value: bytes | None, name: str, catalogue: Catalogue) -> ItemTimes:
    """What is stored of an item; of one that an earlier version published, what the catalogue knows."""
    row = catalogue.row(name) if value is None else -1
    if row < 0 or not catalogue.alive[row]:
        return decode_times(value)
    return ItemTimes(time=int(catalogue.time[row]))


def _unheld(held: ItemTimes, name: str) -> InvalidEvent:
    if held.time >= 0:
        said = f"{name!r} was published before changes were taken: publish it whole, once"
    else:
        said = f"no item {name!r} is held: publish it whole; the change is kept for 30 days in case that it comes"
    return InvalidEvent("unknown_item", "item_id", said)


def _messages(
    changed: Mapping[str, Item | RuleEntry | None], held: Mapping[str, ItemTimes], models: Models, topics: Topics
) -> list[Message]:
    items = [item for item in changed.values() if isinstance(item, Item)]
    entries = dict(
        zip((i.item_id for i in items), _entries(items, [held[i.item_id].time for i in items], models), strict=True)
    )
    messages = []
    for name, thing in changed.items():
        if name.startswith(RULE_KEY):
            rule_id = name.removeprefix(RULE_KEY).encode()
            value = encode_rule(thing) if isinstance(thing, RuleEntry) else None
            messages.append(Message(topics.rules.name, rule_id, value))
        elif thing is not None or held[name].deleted >= 0:
            value = encode_entry(entries[name]) if thing is not None else None
            messages.append(Message(topics.catalogue.name, name.encode(), value))
    return messages


def key_of(event: ItemEvents) -> str:
    """The key of an event's record on item-events.

    >>> key_of(Delete(time=0, item_id="p1")), key_of(DeleteRule(time=0, rule_id="r1"))
    ('p1', 'rule:r1')
    """
    return rule_key(event.rule_id) if isinstance(event, Rule | DeleteRule) else event.item_id


def _read(record: Record, newest: int, models: Models) -> tuple[str, ItemEvents | None]:
    """A record's key and its event, None for a tombstone."""
    if record.value is None and record.key:
        try:
            return record.key.decode(), None
        except UnicodeDecodeError:
            raise InvalidEvent("wrong_key", "key", "a tombstone's key must be an item id in UTF-8") from None
    event = decode_one(record, decode_item, key_of)
    if event.time > max(newest, record.timestamp_ms) + DAY_MS:
        raise InvalidEvent("future", "time", f"{event.time} is more than a day ahead of the newest, {newest}")
    if isinstance(event, Item | ItemUpdate | Delete) and event.item_id.startswith(RULE_KEY):
        raise InvalidEvent("invalid", "item_id", f"{event.item_id!r} begins like a rule's key: choose another id")
    if isinstance(event, Item | ItemUpdate):
        item_image(event.image_vector, models.catalogue.images.dim)
    if isinstance(event, Item):
        check_promotion(event)
    if isinstance(event, Rule):
        _rule_entry(event, models)
    return key_of(event), event


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


def _entries(items: Sequence[Item], times: Sequence[int], models: Models) -> list[Entry]:
    """The items as the catalogue topic carries them; ``times``: those of their whole events."""
    titles = [plain(item.title) for item in items]
    encoded = models.encoder.encode([encoded_text(item) for item in items], passages=True)
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
            first_time=_first_time(item, times[n], models),
            image=item_image(item.image_vector, models.catalogue.images.dim),
            group_id=group_of(item),
            link=item.link or "",
            image_link=item.image_link or "",
            encoder=models.catalogue.encoder,
        )
        for n, item in enumerate(items)
    ]


def _first_time(item: Item, time: int, models: Models) -> int:
    """When an item was first heard of: what the catalogue says, else the time of its whole event now."""
    row = models.catalogue.row(item.item_id)
    return int(models.catalogue.first_time[row]) if row >= 0 else time


def encoded_text(item: Item) -> str:
    """The text whose vector an item has: its title, else all the words by which it is found."""
    return plain(item.title) or item_text(item)


def item_text(item: Item) -> str:
    """What an item without a title is encoded by: brand, its categories from leaf to root, the description's start.

    >>> item_text(Item(time=0, item_id="p", brand="Farm", category=["Dairy", "Milk"]))
    'Farm Milk Dairy'
    """
    parts = [item.brand, *reversed(item.category), item.description[:200]]
    return " ".join(plain(part) for part in parts if part)
