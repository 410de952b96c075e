"""The stages by name: the same for a worker and for a replay, and nothing else tells topics apart."""

from __future__ import annotations

from typing import cast

import pytest

from state.store import Store
from streamrank_client.errors import SettingsError
from streams.offline.replay import Replay
from streams.policy.roles import ROLES, role_stages
from streams.worker.app import Worker
from streams.worker.stages.registry import stages
from tests.support.composing import SETTINGS, composed
from tests.support.stages import Kept, workplace


def test_worker_and_replay_walk_the_same_list_of_stages() -> None:
    """The same classes in the same order, and all of them."""
    worker = Worker(SETTINGS)
    replay = Replay(SETTINGS, cast(Store, None), composed(), lambda _: None, lambda _: None)
    walked = list(replay.stages.values())
    assert [type(stage) for stage in worker.stages] == [type(stage) for stage in walked]
    assert [stage.name for stage in walked] == list(ROLES["all"])
    assert [stage.topic.name for stage in worker.stages] == list(replay.stages)


@pytest.mark.parametrize("role", ROLES)
def test_a_role_runs_the_stages_that_it_names(role: str) -> None:
    """In their order, each on a topic of its own."""
    made = stages(role_stages(role), workplace(cast(Store, None), Kept()))
    assert [stage.name for stage in made] == list(ROLES[role])
    assert len({stage.topic.name for stage in made}) == len(made)


def test_a_role_that_there_is_not_is_refused() -> None:
    """With the roles that there are."""
    with pytest.raises(SettingsError, match="'cook': expected one of all, ingest"):
        role_stages("cook")
