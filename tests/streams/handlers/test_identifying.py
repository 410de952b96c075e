"""A visitor's history goes to the account once, wherever the two lie and however batches are cut."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from state import dislikes, keys, purchases
from state.event_ids import IdWindow, block_keys
from state.layouts import packed
from state.marks import BehaviorMark, behavior_mark
from state.records import CONTEXT, DISLIKED
from streamrank_client.answers import DeadLetter
from streamrank_client.events import BehaviorEvents, Click, Dislike, Identify, Purchase, encode
from streamrank_client.partitioner import partition_for
from streamrank_client.routing import head_of, route
from streamrank_client.vocabulary import key
from streams.handlers.contexts import on_behavior
from streams.handlers.identifying import is_identity, on_identity, runs
from streams.wire.identified import Identified, decode_identified, encode_identified
from streams.wire.messages import Batch, Message, Record
from tests.support.driving import AT, DEPLOYMENT, PARTITIONS, TWELVE, run

#: the account lies on another partition than the visitor "v0", and on that of "v1"
ACCOUNT = "u1"


def visitor(same: bool) -> str:
    """A visitor on the account's partition, or on another."""
    home = partition_for(ACCOUNT.encode(), PARTITIONS)
    return next(f"v{n}" for n in range(99) if (partition_for(f"v{n}".encode(), PARTITIONS) == home) is same)


def click(user: str, n: int) -> Click:
    """The n-th click, a second after the one before."""
    return Click(time=AT + 1_000 * n, event_id=f"{user}-{n}", user_id=user, item_id=f"p{n % 12}")


def identify(visitor_id: str, n: int, user: str = ACCOUNT) -> Identify:
    """A login as the account."""
    return Identify(time=AT + 1_000 * n, event_id=f"login-{visitor_id}-{n}", user_id=user, anonymous_id=visitor_id)


@dataclass
class Shop:
    """All partitions of behavior-events over a dict; what one publishes for another is kept until it is delivered."""

    stored: dict[bytes, bytes] = field(default_factory=dict)
    dead: list[DeadLetter] = field(default_factory=list)
    waiting: list[Message] = field(default_factory=list)
    repeated: int = 0
    identified: int = 0
    ends: dict[int, int] = field(default_factory=dict)
    marks: dict[int, BehaviorMark] = field(default_factory=dict)
    windows: dict[int, IdWindow] = field(default_factory=dict)

    def record(self, event: BehaviorEvents | Message) -> tuple[int, Record]:
        """An event at the end of its partition."""
        if isinstance(event, Message):
            assert event.partition is not None
            name, raw, partition = event.key, event.value, event.partition
        else:
            _, name, partition = route(head_of(event), DEPLOYMENT.topics)
            raw = encode(event)
        offset = self.ends.get(partition, 0)
        self.ends[partition] = offset + 1
        return partition, Record(name, raw, offset, AT)

    def handle(self, partition: int, batch: Batch) -> None:
        """As the stage does it."""
        for one in runs(batch):
            mark = self.marks.get(partition, behavior_mark(None))
            window = self.windows.setdefault(partition, IdWindow([None] * len(block_keys(partition)), 0))
            if len(one) == 1 and is_identity(one[0]):
                changes, _ = run(on_identity(one, mark, window, partition, TWELVE.encoder, DEPLOYMENT), self.stored.get)
            else:
                changes, _ = run(on_behavior(one, mark, window, partition, TWELVE, DEPLOYMENT), self.stored.get)
            self.stored.update(zip(changes.pairs[::2], changes.pairs[1::2], strict=True))
            self.marks[partition] = changes.mark
            window.add(changes.ids)
            self.dead += changes.dead
            self.waiting += changes.messages
            self.repeated += changes.repeated
            self.identified += changes.identified

    def say(self, events: Iterable[BehaviorEvents | Message], sizes: Sequence[int] = ()) -> None:
        """Handle events in batches of these sizes, by default one by one."""
        held = list(events)
        cuts = sorted({0, len(held), *(c for c in np.cumsum(sizes or [1] * len(held)).tolist() if c < len(held))})
        for start, end in pairwise(cuts):
            some: dict[int, list[Record]] = {}
            for event in held[start:end]:
                partition, record = self.record(event)
                some.setdefault(partition, []).append(record)
            for partition, records in some.items():
                self.handle(partition, Batch(records, records[0].offset, records[-1].offset + 1))

    def deliver(self, times: int = 1) -> None:
        """Hand over what waits, so many times."""
        messages, self.waiting = self.waiting, []
        for _ in range(times):
            self.say(messages)

    def context(self, user: str) -> np.void:
        """A user's context."""
        place = partition_for(user.encode(), PARTITIONS)
        found: np.void = np.frombuffer(self.stored[keys.context(place, user)], CONTEXT)[0]
        return found

    def of(self, user: str) -> dict[str, bytes | None]:
        """All that is held of a user."""
        place = partition_for(user.encode(), PARTITIONS)
        names = (keys.context, keys.purchases, keys.dislikes)
        return {name.__name__: self.stored.get(name(place, user)) or None for name in names}


