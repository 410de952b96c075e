"""The whole that answers: models and tables as one frozen composition.

A batch takes one reference at its start and uses it to its end, so that an answer is ranked and labelled by the same
models whatever is swapped in meanwhile. The big tables (catalogue, lore, rule book) grow in place with stable rows; all
else is replaced by a new composition.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from models.ask import AskedText
from models.base.arrays import Floats
from models.items.catalogue import Catalogue
from models.lore.query_lore import QueryLore
from models.ranking.ranker import Ranker, RankInput
from models.ranking.weights import OnlineWeights
from models.shop.rule_book import RuleBook
from models.text.encoder import Encoder
from models.text.intent import IntentModel
from models.text.refinement import without_limit
from models.text.words import Words, normalise
from models.tower.column import TowerColumn


@dataclass(frozen=True, slots=True)
class Models:
    """``rankers``: those of an experiment's arms, by arm; ``weights``: the online rankers', by surface; ``tower``: the
    item tower's vectors, None where none was built.
    """

    catalogue: Catalogue
    words: Words
    encoder: Encoder
    intent: IntentModel
    ranker: Ranker
    lore: QueryLore
    rule_book: RuleBook = field(default_factory=RuleBook)
    rankers: Mapping[str, Ranker] = field(default_factory=dict)
    weights: Mapping[str, OnlineWeights] = field(default_factory=dict)
    tower: TowerColumn | None = None

    def versions(self) -> dict[str, str]:
        """The version of each artifact in use, by kind."""
        named = {"encoder": self.encoder.version, "intent": self.intent.version, "ranker": self.ranker.version}
        return named if self.tower is None else named | {"item-tower": self.tower.tower.version}

    def ranker_for(self, arm: str | None) -> Ranker:
        """The ranker of an arm that has one of its own, else the worker's; ``arm`` None: of no experiment."""
        return self.ranker if arm is None else self.rankers.get(arm, self.ranker)

    def score(self, lists: Sequence[RankInput], arms: Sequence[str | None]) -> list[Floats]:
        """Scores (n,) of each list by its arm's ranker; lists of one ranker go in one call."""
        scores: dict[int, Floats] = {}
        rankers = [self.ranker_for(arm) for arm in arms]
        for ranker in dict.fromkeys(rankers):
            places = [n for n, own in enumerate(rankers) if own is ranker]
            scores |= zip(places, ranker.score([lists[n] for n in places]), strict=True)
        return [scores[n] for n in range(len(lists))]

    def understand(self, texts: Sequence[AskedText]) -> list[AskedText]:
        """The texts with their words, vectors and intents; as they are where nothing is asked."""
        asked = [self._with_words(text) for text in texts if text.asked.strip()]
        if not asked:
            return list(texts)
        encoded = self.encoder.encode([text.corrected or text.asked for text in asked])
        probabilities = self.intent.probabilities(encoded.vector)
        intents = self.intent.of_six(probabilities)
        understood = []
        for n, text in enumerate(asked):
            decided = self.intent.decide(probabilities[n])
            understood.append(
                replace(
                    text,
                    vector=encoded.vector[n],
                    compact=encoded.compact[n],
                    intent=intents[n],
                    meant=(decided.label, decided.confidence),
                )
            )
        told = iter(understood)
        return [next(told) if text.asked.strip() else text for text in texts]

    def _with_words(self, text: AskedText) -> AskedText:
        """A text with its words, corrected, and what they are expanded by."""
        plain = normalise(text.asked)
        tokens, lexical = self.words.tokens(plain), self.catalogue.lexical
        known_as = self.lore.meant(plain, tokens, lexical)
        if known_as:
            tokens = self.words.tokens(known_as)
        read = self.lore.understand(known_as or plain, tokens, lexical, self.encoder.is_word)
        return replace(
            text,
            tokens=read.tokens,
            words=tuple(self.words.read(known_as or without_limit(plain))),
            expansion=read.expansion,
            corrected=read.corrected or known_as,
            known_as=known_as,
        )
