"""Feedback learnt from: the online rankers, position bias, and what is watched.

Apart from ``streams.handlers.feedback``, because it loads River, which only a trainer needs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec
import numpy as np

from models.base.arrays import Floats, Ints
from models.learning.drift import Watch
from models.learning.loss import loss
from models.learning.online import OnlineRanker
from models.learning.pairwise import PairwiseFeedback, skipped_positions
from models.learning.position_bias import PositionBias
from models.ranking.weights import OPENING
from streamrank_client.errors import InvalidEvent
from streamrank_client.events import invalid
from streamrank_client.vocabulary import CLICK, KINDS
from streams.wire.feedback import Feedback, decode_feedback
from streams.wire.messages import Record

#: the kind of feedback that position bias is learnt from: what is bought was clicked before
_CLICK: Final = KINDS[CLICK].name


@dataclass(slots=True)
class Learnt:
    """What a batch of feedback leads to: the surfaces whose weights changed, OPENING too, and the new marks by source.

    ``biased``: the surfaces whose position bias was learnt of; ``watched``: those whose drift alarm took a loss;
    ``alarms``: those on which it was raised, once for each time; ``silent``: surface and source of those that fell
    silent.
    """

    surfaces: list[str]
    marks: Ints
    pairs: int
    examples: int
    biased: list[str] = field(default_factory=list)
    watched: list[str] = field(default_factory=list)
    alarms: list[str] = field(default_factory=list)
    silent: list[tuple[str, str]] = field(default_factory=list)


def on_feedback(
    examples: Sequence[Feedback],
    marks: Ints,
    rankers: Mapping[str, OnlineRanker],
    biases: Mapping[str, PositionBias] | None = None,
    correct: bool = False,
    watches: Mapping[str, Watch] | None = None,
) -> Learnt:
    """Learn from each example once, in order; ``marks``: last behaviour offset learnt from, by source partition.

    The chosen item is compared with the others that were shown; where the list opened a basket, ``rankers`` learn it
    for OPENING, too. With ``correct``, where the surface's position bias
    is known, it counts by the inverse examination of its position (Joachims et al. 2017, "Unbiased Learning-to-Rank
    with Biased Feedback"). ``watches``: what is watched by surface, fed with the places of what was chosen
    and the sources that scored.
    """
    marks = marks.copy()
    changed: dict[str, None] = {}
    biased: dict[str, None] = {}
    told = Learnt([], marks, 0, 0)
    for example in examples:
        source = example.source
        if source.offset <= marks[source.partition] or example.surface not in rankers:
            continue
        marks[source.partition] = source.offset
        inputs = np.asarray(example.inputs, np.float32)
        if inputs.ndim != 2 or not example.chosen < len(inputs):
            continue
        bias = (biases or {}).get(example.surface)
        if bias is not None and example.kind == _CLICK and bias.learn(example.chosen, example.up, example.down):
            biased[example.surface] = None
        pairs_of = _pairs(example, inputs, bias if correct and bias is not None and bias.known else None)
        learnt = rankers[example.surface].learn(pairs_of)
        if learnt:
            changed[example.surface] = None
            told.pairs += learnt
        if example.opening and OPENING in rankers and rankers[OPENING].learn(pairs_of):
            changed[OPENING] = None
        if watches is not None:
            _watch(example, watches[example.surface], told)
        told.examples += 1
    told.surfaces, told.biased = list(changed), list(biased)
    return told


def _watch(example: Feedback, watch: Watch, told: Learnt) -> None:
    """Feed what is watched; what is to be told goes into ``told``."""
    surface = example.surface
    if surface not in told.watched:
        told.watched.append(surface)
    raised, silent = observe(example, watch)
    if raised:
        told.alarms.append(surface)
    told.silent += [(surface, source) for source in silent]


def observe(example: Feedback, watch: Watch) -> tuple[bool, list[str]]:
    """Feed the watch of the example's surface: whether the drift alarm is raised, and the sources that fell silent."""
    raised = watch.loss.update(loss(example.chosen + 1, example.usual))
    return raised, watch.silences.update(example.scored) if example.scored is not None else []


def feedback_in(record: Record, partitions: int) -> Feedback:
    """The example in a record of the feedback topic. Raises InvalidEvent when it holds none."""
    try:
        example = decode_feedback(record.value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise invalid(error) from None
    if not 0 <= example.source.partition < partitions:
        said = f"{example.source.partition}: behavior-events has partitions 0 to {partitions - 1}"
        raise InvalidEvent("invalid", "source.partition", said)
    return example


def _pairs(example: Feedback, inputs: Floats, bias: PositionBias | None) -> PairwiseFeedback:
    chosen = example.chosen
    skipped = skipped_positions(chosen, len(inputs))
    weight = example.weight * (bias.weight(chosen) if bias is not None else 1.0)
    return PairwiseFeedback(inputs[chosen], inputs[skipped], weight)