def history(user: str) -> list[BehaviorEvents]:
    """What somebody does: clicks, a purchase, a dislike."""
    return [
        *(click(user, n) for n in range(6)),
        Purchase(time=AT + 6_000, event_id=f"{user}-bought", user_id=user, item_id="p3"),
        Dislike(time=AT + 7_000, event_id=f"{user}-not", user_id=user, item_id="p4"),
    ]


@pytest.mark.parametrize("same", [True, False], ids=["one partition", "two partitions"])
def test_the_accounts_state_is_as_if_it_had_done_all_itself(same: bool) -> None:
    """Context, purchases and dislikes, byte for byte; nothing is left with the visitor."""
    guest = visitor(same)
    shop, alone = Shop(), Shop()
    shop.say([*history(guest), identify(guest, 8)])
    shop.deliver()
    shop.say([click(ACCOUNT, n) for n in range(10, 14)])
    alone.say([*history(ACCOUNT), *(click(ACCOUNT, n) for n in range(10, 14))])
    assert shop.of(ACCOUNT) == alone.of(ACCOUNT)
    assert purchases.read(shop.of(ACCOUNT)["purchases"])["item"].tolist() == [key("p3") >> 32]
    assert dislikes.active(shop.of(ACCOUNT)["dislikes"], AT + 9_000, 1e9).tolist() == [key("p4")]
    assert shop.context(guest)["events"] == 0
    assert shop.of(guest)["purchases"] is shop.of(guest)["dislikes"] is None
    assert (shop.dead, shop.identified, shop.repeated) == ([], 1, 0)


@pytest.mark.parametrize("late", [True, False], ids=["after the account's", "before"])
def test_a_purchase_of_the_account_ends_the_visitors_dislike_also_while_that_is_under_way(late: bool) -> None:
    """And a purchase of the visitor what the account disliked before it; not what it dislikes after it."""
    guest = visitor(False)
    shop, alone = Shop(), Shop()
    common: list[BehaviorEvents] = [
        Dislike(time=AT + 1_000, event_id="d1", user_id=ACCOUNT, item_id="p1"),
        Purchase(time=AT + 2_000, event_id="b1", user_id=guest, item_id="p1"),
        Purchase(time=AT + 3_000, event_id="b2", user_id=guest, item_id="p2"),
        Dislike(time=AT + 4_000, event_id="d3", user_id=guest, item_id="p3"),
    ]
    after: list[BehaviorEvents] = [
        Purchase(time=AT + 6_000, event_id="b3", user_id=ACCOUNT, item_id="p3"),
        Dislike(time=AT + 7_000, event_id="d2", user_id=ACCOUNT, item_id="p2"),
    ]
    shop.say([*common, identify(guest, 5)])
    if not late:
        shop.deliver()
    shop.say(after)
    shop.deliver()
    for event in [*common, *after]:
        alone.say([msgspec.structs.replace(event, user_id=ACCOUNT)])
    found, wanted = (
        sorted(np.frombuffer(some.of(ACCOUNT)["dislikes"] or b"", DISLIKED).tolist()) for some in (shop, alone)
    )
    assert found == wanted
    assert dislikes.active(shop.of(ACCOUNT)["dislikes"], AT + 9_000, 1e9).tolist() == [key("p2")]
    assert shop.of(ACCOUNT)["context"] == alone.of(ACCOUNT)["context"]


