"""Events of one item: whole ones, changes of some fields and deletes become the item that they leave together.

>>> held = ItemTimes()
>>> applied(held, Item(time=5, item_id="p1", title="Tea", price=3.0), 0)
True
>>> applied(held, ItemUpdate(time=6, item_id="p1", price=2.0), 0), applied(held, Delete(time=4, item_id="p1"), 0)
(True, False)
>>> item = merged(held); item.title, item.price
('Tea', 2.0)
"""

from __future__ import annotations

from typing import Final

import msgspec

from state.item_times import ItemTimes
from streamrank_client.errors import InvalidEvent
from streamrank_client.events import Delete, Item, ItemEvents, ItemUpdate, encode
from streamrank_client.rules import DeleteRule, Rule

#: the fields of an item that may be changed alone
CHANGEABLE: Final = tuple(name for name in ItemUpdate.__struct_fields__ if name not in ("time", "item_id"))
#: attributes that tell the group of an item without a ``group_id``
GROUP_ATTRIBUTES: Final = ("item_group_id", "group_id", "parent_id", "parent")
_decode_item: Final = msgspec.json.Decoder(Item).decode
_decode_update: Final = msgspec.json.Decoder(ItemUpdate).decode


def applied(held: ItemTimes, event: ItemEvents | None, arrived: int) -> bool:
    """Let an event change what is held; False for one that is older than that. ``arrived``: a tombstone's time.

    Raises InvalidEvent for a change that leaves an item which contradicts itself, and for a change of an item that is
    not held, though it is kept in case that the item is only late.
    """
    if isinstance(event, Item):
        return held.put(event.time, encode(event))
    if isinstance(event, Rule):
        return held.put(event.time, b"")
    if isinstance(event, ItemUpdate):
        return _changed(held, event)
    return held.delete(event.time if isinstance(event, Delete | DeleteRule) else arrived)


def merged(held: ItemTimes) -> Item | None:
    """The item as its events leave it; None where there is none."""
    if held.time < 0 or not held.item:
        return None
    item = _decode_item(held.item)
    if not held.changes:
        return item
    fields = b",".join(b'"%s":%s' % (name.encode(), value) for name, (_, value) in held.changes.items())
    change = _decode_update(b'{"event":"item_update","time":0,"item_id":%s,%s}' % (encode(item.item_id), fields))
    given = {name: getattr(change, name) for name in held.changes}
    return msgspec.structs.replace(item, time=held.newest, **given)


def group_of(item: Item) -> str:
    """What an item shares with its variants: its ``group_id``, else an attribute that feeds call so; "" for none.

    >>> group_of(Item(time=5, item_id="p1", attributes={"item_group_id": "tee"}))
    'tee'
    """
    named = [item.group_id, *(item.attributes.get(name) for name in GROUP_ATTRIBUTES)]
    return next((name for name in named if isinstance(name, str) and name), "")


def check_promotion(item: Item) -> None:
    """Raise InvalidEvent for a promotion without a regular price, or that ends before it begins."""
    if item.valid_from is None and item.valid_to is None:
        return
    if item.list_price is None:
        field = "valid_from" if item.valid_from is not None else "valid_to"
        raise InvalidEvent("invalid", "list_price", f"missing, though {field} is given: send what it costs otherwise")
    if item.valid_from is not None and item.valid_to is not None and item.valid_from > item.valid_to:
        said = f"{item.valid_from} is after valid_to, {item.valid_to}: send when the promotion begins"
        raise InvalidEvent("invalid", "valid_from", said)


def _changed(held: ItemTimes, event: ItemUpdate) -> bool:
    given = {name: encode(value) for name in CHANGEABLE if (value := getattr(event, name)) is not None}
    if not given:
        raise InvalidEvent("missing", "", f"nothing to change: give some of {', '.join(CHANGEABLE)}")
    changed = msgspec.structs.replace(held, changes=dict(held.changes))
    if not changed.change(event.time, given):
        return False
    item = merged(changed)
    if item is not None:
        check_promotion(item)
    held.changes = changed.changes
    return True
