"""What the importers share: their description, reading CSV files, and the order of a basket's lines."""

from __future__ import annotations

import csv
import gzip
import random
import zlib
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Protocol, TypeVar

from streamrank_client.errors import LogError
from streamrank_client.events import Event
from streamrank_client.fields import Base

E = TypeVar("E", bound=Base)
WeekRange = tuple[int, int]


class ImportedEvents(Protocol):
    """An importer's function: the data set at ``path`` as events, sorted by time."""

    def __call__(self, path: Path | None, *, keep_order: bool = False, seed: int = 0) -> Iterator[Event]:
        """Yield items at or before their first use; ``seed`` orders lines that share basket and time."""


@dataclass(frozen=True, slots=True)
class Importer:
    """A public data set that can be read as an event log.

    ``events`` takes the folder that holds ``files``; where ``needs_path`` is false it may be None, and
    ``package`` (from PyPI) has the data. ``in_weeks`` reads weeks a to b only, where the data set has them.
    """

    name: str
    help: str
    events: ImportedEvents
    files: tuple[str, ...]
    needs_path: bool = True
    package: str | None = None
    in_weeks: Callable[[Path | None, bool, int, WeekRange], Iterator[Event]] | None = None

    def open(
        self, path: Path | None, *, keep_order: bool = False, seed: int = 0, weeks: WeekRange | None = None
    ) -> Iterator[Event]:
        """Start reading; raises LogError when a file or an option does not fit this data set."""
        if path is None and self.needs_path:
            raise LogError(f"{self.name} needs PATH: the folder with {' and '.join(self.files)}")
        if weeks is None:
            return self.events(path, keep_order=keep_order, seed=seed)
        if self.in_weeks is None:
            raise LogError(f"weeks={weeks[0]}-{weeks[1]}: {self.name} has no weeks; leave the option out")
        return self.in_weeks(path, keep_order, seed, weeks)


def find_file(folder: Path | None, name: str, importer: str) -> Path:
    """Return ``folder/name`` or its gzipped twin; raises LogError that names what to put where."""
    if folder is None:
        raise LogError(f"{importer} needs PATH: the folder with {name}")
    for candidate in (folder / name, folder / f"{name}.gz"):
        if candidate.is_file():
            return candidate
    raise LogError(f"{importer}: no {name} or {name}.gz in '{folder}'; name the folder that holds it")


def read_rows(path: Path, columns: Sequence[str]) -> Iterator[list[str]]:
    """Yield ``columns`` of a CSV file (plain or gzip) in that order, as text.

    Raises LogError when a column is missing, a line is short or the file cannot be decoded.
    """
    opener = gzip.open if path.suffix == ".gz" else open
    line = 1
    try:
        with opener(path, "rt", encoding="utf-8", newline="") as file:
            reader = csv.reader(file)
            header = next(reader, [])
            missing = [column for column in columns if column not in header]
            if missing:
                raise LogError(f"'{path}' has no column '{missing[0]}' (it has {', '.join(header)})")
            at = [header.index(column) for column in columns]
            for row in reader:
                line = reader.line_num
                yield [row[i] for i in at]
    except (OSError, EOFError, UnicodeDecodeError, zlib.error, csv.Error) as error:
        raise LogError(f"'{path}' cannot be read after line {line}: {error}") from error
    except IndexError as error:
        raise LogError(f"'{path}', line {line}: fewer fields than the header has") from error


def unreadable(path: Path, row: int, error: ValueError) -> LogError:
    """Return the error for a value that is no number or no time; ``row`` counts from 0 after the header."""
    return LogError(f"'{path}', data row {row + 1}: {error}; correct or remove the row")


def milliseconds(text: str) -> int:
    """Return an ISO 8601 time without zone, taken as UTC, in Unix milliseconds.

    >>> milliseconds("1970-01-02 00:00:00.27"), milliseconds("1970-01-01T00:01")
    (86400270, 60000)
    """
    moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return int(moment.timestamp()) * 1000 + moment.microsecond // 1000


def shuffle_lines(events: Iterable[E], basket: Callable[[E], Hashable], seed: int) -> Iterator[E]:
    """Put lines that share time and basket in a random order; baskets of one moment stay as they come.

    Shops write a basket's lines in the order of their article numbers, and a table of last items learns
    that order by heart. ``events`` must be sorted by time. The same seed gives the same order, on every
    Python version.
    """
    rng = random.Random(seed)
    for _, moment in groupby(events, key=attrgetter("time")):
        lines = list(moment)
        if len(lines) == 1:
            yield lines[0]
            continue
        ranks: dict[Hashable, int] = {}
        keyed = [(ranks.setdefault(basket(line), len(ranks)), rng.random()) for line in lines]
        for i in sorted(range(len(lines)), key=keyed.__getitem__):
            yield lines[i]
