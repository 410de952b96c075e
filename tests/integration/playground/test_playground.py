"""The playground in real headless Chromium, against a real worker on real Kafka and Redis."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pytest

from bench.processes import GatewayProcess
from streamrank_client.making import new_id
from streams.offline.servers import HOST
from tests.integration.conftest import Shop
from tests.support.browser import chromium, violations
from tests.support.small_log import WORDS

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

WAIT_MS: Final = 60_000
WIDTHS: Final = (375, 1440)
#: items of an answer, as in question.js
PAGE: Final = 12


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser for all tests of this file; where there is none, no worker is started either."""
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def address(browser: Browser, shop: Shop) -> Iterator[str]:
    """The address of a playground of the shop."""
    workers = f"http://{HOST}:{shop.worker.port}"
    settings = replace(shop.settings, gateway_workers=workers, gateway_timeout_ms=20_000)
    with GatewayProcess(settings, "--playground") as gateway:
        yield f"http://{HOST}:{gateway.port}/"


@pytest.fixture
def said() -> list[str]:
    """What the page has written to its console that should not be there."""
    return []


@pytest.fixture(params=WIDTHS, ids=lambda width: f"{width}px")
def page(request: pytest.FixtureRequest, browser: Browser, address: str, said: list[str]) -> Iterator[Page]:
    """The page as a new shopper sees it, on a phone and on a desk; its console stays silent."""
    with browser.new_page(viewport={"width": request.param, "height": 900}) as page:
        page.set_default_timeout(WAIT_MS)
        page.on("console", lambda line: said.append(line.text) if line.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(address)
        page.locator("#shopper").fill(f"shopper-{new_id()}")
        page.locator("#shopper").press("Enter")
        settled(page)
        yield page
    assert said == []


def settled(page: Page) -> Locator:
    """The cards, once the answer to what was asked last is there."""
    page.locator("[data-tour=results][aria-busy=false]").wait_for()
    cards = page.locator(".card")
    cards.first.wait_for()
    return cards


def search(page: Page, text: str) -> Locator:
    """The cards that answer a search."""
    page.locator("#text").fill(text)
    page.locator("#text").press("Enter")
    page.get_by_role("heading", name=f"Search: {text}", exact=True).wait_for()
    return settled(page)


def titles(page: Page) -> list[str]:
    """The titles on the page, in order."""
    return page.locator(".card h3").all_inner_texts()


def numbers(texts: list[str | None]) -> list[float]:
    """Numbers of attributes, all of which must be there."""
    return [float(text or "nan") for text in texts]


def test_search_in_two_languages(page: Page) -> None:
    """An English and a Chinese search find what is called so first."""
    search(page, "yogurt")
    assert titles(page)[0].startswith("yogurt")
    search(page, "咖啡")
    assert titles(page)[0].startswith("咖啡")


def test_what_is_typed_is_completed(page: Page) -> None:
    """In both languages; the arrow keys choose, and Enter searches for it."""
    for typed, completed in (("yog", "yogurt"), ("婴儿", "婴儿奶粉")):
        page.locator("#text").fill(typed)
        page.locator("#suggestions [role=option]").filter(has_text=completed).first.wait_for()
        page.locator("#text").press("ArrowDown")
        page.locator("#text").press("Enter")
        settled(page)
        assert titles(page)[0].startswith(completed)


def test_a_click_moves_an_item(page: Page) -> None:
    """The answer after a click knows of it, and each item is marked by how far it really moved."""
    before = titles(page)
    page.locator(".card").nth(6).locator("[data-kind=click]").click()
    page.locator(".told").filter(has_text="The next answer knows of the click").wait_for()
    settled(page)
    after = titles(page)
    moves = [before.index(title) - place if title in before else None for place, title in enumerate(after)]
    assert any(by != 0 for by in moves)
    for by, card in zip(moves, page.locator(".card").all(), strict=True):
        marks = card.locator(".move").all_inner_texts()
        assert [re.sub(r"\s", "", mark) for mark in marks] == ([] if by == 0 else [mark_of(by)])


def mark_of(by: int | None) -> str:
    """How a move is marked: by how many places up or down, or as new."""
    if by is None:
        return "new"
    return f"▲up{by}" if by > 0 else f"▼down{-by}"


def test_what_is_disliked_is_gone(page: Page) -> None:
    """From the next answer on, where nobody asked for it."""
    gone = titles(page)[2]
    page.locator(".card").nth(2).locator("[data-kind=dislike]").click()
    page.locator(".told").filter(has_text="The next answer knows of the dislike").wait_for()
    settled(page)
    assert gone not in titles(page)


def test_the_keyboard_goes_on_where_it_was(page: Page) -> None:
    """After an event the same button has the focus; the heading, once its card is gone."""
    settled(page).nth(2).locator("[data-kind=dislike]").focus()
    page.keyboard.press("Enter")
    page.locator("#answer-title:focus").wait_for()
    card = search(page, "咖啡").first
    item = card.get_attribute("data-item")
    card.locator("[data-kind=click]").focus()
    page.keyboard.press("Enter")
    page.locator(".told").filter(has_text="The next answer knows of the click").wait_for()
    page.locator(f".card[data-item='{item}'] [data-kind=click]:focus").wait_for()


def test_a_text_without_spaces_stays_on_the_page(page: Page) -> None:
    """Nobody scrolls sideways because of what was searched."""
    search(page, "W" * 500)
    assert page.evaluate("document.documentElement.scrollWidth") == page.viewport_size["width"]  # type: ignore[index]


def test_contributions_add_up_to_the_score(page: Page) -> None:
    """Of every item shown, rows that are drawn make the total, and the total is the score."""
    cards = search(page, "milk")
    for n in range(cards.count()):
        card = cards.nth(n)
        card.locator("summary").click()
        values = numbers([one.get_attribute("data-value") for one in card.locator("td[data-value]").all()])
        total = card.locator("[data-total]").get_attribute("data-total")
        score = card.locator("[data-score]").get_attribute("data-score")
        assert len(values) > 1
        assert numbers([total]) == pytest.approx([sum(values)], abs=1e-6)
        assert numbers([score]) == pytest.approx([sum(values)], abs=1e-3)


def test_reasons_are_said_in_english_and_chinese(page: Page) -> None:
    """As the reader chooses."""
    search(page, "milk")
    assert re.search("[a-z]", page.locator(".why").first.inner_text())
    page.get_by_label("Reasons in").select_option("zh")
    page.locator(".why").filter(has_text=re.compile("[\u4e00-\u9fff]")).first.wait_for()


def test_filters_leave_what_they_say(page: Page) -> None:
    """A category among those counted, then a price, then all again."""
    words = tuple(WORDS["coffee"])
    page.get_by_label("Category").select_option('"coffee"')
    page.locator(".card h3").filter(has_text=re.compile("|".join(words))).first.wait_for()
    settled(page)
    assert all(title.startswith(words) for title in titles(page))
    ranges = page.get_by_label("Price").locator("option")
    page.get_by_label("Price").select_option(index=1)
    counted = re.search(r"\((\d+)\)", ranges.nth(1).inner_text())
    settled(page)
    assert counted is not None
    assert len(titles(page)) == min(int(counted[1]), PAGE)
    assert all(title.startswith(words) for title in titles(page))
    page.get_by_label("Category").select_option("null")
    page.get_by_label("Price").select_option("null")
    page.locator(".card h3").filter(has_not_text=re.compile("|".join(words))).first.wait_for()


def test_similar_items_and_the_cart(page: Page) -> None:
    """An item leads to those like it, and what is put into the cart to what goes with it."""
    cards = search(page, "coffee")
    cards.first.locator("[data-kind=similar]").click()
    page.get_by_role("heading", name=re.compile("^Similar to ")).wait_for()
    settled(page).first.locator("[data-kind=add_to_cart]").click()
    page.get_by_role("button", name="Cart (1)").click()
    page.get_by_role("heading", name="Goes with the cart").wait_for()
    settled(page)


def test_an_own_table_is_searched_a_moment_later(page: Page) -> None:
    """What was pasted is found by its title; a row that is wrong is told by its field."""
    name = f"Zirkonpfanne {new_id()[:8]}"
    page.get_by_label("Paste items").fill(f"sku;Bezeichnung;Preis\n{new_id()};{name};12,90\n{new_id()};Deckel;viel\n")
    page.get_by_label("Columns").fill("item_id=sku,title=Bezeichnung,price=Preis")
    page.get_by_label("Decimal sign").select_option(",")
    page.get_by_role("button", name="Put into the shop").click()
    page.get_by_text("1 items published, 1 rows refused.").wait_for()
    assert "price" in page.locator(".refusals").inner_text()
    for _ in range(20):
        page.get_by_role("button", name=name).click()
        settled(page)
        if titles(page)[0] == name:
            break
        page.wait_for_timeout(500)
    assert titles(page)[0] == name


def test_a_dead_letter_comes_with_the_field_that_was_wrong(page: Page) -> None:
    """An event of the day after tomorrow is one, and the panel shows it live."""
    page.get_by_role("button", name="Send an event from the future").click()
    letter = page.locator(".letters li").first
    letter.wait_for()
    assert letter.locator("strong").inner_text() == "time"
    assert letter.locator("code").inner_text() == "future"


def test_the_live_panel_has_figures(page: Page) -> None:
    """Of the worker's metrics; answers count up while somebody asks."""
    page.locator(".tiles").wait_for()
    search(page, "bread")
    page.locator(".tiles dd").filter(has_text=re.compile(r"\d ms")).first.wait_for()
    assert page.locator(".chart canvas").count() >= 2


def test_the_tour_has_six_steps(page: Page) -> None:
    """From its first step to its last."""
    page.get_by_role("button", name="Tour").click()
    for step in range(1, 7):
        page.get_by_text(f"Step {step} of 6").wait_for()
        page.get_by_role("button", name="Done" if step == 6 else "Next").click()
    assert page.get_by_role("dialog").count() == 0


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_everybody_can_use_it(page: Page, theme: str) -> None:
    """axe-core finds nothing wrong, in both themes, and nothing is wider than the screen."""
    if page.locator("html").get_attribute("data-theme") != theme:
        page.locator("#theme").click()
    cards = search(page, "milk")
    cards.first.locator("summary").click()
    cards.nth(3).locator("[data-kind=click]").click()
    settled(page)
    assert violations(page) == []
    page.get_by_role("button", name="Tour").click()
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
