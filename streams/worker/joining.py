"""How a worker comes to join its group: it waits for its servers, and sees that no other role does its work."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from time import monotonic
from typing import Final, TypeAlias

import structlog

from streamrank_client.errors import SettingsError, StreamrankError, Unavailable
from streams.kafka.admin import group_members
from streams.kafka.transport import BatchApp
from streams.policy.roles import ROLES, group_of
from streams.settings import Settings
from streams.worker.retrying import RETRIABLE, TOLD_EVERY_S

log = structlog.get_logger(__name__)

#: the first pause before a step is tried again, and the longest, in seconds
FIRST_S: Final = 0.2
LONGEST_S: Final = 2.0
#: what is waited for, in the words of the log, and what needs it
Step: TypeAlias = tuple[str, Callable[[], Awaitable[None]]]


async def until_there(what: str, step: Callable[[], Awaitable[None]]) -> None:
    """Do a step of the start; while its server is away, wait for it, and say so now and then."""
    pause, told = FIRST_S, float("-inf")
    while True:
        try:
            return await step()
        except (*RETRIABLE, Unavailable) as error:
            if monotonic() - told >= TOLD_EVERY_S:
                told = monotonic()
                log.warning(f"waits for {what} before it starts", error=str(error)[:300] or type(error).__name__)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_S)


class Entrance:
    """The way of one worker into its group."""

    def __init__(
        self, app: BatchApp, settings: Settings, role: str, on_refused: Callable[[StreamrankError], None] | None
    ) -> None:
        """``on_refused``: told instead of an exception why this worker cannot serve."""
        self._app = app
        self._settings = settings
        self._role = role
        self._on_refused = on_refused
        #: of two roles that exclude each other and begin in the same moment, `all` gives way: it looks again
        self._looks_again = role == "all"

    async def do(self, *steps: Step) -> None:
        """Do steps of the start, one after the other."""
        try:
            for what, step in steps:
                await until_there(what, step)
        except StreamrankError as error:
            await self._refuse(error)

    async def look_again(self) -> None:
        """After this worker has joined, see once more that it is alone; one that is not ends."""
        if self._looks_again and self._app.joined:
            with suppress(Unavailable):
                try:
                    await self.see_alone()
                except SettingsError as error:
                    await self._refuse(error)
                self._looks_again = False

    async def see_alone(self) -> None:
        """Raise SettingsError where workers of other roles do this role's work: both would write the same state."""
        group = self._settings.in_shop(self._settings.group)
        others = {group_of(group, other): other for other in ROLES if (other == "all") != (self._role == "all")}
        for name, count in (await group_members(self._settings, list(others))).items():
            if count:
                raise SettingsError(
                    f"--role {self._role}: {count} of role {others[name]} serve in group {name}, and both would do the "
                    "same work, each against the other: stop one of the two. One that was killed counts for another "
                    f"{self._settings.session_timeout_s:g} s"
                )

    async def _refuse(self, error: StreamrankError) -> None:
        if self._on_refused is None:
            raise error
        self._on_refused(error)
        await self._app.wait_until_stopped()
