"""A short search after another refines it; a whole one begins anew."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from state import keys
from state.sessions import LASTS_MS, decode
from streamrank_client.answers import Answer
from streamrank_client.fields import Filters, Range
from tests.support.composing import Answering
from tests.support.shop import NOW, Shopper, ids


def asked(shop: Answering, *texts: str) -> list[Answer]:
    """The answers to texts of one user, one after the other."""
    shopper = Shopper(shop)
    return [shopper.ask(text) for text in texts]


def refined_from(answer: Answer) -> str:
    """What the answered search goes on from, "" for nothing."""
    return answer.understood.refined_from if answer.understood is not None else ""


def prices(shop: Answering, answer: Answer) -> list[float]:
    """What the answer's items cost."""
    catalogue = shop.models.catalogue
    return [float(catalogue.price[catalogue.row(item)]) for item in ids(answer)]


@pytest.mark.parametrize("text", ["cheaper", "something cheaper please", "便宜点", "有没有便宜一点的", "太贵了"])
def test_cheaper_is_the_same_search_below_the_median_of_what_was_shown(shop: Answering, text: str) -> None:
    """The dresses shown cost 40, 60, 80 and 120; those below 70 remain, before anything else."""
    first, second = asked(shop, "dress", text)
    assert refined_from(second) == "dress"
    assert max(prices(shop, second)) < 70
    assert ids(second)[:2] in (["dress-plain", "dress-blue"], ["dress-blue", "dress-plain"])
    assert set(ids(first)[:4]) == {"dress-red", "dress-blue", "dress-black", "dress-plain"}


@pytest.mark.parametrize("text", ["more expensive", "更贵的", "贵一点的"])
def test_dearer_is_the_same_search_above_it(shop: Answering, text: str) -> None:
    """Those above 70 remain."""
    second = asked(shop, "dress", text)[1]
    assert refined_from(second) == "dress"
    assert min(prices(shop, second)) > 70
    assert set(ids(second)[:2]) == {"dress-red", "dress-black"}


def test_cheaper_again_goes_further_down(shop: Answering) -> None:
    """Below the median of the cheaper ones: only the cheapest dress remains of four."""
    third = asked(shop, "dress", "cheaper", "cheaper")[2]
    assert ids(third)[0] == "dress-plain"
    assert "dress-blue" not in ids(third)


@pytest.mark.parametrize(("text", "most"), [("under 50", 50), ("500以下", 500), ("below $70", 70), ("100元以内", 100)])
def test_a_price_limits_the_search_before(shop: Answering, text: str, most: float) -> None:
    """The limit holds for every item; what was searched for stands first."""
    second = asked(shop, "dress", text)[1]
    assert refined_from(second) == "dress"
    assert max(prices(shop, second)) <= most
    assert ids(second)[0].startswith("dress")


def test_a_limit_holds_for_the_refinements_that_follow(shop: Answering) -> None:
    """And the filter that a query brings itself is kept beside it, whichever is narrower."""
    shopper = Shopper(shop)
    shopper.ask("dress")
    shopper.ask("under 70")
    red = shopper.ask("red")
    assert refined_from(red) == "dress"
    assert max(prices(shop, red)) <= 70
    narrow = shopper.ask("red", filters=Filters(price=Range(max=50)))
    assert max(prices(shop, narrow)) <= 50


@pytest.mark.parametrize(
    ("before", "text", "first"),
    [
        ("dress", "red", {"dress-red", "dress-plain"}),
        ("dress", "the red one", {"dress-red", "dress-plain"}),
        ("dress", "xl", {"dress-plain"}),
        ("连衣裙", "红色的", {"qun"}),
        ("连衣裙", "紅色的", {"qun"}),
        ("手机", "小米的", {"mi", "mi-lite"}),
        ("手机", "华为", {"hw"}),
    ],
)
def test_a_colour_a_size_or_a_brand_refines_the_search_before(
    shop: Answering, before: str, text: str, first: set[str]
) -> None:
    """What has it, in its text, its attributes or as its brand, stands first; not other products that have it."""
    second = asked(shop, before, text)[1]
    assert refined_from(second) == before
    assert set(ids(second)[: len(first)]) == first


