"""Why an item is shown, in words: the facts behind the strongest contributions to its score, in English or Chinese.

Every sentence is tied to a fact (``models.ranking.facts``), and is said only where the fact holds and what it tells of added
to the score, or where the source that it tells of gave the item.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from models.ranking import facts
from models.ranking.facts import Case, Fact

Language = Literal["en", "zh"]

#: the second sentence is said when it counts at least so much of the first
SECOND: Final = 0.3


@dataclass(frozen=True, slots=True)
class Reason:
    """A sentence in both languages, its fact, and the lines of the explanation that it stands for."""

    fact: Fact
    lines: tuple[str, ...]
    en: str
    zh: str

    def strength(self, contributions: Mapping[str, float]) -> float:
        """What its lines, the online weights' too, add to the score."""
        return sum(contributions.get(line, 0.0) + contributions.get(f"online:{line}", 0.0) for line in self.lines)


#: what a user did, as the middle of a sentence: after "you", and between 你 and 过
VERBS: Final[dict[Language, dict[str, str]]] = {
    "en": {
        "view": "looked at", "click": "clicked", "add_to_cart": "put in your basket", "purchase": "bought",
        "rating": "rated", "dwell": "looked at",
    },
    "zh": {
        "view": "看过", "click": "点过", "add_to_cart": "放进过购物车", "purchase": "买过", "rating": "评过分",
        "dwell": "看过",
    },
}  # fmt: skip

_NEIGHBOURS: Final = ("covisits", "neighbours", "covisits_wide", "covisits_basket")

REASONS: Final = (
    Reason(facts.chosen, ("query_clicks",), "Chosen by shoppers who searched for “{text}”",
           "搜索“{text}”的顾客选过它"),
    Reason(facts.chosen_near, ("query_neighbours",), "Chosen by shoppers who searched for something similar",
           "搜索相近内容的顾客选过它"),
    Reason(facts.searched, ("lexical", "semantic", "meaning"), "Because you searched for “{text}”",
           "因为你搜索过“{text}”"),
    Reason(facts.refined, ("session",), "It fits what you added to your search", "符合你补充的要求"),
    Reason(facts.pictured, ("image", "looks", "image_match"), "It looks like your picture", "与你的图片相似"),
    Reason(facts.followed, _NEIGHBOURS, "Because you {verb} “{title}”", "因为你{verb}“{title}”"),
    Reason(facts.beside, _NEIGHBOURS, "Often chosen together with “{title}”", "常与“{title}”一起被选"),
    Reason(facts.similar, ("context", "interest"), "Similar to “{title}”, which you {verb}",
           "与你{verb}的“{title}”相似"),
    Reason(facts.own, ("own_history", "repurchase"), "You {verb} it before", "你{verb}它"),
    Reason(facts.category, ("category", "trending_category"), "From “{name}”, where you looked before",
           "来自你看过的分类“{name}”"),
    Reason(facts.brand, ("brand",), "By {name}, a brand that you looked at before", "来自你看过的品牌“{name}”"),
    Reason(facts.reduced, ("price", "intent:promotion"), "{percent} % off{until}", "优惠 {percent}%{until}"),
    Reason(facts.rated, ("track_record", "intent:product_question"), "Well rated", "评价很好"),
    Reason(facts.popular, ("trending", "popularity", "popular"), "Popular this week", "本周热门"),
    Reason(facts.new, ("newness", "new_arrivals"), "New here", "新上架"),
)  # fmt: skip


def in_words(
    case: Case, contributions: Mapping[str, float], sources: Collection[str], language: Language
) -> str | None:
    """One or two sentences on why a candidate is shown, None when there is nothing to say.

    ``contributions`` by line, as ``explain`` gives them; ``sources``: those that gave the candidate.
    """
    held = [(reason.strength(contributions), n) for n, reason in enumerate(REASONS)]
    said: list[str] = []
    first = 0.0
    for strength, n in sorted(held, key=lambda pair: (-pair[0], pair[1])):
        reason = REASONS[n]
        if said and strength < SECOND * first:
            break
        if strength <= 0 and not set(reason.lines) & set(sources):
            continue
        found = reason.fact(case)
        if found is None:
            continue
        said.append(_sentence(reason, found, language))
        first = strength
        if len(said) == 2 or strength <= 0:
            break
    if not said:
        return None
    return ". ".join(said) + "." if language == "en" else "；".join(said) + "。"


def _sentence(reason: Reason, found: Mapping[str, str], language: Language) -> str:
    values = dict(found)
    if "verb" in values:
        values["verb"] = VERBS[language][values["verb"]]
    if values.get("until"):
        values["until"] = f" until {values['until']}" if language == "en" else f"，截至 {values['until']}"
    return (reason.en if language == "en" else reason.zh).format(**values)
