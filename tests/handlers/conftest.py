"""Models and a small catalogue for tests of handlers."""

from __future__ import annotations

import pytest

from streamrank_client.events import encode
from streams.handlers.brain import Brain
from streams.handlers.catalogue import on_items
from streams.settings import Settings
from tests.data.small_log import items
from tests.handlers.driving import PARTITIONS
from tests.handlers.shop import ITEMS, stock


@pytest.fixture(scope="session")
def shelf() -> Brain:
    """The models in use, with a catalogue of 80 items."""
    brain = Brain.load(Settings(device="cpu", partitions=PARTITIONS))
    made = [(item.item_id.encode(), encode(item), n, item.time, ()) for n, item in enumerate(items())]
    changes = on_items(made, -1, "item-events", 0, "catalogue", brain.understand_items())
    brain.apply_catalogue([(message.key or b"", message.value) for message in changes.messages])
    return brain


@pytest.fixture(scope="session")
def shop() -> Brain:
    """The models in use, with the small shop of ``tests.handlers.shop``; tests leave it as it is."""
    brain = Brain.load(Settings(device="cpu", partitions=PARTITIONS))
    stock(brain, ITEMS)
    return brain
