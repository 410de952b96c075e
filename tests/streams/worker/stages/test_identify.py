"""A login in the stage of behaviour: what a crash between publishing and storing leaves, and after."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from state import keys
from state.store import Store, Transaction
from streamrank_client.events import BehaviorEvents, Click, Identify
from streams.wire.messages import Batch, Record
from streams.worker.stages.behavior import BehaviorStage
from tests.support.composing import composed
from tests.support.stages import Kept, published, workplace
from tests.support.worker_process import stored

pytestmark = pytest.mark.servers
AT = 1_760_000_000_000
STATE = ("ctx:*", "own:*", "dis:*", "idn:*")


def clicks(user: str, first: int, count: int) -> list[BehaviorEvents]:
    """Clicks a second apart."""
    return [
        Click(time=AT + 1_000 * n, event_id=f"{user}-{n}", user_id=user, item_id=f"p{n % 5}")
        for n in range(first, first + count)
    ]


LOGIN = Identify(time=AT + 9_000, event_id="login", user_id="u1", anonymous_id="guest")
EVENTS: Sequence[BehaviorEvents] = [*clicks("guest", 0, 3), *clicks("u1", 3, 2), LOGIN, *clicks("guest", 6, 2)]


def delivered(kept: Kept, first: int) -> Batch:
    """What was published for behaviour, as its partition holds it from an offset on."""
    told = [message for message in kept.messages if message.topic == "behavior-events"]
    held = [Record(message.key, message.value, n, AT) for n, message in enumerate(told, first)]
    return Batch(held, first, first + len(held))


async def state_of(url: str, crashes: int, monkeypatch: pytest.MonkeyPatch) -> tuple[dict[bytes, bytes], int]:
    """The state after all, and how often the history was published, when so many workers died before storing."""
    store, kept = Store(url), Kept()
    at = workplace(store, kept, composed())
    batch = published(EVENTS)
    write = Transaction.write
    for crash in range(crashes):
        left = 0 if crash else 1  # what the first one stores is what lies before the login

        async def dies(self: Transaction, mark: bytes, pairs: Sequence[bytes]) -> bool:
            nonlocal left
            left -= 1
            if left < 0:
                raise RedisConnectionError("killed")
            return await write(self, mark, pairs)

        monkeypatch.setattr(Transaction, "write", dies)
        with pytest.raises(RedisConnectionError):
            await BehaviorStage(at).handle(0, await rest(store, batch))
        monkeypatch.setattr(Transaction, "write", write)
    await BehaviorStage(at).handle(0, await rest(store, batch))
    told = delivered(kept, len(batch))
    await BehaviorStage(at).handle(0, told)
    await store.close()
    return stored(url, *STATE), len(told)


async def rest(store: Store, batch: Batch) -> Batch:
    """A batch from the watermark on, as a worker that starts fetches it."""
    (mark,) = await store.read([keys.watermark(0, "behavior-events")])
    begin = 0 if mark is None else int.from_bytes(mark[:8], "little")
    return Batch(batch[begin:], begin, batch.next_offset)


@pytest.mark.parametrize("crashes", [1, 2, 3])
async def test_a_worker_that_dies_before_it_stores_changes_nothing_of_the_state(
    redis_url: str, crashes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between publishing the visitor's history and storing it empty, too: it is published again, and counts once."""
    smooth, once = await state_of(redis_url, 0, monkeypatch)
    store = Store(redis_url)
    await store.flush()
    await store.close()
    found, times = await state_of(redis_url, crashes, monkeypatch)
    assert {key: value for key, value in found.items() if b"idn:" not in key} == {
        key: value for key, value in smooth.items() if b"idn:" not in key
    }
    assert (once, times) == (1, crashes + 1)
