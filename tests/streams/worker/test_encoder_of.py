"""A worker compares its encoder with the one that made the vectors in Redis."""

from __future__ import annotations

from typing import cast

import pytest

from state import keys
from state.store import Store
from streamrank_client.errors import SettingsError
from streams.policy.deployment import Deployment
from streams.settings import Settings
from streams.worker.encoder_of import FIRST, EncoderOfState

OURS = "0123456789ab"
DEPLOYMENT = Deployment.of(Settings())
MARK = keys.watermark(3, DEPLOYMENT.topics.behavior_events.name)


class Values:
    """Payloads by key, as a store holds them."""

    def __init__(self, held: dict[bytes, bytes]) -> None:
        self.held = held

    async def read(self, names: list[bytes]) -> list[bytes | None]:
        """The payloads, None where there is none."""
        return [self.held.get(name) for name in names]

    async def write(self, pairs: list[tuple[bytes, bytes]]) -> None:
        """Keep them."""
        self.held.update(pairs)


def state(held: dict[bytes, bytes], version: str = OURS) -> EncoderOfState:
    """What is compared, of a worker with an encoder of this version."""
    return EncoderOfState(cast(Store, Values(held)), DEPLOYMENT, version)


async def test_no_state_becomes_that_of_the_encoder_in_use() -> None:
    """The first worker names its encoder; one with the same starts, one with another is told both and what to do."""
    held: dict[bytes, bytes] = {}
    await state(held).check()
    assert held == {keys.ENCODER: OURS.encode()}
    await state(held).check()
    with pytest.raises(SettingsError, match=rf"encoder {OURS}, and this worker's is ba9876543210.*empty Redis"):
        await state(held, "ba9876543210").check()
    assert held == {keys.ENCODER: OURS.encode()}


async def test_state_that_names_none_is_that_of_the_first_encoder() -> None:
    """As streamrank 0.1 left it: its own encoder may go on, another may not."""
    held = {MARK: bytes(24)}
    with pytest.raises(SettingsError, match=f"encoder {FIRST}.*use-multilingual-v3"):
        await state(dict(held)).check()
    await state(held, FIRST).check()


async def test_an_emptied_redis_learns_the_encoder_again() -> None:
    """Word that is left again and again is there when the next worker starts, though events came meanwhile."""
    held = {MARK: bytes(24)}
    await state(held).say()
    await state(held).check()
