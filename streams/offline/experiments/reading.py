"""Answers and behaviour for a join: from two files, or from their topics to the end that these have now."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from heapq import merge
from pathlib import Path
from typing import Final, TypeVar

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition  # type: ignore[import-untyped]
from aiokafka.errors import KafkaError  # type: ignore[import-untyped]

from streamrank_client.errors import LogError, SettingsError
from streamrank_client.following import following, unavailable
from streamrank_client.logs import read_lines
from streams.offline.experiments.joining import Given, Join, JoinedEvent
from streams.settings import Settings

__all__ = ["read_files", "read_topics"]

T = TypeVar("T", Given, JoinedEvent)
#: partitions done, partitions in all
ReadingProgress = Callable[[int, int], None]

_head: Final = msgspec.json.Decoder(Given)
_event: Final = msgspec.json.Decoder(JoinedEvent)


def read_files(answers: Path | str, events: Path | str, join: Join) -> None:
    """Join the answers in one event log with the behaviour in another, or the same; other lines are passed by.

    Raises LogError where a file cannot be read, or the first holds no answer at all.
    """
    given = _lines(answers, _head, join, "answer")
    try:
        first = next(given)
    except StopIteration:
        raise LogError(f"'{answers}' holds no answer: name the file that `replay --answers` wrote") from None
    join.answer(first)
    happened = _lines(events, _event, join, None)
    both: tuple[Iterator[Given | JoinedEvent], Iterator[Given | JoinedEvent]] = (given, happened)
    # where two have the same time, the one of the first file comes first
    for one in merge(*both, key=lambda one: one.time):
        if isinstance(one, Given):
            join.answer(one)
        else:
            join.event(one)
    join.flush()


async def read_topics(settings: Settings, join: Join, progress: ReadingProgress = lambda done, total: None) -> None:
    """Join recommendations with behavior-events, partition by partition: a user's answers and events share one.

    Raises SettingsError when a topic is missing, Unavailable when Kafka does not answer.
    """
    named = settings.topics
    names = (named.recommendations.name, named.behavior_events.name)
    async with following(settings, *names, from_start=True) as consumer:
        try:
            total = _partitions(consumer, names)
            for number in range(total):
                await _read_partition(consumer, [TopicPartition(name, number) for name in names], join)
                progress(number + 1, total)
        except (KafkaError, OSError) as error:
            raise await unavailable(settings, error) from error


def _partitions(consumer: AIOKafkaConsumer, names: tuple[str, str]) -> int:
    counts = [len(consumer.partitions_for_topic(name) or ()) for name in names]
    if counts[0] != counts[1]:
        raise SettingsError(
            f"{names[0]} has {counts[0]} partitions and {names[1]} {counts[1]}: a user's answers and behaviour must "
            "share one; make the topics anew with `streamrank topics create`"
        )
    return counts[0]


async def _read_partition(consumer: AIOKafkaConsumer, pair: list[TopicPartition], join: Join) -> None:
    consumer.assign(pair)
    await consumer.seek_to_beginning(*pair)
    async with (
        aclosing(_records(consumer, pair[0], _head, join)) as answers,
        aclosing(_records(consumer, pair[1], _event, join)) as events,
    ):
        given, event = await anext(answers, None), await anext(events, None)
        while given is not None or event is not None:
            if given is not None and (event is None or given.time <= event.time):
                if given.event == "answer":
                    join.answer(given)
                given = await anext(answers, None)
            elif event is not None:
                join.event(event)
                event = await anext(events, None)
    join.flush()


async def _records(
    consumer: AIOKafkaConsumer, partition: TopicPartition, decoder: msgspec.json.Decoder[T], join: Join
) -> AsyncGenerator[T, None]:
    """What a partition holds, to the end that its first fetch reported (``end_offsets`` is wrong on Tansu)."""
    end: int | None = None
    while end is None or await consumer.position(partition) < end:
        fetched = await consumer.getmany(partition, timeout_ms=50)
        for record in fetched.get(partition, ()):
            one = _decoded(record.value or b"", decoder, join)
            if one is not None:
                yield one
        if end is None:
            end = consumer.highwater(partition)


def _lines(path: Path | str, decoder: msgspec.json.Decoder[T], join: Join, tag: str | None) -> Iterator[T]:
    for line in read_lines(path):
        one = _decoded(line.raw, decoder, join)
        if one is not None and tag in (None, one.event):
            yield one


def _decoded(raw: bytes, decoder: msgspec.json.Decoder[T], join: Join) -> T | None:
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        join.counted.unreadable += 1
        return None
