"""Screenshots of an open playground for the documents: ``python -m tests.support.browser.screenshots URL FOLDER``.

Both themes on a desk, and one on a phone. The shopper is the first that the playground offers, or ``--shopper``.
"""

from __future__ import annotations

import argparse
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Final

from PIL import Image

from tests.support.browser import chromium

if TYPE_CHECKING:
    from playwright.sync_api import Browser

#: name, width, height and theme of each
SHOTS: Final = (
    ("playground-light", 1440, 1000, "light"),
    ("playground-dark", 1440, 1000, "dark"),
    ("playground-phone", 375, 900, "light"),
)
COLOURS: Final = 256
TEXT: Final = "咖啡"


def shoot(browser: Browser, url: str, shopper: str | None, width: int, height: int, theme: str) -> bytes:
    """A page after a search and a click, as a PNG with few colours."""
    with browser.new_page(viewport={"width": width, "height": height}, reduced_motion="reduce") as page:
        page.goto(url)
        page.locator(".card").first.wait_for()
        if shopper is not None:
            page.locator("#shopper").fill(shopper)
            page.locator("#shopper").press("Enter")
        if page.locator("html").get_attribute("data-theme") != theme:
            page.locator("#theme").click()
        page.locator("#text").fill(TEXT)
        page.locator("#text").press("Enter")
        page.get_by_role("heading", name=f"Search: {TEXT}", exact=True).wait_for()
        settled = page.locator("[data-tour=results][aria-busy=false]")
        settled.wait_for()
        for place in (5, 2):
            page.locator(".card").nth(place).locator("[data-kind=click]").click()
            page.locator("[data-tour=results][aria-busy=true]").wait_for(state="detached")
            settled.wait_for()
            page.wait_for_timeout(3_000)
        page.locator(".card summary").first.click()
        page.wait_for_timeout(6_000)
        page.evaluate("scrollTo(0, 0)" if width > height else "document.querySelector('.told').scrollIntoView()")
        image = Image.open(BytesIO(page.screenshot())).convert("RGB").quantize(COLOURS)
    packed = BytesIO()
    image.save(packed, "PNG", optimize=True)
    return packed.getvalue()


def main() -> None:
    """Write the screenshots."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--shopper")
    given = parser.parse_args()
    with chromium() as browser:
        for name, width, height, theme in SHOTS:
            (given.folder / f"{name}.png").write_bytes(shoot(browser, given.url, given.shopper, width, height, theme))


if __name__ == "__main__":
    main()
