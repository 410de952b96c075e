"""What producers do that has no effect, or a wrong one: partitions, fields and clocks of the newest records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from streamrank_client.events import Event
from streamrank_client.making import now
from streamrank_client.shapes import UnknownField, unknown_fields
from streams.lookup.check import CLOCK_MS, Check
from streams.lookup.newest_records import Sample, newest_records
from streams.settings import Settings
from streams.wire.placing import partitions_of

__all__ = ["record_checks"]

#: fields that are told of each topic
TOLD: Final = 5
#: Kafka's word for timestamps that are the broker's
_APPENDED: Final = 1


async def record_checks(settings: Settings) -> list[Check]:
    """All checks of the newest records. Raises SettingsError and Unavailable as reading them does."""
    every = settings.topics
    read = [every.item_events, every.behavior_events, every.query_events, every.damaged_batches]
    *samples, damaged = await newest_records(settings, read)
    return [*_placements(samples), *_fields(samples), *_clocks(samples, now()), *_damaged(damaged)]


def _damaged(sample: Sample) -> Iterator[Check]:
    """Batches that were set aside, as nobody could read them."""
    names = dict.fromkeys(record.key.decode(errors="replace") for record in sample.records if record.value is not None)
    if names:
        said = f"{len(names)} with a wrong checksum were set aside: {', '.join(list(names)[:TOLD])}"
        remedy = "their events do not count: check the brokers' disks, and publish these events again"
        yield Check("damaged batches", "warn", said, remedy)


def _placements(samples: Sequence[Sample]) -> Iterator[Check]:
    """Whether producers choose partitions as streamrank does, by the keys."""
    name, remedy = "partitions of keys", "let the producer choose partitions by murmur2 (docs/connect.md)"
    looked_at = misplaced = 0
    for sample in samples:
        keys = [[record.key for record in own if record.key] for own in sample.partitions]
        wrong = sum(int((partitions_of(own, len(keys)) != p).sum()) for p, own in enumerate(keys))
        count = sum(map(len, keys))
        if wrong:
            said = f"{sample.spec.name}: {wrong} of the {count} newest records lie on wrong partitions"
            yield Check(name, "warn", said, remedy)
        looked_at, misplaced = looked_at + count, misplaced + wrong
    if not misplaced:
        yield Check(name, "ok", f"right for the {looked_at} newest records")


def _fields(samples: Sequence[Sample]) -> Iterator[Check]:
    """Fields that no event has: they are ignored, so whoever sent them is not understood."""
    name = "fields of events"
    fine = True
    for sample in samples:
        unknown: Counter[tuple[str, str]] = Counter()
        for record in sample.records:
            unknown.update({(one.path, one.remedy) for one in _unknown(record.value or b"")})
        for (path, remedy), count in unknown.most_common(TOLD):
            fine = False
            said = f"{sample.spec.name}: {path} in {count} of the {len(sample.records)} newest records"
            yield Check(name, "warn", said, remedy)
    if fine:
        yield Check(name, "ok", f"all known in the {sum(len(s.records) for s in samples)} newest records")


def _unknown(raw: bytes) -> Iterator[UnknownField]:
    try:
        value = msgspec.json.decode(raw)
    except (ValueError, RecursionError):
        return  # a dead letter tells of it
    yield from unknown_fields(value, Event)


def _clocks(samples: Sequence[Sample], at: int) -> Iterator[Check]:
    """Timestamps that lie ahead: of the broker where it gives them, else of producers."""
    fine = True
    for sample in samples:
        newest = max(sample.records, key=lambda record: int(record.timestamp), default=None)
        if newest is None or (ahead := newest.timestamp - at) <= CLOCK_MS:
            continue
        fine = False
        whose = "the broker's" if newest.timestamp_type == _APPENDED else "a producer's"
        yield Check(
            "clocks of records",
            "warn",
            f"the newest record of {sample.spec.name} is {ahead / 1000:.1f} s ahead: {whose} clock is fast, or that of "
            "this machine slow",
            "keep the clocks of all machines in step (NTP)",
        )
    if fine:
        yield Check("clocks of records", "ok", "no record is ahead of this machine's clock")
