"""The whole that answers: models and tables as one frozen composition.

A batch takes one reference at its start and uses it to its end, so that an answer is ranked and labelled by the same
models whatever is swapped in meanwhile. The big tables (catalogue, lore, rule book) grow in place with stable rows; all
else is replaced by a new composition.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from models.ask import AskedText, Expansion
from models.base.arrays import Floats
from models.base.vectors import unit
from models.items.catalogue import Catalogue
from models.lore.query_lore import QueryLore
from models.lore.query_spelling import squeezed
from models.ranking.ranker import Ranker, RankInput
from models.ranking.weights import OnlineWeights
from models.retrieval.intent_candidates import product_named
from models.retrieval.matching import NEAR, nearest, nearness
from models.shop.rule_book import RuleBook
from models.text.encoder import Encoder
from models.text.intent import IntentModel
from models.text.refinement import without_limit
from models.text.translations import Translation, Translations, translated
from models.text.words import Words, normalise
from models.tower.column import TowerColumn

#: How much an item that holds what the dictionary has for a word counts beside one that holds the word.
TRANSLATED: Final = 0.8


class TextRead(NamedTuple):
    """A text's words, what they are expanded by, the text it is corrected to, and the known query it is taken for."""

    tokens: tuple[str, ...]
    expansion: tuple[Expansion, ...]
    corrected: str
    known_as: str


@dataclass(frozen=True, slots=True)
class Models:
    """``rankers``: those of an experiment's arms, by arm; ``weights``: the online rankers', by surface; ``tower``: the
    item tower's vectors, None where none was built; ``intent_encoder``: what the intent head reads, None: ``encoder``.
    """

    catalogue: Catalogue
    words: Words
    encoder: Encoder
    intent: IntentModel
    ranker: Ranker
    lore: QueryLore
    translations: Translations
    rule_book: RuleBook = field(default_factory=RuleBook)
    rankers: Mapping[str, Ranker] = field(default_factory=dict)
    weights: Mapping[str, OnlineWeights] = field(default_factory=dict)
    tower: TowerColumn | None = None
    intent_encoder: Encoder | None = None

    def versions(self) -> dict[str, str]:
        """The version of each artifact in use, by kind."""
        named = {"encoder": self.encoder.version, "intent": self.intent.version, "ranker": self.ranker.version}
        if self.intent_encoder is not None:
            named["intent-encoder"] = self.intent_encoder.version
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

    def reading(self, text: str) -> Callable[[], None]:
        """What has the encoders remember a text's vectors, for ``understand`` to find them: in any thread, as what it
        depends on of the catalogue is looked up now.
        """
        strange = self._strange(self._tokens(text))

        def read() -> None:
            self.encoder.encode([text], words=strange)
            if self.intent_encoder is not None:
                self.intent_encoder.encode([text])

        return read

    def understand(self, texts: Sequence[AskedText]) -> list[AskedText]:
        """The texts with their words, vectors and intents; as they are where nothing is asked."""
        return [self._understood(text) if text.asked.strip() else text for text in texts]

    def _understood(self, text: AskedText) -> AskedText:
        """A text that asks something, corrected only where it finds little as it stands."""
        plain = normalise(text.asked)
        tokens = self.words.tokens(plain)
        read = self._read(plain, tokens)
        vector, compact = self._encoded(text.asked, tokens)
        lexical = self.catalogue.lexical
        translations = tuple(self.translations.translate(read.tokens, lexical.finds, lexical.holds))
        for guess in filter(None, (read.corrected, translated(read.tokens, translations))):
            # what was typed keeps its say
            other, narrow = self._encoded(guess, self._tokens(guess))
            vector, compact = unit(vector + other), unit(compact + narrow)
        known = self.lore.knows(plain) or self._on_sale(read.tokens)
        read_by_head = self._read_by_head(read.corrected or text.asked, vector)
        probabilities = self.intent.probabilities(read_by_head[None], [plain])
        if known:
            probabilities = self.intent.of_shop(probabilities)
        decided = self.intent.decide(probabilities[0])
        hunted = product_named(read.corrected or plain) if decided.label == "promotion" else ""
        product, product_compact = self._encoded(hunted, self._tokens(hunted)) if hunted else (None, None)
        return replace(
            text,
            tokens=read.tokens,
            words=tuple(self.words.read(read.known_as or without_limit(plain))),
            expansion=(*read.expansion, *map(_as_expansion, translations)),
            corrected=read.corrected,
            known_as=read.known_as,
            vector=vector,
            compact=compact,
            intent=self.intent.of_six(probabilities)[0],
            meant=(decided.label, decided.confidence),
            unrelated=self.encoder.unrelated,
            product=product,
            product_compact=product_compact,
        )

    def _read(self, plain: str, tokens: list[str]) -> TextRead:
        """A normalised text's words and what they are expanded by; corrected only where it finds little as it is."""
        lexical = self.catalogue.lexical
        known_as = self.lore.meant(plain, tokens, lexical)
        known = self.words.tokens(known_as) if known_as else tokens
        read = self.lore.understand(known_as or plain, known, lexical, self.encoder.is_word)
        guessed = read.corrected or known_as
        if guessed and squeezed(guessed) != squeezed(plain) and self._finds(plain, tokens):
            return TextRead(tuple(tokens), self.lore.expanded(tokens, lexical), "", "")
        return TextRead(read.tokens, read.expansion, guessed, known_as)

    def _finds(self, plain: str, tokens: Sequence[str]) -> bool:
        """Whether some item that is to be had is near to the meaning of a text's words that no title holds.

        The others would speak for it: a number alone makes "xz 12" and "rolls 12" alike.
        """
        strange = [token for token in tokens if not self.catalogue.lexical.finds(token)]
        sought = " ".join(strange) or plain
        vector, compact = self._encoded(sought, self._tokens(sought))
        cosine = nearest(vector, compact, self.catalogue, self.catalogue.recommendable)
        return nearness(cosine, self.encoder.unrelated) >= NEAR

    def _on_sale(self, tokens: Sequence[str]) -> bool:
        """Whether one item that is to be had holds all of some words."""
        return bool(self.catalogue.recommendable[self.catalogue.lexical.holding(tokens)].any())

    def _read_by_head(self, text: str, vector: Floats) -> Floats:
        """The vector of a text that the intent head reads: ``vector``, unless the head has an encoder of its own."""
        return vector if self.intent_encoder is None else self.intent_encoder.encode([text]).vector[0]

    def _tokens(self, text: str) -> list[str]:
        return self.words.tokens(normalise(text))

    def _encoded(self, text: str, tokens: Sequence[str]) -> tuple[Floats, Floats]:
        """A text's vectors: by its words where these are ``_strange``."""
        encoded = self.encoder.encode([text], words=self._strange(tokens))
        return encoded.vector[0], encoded.compact[0]

    def _strange(self, tokens: Sequence[str]) -> bool:
        """Whether no item holds any of some words, as those of another language."""
        return not any(map(self.catalogue.lexical.finds, tokens))


def _as_expansion(one: Translation) -> Expansion:
    return Expansion(" ".join(one.words), one.of, "dictionary", TRANSLATED)
