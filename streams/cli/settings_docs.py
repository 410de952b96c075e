"""``docs/settings.md``: the table of all settings, generated from ``Settings``.

``python -m streams.cli.settings_docs`` writes it; with ``--check`` it fails when the file is stale.
"""

from __future__ import annotations

import sys
from dataclasses import Field, fields
from pathlib import Path
from typing import Any, Final

from streams.settings import Settings, checkout, variable

__all__ = ["PATH", "page"]

#: where the page lies in the checkout
PATH: Final = Path("docs") / "settings.md"

_HEAD: Final = """# Settings

Every setting is an environment variable, read once at the start by `streams/settings.py`; a wrong value ends
the command with its name, its value and what is allowed. Secrets, and passwords in addresses, are never printed.
`streamrank doctor` tries them out. This page is generated: `python -m streams.cli.settings_docs`.

| variable | default | allowed | what it is |
|---|---|---|---|
"""


def page() -> str:
    """The page as it lies on disk."""
    return _HEAD + "".join(_row(setting) for setting in fields(Settings))


def _row(setting: Field[Any]) -> str:
    default = f"`{setting.default}`" if setting.default not in ("", None) else ""
    if isinstance(setting.default, bool):
        default = f"`{str(setting.default).lower()}`"
    about = str(setting.metadata["help"]).replace("|", "\\|")
    if setting.metadata.get("secret"):
        about += " (secret)"
    return f"| `{variable(setting.name)}` | {default} | {_allowed(setting)} | {about} |\n"


def _allowed(setting: Field[Any]) -> str:
    about = setting.metadata
    if about.get("choices"):
        return ", ".join(f"`{choice}`" for choice in about["choices"])
    if isinstance(setting.default, bool):
        return "`true`, `false`"
    least, most = about.get("least"), about.get("most")
    kind = {int: "whole number", float: "number"}.get(type(setting.default), "text")
    if least is not None and most is not None:
        return f"{kind}, {least:g} to {most:g}"
    return f"{kind}, {least:g} or more" if least is not None else kind


def main(arguments: list[str]) -> int:
    """Write the page, or with ``--check`` compare it; returns the exit code."""
    path = checkout() / PATH
    if arguments == ["--check"]:
        if not path.is_file() or path.read_text() != page():
            sys.stderr.write(f"{PATH} is not what the settings say: run `python -m streams.cli.settings_docs`\n")
            return 1
        return 0
    path.write_text(page())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
