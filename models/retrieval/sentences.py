"""What may be said of why an item is shown, in English and Chinese, each sentence tied to a fact.

Sources, feature families and adjustments name the sentences that speak for what they add; those that several share
stand here, in the order in which they are preferred among equals.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from models.retrieval import facts
from models.retrieval.facts import Fact
from streamrank_client.vocabulary import CODE, KINDS

Language = Literal["en", "zh"]


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence in both languages, said only where its fact holds; braces are filled with what the fact names."""

    fact: Fact
    en: str
    zh: str

    def said(self, named: Mapping[str, str], language: Language) -> str:
        """The sentence, of what its fact named."""
        values = dict(named)
        if "verb" in values:
            kind = KINDS[CODE[values["verb"]]]
            values["verb"] = kind.en if language == "en" else kind.zh
        if values.get("until"):
            values["until"] = f" until {values['until']}" if language == "en" else f"，截至 {values['until']}"
        return (self.en if language == "en" else self.zh).format(**values)


CHOSEN: Final = Sentence(facts.chosen, "Chosen by shoppers who searched for “{text}”", "搜索“{text}”的顾客选过它")
CHOSEN_NEAR: Final = Sentence(
    facts.chosen_near, "Chosen by shoppers who searched for something similar", "搜索相近内容的顾客选过它"
)
SEARCHED: Final = Sentence(facts.searched, "Because you searched for “{text}”", "因为你搜索过“{text}”")
REFINED: Final = Sentence(facts.refined, "It fits what you added to your search", "符合你补充的要求")
PICTURED: Final = Sentence(facts.pictured, "It looks like your picture", "与你的图片相似")
FOLLOWED: Final = Sentence(facts.followed, "Because you {verb} “{title}”", "因为你{verb}“{title}”")
BESIDE: Final = Sentence(facts.beside, "Often chosen together with “{title}”", "常与“{title}”一起被选")
SIMILAR: Final = Sentence(facts.similar, "Similar to “{title}”, which you {verb}", "与你{verb}的“{title}”相似")
RESEMBLES: Final = Sentence(facts.resembles, "Similar to “{title}”", "与“{title}”相似")
OWN: Final = Sentence(facts.own, "You {verb} it before", "你{verb}它")
CATEGORY: Final = Sentence(facts.category, "From “{name}”, where you looked before", "来自你看过的分类“{name}”")
BRAND: Final = Sentence(facts.brand, "By {name}, a brand that you looked at before", "来自你看过的品牌“{name}”")
REDUCED: Final = Sentence(facts.reduced, "{percent} % off{until}", "优惠 {percent}%{until}")
RATED: Final = Sentence(facts.rated, "Well rated", "评价很好")
POPULAR: Final = Sentence(facts.popular, "Popular this week", "本周热门")
NEW: Final = Sentence(facts.new, "New here", "新上架")
#: those that several share, the preferred ones first
SHARED: Final = (
    CHOSEN, CHOSEN_NEAR, SEARCHED, REFINED, PICTURED, FOLLOWED, RESEMBLES, BESIDE, SIMILAR, OWN, CATEGORY, BRAND,
    REDUCED, RATED, POPULAR, NEW,
)  # fmt: skip
