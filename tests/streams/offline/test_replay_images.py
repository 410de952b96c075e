"""Images in a replay: found, refused, and the same bytes every time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from streamrank_client.answers import Answer, decode_answer, decode_dead_letter
from streamrank_client.events import Item, Query, encode
from streams.offline.replay import replay
from streams.settings import Settings
from tests.support.composing import opened
from tests.support.servers import flush
from tests.support.small_log import START, Size, behaviors, items, lines

DIM = 16
SETTINGS = Settings(device="cpu", partitions=2, image_dim=DIM)
PICTURES = np.random.default_rng(2).standard_normal((80, DIM))


def log() -> list[bytes]:
    """Items with pictures (every fourth has none), behaviour, and queries by image, by both, and broken ones."""
    shelf: list[Item] = items()
    for n, item in enumerate(shelf):
        item.image_vector = PICTURES[n].tolist() if n % 4 else None
    wrong = Item(time=START, item_id="wrong", title="milk", image_vector=[1.0, 2.0])
    done = list(behaviors(Size(users=10, behaviors=200)))
    last = done[-1].time
    asked = [
        Query(time=last + 1_000 * n, request_id=f"r{n}", user_id=f"u{n % 10}", text="milk" if n % 3 == 0 else "",
              image_vector=PICTURES[n].tolist(), explain=True)
        for n in range(1, 20, 2)
    ]  # fmt: skip
    homes = [Query(time=last + 40_000 + n, request_id=f"h{n}", user_id=f"u{n}") for n in range(10)]
    bad = [
        Query(time=last + 50_000, request_id="short", user_id="u1", image_vector=[1.0]),
        Query(time=last + 50_001, request_id="zero", user_id="u1", image_vector=[0.0] * DIM),
    ]
    return [encode(event) for event in (*shelf, wrong, *done, *asked, *homes, *bad)]


async def replayed(url: str, settings: Settings = SETTINGS) -> tuple[list[bytes], list[bytes]]:
    """Answers and dead letters of a replay on an emptied database."""
    flush(url)
    answers: list[bytes] = []
    dead: list[bytes] = []
    await replay(lines(log()), settings, url, opened=opened(), on_answer=answers.append, on_dead=dead.append)
    return answers, dead


async def test_queries_by_image_replay_byte_for_byte(redis_url: str) -> None:
    """Twice, and with other batches: the same answers; by image alone the look-alike stands first."""
    answers, dead = await replayed(redis_url)
    assert (await replayed(redis_url)) == (answers, dead)
    cut, _ = await replayed(redis_url, replace(SETTINGS, batch_records=7))
    by_image = {a.request_id: a for a in map(decode_answer, answers) if a.request_id.startswith("r")}
    cut_by_image = {a.request_id: a for a in map(decode_answer, cut) if a.request_id.startswith("r")}
    assert len(by_image) == 10
    for name, answer in by_image.items():
        n = int(name[1:])
        if n % 3:
            assert answer.items[0].item_id == f"p{n}"
            assert "image" in answer.items[0].sources
        assert [i.item_id for i in cut_by_image[name].items] == [i.item_id for i in answer.items]
    assert any("image" in item.sources for a in homes(answers) for item in a.items)


def homes(answers: list[bytes]) -> list[Answer]:
    """The answers to home queries."""
    return [a for a in map(decode_answer, answers) if a.request_id.startswith("h")]


async def test_broken_images_are_told_and_nothing_else_is_lost(redis_url: str) -> None:
    """A dead letter for each, an error answer for the queries, naming field and setting."""
    answers, dead = await replayed(redis_url)
    errors = {a.request_id: a.error for a in map(decode_answer, answers) if a.error}
    assert set(errors) == {"short", "zero"}
    letters = [decode_dead_letter(letter) for letter in dead]
    assert [letter.topic for letter in letters].count("item-events") == 1
    for field, text in [(e.field, e.message) for e in errors.values() if e] + [(d.field, d.reason) for d in letters]:
        assert field == "image_vector"
        assert "STREAMRANK_IMAGE_DIM" in text


async def test_where_images_are_off_items_are_taken_and_image_queries_refused(redis_url: str) -> None:
    """The default: vectors of items are ignored, one of a query cannot be answered, all else is as without images."""
    answers, dead = await replayed(redis_url, replace(SETTINGS, image_dim=0))
    found = list(map(decode_answer, answers))
    assert {a.request_id for a in found if a.error} == {*(f"r{n}" for n in range(1, 20, 2)), "short", "zero"}
    assert all(a.error is None or "images are off" in a.error.message for a in found)
    assert {decode_dead_letter(letter).topic for letter in dead} == {"query-events"}
    assert all(len(a.items) == 10 for a in homes(answers))
