"""What a worker does before it joins its group: wait for its servers, and see that nobody else does its work."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Final

import structlog

from streamrank_client.errors import SettingsError, Unavailable
from streams.kafka.admin import group_members
from streams.policy.roles import ROLES, group_of
from streams.settings import Settings
from streams.worker.retrying import RETRIABLE, TOLD_EVERY_S

log = structlog.get_logger(__name__)

#: the first pause before a step is tried again, and the longest, in seconds
FIRST_S: Final = 0.2
LONGEST_S: Final = 2.0


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


async def refuse_mixed_roles(settings: Settings, role: str) -> None:
    """Raise SettingsError where workers of other roles do this role's work: both would write the same state."""
    others = [other for other in ROLES if (other == "all") != (role == "all")]
    members = await group_members(settings, [group_of(settings.group, other) for other in others])
    for other in others:
        if count := members.get(group_of(settings.group, other), 0):
            raise SettingsError(
                f"--role {role}: {count} of role {other} serve in group {group_of(settings.group, other)},"
                " and both would do the same work, each against the other: stop one of the two. One that was killed "
                f"counts for another {settings.session_timeout_s:g} s"
            )
