"""The models and tables that are in use, and all that changes them: broadcast topics, and artifacts swapped in.

Everything here runs on the event loop, between two steps of a batch at the earliest; a batch goes on with the
``Models`` that it began with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import structlog

from models.items.entries import decode_entry
from models.lore.known_queries import decode_query
from models.ranking.weights import decode_weights, usable
from models.serving import Models
from models.shop.rule_book import decode_rule
from models.tower.column import TowerColumn
from streamrank_client.topics import Topics
from streams.artifacts.opening import Opened
from streams.kafka.broadcast import Apply, Pairs

log = structlog.get_logger(__name__)


class Tables:
    """Holds the composition that answers.

    ``searched``: whether this worker searches; one that does not needs no item tower and no lore of the catalogue's
    words.
    """

    def __init__(self, models: Models, *, searched: bool = True) -> None:
        self.models = models
        self._searched = searched
        #: the vectors of a new item tower, until there is one for every item
        self._growing: TowerColumn | None = None

    def broadcasts(self, topics: Topics) -> Mapping[str, Apply]:
        """By topic, what takes its records."""
        return {
            topics.catalogue.name: self.take_items,
            topics.queries.name: self.take_queries,
            topics.rules.name: self.take_rules,
            topics.ranker_weights.name: self.take_weights,
        }

    def take_items(self, pairs: Pairs) -> None:
        """Records of the catalogue topic, in order."""
        catalogue = self.models.catalogue
        odd = catalogue.images.odd
        run = []
        for item_id, payload in pairs:
            if payload is not None:
                run.append(decode_entry(payload))
                continue
            catalogue.upsert(run)
            run = []
            catalogue.delete(item_id.decode())
        catalogue.upsert(run)
        self._place([item_id.decode() for item_id, payload in pairs if payload is not None])
        if catalogue.images.odd and not odd:
            log.warning("images of another length are left out: publish the items again", expected=catalogue.images.dim)
        if self._searched:
            self.models.lore.learn_words(catalogue.lexical)

    def take_queries(self, pairs: Pairs) -> None:
        """Records of the queries topic, in order."""
        for _, payload in pairs:
            if payload is not None:
                query = decode_query(payload)
                self.models.lore.learn(query, self.models.words.tokens(query.text))

    def take_rules(self, pairs: Pairs) -> None:
        """Records of the rules topic, in order."""
        for rule_id, payload in pairs:
            if payload is None:
                self.models.rule_book.delete(rule_id.decode())
            else:
                self.models.rule_book.put(decode_rule(payload))

    def take_weights(self, pairs: Pairs) -> None:
        """Records of the ranker-weights topic; weights that do not fit are refused, the old ones stay."""
        weights = dict(self.models.weights)
        for surface, payload in pairs:
            if payload is None:
                continue
            own = decode_weights(payload)
            if usable(own):
                weights[surface.decode()] = own
            else:
                log.warning("ranker weights refused", surface=surface.decode(), version=own.version)
        self.models = replace(self.models, weights=weights)

    def swap(self, opened: Opened, *, tower: bool) -> None:
        """Put newly opened artifacts in place; ``tower``: the item tower too, once ``grow`` has computed its vectors.
        The old one serves until then.
        """
        self.models = replace(self.models, intent=opened.intent, ranker=opened.ranker)
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
