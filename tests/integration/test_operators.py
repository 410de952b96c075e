"""The operator's look-ups, from the commands and from a worker's pages: the same answers, and clear errors."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from urllib.parse import urlencode

import msgspec
import pytest

from streamrank_client.client import Client
from streams.errors import NotStored
from streams.lookup.desk import open_desk
from streams.lookup.stored_answer import StoredAnswer
from streams.lookup.user_profile import Profile
from streams.offline.servers import HOST
from streams.settings import checkout
from tests.integration.conftest import Shop


def page(shop: Shop, name: str, **query: str) -> tuple[int, bytes]:
    """Status and body of a worker's page."""
    address = f"http://{HOST}:{shop.worker.port}/{name}?{urlencode(query)}"
    try:
        with urllib.request.urlopen(address, timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def command(shop: Shop, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line as an operator would, with the shop's settings."""
    return subprocess.run(
        [sys.executable, "-m", "streams.cli", *arguments], capture_output=True, text=True, timeout=120, check=False,
        cwd=checkout(), env=dict(shop.worker.environment()),
    )  # fmt: skip


async def test_an_answer_and_its_user_are_explained_on_the_web_port_and_the_command_line(shop: Shop) -> None:
    """The same answer from both, with and without the user id; its scores are those that were given, in words too."""
    async with Client(settings=shop.settings) as client:
        await client.event("purchase", user_id="watched", item_id="p1")
        await client.event("click", user_id="watched", item_id="p9")
        answer = await client.ask("watched", text="milk", explain=True, language="en", timeout=20)
    assert answer.items
    assert all(abs(sum((item.reasons or {}).values()) - item.score) < 1e-4 for item in answer.items)
    assert "Because you searched for “milk”" in " ".join(item.why or "" for item in answer.items)
    status, body = page(shop, "explain", request_id=answer.request_id, user_id="watched")
    assert status == 200
    stored = msgspec.json.decode(body, type=StoredAnswer)
    assert page(shop, "explain", request_id=answer.request_id)[1] == body
    assert [(item.item_id, item.score) for item in stored.items] == [(i.item_id, i.score) for i in answer.items]
    assert [one.item_id for one in stored.known.recent] == ["p9", "p1"]
    assert stored.left_out
    async with open_desk(shop.settings) as desk:
        mine = await desk.explain(answer.request_id, "watched")
        profile = await desk.user("watched")
        with pytest.raises(NotStored, match=r"of user 'somebody'.*STREAMRANK_JOIN_HOURS.*without the user id"):
            await desk.explain(answer.request_id, "somebody")
    assert [item.reasons for item in mine.items] == [item.reasons for item in stored.items]
    assert (mine.left_out, mine.candidates, mine.known) == (stored.left_out, stored.candidates, stored.known)
    status, body = page(shop, "user", user_id="watched", time=str(profile.at))
    assert status == 200
    assert msgspec.json.decode(body, type=Profile) == profile
    assert profile.counts == {"click": 1, "purchase": 1}
    assert profile.searches is not None
    assert profile.searches.texts == ["milk"]
    shown = command(shop, "explain", answer.request_id, "--user", "watched")
    assert shown.returncode == 0, shown.stderr
    assert "order without a group" in shown.stdout
    printed = command(shop, "user", "watched", "--json")
    assert json.loads(printed.stdout)["counts"] == {"click": 1, "purchase": 1}
    assert "what the ranker sees" in command(shop, "user", "watched").stdout


def test_what_is_not_stored_is_told_with_the_remedy(shop: Shop) -> None:
    """404 on the page and exit code 1 on the command line; 400 names the missing parameter."""
    status, body = page(shop, "explain", request_id="never given")
    assert status == 404
    assert b"STREAMRANK_JOIN_HOURS" in body
    assert page(shop, "user", user_id="nobody")[0] == 404
    assert page(shop, "explain")[0] == page(shop, "user")[0] == 400
    assert page(shop, "user", user_id="nobody", time="noon")[0] == 400
    for arguments in (("explain", "never given"), ("user", "nobody", "--json")):
        done = command(shop, *arguments)
        assert (done.returncode, done.stdout) == (1, "")
        assert "nothing is known" in done.stderr or "is stored" in done.stderr
