"""Replay: a log through the same handlers, deterministic, on an empty Redis only."""

from __future__ import annotations

import json

import numpy as np
import pytest

from state.records import CONTEXT
from state.store import Store
from streamrank_client.answers import Answer, decode_answer, decode_dead_letter
from streamrank_client.errors import LogError
from streamrank_client.events import Identify, Query, decode_event, encode
from streamrank_client.fields import Place
from streamrank_client.making import behavior
from streamrank_client.partitioner import partition_for
from streamrank_client.rules import DeleteRule, Rule
from streams.offline.replay import Replay, Sink, replay
from streams.settings import Settings
from tests.support.composing import SETTINGS, composed, opened
from tests.support.servers import flush
from tests.support.shop import ITEMS
from tests.support.small_log import START, Size, lines, log
from tests.support.worker_process import stored

SIZE = Size(users=20, behaviors=400, queries=25)


@pytest.fixture(scope="module")
def raw() -> list[bytes]:
    """A small log."""
    return log(SIZE)


async def answers_of(
    raw: list[bytes], url: str, settings: Settings = SETTINGS, on_dead: Sink = lambda _: None
) -> list[bytes]:
    """The answers of a replay on an emptied database."""
    flush(url)
    found: list[bytes] = []
    await replay(lines(raw), settings, url, opened=opened(), on_answer=found.append, on_dead=on_dead)
    return found


async def test_the_order_of_lines_of_different_times_does_not_matter(raw: list[bytes], redis_url: str) -> None:
    """A log is replayed in event-time order, however it is written."""
    in_order = await answers_of(raw, redis_url)
    state = stored(redis_url, "ctx:*", "cnt:*", "online:*")
    assert await answers_of([*raw[300:], *raw[:300]], redis_url) == in_order
    assert stored(redis_url, "ctx:*", "cnt:*", "online:*") == state


@pytest.mark.parametrize("size", [1, 7])
async def test_the_size_of_batches_does_not_change_contexts(raw: list[bytes], redis_url: str, size: int) -> None:
    """Contexts and event ids are those of large batches, byte for byte."""
    await answers_of(raw, redis_url)
    large = stored(redis_url, "ctx:*", "ids:*", "wm:*behavior-events")
    await answers_of(raw, redis_url, Settings(device="cpu", partitions=4, batch_records=size))
    assert stored(redis_url, "ctx:*", "ids:*", "wm:*behavior-events") == large


async def test_every_query_sees_all_behaviour_before_it(raw: list[bytes], redis_url: str) -> None:
    """`seen` is the last event of the user's partition that is older than the query."""
    answers = [decode_answer(answer) for answer in await answers_of(raw, redis_url)]
    assert len(answers) == SIZE.queries
    for answer in answers:
        assert answer.seen is None or answer.seen == expected_place(raw, answer)
    assert sum(answer.seen is not None for answer in answers) > SIZE.queries / 2


def expected_place(raw: list[bytes], answer: Answer) -> Place:
    """The place of the last behaviour in the partition of an answer's user, before it in the log."""
    partition = partition_for((answer.user_id or answer.request_id).encode(), 4)
    offset = -1
    for line in raw:
        event = decode_event(line)
        if isinstance(event, Query) and event.request_id == answer.request_id:
            break
        user = getattr(event, "user_id", None)
        if not isinstance(event, Query) and user and partition_for(user.encode(), 4) == partition:
            offset += 1
    return Place(partition, offset)


async def test_a_database_that_holds_anything_is_refused(raw: list[bytes], redis_url: str) -> None:
    """A replay on somebody's state would mix them."""
    await answers_of(raw[:90], redis_url)
    with pytest.raises(LogError, match="empty Redis"):
        await replay(lines(raw), SETTINGS, redis_url, opened=opened())


async def test_broken_lines_become_dead_letters_and_the_rest_goes_on(raw: list[bytes], redis_url: str) -> None:
    """With the codes that a worker gives; the answers are those without the broken lines."""
    expected = await answers_of(raw, redis_url)
    broken = [b"{", b'{"event":"click","user_id":"u1"}', b'{"event":"query","request_id":"bad","time":1,"limit":0}']
    flush(redis_url)
    dead: list[bytes] = []
    answers: list[bytes] = []
    mixed = [*raw[:600], *broken, *raw[600:]]
    await replay(lines(mixed), SETTINGS, redis_url, opened=opened(), on_answer=answers.append, on_dead=dead.append)
    assert sorted(decode_dead_letter(letter).code for letter in dead) == ["invalid", "malformed", "missing"]
    wrong = [answer for answer in map(decode_answer, answers) if answer.error]
    assert [(answer.request_id, answer.error and answer.error.field) for answer in wrong] == [("bad", "limit")]
    right = [answer for answer in map(decode_answer, answers) if not answer.error]
    assert [answer.request_id for answer in right] == [decode_answer(answer).request_id for answer in expected]


