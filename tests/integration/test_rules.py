"""On a running worker: rule events hold in the answers that follow."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from streamrank_client.answers import Answer
from streamrank_client.client import Client
from streamrank_client.making import now
from streamrank_client.rules import DeleteRule, Rule
from tests.integration.conftest import Shop

#: longest wait until a published rule is in force; it takes some milliseconds
PATIENCE_S = 10.0


async def _until(client: Client, event: Rule | DeleteRule, right: Callable[[list[str]], bool]) -> Answer:
    """Publish an event and ask until the answer's items are right; fails when they never are."""
    await client.publish(event)
    async with asyncio.timeout(PATIENCE_S):
        while True:
            answer = await client.ask("ruled", text="milk", timeout=20)
            if right([item.item_id for item in answer.items]):
                return answer


async def test_a_rule_holds_until_it_is_deleted_and_pages_do_not_repeat(shop: Shop) -> None:
    """An item that the search does not find is pinned, then hidden, then nothing holds; page two goes on."""
    pin = Rule(time=now(), rule_id="live", action="pin", item_ids=["p9"], text="milk")
    async with Client(settings=shop.settings) as client:
        found = await _until(client, pin, lambda items: items[:1] == ["p9"])
        assert found.items[0].sources[0] == "rule"
        at = now()
        pages = [await client.ask("ruled", text="milk", limit=5, offset=start, time=at, timeout=20) for start in (0, 5)]
        shown = [item.item_id for page in pages for item in page.items]
        assert len(shown) == len(set(shown)) > 5
        hide = Rule(time=now(), rule_id="live", action="hide", item_ids=shown[1:2])
        await _until(client, hide, lambda items: "p9" not in items[:1] and shown[1] not in items)
        await _until(client, DeleteRule(time=now(), rule_id="live"), lambda items: shown[1] in items)
