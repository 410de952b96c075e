"""What a user costs in Redis."""

from __future__ import annotations

import pytest
import redis

from bench.servers import RealRedis
from state.store import Store
from streamrank_client.making import behavior
from streamrank_client.topics import topics
from streams.policy.deployment import Deployment
from streams.worker.stages.behavior import BehaviorStage
from tests.support.composing import composed
from tests.support.driving import records
from tests.support.small_log import START, items
from tests.support.stages import Kept, workplace
from tests.support.worker_process import payload

USERS, EVENTS, LIMIT = 5_000, 10, 1.2 * 1024


@pytest.mark.parametrize("name", ["u{}", "{:032x}"])
async def test_a_user_takes_at_most_1_2_kib_with_vectors(redis_server: RealRedis, name: str) -> None:
    """5,000 users of real Redis with ten events and both vectors each: every key, and the memory they use in all."""
    url = redis_server.redis.rsplit("/", 1)[0] + "/10"
    store = Store(url)
    one_partition = Deployment(topics(1), 1, join_ms=0)
    stage = BehaviorStage(workplace(store, Kept(), composed(items(20)), deployment=one_partition))
    events = [
        behavior("click", event_id=f"e{n}", user_id=name.format(n % USERS), item_id=f"p{n % 20}", time=START + n)
        for n in range(USERS * EVENTS)
    ]
    with redis.Redis.from_url(url) as client:
        client.flushdb()
        before = client.info("memory")["used_memory"]
        await stage.handle(0, records(events))
        await store.close()
        client.delete(*client.scan_iter("ids:*"), *client.scan_iter("wm:*"))
        after = client.info("memory")["used_memory"]
        keys = list(client.scan_iter("ctx:*", 1000))
        largest = max(client.memory_usage(key, 0) for key in keys)
        one = payload(keys[0], client.get(keys[0]))
        client.flushdb()
    assert len(keys) == USERS
    assert any(one[44:300]), "the short vector is there"
    assert largest <= LIMIT
    assert (after - before) / USERS <= LIMIT
    print(f"\n{name}: largest key {largest} bytes, {(after - before) / USERS:.0f} bytes of memory a user")
