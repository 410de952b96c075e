"""Public data sets as event logs: one file a data set, all of them in ``IMPORTERS`` by name.

A shop's own is an ``Importer`` that an installed package names in the entry point group ``streamrank.importers``.

Every importer yields events sorted by time, an item before its first use, with ids that depend on the
source's row only: the same files and options give the same log, byte for byte.
"""

from __future__ import annotations

from models.base.plugins import installed
from streams.offline.importers import best_buy, complete_journey, movielens, online_retail
from streams.offline.importers.base import Importer

IMPORTERS: dict[str, Importer] = {
    importer.name: importer
    for importer in (
        complete_journey.IMPORTER,
        online_retail.IMPORTER,
        best_buy.IMPORTER,
        movielens.IMPORTER,
        *installed("streamrank.importers", Importer),
    )
}
