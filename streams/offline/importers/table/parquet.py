"""Parquet, read by pyarrow, a batch of rows at a time; nested values become objects and lists."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Final

import pyarrow as pa  # type: ignore[import-untyped]
from pyarrow import parquet as arrow

from streamrank_client.errors import LogError
from streams.offline.importers.table.rows import Row

BATCH: Final = 8_192


def parquet(file: IO[bytes], name: str) -> tuple[tuple[str, ...], Iterator[Row]]:
    """The columns and the rows of a file. Raises LogError where it is none."""
    try:
        table = arrow.ParquetFile(file)
    except (pa.ArrowException, OSError) as error:
        raise LogError(f"'{name}' is no Parquet file: {error}: check that it is whole") from error
    return tuple(table.schema_arrow.names), _rows(table, name)


def _rows(table: arrow.ParquetFile, name: str) -> Iterator[Row]:
    header, number = table.schema_arrow.names, 0
    try:
        for batch in table.iter_batches(batch_size=BATCH):
            columns = [_in_microseconds(column).to_pylist() for column in batch.columns]
            for values in zip(*columns, strict=True):
                number += 1
                yield Row(name, number, dict(zip(header, values, strict=True)))
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise LogError(f"'{name}' cannot be read after row {number}: {error}: check that it is whole") from error


def _in_microseconds(column: pa.Array) -> pa.Array:
    """A column of times as Python has them; nanoseconds are cut off."""
    if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
        return column.cast(pa.timestamp("us", column.type.tz), safe=False)
    return column
