"""What was chosen of the answers that a log holds, and what a choice counts by its position.

Position bias is learnt from the same answers, where they were explored (``models.learning.position_bias``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec
import numpy as np

from models.exploration.slates import CONDITIONAL
from models.learning.position_bias import PositionBias, exchanges
from streamrank_client.answers import Answer, decode_answer
from streamrank_client.errors import LogError
from streamrank_client.events import ItemEvent, decode_behavior, decode_query
from streamrank_client.logs import Line
from streamrank_client.routing import head
from streamrank_client.vocabulary import CLICK, KINDS, event_key

#: kinds of behaviour that say something about an answer
_KINDS: Final = frozenset(kind.name for kind in KINDS if kind.feedback)


@dataclass(slots=True)
class ChosenItems:
    """``items`` of an answer that were then chosen; ``weight``: what the list counts, by their positions."""

    items: list[str]
    weight: float


@dataclass
class ChosenAnswers:
    """``lists`` by request id; ``biases``: what is known of positions, by surface."""

    lists: dict[str, ChosenItems] = field(default_factory=dict)
    biases: dict[str, PositionBias] = field(default_factory=dict)

    def examination(self) -> dict[str, str]:
        """The examination of each surface's positions, for a manifest."""
        return {
            f"examination {surface}": " ".join(f"{value:.2f}" for value in bias.examination()[: bias.known])
            for surface, bias in sorted(self.biases.items())
        }


def chosen_answers(log: str, lines: Iterable[Line], join_ms: int, skew_ms: int = 0) -> ChosenAnswers:
    """Join choices to the answers of a log that they name: the user's own, of a shown item, in time.

    Raises LogError where nothing was chosen of any recorded answer.
    """
    answers, events = _read(lines)
    places: dict[str, dict[int, None]] = {}
    biases: dict[str, PositionBias] = {}
    chances: dict[str, list[list[float]]] = {}
    for kind, event in events:
        request = event.request_id or ""
        answer = answers.get(request)
        if answer is None or event.user_id != answer.user_id:
            continue
        if not -skew_ms <= event.time - answer.time <= join_ms:
            continue
        place = next((n for n, item in enumerate(answer.items) if item.item_id == event.item_id), None)
        if place is None:
            continue
        places.setdefault(request, {})[place] = None
        if kind == KINDS[CLICK].name and answer.exploration != "none":
            if request not in chances:
                own = np.array([item.propensity for item in answer.items])
                chances[request] = exchanges(own, answer.exploration == CONDITIONAL).tolist()
            biases.setdefault(answer.surface, PositionBias()).learn(place, *chances[request][place])
    if not places:
        raise LogError(
            f"'{log}': nothing was chosen of an answer in it: record the topic recommendations with the events, whose "
            "choices must name the request_id, or leave position bias out"
        )
    known = {surface: bias for surface, bias in biases.items() if bias.known}
    lists = {r: _chosen(answers[r], list(own), known.get(answers[r].surface)) for r, own in places.items()}
    return ChosenAnswers(lists, known)


def _chosen(answer: Answer, places: Sequence[int], bias: PositionBias | None) -> ChosenItems:
    weights = [bias.weight(place) if bias is not None else 1.0 for place in places]
    return ChosenItems([answer.items[place].item_id for place in places], float(np.mean(weights)))


def _read(lines: Iterable[Line]) -> tuple[dict[str, Answer], list[tuple[str, ItemEvent]]]:
    """Answers by request id, and the behaviour that names one, each event once.

    Further pages of Plackett-Luce are left out, as they explore nothing of their own.
    """
    answers: dict[str, Answer] = {}
    further: set[str] = set()
    events: dict[int, tuple[str, ItemEvent]] = {}
    for line in lines:
        found = head(line.raw)
        tag = found.event if found is not None else ""
        try:
            if tag == "answer":
                answer = decode_answer(line.raw)
                if answer.items and answer.error is None:
                    answers.setdefault(answer.request_id, answer)
            elif tag == "query":
                query = decode_query(line.raw)
                further |= {query.request_id} if query.offset > 0 else set()
            elif tag in _KINDS:
                event = decode_behavior(line.raw)
                if isinstance(event, ItemEvent) and event.request_id is not None:
                    events.setdefault(event_key(event.event_id, tag, event.user_id, event.item_id), (tag, event))
        except msgspec.DecodeError:
            continue  # the replay makes a dead letter of it
    usable = {r: a for r, a in answers.items() if not (a.exploration == CONDITIONAL and r in further)}
    return usable, list(events.values())
