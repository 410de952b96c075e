"""Feedback: behaviour joined to the impression it answers, and the trainer that learns from it."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.features.registry import FEATURES
from models.features.registry import INDEX
from models.retrieval.sources.registry import SOURCES
from models.learning.loss import loss, usual_place
from models.learning.pairwise import PairwiseFeedback, skipped_positions
from models.learning.position_bias import PositionBias
from models.ranking.weights import OPENING, inputs_of, opens
from state.impressions import Impression as Shown
from state.impressions import Known
from state.impressions import decode as decode_shown
from state.impressions import encode as encode_shown
from streamrank_client.events import AddToCart, Click, ItemEvent, Purchase
from streamrank_client.fields import Place

if TYPE_CHECKING:  # they load River, which only a trainer needs
    from models.learning.drift import Watch
    from models.learning.online import OnlineRanker

#: how much each behaviour says that the item was the right one; others are no feedback on a ranking
SAYS: Final = {Click: 1.0, AddToCart: 1.5, Purchase: 2.0}
#: the kind of feedback that position bias is learnt from: what is bought was clicked before
CLICK: Final = "click"


class Feedback(msgspec.Struct, tag="feedback", tag_field="event", omit_defaults=True):
    """A behaviour event joined to its impression: one training example, JSON on the feedback topic.

    ``inputs`` are the online ranker's inputs of the items shown, in order of position (shape (shown, d)), as they
    were when the answer was given; ``chosen`` is the position of the item. ``source`` is the behaviour event's
    place, by which a redelivered example is recognised. ``up`` and ``down``: how the item could have been exchanged
    with the one above and the one below it (``models.exploration.slates.Shown``). ``shown``, where rankers are retrained: the
    impression with a sample of what was not shown (``pack``). ``scored``: the sources that scored any item shown; None
    in those written before they told. ``opening``: the list opened a basket (``models.ranking.weights.opens``). ``usual``: the
    place, from 1, at which the items' popularity would have put the chosen one (``models.learning.loss``); 0: not told.
    """

    source: Place
    surface: str
    request_id: str
    user_id: str
    item_id: str
    kind: str
    time: int
    weight: float
    chosen: int
    propensity: float
    arm: str
    items: list[str]
    inputs: list[list[float]]
    experiment: str = ""
    up: float = 0.0
    down: float = 0.0
    shown: bytes = b""
    scored: list[str] | None = None
    opening: bool = False
    usual: float = 0.0


encode_feedback = msgspec.json.Encoder().encode
decode_feedback = msgspec.json.Decoder(Feedback).decode


def pack(impression: Shown) -> bytes:
    """What a ranker is trained on, of an impression that was kept for it: its candidates not shown are the sampled.

    Query text, sources and scores are left out. zlib over msgpack, 3 to 4 KB; ``unpack`` reads it.
    """
    known = impression.known or Known()
    known = Known(
        found=known.found,
        recent=known.recent,
        others=impression.sampled or b"",
        other_features=impression.sampled_features,
    )
    none = np.zeros(0, np.float32)
    kept = msgspec.structs.replace(
        impression, text="", known=known, exchange=None, offline=none, sampled=None, sampled_features=none
    )
    return zlib.compress(encode_shown(kept), 1)


def unpack(data: bytes) -> Shown:
    """The impression in ``Feedback.shown``. Raises zlib.error or msgspec.DecodeError when it is none."""
    return decode_shown(zlib.decompress(data))


def belongs(event: ItemEvent, impression: Shown, join_ms: int) -> bool:
    """Whether an event that names the impression's request is of its user, on one of its items, and in time."""
    return (
        0 <= event.time - impression.time <= join_ms
        and event.user_id == impression.user_id
        and event.item_id in impression.items
    )


def join(
    events: Sequence[ItemEvent],
    offsets: NDArray[np.int64],
    shown: Mapping[str, Shown],
    partition: int,
    join_ms: int,
) -> list[Feedback]:
    """The examples in a partition's events: the item was shown by the named request, at most ``join_ms`` before."""
    found = []
    for event, offset in zip(events, offsets.tolist(), strict=True):
        weight = SAYS.get(type(event))
        impression = shown.get(event.request_id) if weight and event.request_id else None
        if impression is None or not belongs(event, impression, join_ms):
            continue
        if impression.features.shape[1:] != (len(FEATURES),):
            continue  # stored before an update: its columns are others
        position = impression.items.index(event.item_id)
        exchange = impression.exchange
        up, down = exchange[position].tolist() if exchange is not None else (0.0, 0.0)
        found.append(
            Feedback(
                source=Place(partition, offset),
                surface=impression.surface,
                request_id=impression.request_id,
                user_id=event.user_id,
                item_id=event.item_id,
                kind=type(event).__struct_config__.tag,  # type: ignore[arg-type]
                time=event.time,
                weight=float(weight or 0),
                chosen=position,
                propensity=impression.propensities[position],
                arm=impression.arm,
                items=impression.items,
                inputs=inputs_of(impression.features, impression.offline).tolist(),
                experiment=impression.experiment,
                up=up,
                down=down,
                shown=pack(impression) if impression.sampled is not None else b"",
                scored=[name for name in SOURCES if impression.features[:, INDEX[name]].any()],
                opening=opens(impression.surface, impression.features),
                usual=usual_place(impression.features, position),
            )
        )
    return found


@dataclass(slots=True)
class Learnt:
    """What a batch of feedback leads to: the surfaces whose weights changed, OPENING too, and the new marks by source.

    ``biased``: the surfaces whose position bias was learnt of; ``watched``: those whose drift alarm took a loss;
    ``alarms``: those on which it was raised, once for each time; ``silent``: surface and source of those that fell
    silent.
    """

    surfaces: list[str]
    marks: NDArray[np.int64]
    pairs: int
    examples: int
    biased: list[str] = field(default_factory=list)
    watched: list[str] = field(default_factory=list)
    alarms: list[str] = field(default_factory=list)
    silent: list[tuple[str, str]] = field(default_factory=list)


def on_feedback(
    examples: Sequence[Feedback],
    marks: NDArray[np.int64],
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
        if bias is not None and example.kind == CLICK and bias.learn(example.chosen, example.up, example.down):
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


def _pairs(example: Feedback, inputs: NDArray[np.float32], bias: PositionBias | None) -> PairwiseFeedback:
    chosen = example.chosen
    skipped = skipped_positions(chosen, len(inputs))
    weight = example.weight * (bias.weight(chosen) if bias is not None else 1.0)
    return PairwiseFeedback(inputs[chosen], inputs[skipped], weight)
