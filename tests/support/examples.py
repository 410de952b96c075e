"""How many examples a property is tried on: as many as the profile in use says, and at most so many.

``make unit`` names the profile that tries 25 (``--hypothesis-profile=quick``); everything else tries the usual hundred.
"""

from __future__ import annotations

from typing import Any

from hypothesis import settings

__all__ = ["at_most", "register_profiles"]


def register_profiles() -> None:
    """No deadlines: how long an example takes says how busy the machine is."""
    settings.register_profile("whole", deadline=None)
    settings.register_profile("quick", deadline=None, max_examples=25)
    settings.load_profile("whole")


def at_most(count: int, **more: Any) -> settings:
    """Settings of a property whose examples take long."""
    return settings(max_examples=min(count, settings().max_examples), **more)
