"""What the site has beside docs/: the pages at the top of the checkout, and links that lead where the site has them.

On GitHub a page links to files anywhere in the checkout. On the site a link to another page leads to it, and one to a
file that is no page, such as a module, stays as text. In code within a table GitHub writes a bar as `\\|`, and Python's
Markdown leaves it so: that is mended too. mkdocs calls this (``hooks`` in ``mkdocs.yml``).
"""

from __future__ import annotations

import re
from os.path import normpath, relpath
from pathlib import Path, PurePosixPath
from typing import Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

__all__ = ["on_files", "on_page_content", "on_page_markdown"]

#: pages that lie elsewhere in the checkout, and where the site has them
ELSEWHERE: Final = {
    "README.md": "index.md",
    "ARCHITECTURE.md": "architecture.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "client/README.md": "client.md",
}
_CODE: Final = re.compile(r"(^[ ]*```.*?^[ ]*```$|`[^`\n]+`)", re.MULTILINE | re.DOTALL)
_CELL: Final = re.compile(r"<td>.*?</td>", re.DOTALL)
_LINK: Final = re.compile(r"\[((?:[^\[\]]|`[^`]*`)*)\]\(\s*([^)\s]+)\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that lie elsewhere."""
    checkout = Path(config.docs_dir).parent
    for source, page in ELSEWHERE.items():
        files.append(File.generated(config, page, abs_src_path=str(checkout / source)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn each link to a file of the checkout into one to a page of the site, or into its text."""
    own = {page: source for source, page in ELSEWHERE.items()}
    here = PurePosixPath(own.get(page.file.src_uri, f"docs/{page.file.src_uri}"))
    start = str(PurePosixPath(page.file.src_uri).parent)

    def led(match: re.Match[str]) -> str:
        """The link as the site has it."""
        text, target = match.groups()
        path, hash_, anchor = target.partition("#")
        if not path or re.match(r"[a-z]+:", target):
            return match[0]
        wanted = normpath(here.parent / path)
        there = ELSEWHERE.get(wanted, wanted.removeprefix("docs/"))
        if files.get_file_from_path(there) is None:
            there += "/README.md"
        if files.get_file_from_path(there) is None:
            return text if (Path(config.docs_dir).parent / wanted).exists() else match[0]
        return f"[{text}]({relpath(there, start)}{hash_}{anchor})"

    parts = _CODE.split(markdown)
    return "".join(part if part.startswith("`") or "```" in part[:20] else _LINK.sub(led, part) for part in parts)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Show the bars in cells as bars."""
    return _CELL.sub(lambda cell: cell[0].replace("\\|", "|"), html)
