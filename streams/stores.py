"""Opening the store that the settings mean."""

from __future__ import annotations

from state.store import OnUnreadable, Store
from streams.settings import Settings

__all__ = ["open_store"]


def open_store(
    settings: Settings, on_unreadable: OnUnreadable = lambda key, reason: None, *, look_only: bool = False
) -> Store:
    """The store of this deployment's shop; nothing is connected yet. The last two are told in ``Store``."""
    return Store(
        settings.redis, settings.redis_timeout_s, settings.redis_ca, on_unreadable, look_only=look_only,
        shop=settings.shop,
    )  # fmt: skip
