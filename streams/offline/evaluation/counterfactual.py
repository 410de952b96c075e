"""What the ranker in place would have earned on a log: from the answers that were given, and what was chosen of them.

The log is replayed up to each query that has a recorded answer, and asked again, without exploration: the new policy
shows its item at a position with probability 1. Where it agrees with what was shown, the reward counts, divided by the
logged propensity of that item at that position (the item-position model: Li et al., "Offline evaluation of ranking
policies with click models", 2018). Queries see the state that the recorded choices left, as in serving.

Plackett-Luce logs what stands above as given, so there the whole list down to a position must agree, and the logged
probability is the product down to it (McInerney et al., "Counterfactual evaluation of slate recommendations with
sequential reward interactions", 2020): fewer rows count, with larger weights. Its further pages are left out, as the
probability of the page before is not on them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import msgspec
import numpy as np

from models.evaluate.off_policy import (
    CLIP,
    ESTIMATORS,
    PolicyEstimate,
    RewardTable,
    ShownLists,
    doubts,
    effective,
    on_policy,
)
from models.exploration.slates import CONDITIONAL
from streamrank_client.answers import Answer, decode_answer
from streamrank_client.errors import LogError
from streamrank_client.events import CODE_OF, ItemEvent, decode_behavior, decode_query
from streamrank_client.logs import WORKERS_OWN, Line
from streamrank_client.routing import BEHAVIORS, head
from streamrank_client.vocabulary import KINDS
from streams.offline.replay import replay
from streams.settings import Settings

#: numbers the items of all answers in order of first use; -1 stands for an item that was never shown
UNSHOWN: Final = -1


class OffPolicy(msgspec.Struct, frozen=True):
    """``answers`` compared, their ``shown`` items, the share of positions at which both policies agree; the mean
    reward of an item shown, as logged and by each estimator; ``effective``: sample size; ``warnings`` in words."""

    log: str
    answers: int
    shown: int
    agreement: float
    logged: PolicyEstimate
    estimates: dict[str, PolicyEstimate]
    effective: float
    clip: float
    warnings: list[str]


@dataclass(frozen=True)
class _Recorded:
    """The answers of a log by request, and which of their items were chosen."""

    answers: dict[str, Answer]
    chosen: set[tuple[str, str]]


async def off_policy(
    log: str,
    lines: Sequence[Line],
    settings: Settings,
    redis: str,
    clip: float = CLIP,
    progress: Callable[[int], None] | None = None,
) -> OffPolicy:
    """PolicyEstimate on ``lines``, which hold queries, their answers and behaviour with request ids.

    ``redis``: URL of an empty database. Raises LogError where no recorded answer can be compared.
    """
    recorded = _recorded(lines)
    # answered by the settings alone: no arms, no exploration
    plain = replace(settings, experiment="", exploration="none", epsilon=0.0, new_share=0.0)
    answered: dict[str, list[str]] = {}

    def keep(raw: bytes) -> None:
        answer = decode_answer(raw)
        if answer.request_id in recorded.answers:
            answered[answer.request_id] = [item.item_id for item in answer.items]

    events = [line for line in lines if _tag(line) not in WORKERS_OWN]
    await replay(events, plain, redis, on_answer=keep, progress=progress)
    if not answered:
        raise LogError(
            f"'{log}': no query of it has a recorded answer: record the topic recommendations with the events"
        )
    shown, agreement = _shown(recorded, answered)
    return OffPolicy(
        log=log,
        answers=len(answered),
        shown=len(shown.reward),
        agreement=agreement,
        logged=on_policy(shown),
        estimates={name: estimate(shown, clip) for name, estimate in ESTIMATORS.items()},
        effective=effective(shown, clip),
        clip=clip,
        warnings=doubts(shown, clip),
    )


def _tag(line: Line) -> str:
    found = head(line.raw)
    return found.event if found is not None else ""


def _recorded(lines: Sequence[Line]) -> _Recorded:
    answers: dict[str, Answer] = {}
    chosen: set[tuple[str, str]] = set()
    further: set[str] = set()
    for line in lines:
        tag = _tag(line)
        try:
            if tag == "answer":
                answer = decode_answer(line.raw)
                if answer.items and answer.error is None:
                    answers[answer.request_id] = answer
            elif tag == "query":
                query = decode_query(line.raw)
                further |= {query.request_id} if query.offset > 0 else set()
            elif tag in BEHAVIORS:
                event = decode_behavior(line.raw)
                if (
                    isinstance(event, ItemEvent)
                    and KINDS[CODE_OF[type(event)]].feedback
                    and event.request_id is not None
                ):
                    chosen.add((event.request_id, event.item_id))
        except msgspec.DecodeError:
            continue  # the replay makes a dead letter of it
    usable = {r: a for r, a in answers.items() if not (a.exploration == CONDITIONAL and r in further)}
    return _Recorded(usable, chosen)


def _shown(recorded: _Recorded, answered: dict[str, list[str]]) -> tuple[ShownLists, float]:
    """Every item shown in a recorded answer, beside what the new policy puts at its position; the share that agree."""
    numbers: dict[str, int] = {}
    rows: list[tuple[int, int, float, float, float, int]] = []
    ours: list[str] = []
    for request, (request_id, items) in enumerate(answered.items()):
        answer = recorded.answers[request_id]
        above, agreed = 1.0, 1.0
        for position, item in enumerate(answer.items):
            mine = items[position] if position < len(items) else ""
            propensity, target = above * item.propensity, agreed * (mine == item.item_id)
            if answer.exploration == CONDITIONAL:
                above, agreed = propensity, target
            reward = float((request_id, item.item_id) in recorded.chosen)
            number = numbers.setdefault(item.item_id, len(numbers))
            rows.append((request, position, propensity, target, reward, number))
            ours.append(mine)
    request_of, at, propensity_of, target_of, reward_of, item_of = (np.array(c) for c in zip(*rows, strict=True))
    mine_of = np.array([numbers.get(item, UNSHOWN) for item in ours])
    fold = request_of % 2
    table = RewardTable(item_of, at, reward_of, fold)
    # an item that was never shown is expected to earn what the position's items do
    known = np.where(mine_of >= 0, table.of(np.maximum(mine_of, 0), at, fold), table.mean(at, fold))
    shown = ShownLists(
        reward=reward_of,
        propensity=propensity_of,
        target=target_of,
        request=request_of,
        expected=table.of(item_of, at, fold),
        value=known,
    )
    return shown, float((mine_of == item_of).mean())
