"""Torch on one thread, as ``train`` has it: on a busy machine its second thread costs more than it gives."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from models.training import fitting

#: candidates of the longest list that any of these tests trains on
LONGEST = 40


@pytest.fixture(scope="session", autouse=True)
def small_steps() -> Iterator[None]:
    """For all tests of training; lists are filled up to the longest of theirs, not to 64."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitting, "NEGATIVES", LONGEST - 1)
        yield
    torch.set_num_threads(before)


@pytest.fixture
def lists_of_twelve(monkeypatch: pytest.MonkeyPatch) -> None:
    """No list of the test is longer."""
    monkeypatch.setattr(fitting, "NEGATIVES", 11)