@given(st.lists(st.integers(1, 5), min_size=1, max_size=12))
def test_how_batches_are_cut_changes_nothing(sizes: list[int]) -> None:
    """Logins between a visitor's events, of two accounts, in any batches: the same state and the same messages."""
    guest = visitor(False)
    events: list[BehaviorEvents] = [
        *(click(guest, n) for n in range(3)), identify(guest, 3), click(guest, 4), identify(guest, 5, "u2"),
        identify(guest, 6), *(click(guest, n) for n in range(7, 10)),
    ]  # fmt: skip
    one_by_one, cut = Shop(), Shop()
    one_by_one.say(events)
    cut.say(events, sizes)
    assert cut.waiting == one_by_one.waiting
    assert cut.stored == one_by_one.stored
    assert len(cut.waiting) == 2


def test_a_history_that_is_published_twice_counts_once_also_between_others() -> None:
    """Again at once, and again after one of the same partition that came later; long after, too."""
    guest, other = visitor(False), "v-other"
    shop = Shop()
    shop.say([*history(guest), identify(guest, 8)])
    (first,) = shop.waiting
    shop.deliver(times=2)
    after = shop.of(ACCOUNT)
    shop.say([click(guest, 20), identify(guest, 21), click(other, 1)])
    shop.deliver()
    assert int(shop.context(ACCOUNT)["events"]) == int(np.frombuffer(after["context"] or b"", CONTEXT)[0]["events"]) + 1
    before = shop.of(ACCOUNT)
    shop.say([first])
    assert shop.of(ACCOUNT) == before
    assert shop.repeated == 2


def test_a_login_that_comes_twice_or_of_nobody_moves_nothing() -> None:
    """The same event id; a visitor of whom nothing is held."""
    guest = visitor(False)
    shop = Shop()
    shop.say([*history(guest), identify(guest, 8), identify(guest, 8)])
    assert len(shop.waiting) == 1
    assert shop.repeated == 1
    shop.say([identify("nobody", 9)])
    assert len(shop.waiting) == 1
    assert shop.dead == []


def test_what_is_wrong_is_a_dead_letter_that_names_the_field() -> None:
    """A login without a visitor, as oneself, in the future; a history that no worker wrote."""
    place = partition_for(ACCOUNT.encode(), PARTITIONS)
    forged = Identified(AT, ACCOUNT, "v0", 0, 7, packed(keys.context(0, "u"), b"x" * 9), b"", b"", b"")
    far = msgspec.structs.replace(forged, context=b"", partition=PARTITIONS)
    wrong = {
        b'{"event":"identify","event_id":"e","user_id":"u1","time":1760000000000}': ("missing", "anonymous_id"),
        b'{"event":"identify","event_id":"e","user_id":"u1","anonymous_id":"u1","time":1760000000000}':
            ("invalid", "anonymous_id"),
        encode(identify("v0", 10**6)): ("future", "time"),
        encode_identified(forged): ("invalid", "context"),
        encode_identified(far): ("invalid", "partition"),
        b'{"event":"identified","user_id":"u1"}': ("missing", "time"),
    }  # fmt: skip
    for raw, (code, name) in wrong.items():
        shop = Shop()
        shop.handle(place, Batch([Record(None, raw, 0, AT)], 0, 1))
        assert [(letter.code, letter.field) for letter in shop.dead] == [(code, name)], raw
        assert shop.stored == {}
        assert shop.marks[place].next == 1


def test_a_text_that_looks_like_a_login_is_behaviour() -> None:
    """A click whose query has the word."""
    event = Click(time=AT, event_id="e", user_id="u1", item_id="p1", query='"identify')
    shop = Shop()
    shop.say([event])
    assert int(shop.context("u1")["events"]) == 1
    assert shop.dead == []


def test_what_travels_is_json_that_names_where_it_came_from() -> None:
    """As everything on behavior-events; keyed by the account, on its partition."""
    guest = visitor(False)
    shop = Shop()
    shop.say([click(guest, 0), identify(guest, 1)])
    (message,) = shop.waiting
    told = decode_identified(message.value or b"")
    assert (told.user_id, told.anonymous_id, told.offset) == (ACCOUNT, guest, 1)
    assert told.partition == partition_for(guest.encode(), PARTITIONS)
    assert (message.key, message.partition) == (b"u1", partition_for(b"u1", PARTITIONS))
    assert msgspec.json.decode(message.value or b"")["event"] == "identified"
