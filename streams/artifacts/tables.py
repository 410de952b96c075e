"""The models and tables that are in use, and all that changes them: broadcast topics, and artifacts swapped in.

Everything here runs on the event loop, between two steps of a batch at the earliest; a batch goes on with the
``Models`` that it began with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import structlog

from models.lore.known_queries import KnownQuery
from models.ranking.weights import OnlineWeights
from models.serving import Models
from models.shop.rule_book import RuleEntry
from models.tower.column import TowerColumn
from streamrank_client.topics import Topics
from streams.artifacts import records
from streams.artifacts.foreign import Foreign
from streams.artifacts.opening import Opened
from streams.artifacts.records import ItemRecord, Table

log = structlog.get_logger(__name__)


class Tables:
    """Holds the composition that answers.

    ``searched``: whether this worker searches; one that does not needs no item tower and no lore of the catalogue's
    words. ``encodes``: whether it encodes items, and so keeps those that another encoder encoded.
    """

    def __init__(self, models: Models, *, searched: bool = True, encodes: bool = False) -> None:
        self.models = models
        #: what is to be encoded again
        self.foreign = Foreign()
        self._searched = searched
        self._encodes = encodes
        #: the vectors of a new item tower, until there is one for every item
        self._growing: TowerColumn | None = None

    def broadcasts(self, topics: Topics) -> Mapping[str, Table]:
        """By topic, how its records are read, and what takes them."""
        return {
            topics.catalogue.name: Table(records.item, self.take_items),
            topics.queries.name: Table(records.query, self.take_queries),
            topics.rules.name: Table(records.rule, self.take_rules),
            topics.ranker_weights.name: Table(records.weights, self.take_weights),
        }

    def take_items(self, items: Sequence[ItemRecord]) -> None:
        """Records of the catalogue topic, in order."""
        catalogue = self.models.catalogue
        odd = catalogue.images.odd
        run = []
        for item_id, entry in items:
            if entry is not None:
                run.append(entry)
                continue
            catalogue.upsert(run)
            run = []
            catalogue.delete(item_id)
        catalogue.upsert(run)
        if self._encodes:
            self.foreign.note_items(items, catalogue)
        self._place([item_id for item_id, entry in items if entry is not None])
        if catalogue.images.odd and not odd:
            log.warning("images of another length are left out: publish the items again", expected=catalogue.images.dim)
        if self._searched:
            self.models.lore.learn_words(catalogue.lexical)

    def take_queries(self, queries: Sequence[tuple[str, KnownQuery | None]]) -> None:
        """Records of the queries topic, in order; one without a value changes nothing."""
        for _, query in queries:
            if query is not None:
                usable = self.foreign.note_query(query, self.models.catalogue.encoder)
                self.models.lore.learn(usable, self.models.words.tokens(query.text))

    def take_rules(self, rules: Sequence[tuple[str, RuleEntry | None]]) -> None:
        """Records of the rules topic, in order."""
        for rule_id, rule in rules:
            if rule is None:
                self.models.rule_book.delete(rule_id)
            else:
                self.models.rule_book.put(rule)

    def take_weights(self, weights: Sequence[tuple[str, OnlineWeights | None]]) -> None:
        """Records of the ranker-weights topic, in order; one without a value changes nothing."""
        new = {surface: own for surface, own in weights if own is not None}
        self.models = replace(self.models, weights={**self.models.weights, **new})

    def swap(self, opened: Opened, *, tower: bool) -> None:
        """Put newly opened artifacts in place; ``tower``: the item tower too, once ``grow`` has computed its vectors.
        The old one serves until then.
        """
        self.models = replace(
            self.models, intent=opened.intent, intent_encoder=opened.intent_encoder, ranker=opened.ranker
        )
        if tower:
            self._growing = TowerColumn(opened.tower) if opened.tower is not None and self._searched else None
            if opened.tower is None:
                self.models = replace(self.models, tower=None)

    def grow(self) -> bool:
        """Compute some vectors of a new item tower; False when nothing is left to do."""
        if self._growing is None:
            return False
        if self._growing.grow(self.models.catalogue):
            return True
        self.models, self._growing = replace(self.models, tower=self._growing), None
        return False

    def _place(self, item_ids: Sequence[str]) -> None:
        """The item tower's vectors of items that have changed."""
        columns = [column for column in (self.models.tower, self._growing) if column is not None]
        if columns and item_ids:
            catalogue = self.models.catalogue
            rows = np.array([catalogue.row(item_id) for item_id in dict.fromkeys(item_ids)], np.int32)
            for column in columns:
                column.put(catalogue, rows)
