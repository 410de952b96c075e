"""What rankers are retrained on: the newest lists that were shown, from the feedback topic, with what was chosen.

A list is what was shown and a sample of the other candidates, each of which stands for several: so the list has the
length, the means and spreads, and, on average, the ranks that it had when it was served.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import numpy as np
from aiokafka import TopicPartition  # type: ignore[import-untyped]
from aiokafka.errors import KafkaError  # type: ignore[import-untyped]

from models.base.artifact import current_version
from models.features.registry import FEATURES, FEATURES_VERSION
from models.items.catalogue import Catalogue
from models.learning.position_bias import PositionBias
from models.ranking.ranker import RankInput
from models.training.rankings import Rankings, RankingsWriter
from state import keys
from state.impressions import RECENT, Circumstances, StoredImpression
from streamrank_client.following import following, unavailable
from streamrank_client.kafka_options import kafka_options
from streamrank_client.vocabulary import FIRST_ENCODER, SURFACES, key
from streams.artifacts import records
from streams.artifacts.opening import artifact_path
from streams.artifacts.records import ItemRecord
from streams.kafka.broadcast import BroadcastReader
from streams.lookup.recalling import rank_input
from streams.settings import Settings
from streams.stores import open_store
from streams.wire.feedback import Feedback, decode_feedback, unpacked_impression

#: feedback records that are read, and lists made of them, at most: 50 KB each in memory
RECORDS: Final = 30_000
LISTS: Final = 8_000


@dataclass(slots=True)
class RememberedAnswer:
    """One list that was shown; ``chosen``: positions; ``weights``: what each choice of them counts."""

    shown: StoredImpression
    chosen: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)


async def newest_feedback(settings: Settings, count: int = RECORDS) -> list[Feedback]:
    """The newest records of the feedback topic that hold a list, oldest first.

    Raises SettingsError when the topic is missing, Unavailable when Kafka does not answer.
    """
    name = settings.topics.feedback.name
    partition = TopicPartition(name, 0)
    kept: deque[bytes] = deque(maxlen=count)
    async with following(settings, name, from_start=True) as consumer:
        try:
            first = await consumer.position(partition)
            # where this end is too low, as on Tansu, more is read and the oldest forgotten
            last = (await consumer.end_offsets([partition]))[partition]
            consumer.seek(partition, max(first, last - count))
            end: int | None = None
            while end is None or await consumer.position(partition) < end:
                fetched = await consumer.getmany(partition, timeout_ms=200)
                kept.extend(record.value for record in fetched.get(partition, ()) if record.value)
                end = consumer.highwater(partition) if end is None else end
        except (KafkaError, OSError) as error:
            raise await unavailable(settings, error) from error
    return [one for one in map(_decoded, kept) if one is not None and one.shown]


def _decoded(raw: bytes) -> Feedback | None:
    try:
        return decode_feedback(raw)
    except msgspec.DecodeError:
        return None  # the trainer has made a dead letter of it


def answered(
    examples: Iterable[Feedback], biases: Mapping[str, PositionBias] | None = None, lists: int = LISTS
) -> list[RememberedAnswer]:
    """The lists of these examples, the newest ``lists`` of them; each example counts once however often it came.

    With ``biases``, by surface, a choice counts by the inverse examination of its position.
    """
    found: dict[tuple[str, str], RememberedAnswer] = {}
    seen: set[tuple[int, int]] = set()
    for one in examples:
        place = (one.source.partition, one.source.offset)
        if place in seen:
            continue
        seen.add(place)
        name = (one.user_id, one.request_id)
        if name not in found:
            impression = _unpacked(one.shown)
            if impression is None:
                continue
            found[name] = RememberedAnswer(impression)
        own = found[name]
        if not one.chosen < len(own.shown.items) or one.chosen in own.chosen:
            continue
        bias = (biases or {}).get(one.surface)
        own.chosen.append(one.chosen)
        own.weights.append(bias.weight(one.chosen) if bias is not None else 1.0)
    usable = sorted((own for own in found.values() if own.chosen), key=lambda own: own.shown.time)
    return usable[-lists:]


def _unpacked(data: bytes) -> StoredImpression | None:
    """The impression, None for one whose features are not this version's."""
    try:
        shown = unpacked_impression(data)
    except (zlib.error, msgspec.DecodeError):
        return None  # of a version that this one does not know
    fits = shown.feature_names == FEATURES_VERSION and shown.features.shape[1:] == (len(FEATURES),)
    return shown if fits and shown.known is not None else None


def items_of(lists: Sequence[RememberedAnswer]) -> set[int]:
    """u64 keys of all items whose vectors these lists need."""
    found: set[int] = set()
    for own in lists:
        known = own.shown.known or Circumstances()
        found.update(map(key, own.shown.items))
        found.update(np.frombuffer(known.others, "<u8").tolist())
        found.update(np.frombuffer(known.recent, RECENT)["item"].tolist())
    return found


async def catalogue_of(settings: Settings, wanted: set[int]) -> Catalogue:
    """A catalogue of the wanted items alone, read from its topic. Raises BroadcastError when there is none."""
    encoder = current_version(artifact_path(settings, "encoder")) or FIRST_ENCODER
    catalogue = Catalogue(image_dim=settings.image_dim, encoder=encoder)

    def take(items: Sequence[ItemRecord]) -> None:
        catalogue.upsert([entry for item_id, entry in items if entry is not None and key(item_id) in wanted])

    kafka: dict[str, Any] = dict(kafka_options(settings))
    bootstrap = kafka.pop("bootstrap_servers")
    topic = settings.topics.catalogue.name
    reader = BroadcastReader(
        topic, bootstrap, take, read=records.item, fetch_max_wait_ms=settings.fetch_wait_ms, **kafka
    )
    async with reader:
        return catalogue


async def learnt_biases(settings: Settings) -> dict[str, PositionBias]:
    """What the trainer has learnt of positions, by surface; only surfaces of which it knows anything."""
    store = open_store(settings)
    try:
        stored = await store.read([keys.position_bias(surface) for surface in SURFACES])
    finally:
        await store.close()
    found = {s: PositionBias.restore(raw) for s, raw in zip(SURFACES, stored, strict=True) if raw is not None}
    return {surface: bias for surface, bias in found.items() if bias.known}


def rankings_of(lists: Sequence[RememberedAnswer], catalogue: Catalogue) -> Rankings:
    """Lists as the ranker is trained on them. Raises RankingsError when there are none."""
    writer = RankingsWriter()
    for own in lists:
        shown, known = own.shown, own.shown.known or Circumstances()
        one = rank_input(shown, known, catalogue)
        whole = whole_list(one, len(shown.items), known.found)
        writer.add(
            whole.features, whole.candidates, whole.recent, whole.recent_weight, own.chosen, shown.time, shown.surface,
            key(shown.user_id) >> 1, float(np.mean(own.weights)),
        )  # fmt: skip
    return writer.rankings()


def whole_list(one: RankInput, shown: int, found: int) -> RankInput:
    """The list with each sampled candidate as often as it stands for one of those not shown."""
    sampled = len(one.features) - shown
    if not sampled:
        return one
    stands = np.full(sampled, max(found - shown, sampled) // sampled)
    stands[: max(found - shown, sampled) % sampled] += 1
    rows = np.concatenate([np.arange(shown), shown + np.repeat(np.arange(sampled), stands)])
    return RankInput(one.features[rows], one.candidates[rows], one.recent, one.recent_weight)
