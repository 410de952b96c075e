"""The site of docs/: it builds without a warning, its links lead somewhere, and it asks no other host for anything."""

from __future__ import annotations

import os
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from streams.settings import checkout

#: attributes by which a browser fetches something for the page itself
FETCHED = {("script", "src"), ("link", "href"), ("img", "src"), ("iframe", "src"), ("source", "src"), ("video", "src")}


class Html(HTMLParser):
    """What a page links to, what it fetches, and the anchors that it has."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.links: set[str] = set()
        self.fetched: set[str] = set()
        self.anchors: set[str] = set()
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Sort an element's addresses."""
        for name, value in attrs:
            if value is None:
                continue
            if name == "id" or (tag == "a" and name == "name"):
                self.anchors.add(value)
            elif tag == "a" and name == "href":
                self.links.add(value)
            elif (tag, name) in FETCHED:
                self.fetched.add(value)


def build(folder: Path, config: Path) -> subprocess.CompletedProcess[str]:
    """Build a site as `make docs` does, into another folder."""
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--config-file", str(config), "--site-dir", str(folder)],
        cwd=config.parent, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, timeout=240,
    )  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Html]:
    """The pages of the site as it is built from this checkout."""
    folder = tmp_path_factory.mktemp("site").resolve()
    done = build(folder, checkout() / "mkdocs.yml")
    assert done.returncode == 0, done.stderr[-3000:]
    return {path: Html(path) for path in folder.rglob("*.html")}


def test_every_page_of_the_checkout_is_on_the_site(site: dict[Path, Html]) -> None:
    """Those at its top too."""
    names = {path.stem for path in site}
    pages = {path.stem for path in (checkout() / "docs").rglob("*.md") if path.name != "README.md"}
    assert len(pages) > 40
    assert pages | {"index", "architecture", "changelog", "contributing", "client"} <= names


def test_every_link_of_the_site_leads_to_a_page_and_an_anchor(site: dict[Path, Html]) -> None:
    """Also those that were written for the checkout's own folders, as on GitHub."""
    wrong = []
    for path, page in site.items():
        if path.name == "404.html":
            continue
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            if not target.exists():
                wrong.append(f"{path.name}: {link}")
            elif parts.fragment and target in site and unquote(parts.fragment) not in site[target].anchors:
                wrong.append(f"{path.name}: {link}: no such anchor")
    assert wrong == []


def test_no_page_fetches_anything_from_another_host(site: dict[Path, Html]) -> None:
    """Fonts, scripts and pictures lie beside the pages."""
    folder = next(path for path in site if path.name == "404.html").parent
    assert len(site) > 40
    found = {address for page in site.values() for address in page.fetched if urlsplit(address).netloc}
    assert found == set()
    sheets = "".join(sheet.read_text() for sheet in folder.rglob("*.css"))
    assert "url(http" not in sheets
    assert "@import" not in sheets


def test_a_link_that_leads_nowhere_fails_the_build(tmp_path: Path) -> None:
    """The check can fail: a page with a dead link, one with a dead anchor, and one that the navigation forgot."""
    (tmp_path / "docs").mkdir()
    text = (checkout() / "mkdocs.yml").read_text()
    config = tmp_path / "mkdocs.yml"
    config.write_text(text.partition("hooks:")[0] + text[text.index("validation:") : text.index("\nnav:")])
    page = tmp_path / "docs" / "index.md"
    page.write_text("# Home\n\n[here](#home)\n")
    assert build(tmp_path / "good", config).returncode == 0
    for wrong, said in (("[there](gone.md)", "gone.md"), ("[there](#gone)", "#gone")):
        page.write_text(f"# Home\n\n{wrong}\n")
        done = build(tmp_path / "bad", config)
        assert done.returncode == 1
        assert said in done.stderr
    page.write_text("# Home\n")
    (tmp_path / "docs" / "lost.md").write_text("# Lost\n")
    config.write_text(config.read_text() + "\nnav:\n  - Home: index.md\n")
    done = build(tmp_path / "bad", config)
    assert done.returncode == 1
    assert "lost.md" in done.stderr


def test_a_link_to_a_file_of_the_checkout_becomes_text(site: dict[Path, Html]) -> None:
    """A module has no page on the site, and its name stays readable."""
    page = next(path for path in site if path.name == "connect.html")
    assert "tests/support" not in "".join(site[page].links)
    assert "shop.ts" in page.read_text()
