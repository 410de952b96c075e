"""Models in use and small catalogues, for tests of handlers and of what stands on them."""

from __future__ import annotations

import pytest

from tests.support.composing import Answering
from tests.support.shop import ITEMS
from tests.support.small_log import items


@pytest.fixture(scope="session")
def shelf() -> Answering:
    """The models in use, with a catalogue of 80 items; tests leave it as it is."""
    return Answering.of(items())


@pytest.fixture(scope="session")
def shop() -> Answering:
    """The models in use, with the small shop of ``tests.support.shop``; tests leave it as it is."""
    return Answering.of(ITEMS)