async def test_rules_hold_from_their_line_on_and_a_replay_repeats_them(raw: list[bytes], redis_url: str) -> None:
    """A pin, what hides and what takes both away, between the other lines; broken rules are dead letters."""
    at = [json.loads(line)["time"] for line in raw]
    begin, end = at[len(at) // 3], at[2 * len(at) // 3]
    pin = Rule(time=begin, rule_id="r1", action="pin", item_ids=["p11"])
    hide = Rule(time=begin, rule_id="r2", action="hide", item_ids=["p3"], valid_to=end)
    broken = encode(Rule(time=begin, rule_id="r3", action="bury"))
    rules = [encode(pin), encode(hide), broken, encode(DeleteRule(time=end, rule_id="r1"))]
    dead: list[bytes] = []
    answers = await answers_of([*raw, *rules], redis_url, on_dead=dead.append)
    assert [(decode_dead_letter(letter).code, decode_dead_letter(letter).field) for letter in dead] == [
        ("missing", "item_ids")
    ]
    held = 0
    for answer in map(decode_answer, answers):
        shown = [item.item_id for item in answer.items]
        ruled = begin <= answer.time < end
        assert not (ruled and "p3" in shown)
        if shown and answer.surface != "rerank" and begin < answer.time != end and "p11" in shown:
            assert ("rule" in answer.items[shown.index("p11")].sources) == ruled
            held += ruled and shown[0] == "p11"
    assert held > 3
    assert await answers_of([*rules, *raw], redis_url) == answers


async def test_times_ahead_of_the_arrival_are_broken(raw: list[bytes], redis_url: str) -> None:
    """The caller says when the log arrived: a day after it begins the future, unless the log goes on to it."""
    late = encode(behavior("click", event_id="late", user_id="u1", item_id="p1", time=START + 3 * 86_400_000))
    dead: list[bytes] = []
    store = Store(redis_url)
    driver = Replay(SETTINGS, store, composed(settings=SETTINGS), lambda _: None, dead.append, arrival=START)
    await driver.run(lines([*raw[:100], late]))
    await store.close()
    assert [decode_dead_letter(letter).code for letter in dead] == ["future"]


async def test_session_text_replays_to_the_same_bytes(redis_url: str) -> None:
    """A search, its refinements, and one after half an hour; the last begins anew, whatever Redis still holds."""
    shop = [encode(item) for item in ITEMS]
    at = ITEMS[0].time
    typed = (("dress", 1), ("red", 2), ("cheaper", 3), ("any deals", 4), ("dress", 5), ("red", 5 + 31 * 60))
    asked = [
        encode(Query(time=at + after * 1_000, request_id=f"r{n}", user_id="u1", text=text, explain=True))
        for n, (text, after) in enumerate(typed)
    ]
    first, second = [await answers_of([*shop, *asked], redis_url) for _ in range(2)]
    assert first == second
    refined = [answer.understood.refined_from if answer.understood else "" for answer in map(decode_answer, first)]
    assert refined == ["", "dress", "dress red", "", "", ""]


async def test_known_queries_do_not_depend_on_the_size_of_batches(raw: list[bytes], redis_url: str) -> None:
    """Every text that led to a choice is known, by the same choices, whether events come one by one or together."""
    held = []
    for size in (2_000, 7, 1):
        flush(redis_url)
        settings = Settings(device="cpu", partitions=4, batch_records=size)
        table = (await replay(lines(raw), settings, redis_url, opened=opened())).tables.models.lore.table
        held.append({
            text: (table.weights[row], dict(zip(table.items[row], table.shares[row], strict=True)))
            for row, text in enumerate(table.texts)
        })  # fmt: skip
    assert len(held[0]) > 5
    for other in held[1:]:
        assert other.keys() == held[0].keys()
        for text, (weight, shares) in held[0].items():
            assert other[text][0] == pytest.approx(weight, rel=1e-5)
            assert other[text][1] == pytest.approx(shares, rel=1e-5)


@pytest.mark.parametrize("size", [2, 5])
async def test_logins_are_replayed_the_same_in_any_batches(raw: list[bytes], redis_url: str, size: int) -> None:
    """Visitors become accounts in mid-log: the same answers and state in every replay, the state in any batches."""
    logins = [
        Identify(time=START + 1_500_000 + n, event_id=f"login{n}", user_id=f"account{n % 3}", anonymous_id=f"u{n}")
        for n in range(8)
    ]
    asked = [Query(time=START + 2_000_000 + n, request_id=f"a{n}", user_id=f"account{n % 3}") for n in range(6)]
    told = [*raw, *(encode(event) for event in (*logins, *asked))]
    found = []
    for settings in (SETTINGS, SETTINGS, Settings(device="cpu", partitions=4, batch_records=size)):
        answers = await answers_of(told, redis_url, settings)
        found.append((answers, stored(redis_url, "ctx:*", "own:*", "dis:*", "idn:*", "ids:*")))
    assert found[0] == found[1]
    assert found[0][1] == found[2][1]
    accounts = {key: value for key, value in found[0][1].items() if b":account" in key and key.startswith(b"ctx")}
    assert len(accounts) == 3
    assert all(np.frombuffer(value, CONTEXT)["events"][0] > 0 for value in accounts.values())
