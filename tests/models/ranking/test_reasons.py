"""Why an item is shown, in words: said only where it is true, in both languages, strongest first."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from models.ask import Ask, Companions, Followers, NearText, Recent, Weighted
from models.features.registry import GROUPS
from models.items.catalogue import Catalogue
from models.ranking.adjustments.registry import ADJUSTMENTS, BASES
from models.ranking.reasons import LINES, in_words
from models.retrieval.facts import Case
from models.retrieval.sentences import Language
from models.retrieval.sources.registry import SOURCES
from models.sample import asked, sample
from streamrank_client.vocabulary import DAY_MS, KINDS
from tests.support.asks import changed

MONTH = 40 * 86_400_000
NOW = 1_760_000_000_000
TEA, MILK, CUP = 0, 1, 2


def shelf() -> Catalogue:
    """Tea, whole milk and a cup of one brand, old but for the cup; the tea at half its list price."""
    return sample(
        ["Green tea", "Whole Milk", "Cup"], time=[NOW - MONTH, NOW - MONTH, NOW - 1], price=[2.0, 3.0, 4.0],
        list_price=[4.0, 3.0, 4.0], brand=["Oz", "Oz", ""],
    )  # fmt: skip


def rows(*found: int) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    """Catalogue rows."""
    return np.array(found, np.int32)


def recent(kind: int, weight: float = 5.0, row: int = MILK) -> Recent:
    """One recent event of this kind."""
    return Recent(rows(row), np.array([60], np.float32), np.array([weight], np.float32), np.array([kind], np.uint8))


def beside_milk(**fields: Any) -> Ask:
    """An ask whose only anchor is the milk, after which tea came."""
    one = np.ones(1, np.float32)
    came, went = Followers(rows(0), rows(TEA), one), Companions(rows(0), rows(TEA), one * 0, one)
    given: dict[str, Any] = {
        "now": NOW,
        "surface": "home",
        "anchors": rows(MILK),
        "followers": came,
        "companions": went,
        **fields,
    }
    given.setdefault("anchor_mass", np.array([[2, 0, 2]], np.float32))
    return asked(**given)


def told(ask: Ask, line: str, row: int = TEA, language: Language = "en", **features: float) -> str | None:
    """What is said when this line alone adds to the score."""
    case = Case(ask, shelf(), row, lambda name: features.get(name, 0.0))
    return in_words(case, {line: 1.0}, (), language)


@pytest.mark.parametrize(
    ("kind", "en", "zh"),
    [(4, "Because you bought “Whole Milk”.", "因为你买过“Whole Milk”。"),
     (1, "Because you looked at “Whole Milk”.", "因为你看过“Whole Milk”。"),
     (2, "Because you clicked “Whole Milk”.", "因为你点过“Whole Milk”。")],
)  # fmt: skip
def test_what_followed_an_item_names_it_and_what_the_user_did(kind: int, en: str, zh: str) -> None:
    """The verb is the ring's kind."""
    ask = beside_milk(recent=recent(kind))
    assert told(ask, "covisits") == en
    assert told(ask, "neighbours", language="zh") == zh
    assert told(ask, "online:covisits") == en


def test_nothing_is_said_of_what_the_user_did_not_do() -> None:
    """A dislike is no reason, nor an item that nothing followed, nor an anchor that is not the user's."""
    assert told(beside_milk(recent=recent(6, -4.0)), "covisits") is None
    assert told(beside_milk(recent=recent(4)), "covisits", row=CUP) is None
    assert told(beside_milk(), "covisits") is None


def test_the_baskets_item_is_named_where_the_query_names_it() -> None:
    """Then it is no deed of the user."""
    assert told(beside_milk(surface="cart"), "covisits") == "Often chosen together with “Whole Milk”."
    assert told(beside_milk(surface="similar"), "covisits", language="zh") == "常与“Whole Milk”一起被选。"


