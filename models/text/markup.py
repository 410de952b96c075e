"""Texts of feeds as people read them: tags dropped, entities decoded."""

from __future__ import annotations

import html
import re
from typing import Final

#: what stands between these is for browsers
_HIDDEN: Final = re.compile(r"<(script|style|head|template)\b[^>]*>.*?</\1\s*>|<!--.*?-->", re.I | re.S)
#: within a word: H<sub>2</sub>O
_INLINE: Final = re.compile(r"</?(?:sub|sup|wbr)\b[^<>]*>", re.I)
_TAG: Final = re.compile(r"<(?:/?[a-zA-Z][a-zA-Z0-9-]*(?:\s[^<>]*)?/?|![^<>]*)>")


def plain(text: str) -> str:
    """A text without markup; entities that were encoded twice, and tags written as entities, go too.

    >>> plain("Salt &amp;amp; Pepper"), plain("<b>Red</b> &lt;i&gt;Wool&lt;/i&gt; Scarf<br/>"), plain("a < b > c, R&D")
    ('Salt & Pepper', 'Red Wool Scarf', 'a < b > c, R&D')
    """
    if "&" not in text and "<" not in text:
        return text
    for _ in range(2):
        text = _TAG.sub(" ", _INLINE.sub("", _HIDDEN.sub(" ", text)))
        text = html.unescape(text)
    return " ".join(_TAG.sub(" ", _INLINE.sub("", text)).split())
