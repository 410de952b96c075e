"""Files as rows, by the ending of their names; packed ones end with .gz."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Final

from streamrank_client.errors import LogError
from streams.offline.importers.table.json_rows import json_rows
from streams.offline.importers.table.rows import Refusal, Row, Share
from streams.offline.importers.table.xml_feed import xml_rows

__all__ = ["ENDINGS", "Dialect", "OpenTable", "rows_of"]

ENDINGS: Final[dict[str, str]] = {
    ".csv": "delimited", ".tsv": "delimited", ".tab": "delimited", ".txt": "delimited", ".parquet": "parquet",
    ".pq": "parquet", ".json": "json", ".jsonl": "json", ".ndjson": "json", ".xml": "xml",
}  # fmt: skip
#: what is not read, but can be saved as CSV
_SPREADSHEETS: Final = frozenset((".xlsx", ".xlsm", ".xlsb", ".xls", ".ods", ".numbers"))
#: the share of a file is told each time so many rows were read
EVERY: Final = 2_000


@dataclass(frozen=True, slots=True)
class Dialect:
    """Where a file's rows are: the delimiter and encoding of CSV, found out where None; in JSON, the list's name."""

    delimiter: str | None = None
    encoding: str | None = None
    rows: str | None = None


@dataclass(frozen=True, slots=True)
class OpenTable:
    """A file's rows. ``header`` is None where rows have columns of their own; ``told`` says how the file is read."""

    header: tuple[str, ...] | None
    rows: Iterator[Row]
    told: str = ""


class _Opening:
    """Opens a file, unpacked, as often as asked, and knows how much of it was read the last time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = max(1, path.stat().st_size)
        self._raw: IO[bytes] | None = None

    def __call__(self) -> IO[bytes]:
        """The file from its beginning."""
        self._raw = self._path.open("rb")
        if self._path.suffix != ".gz":
            return self._raw
        return _Unpacked(self._raw)  # type: ignore[return-value]

    def share(self) -> float:
        """How much was read, from 0 to 1."""
        return min(1.0, self._raw.tell() / self._size) if self._raw is not None and not self._raw.closed else 1.0


class _Unpacked(gzip.GzipFile):
    """A packed file that closes what it reads from."""

    def __init__(self, raw: IO[bytes]) -> None:
        super().__init__(fileobj=raw, mode="rb")
        self._packed = raw

    def close(self) -> None:
        """Close both."""
        super().close()
        self._packed.close()


def rows_of(path: Path, dialect: Dialect, refuse: Callable[[Refusal], None], share: Share) -> OpenTable:
    """Open a file. Raises LogError for another ending, a missing extra, and what cannot be read."""
    kind = ENDINGS.get(Path(path.name.removesuffix(".gz")).suffix.lower())
    if kind is None:
        raise LogError(
            f"'{path}': a table's name ends with {', '.join(ENDINGS)}; a packed one's with .gz behind it"
            + ("; save the sheet as CSV (UTF-8)" if path.suffix.lower() in _SPREADSHEETS else "")
        )
    if kind in ("delimited", "parquet") and find_spec("pyarrow") is None:
        raise LogError(f"'{path}' needs the extra 'tables': pip install 'streamrank[tables]'")
    with _unreadable(path):
        opening = _Opening(path)
        if kind == "json":
            return OpenTable(None, _shared(path, json_rows(opening, path.name, dialect.rows, refuse), opening, share))
        if kind == "xml":
            return OpenTable(None, _shared(path, xml_rows(opening, path.name), opening, share))
        if kind == "parquet":
            from streams.offline.importers.table.parquet import parquet  # needs the extra

            header, rows = parquet(opening(), path.name)
            return OpenTable(header, _shared(path, rows, opening, share))
        from streams.offline.importers.table.delimited import delimited  # needs the extra

        found = delimited(opening, path.name, dialect.delimiter, dialect.encoding, refuse)
        told = f"{path.name}: read as {found.encoding} with the delimiter {found.delimiter!r}"
        return OpenTable(found.header, _shared(path, found.rows, opening, share), told)


def _shared(path: Path, rows: Iterator[Row], opening: _Opening, share: Share) -> Iterator[Row]:
    """The rows; how far they go is told now and then."""
    with _unreadable(path):
        for n, row in enumerate(rows, 1):
            yield row
            if n % EVERY == 0:
                share(opening.share())
    share(1.0)


@contextmanager
def _unreadable(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, zlib.error) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
        raise LogError(f"'{path}' cannot be read: {reason}: check the path, and that it is whole") from error