def test_a_search_is_named_in_its_own_words() -> None:
    """Chosen after this very text; near in words or meaning; chosen after texts like it."""
    ask = asked("search", NOW, asked="绿茶", choices=Weighted(rows(TEA), np.ones(1, np.float32)))
    assert told(ask, "query_clicks") == "Chosen by shoppers who searched for “绿茶”."
    assert told(ask, "query_clicks", row=MILK) is None
    assert told(ask, "lexical", language="zh", lexical=2.0) == "因为你搜索过“绿茶”。"
    assert told(ask, "lexical") is None
    near = changed(ask, choices=Weighted(), near=(NearText("red tea", 1, 0.9),), near_choices=ask.crowd.choices)
    assert told(near, "query_neighbours") == "Chosen by shoppers who searched for something similar."


def test_facts_of_the_item_are_told_with_their_limits() -> None:
    """Popular among the week's top, new as long as the shop says, reduced by 5 % and more, well rated from 4 on."""
    week = Weighted(rows(TEA), np.ones(1, np.float32))
    ask = asked("home", now=NOW, trends=(Weighted(), week, Weighted()))
    assert told(ask, "trending") == "Popular this week."
    assert told(ask, "trending", row=MILK) is None
    assert told(ask, "newness", row=CUP, language="zh") == "新上架。"
    later = changed(ask, now=NOW + 14 * DAY_MS)
    assert told(later, "newness", row=CUP) is None
    assert told(changed(later, new_days=15.0), "newness", row=CUP) == "New here."
    assert told(changed(ask, new_days=0.0), "newness", row=CUP) is None
    assert told(ask, "price") == "50 % off."
    assert told(ask, "price", row=MILK) is None
    assert told(ask, "track_record", rating=4.2) == "Well rated."
    assert told(ask, "track_record", rating=3.9) is None


def test_the_end_of_a_promotion_is_told_where_it_is_known() -> None:
    """As a date."""
    catalogue = sample(["Tea"], price=[3.0], list_price=[4.0], valid_to=[NOW])
    case = Case(asked("home", now=NOW - 1), catalogue, 0, lambda _: 0.0)
    assert in_words(case, {"price": 1.0}, (), "en") == "25 % off until 2025-10-09."
    assert in_words(case, {"price": 1.0}, (), "zh") == "优惠 25%，截至 2025-10-09。"
    over = replace(case, ask=asked("home", now=NOW + 1))
    assert in_words(over, {"price": 1.0}, (), "en") is None


def test_two_sentences_at_most_the_strongest_first() -> None:
    """A second one only where it counts a third of the first; what speaks against the item is not said."""
    ask = beside_milk(recent=recent(4), trends=(Weighted(), Weighted(rows(TEA), np.ones(1, np.float32))))
    case = Case(ask, shelf(), TEA, lambda _: 0.0)
    strong, weak = {"covisits": 1.0, "trending": 0.6, "brand": 0.5}, {"covisits": 1.0, "trending": 0.2}
    assert in_words(case, strong, (), "en") == "Because you bought “Whole Milk”. Popular this week."
    assert in_words(case, strong, (), "zh") == "因为你买过“Whole Milk”；本周热门。"
    assert in_words(case, weak, (), "en") == "Because you bought “Whole Milk”."
    assert in_words(case, {"covisits": -1.0}, (), "en") is None
    assert in_words(case, {"covisits": -1.0}, ("covisits",), "en") == "Because you bought “Whole Milk”."


def test_a_brand_and_the_item_itself_are_told() -> None:
    """Another item of the brand was liked; this very item was bought."""
    assert told(asked("home", now=NOW, recent=recent(4)), "brand") == "By Oz, a brand that you looked at before."
    assert told(asked("home", now=NOW, recent=recent(4)), "own_history", row=MILK) == "You bought it before."
    assert told(asked("home", now=NOW, recent=recent(4)), "own_history") is None


def test_every_reason_stands_for_lines_that_exist() -> None:
    """Groups, sources or adjustments; both languages have a phrase for every verb."""
    names = {line for lines in LINES.values() for line in lines}
    assert names <= {*GROUPS, *SOURCES, *(adjustment.name for adjustment in (*BASES, *ADJUSTMENTS))}
    assert all(LINES.values())
    assert [bool(kind.en) for kind in KINDS] == [bool(kind.zh) for kind in KINDS]
    assert {kind.name for kind in KINDS if not kind.en} == {"impression", "dislike"}
