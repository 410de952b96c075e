"""A table that was pasted somewhere: CSV or JSON, one item a row, read as a file of its kind is."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from streamrank_client.making import now
from streams.gateway.playing import PastedTable, RefusedRow
from streams.offline.importers.table.importing import TableOptions, read_tables
from streams.offline.importers.table.values import Notation

__all__ = ["read_pasted"]


def read_pasted(raw: bytes, maps: str, decimal: str) -> PastedTable:
    """The items of a table; ``maps`` is ``field=Column,…``, empty where the columns have the fields' names.

    Raises LogError for what no table is, or a column that is not there.
    """
    ending = {b"[": "json", b"{": "jsonl"}.get(raw.lstrip()[:1], "csv")
    options = TableOptions("item", None, now(), (maps,) if maps.strip() else (), notation=Notation(decimal=decimal))
    with TemporaryDirectory(prefix="streamrank-pasted-") as folder:
        path = Path(folder) / f"table.{ending}"
        path.write_bytes(raw)
        outcome = read_tables([path], options)
    refusals = [RefusedRow(one.row, one.field, one.message) for one in outcome.refusals]
    return PastedTable(outcome.events, outcome.refused.total(), refusals, outcome.told)
