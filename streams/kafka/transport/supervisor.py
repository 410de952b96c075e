"""Restarts an agent that raised: soon the first time, later and later while it keeps raising."""

from __future__ import annotations

from time import monotonic
from typing import Any

from mode import OneForOneSupervisor
from mode.types import ServiceT

__all__ = ["BackoffSupervisor"]


class BackoffSupervisor(OneForOneSupervisor):
    """Set as an app's ``agent_supervisor``.

    Faust's own restarts without a pause and ends the worker after a hundred restarts in a second, which a
    Redis that is away for a moment reaches; and a second exception in a row waits for its five-second tick,
    because the agent's replacement was never marked as started.
    """

    #: seconds before the first restart, doubled for each further one, at most ``longest``
    shortest = 0.05
    longest = 2.0
    #: an agent that ran for so many seconds begins anew at ``shortest``
    forgiven_after = 10.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._crashes = 0
        self._last_restart = float("-inf")

    def next_delay(self, now: float) -> float:
        """Seconds to wait before a restart at ``now`` (monotonic seconds); counts it."""
        if now - self._last_restart > self.forgiven_after:
            self._crashes = 0
        delay = min(self.shortest * 2.0 ** min(self._crashes, 16), self.longest)
        self._crashes += 1
        self._last_restart = now + delay
        return delay

    async def restart_service(self, service: ServiceT) -> None:
        """Replace a crashed agent, until the replacement has at least begun."""
        index = self._index[service]
        while not self.should_stop:
            await self.sleep(self.next_delay(monotonic()))
            if self.should_stop:
                return
            await super().restart_service(self._services[index])
            replacement = self._services[index]
            if not replacement.crashed:
                await replacement.maybe_start()
            if not replacement.crashed:
                return
