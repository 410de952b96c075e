"""Everything a worker needs to answer: the catalogue, the models, the online weights, and the policies in force."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import structlog
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from models.ask import Ask
from models.base.arrays import Floats
from models.items.catalogue import Catalogue, decode_entry
from models.text.encoder import Encoder
from models.lore.query_lore import Lore
from models.text.intent import IntentModel
from models.tower.item_tower import ItemTower
from models.lore.known_queries import decode_query
from models.ranking.ranker import Ranker, RankInput
from models.shop.rule_book import RuleBook, decode_rule
from models.retrieval.candidates import Timer, untimed
from models.tower.column import TowerColumn
from models.ranking.weights import OnlineWeights, decode_weights, usable
from models.text.words import Words, normalise
from streams.artifacts.opening import Opened, open_artifacts, open_rankers
from streamrank_client.events import Query
from streams.policy.experiment_file import Experiment, load_experiment
from streams.handlers.asking import surface_of
from streams.handlers.catalogue import Understand
from streams.policy.plans import Plan, plan_of
from streams.settings import Settings

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Brain:
    """Models and tables in memory; handlers read it, broadcasts and artifact swaps change it between batches.

    ``plan``: how queries are answered that take part in no ``experiment``; ``rankers``: those of arms, by arm.
    ``answers``: whether it answers queries; one that does not needs no index of the catalogue's words.
    ``retrained``: whether impressions keep what rankers are retrained on. ``growing``: the vectors of a new item tower,
    until there is one for every item; then they take the place of ``catalogue.tower``.
    """

    catalogue: Catalogue
    words: Words
    encoder: Encoder
    intent: IntentModel
    ranker: Ranker
    partitions: int
    plan: Plan
    weights: dict[str, OnlineWeights] = field(default_factory=dict)
    experiment: Experiment | None = None
    rankers: dict[str, Ranker] = field(default_factory=dict)
    lore: Lore = field(default_factory=Lore)
    rule_book: RuleBook = field(default_factory=RuleBook)
    timed: Timer = untimed
    answers: bool = True
    retrained: bool = False
    growing: TowerColumn | None = None

    @classmethod
    def load(cls, settings: Settings, opened: Opened | None = None, *, answers: bool = True) -> Brain:
        """Open the artifacts and start with an empty catalogue.

        Raises ArtifactError when one is missing or bad, SettingsError when the experiment is.
        """
        # one thread for matrix products: the same bytes on any number of cores, and no spinning beside Kafka
        threadpool_limits(limits=1, user_api="blas")
        experiment = load_experiment(settings.experiment, settings) if settings.experiment else None
        models = opened or open_artifacts(settings)
        catalogue = Catalogue(image_dim=settings.image_dim)
        if answers and models.tower is not None:
            catalogue.tower = TowerColumn(models.tower)
        return cls(
            catalogue=catalogue,
            words=Words.load(),
            encoder=models.text.encoder,
            intent=models.text.intent,
            ranker=models.ranking.ranker,
            partitions=settings.partitions,
            plan=plan_of(settings),
            experiment=experiment,
            rankers=open_rankers(settings, experiment) if experiment else {},
            lore=Lore(settings.queries, models.text.intent.words),
            answers=answers,
            retrained=settings.retrain_every > 0,
        )

    def plan_for(self, query: Query) -> Plan:
        """How this query is answered: by the plan of its user's arm, where it takes part in an experiment."""
        if self.experiment is None:
            return self.plan
        return self.experiment.plan(query, surface_of(query)) or self.plan

    def ranker_for(self, plan: Plan) -> Ranker:
        """The ranker of a plan: its arm's own, else the worker's."""
        return self.rankers.get(plan.arm, self.ranker) if plan.experiment else self.ranker

    def score(self, lists: Sequence[RankInput], plans: Sequence[Plan]) -> list[Floats]:
        """Scores (n,) of each list by its plan's ranker; lists of one ranker go in one call."""
        found: dict[int, Floats] = {}
        rankers = [self.ranker_for(plan) for plan in plans]
        for ranker in dict.fromkeys(rankers):
            places = [n for n, own in enumerate(rankers) if own is ranker]
            found |= zip(places, ranker.score([lists[n] for n in places]), strict=True)
        return [found[n] for n in range(len(lists))]

    def category_of(self, items: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """Keys of the categories of u64 item keys, both (n,); 0 for none, and for items not known yet."""
        rows = self.catalogue.rows(items)
        if not len(self.catalogue):
            return np.zeros(len(items), np.uint64)
        code = np.where(rows >= 0, self.catalogue.category[rows], -1)
        # code -1 takes the last place, which is none
        return np.append(self.catalogue.categories.keys, np.uint64(0))[code]

    def normalise(self, text: str) -> str:
        """A text as queries are counted by."""
        return normalise(text)

    def understand(self, asks: Sequence[Ask]) -> None:
        """Fill in the words, vectors and intents of the asks that have a text."""
        asks = [a for a in asks if a.text.strip()]
        if not asks:
            return
        for ask in asks:
            self._read_words(ask)
        encoded = self.encoder.encode([a.corrected or a.text for a in asks])
        probabilities = self.intent.probabilities(encoded.vector)
        intents = self.intent.of_six(probabilities)
        for n, ask in enumerate(asks):
            ask.text.vector, ask.text.compact, ask.text.intent = encoded.vector[n], encoded.compact[n], intents[n]
            found = self.intent.decide(probabilities[n])
            ask.text.meant = found.label, found.confidence

    def _read_words(self, ask: Ask) -> None:
        """Fill in the words of an ask's text, corrected, and what they are expanded by."""
        text = normalise(ask.text.asked)
        tokens, lexical = self.words.tokens(text), self.catalogue.lexical
        ask.text.known_as = self.lore.meant(text, tokens, lexical)
        if ask.text.known_as:
            tokens = self.words.tokens(ask.text.known_as)
        found = self.lore.understand(ask.text.known_as or text, tokens, lexical, self.encoder.is_word)
        ask.text.tokens, ask.text.expansion, ask.text.corrected = found.tokens, found.expansion, found.corrected or ask.text.known_as

    def understand_items(self) -> Understand:
        """How the catalogue handler understands items."""

        def encode(texts: Sequence[str]):  # type: ignore[no-untyped-def]
            encoded = self.encoder.encode(texts, passages=True)
            return encoded.vector, encoded.compact

        return Understand(encode, self.words.tokens, self.catalogue.images.dim, self._first_time)

    def _first_time(self, item_id: str, time: int) -> int:
        """When an item was first heard of: what the catalogue says, else ``time``, that of its event now."""
        row = self.catalogue.row(item_id)
        return int(self.catalogue.first_time[row]) if row >= 0 else time

    def apply_catalogue(self, pairs: Sequence[tuple[bytes, bytes | None]]) -> None:
        """Take records of the catalogue topic, in order."""
        odd = self.catalogue.images.odd
        run = []
        for item_id, payload in pairs:
            if payload is not None:
                run.append(decode_entry(payload))
                continue
            self.catalogue.upsert(run)
            run = []
            self.catalogue.delete(item_id.decode())
        self.catalogue.upsert(run)
        self._place([item_id.decode() for item_id, payload in pairs if payload is not None])
        if self.catalogue.images.odd and not odd:
            log.warning(
                "images of another length are left out: publish the items again", expected=self.catalogue.images.dim
            )
        if self.answers:
            self.lore.learn_words(self.catalogue.lexical)

    def versions(self) -> dict[str, str]:
        """The version of each artifact in use, by kind."""
        found = {"encoder": self.encoder.version, "intent": self.intent.version, "ranker": self.ranker.version}
        if self.catalogue.tower is not None:
            found["item-tower"] = self.catalogue.tower.tower.version
        return found

    def replace_tower(self, tower: ItemTower | None) -> None:
        """Use another item tower, or none, once ``grow`` has computed its vectors; the old one serves until then."""
        self.growing = TowerColumn(tower) if tower is not None and self.answers else None
        if tower is None:
            self.catalogue.tower = None

    def grow(self) -> bool:
        """Compute some vectors of a new item tower; False when nothing is left to do."""
        if self.growing is None or self.growing.grow(self.catalogue):
            return self.growing is not None
        self.catalogue.tower, self.growing = self.growing, None
        return False

    def _place(self, item_ids: Sequence[str]) -> None:
        """The item tower's vectors of items that have changed."""
        columns = [column for column in (self.catalogue.tower, self.growing) if column is not None]
        if columns and item_ids:
            rows = np.array([self.catalogue.row(item_id) for item_id in dict.fromkeys(item_ids)], np.int32)
            for column in columns:
                column.put(self.catalogue, rows)

    def apply_queries(self, pairs: Sequence[tuple[bytes, bytes | None]]) -> None:
        """Take records of the queries topic, in order."""
        for _, payload in pairs:
            if payload is not None:
                query = decode_query(payload)
                self.lore.learn(query, self.words.tokens(query.text))

    def apply_rules(self, pairs: Sequence[tuple[bytes, bytes | None]]) -> None:
        """Take records of the rules topic, in order."""
        for rule_id, payload in pairs:
            if payload is None:
                self.rule_book.delete(rule_id.decode())
            else:
                self.rule_book.put(decode_rule(payload))

    def apply_weights(self, pairs: Sequence[tuple[bytes, bytes | None]]) -> None:
        """Take records of the ranker-weights topic; weights that do not fit are refused, the old ones stay."""
        for surface, payload in pairs:
            if payload is None:
                continue
            weights = decode_weights(payload)
            if usable(weights):
                self.weights[surface.decode()] = weights
            else:
                log.warning("ranker weights refused", surface=surface.decode(), version=weights.version)
