"""Which encoder the vectors in Redis were made by: interests are sums of items' vectors, and those of two encoders do
not add up.
"""

from __future__ import annotations

from typing import Final

from state import keys
from state.store import Store
from streamrank_client.errors import SettingsError
from streams.policy.deployment import Deployment

#: The encoder of streamrank 0.1, whose state does not name it: the small one.
FIRST: Final = "b801d2b1ea5c"


class EncoderOfState:
    """Compares the encoder in use with the one that the state in Redis names."""

    def __init__(self, store: Store, deployment: Deployment, version: str) -> None:
        """``version``: that of the encoder in use."""
        self._store = store
        self._deployment = deployment
        self._version = version

    async def check(self) -> None:
        """Raise SettingsError where the state was made by another encoder; name this one where there is no state."""
        held = await self._held()
        if held is None:
            await self.say()
        elif held != self._version:
            raise SettingsError(
                f"the vectors in Redis were made by encoder {held}, and this worker's is {self._version}: bring that "
                "encoder back (`streamrank artifact build encoder --name use-multilingual-v3` builds that of 0.1), or "
                "empty Redis, take new topics by another STREAMRANK_TOPIC_PREFIX, and publish the items again"
            )

    async def say(self) -> None:
        """Leave word of the encoder in use; again and again, because Redis may be emptied."""
        await self._store.write([(keys.ENCODER, self._version.encode())])

    async def _held(self) -> str | None:
        """The version of the encoder that made the state; None where there is no state."""
        (said,) = await self._store.read([keys.ENCODER])
        if said is not None:
            return said.decode()
        topic = self._deployment.topics.behavior_events
        marks = await self._store.read([keys.watermark(p, topic.name) for p in range(topic.partitions)])
        return FIRST if any(mark is not None for mark in marks) else None