def test_another_colour_takes_the_place_of_the_first(shop: Answering) -> None:
    """Blue after red is blue, of the same product."""
    third = asked(shop, "dress", "red", "blue")[2]
    assert refined_from(third) == "dress red"
    assert ids(third)[0] == "dress-blue"


@pytest.mark.parametrize("text", ["coffee", "red boots", "phones", "pixel 8 phone", "绿茶", "羊毛大衣"])
def test_a_search_for_another_product_begins_anew(shop: Answering, text: str) -> None:
    """It gets what it gets without a session, and is what the next refinement refines."""
    shopper = Shopper(shop)
    shopper.ask("dress")
    anew = shopper.ask(text)
    assert refined_from(anew) == ""
    assert ids(anew) == ids(Shopper(shop).ask(text))
    assert refined_from(shopper.ask("cheaper")) == text


def test_the_same_refinement_again_is_the_same_search(shop: Answering) -> None:
    """Asked twice, red dresses stay red dresses; the product asked for again begins anew."""
    shopper = Shopper(shop)
    answers = [shopper.ask(text) for text in ("dress", "red", "red", "dress")]
    assert ids(answers[1]) == ids(answers[2])
    assert refined_from(answers[3]) == ""


def test_a_session_lasts_half_an_hour_of_the_queries_own_time(shop: Answering) -> None:
    """What is stored counts until then and never before its own time, however long Redis keeps it."""
    for gap, goes_on in ((LASTS_MS - 1_000, True), (LASTS_MS, False), (-2_000_000, False)):
        shopper = Shopper(shop)
        shopper.ask("dress")
        assert (refined_from(shopper.ask("red", at=NOW + gap)) == "dress") == goes_on


def test_a_refinement_without_a_search_before_is_a_search(shop: Answering) -> None:
    """So is one by nobody known, and that of another user."""
    shopper = Shopper(shop)
    shopper.ask("dress")
    assert refined_from(shopper.ask("red", user_id="u2")) == ""
    assert refined_from(shopper.ask("red", user_id=None)) == ""
    assert ids(shopper.ask("red", user_id=None))
    assert refined_from(shopper.ask("red")) == "dress"


def test_small_talk_and_questions_do_not_end_a_session(shop: Answering) -> None:
    """After them, a refinement refines the search before."""
    shopper = Shopper(shop)
    for text in ("dress", "thank you", "where is my order"):
        shopper.ask(text)
    assert refined_from(shopper.ask("red")) == "dress"


def test_what_is_kept_is_what_was_shown(shop: Answering) -> None:
    """The product, the words with their kinds, the limits, the items with their prices, the texts."""
    shopper = Shopper(shop)
    for text in ("dress", "red", "under 90"):
        answer = shopper.ask(text)
    session = decode(shopper.stored[keys.session(0, "u1")], answer.time)
    assert session is not None
    assert (session.text, session.words, session.texts) == ("dress", [("red", "colour")], ["dress", "red", "under 90"])
    assert (session.price_min, session.price_max) == (None, 90)
    catalogue = shop.models.catalogue
    rows = [catalogue.row(item) for item in ids(answer)]
    assert session.shown == catalogue.keys[rows].tolist()
    assert session.prices == catalogue.price_at(answer.time, np.array(rows, np.int32)).tolist()


def test_a_text_that_is_over_long_or_empty_never_refines(shop: Answering) -> None:
    """Every text gets an answer."""
    texts: Sequence[str] = ("", "   ", "?!", "的", "red " * 300, "under", "以下", "100", "cheaper " * 100)
    shopper = Shopper(shop)
    for text in texts:
        shopper.ask("dress")
        assert shopper.ask(text).error is None


@pytest.mark.parametrize("text", ["cheaper", "red"])
def test_a_further_page_of_a_refined_search_goes_on_with_it(shop: Answering, text: str) -> None:
    """It is refined once, by page one; the pages together are the whole list, without repeats."""
    whole, paged = Shopper(shop), Shopper(shop)
    for shopper in (whole, paged):
        shopper.ask("dress", limit=4)
    expected = ids(whole.ask(text, limit=4, time=NOW + 5_000))
    pages = [ids(paged.ask(text, limit=2, offset=offset, time=NOW + 5_000)) for offset in (0, 2)]
    assert pages[0] + pages[1] == expected
    assert len(set(expected)) == len(expected)
