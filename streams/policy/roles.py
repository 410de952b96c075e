"""Which stages of the pipeline a worker's role runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from streamrank_client.errors import SettingsError

#: the names of the stages that a role runs
ROLES: Final[Mapping[str, tuple[str, ...]]] = {
    "all": ("items", "behavior", "signals", "query", "feedback"),
    "ingest": ("items", "behavior", "signals"),
    "query": ("query",),
    "trainer": ("feedback",),
}


def group_of(group: str, role: str) -> str:
    """The consumer group of a role's workers; ``group`` is the setting.

    >>> group_of("streamrank", "all"), group_of("streamrank", "query")
    ('streamrank', 'streamrank-query')
    """
    return group if role == "all" else f"{group}-{role}"


def role_stages(role: str) -> tuple[str, ...]:
    """The names of a role's stages. Raises SettingsError for a role that there is not.

    >>> role_stages("trainer")
    ('feedback',)
    """
    if role not in ROLES:
        raise SettingsError(f"role {role!r}: expected one of {', '.join(ROLES)}")
    return ROLES[role]
