"""CSV and its kin, read by pyarrow: any delimiter and encoding; rows of the wrong length are refused."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Final

import pyarrow as pa  # type: ignore[import-untyped]
from pyarrow import csv as arrow

from streamrank_client.errors import LogError
from streams.offline.importers.table.rows import Refusal, Row

__all__ = ["Delimited", "delimited", "encoding_of"]

DELIMITERS: Final = "\t;,|"
#: bytes that are parsed at a time; a row must fit in
BLOCK: Final = 8 << 20
#: how workbooks of spreadsheets begin: those of today, which are zip files, and those of before 2007
_WORKBOOKS: Final = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
#: what stands where bytes are none of the encoding's
REPLACEMENT: Final = "\ufffd"
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Delimited:
    """A file of delimited rows: its columns, its rows, and how it is read."""

    header: tuple[str, ...]
    rows: Iterator[Row]
    delimiter: str
    encoding: str


class _Utf8(io.RawIOBase):
    """Decodes a file and gives it as UTF-8; ``damaged`` once bytes were none of its encoding's."""

    def __init__(self, file: IO[bytes], encoding: str) -> None:
        self._text = io.TextIOWrapper(file, encoding=encoding, errors="replace", newline="")
        self.damaged = False

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: object) -> int:
        """Fill a part of ``buffer``; 0 at the end."""
        view = memoryview(buffer)  # type: ignore[arg-type]
        text = self._text.read(max(1, len(view) // 4))
        self.damaged |= REPLACEMENT in text
        encoded = text.encode()
        view[: len(encoded)] = encoded
        return len(encoded)


def encoding_of(beginning: bytes, named: str | None, path: str) -> str:
    """The encoding that is named, or that the byte order mark tells, or UTF-8. Raises LogError for an unknown name.

    >>> encoding_of(b"\\xef\\xbb\\xbfid", None, "a.csv"), encoding_of(b"id", "cp1252", "a.csv")
    ('utf-8-sig', 'cp1252')
    """
    marked = next((encoding for mark, encoding in _MARKS if beginning.startswith(mark)), None)
    if named is None:
        return marked or "utf-8"
    try:
        name = codecs.lookup(named).name
    except LookupError:
        raise LogError(f"'{path}': unknown encoding '{named}': name one such as utf-8, windows-1252 or gbk") from None
    return "utf-8-sig" if name == "utf-8" else name


def delimited(
    opened: Callable[[], IO[bytes]], name: str, delimiter: str | None, encoding: str | None,
    refuse: Callable[[Refusal], None],
) -> Delimited:  # fmt: skip
    """Read a file; rows that cannot be cut into columns go to ``refuse``. Raises LogError for the whole file."""
    with opened() as file:
        beginning = file.read(BLOCK)
    if beginning.startswith(_WORKBOOKS):
        raise LogError(f"'{name}' is a spreadsheet or another packed file, and no text: save the sheet as CSV (UTF-8)")
    encoding = encoding_of(beginning, encoding, name)
    head = beginning.decode(encoding, "replace")
    delimiter = delimiter or _guessed(head)
    try:
        header = next(csv.reader(io.StringIO(head, newline=""), delimiter=delimiter), [])
    except csv.Error as error:
        raise LogError(f"'{name}' has no header: {error}: look for a quote that does not end") from error
    if not any(column.strip() for column in header):
        raise LogError(f"'{name}' has no header: its first row must name the columns")
    if damaged := [column for column in header if REPLACEMENT in column]:
        remedy = "name the file's encoding with --encoding, such as windows-1252 or gbk"
        raise LogError(f"'{name}': its column {damaged[0]!r:.60} is not {encoding}: {remedy}")
    header = [column if column not in header[:n] else f"{column} {n + 1}" for n, column in enumerate(header)]
    rows = _rows(opened, name, header, delimiter, encoding, refuse)
    return Delimited(tuple(header), rows, delimiter, encoding)


def _guessed(head: str) -> str:
    """The delimiter that occurs most often in the first line, outside quotes."""
    first = "".join(part for n, part in enumerate(head.split('"')) if n % 2 == 0)
    first = first.lstrip("\r\n").split("\n", 1)[0]
    best = max(DELIMITERS, key=first.count)
    return best if best in first else ","


def _rows(
    opened: Callable[[], IO[bytes]], name: str, header: list[str], delimiter: str, encoding: str,
    refuse: Callable[[Refusal], None],
) -> Iterator[Row]:  # fmt: skip
    skipped: dict[int, Refusal] = {}

    def wrong_length(row: arrow.InvalidRow) -> str:
        remedy = f"quote what holds {delimiter!r}"
        if row.actual_columns < row.expected_columns:
            remedy = f"write {delimiter!r} for an empty value too, and quote what holds a line's end"
        if lines := row.text.count("\n"):
            remedy += f"; it runs over {lines + 1:,} lines: look for a quote that does not end"
        told = f"{row.actual_columns} values, but the header has {row.expected_columns}: {remedy}"
        skipped[row.number] = Refusal(name, row.number, "", "", told)
        return "skip"

    with opened() as file:
        text = _Utf8(file, encoding)
        try:
            reader = arrow.open_csv(
                pa.PythonFile(io.BufferedReader(text, BLOCK), mode="r"),
                read_options=arrow.ReadOptions(use_threads=False, block_size=BLOCK),
                parse_options=arrow.ParseOptions(
                    delimiter=delimiter,
                    newlines_in_values=True,
                    ignore_empty_lines=False,
                    invalid_row_handler=wrong_length,
                ),
                convert_options=arrow.ConvertOptions(
                    column_types=dict.fromkeys(header, pa.string()), strings_can_be_null=False
                ),
            )
            number = 1
            for batch in reader:
                columns = [column.to_pylist() for column in batch.columns]
                for values in zip(*columns, strict=True):
                    number += 1
                    while number in skipped:
                        refuse(skipped.pop(number))
                        number += 1
                    damaged = [n for n, value in enumerate(values) if REPLACEMENT in value] if text.damaged else []
                    if damaged:
                        told = f"{values[damaged[0]]!r:.60} is not {encoding}: name the file's encoding with --encoding"
                        refuse(Refusal(name, number, "", header[damaged[0]], told))
                    elif any(values):
                        yield Row(name, number, dict(zip(header, values, strict=True)))
            for refusal in skipped.values():
                refuse(refusal)
        except pa.ArrowInvalid as error:
            reason = str(error).splitlines()[0][:200]
            raise LogError(f"'{name}' cannot be cut into rows: {reason}: look for a quote that does not end") from error
