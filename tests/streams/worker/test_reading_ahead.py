"""Texts of queries are encoded beside the event loop, before their turn comes."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import cast

from models.text.encoder import EncodedTexts, Encoder
from state.store import Store
from streamrank_client.events import Item, Query
from streams.worker.reading_ahead import ReadingAhead
from streams.worker.stages.queries import QueryStage
from tests.support.composing import Answering
from tests.support.small_log import START
from tests.support.stages import Kept, published, workplace


class Watched:
    """The encoder in use; in which thread each text was encoded first, by text and way."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self.unrelated = encoder.unrelated
        self.is_word = encoder.is_word
        self.first: dict[tuple[str, bool], int] = {}

    def encode(self, texts: Sequence[str], passages: bool = False, words: bool = False) -> EncodedTexts:
        """What the encoder says."""
        for text in texts:
            self.first.setdefault((text, words), threading.get_ident())
        return self._encoder.encode(texts, passages, words)


class Empty:
    """A store that holds nothing, and keeps nothing."""

    async def read(self, names: Sequence[bytes], leave_out: object = None) -> list[bytes | None]:
        """Nothing is there."""
        return [None] * len(names)

    async def write_expiring(self, pairs: object, seconds: int) -> None:
        """Forget it."""


class Broken:
    """Models that cannot read any text."""

    def reading(self, text: str) -> None:
        """Raise."""
        raise ValueError(text)


def watched() -> tuple[Answering, Watched]:
    """A shop that sells tea, whose encoder is watched."""
    shop = Answering.of([Item(time=START - 1, item_id="p1", title="green tea")])
    encoder = Watched(shop.models.encoder)
    return shop.with_models(encoder=cast(Encoder, encoder)), encoder


async def test_texts_of_queries_are_encoded_in_another_thread() -> None:
    """A text that items hold, and one that none holds, which is read by its words; the loop finds both remembered."""
    shop, encoder = watched()
    batch = published([Query(time=START, request_id=f"r{n}", text=text) for n, text in enumerate(["tea", "酸奶"])])
    publisher = Kept()
    await QueryStage(workplace(cast(Store, Empty()), publisher, shop.tables)).step(0, batch)
    assert len(publisher.messages) == 2
    here = threading.get_ident()
    assert {asked: ident == here for asked, ident in encoder.first.items() if asked[0] in ("tea", "酸奶")} == {
        ("tea", False): False,
        ("酸奶", True): False,
    }


async def test_queries_without_a_text_and_texts_that_cannot_be_read_wait_for_nothing() -> None:
    """A feed, a suggestion; and what goes wrong is left to the answer."""
    shop, encoder = watched()
    ahead = ReadingAhead()
    assert ahead.begin(Query(time=START, request_id="r1"), shop.models) is None
    assert ahead.begin(Query(time=START, request_id="r2", text="te", suggest=True), shop.models) is None
    assert ahead.begin(Query(time=START, request_id="r3", text="tea"), Broken()) is None  # type: ignore[arg-type]
    assert encoder.first == {}
