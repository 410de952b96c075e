"""A ranker that was trained for a moment, for the tests that only need one."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.training.ranker import train
from tests.support.synthetic import rankings


@pytest.fixture(scope="session")
def trained(quick_judging: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artifact of a ranker trained on synthetic rankings, without a floor."""
    out = tmp_path_factory.mktemp("trained") / "ranker"
    train(rankings(300, 30), out)
    return out
