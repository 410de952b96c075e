"""What a short text says about the search before it: cheaper or dearer, a price, words that refine, a pronoun.

The lists are closed and short; what is a brand or an attribute is the catalogue's to say.

>>> said("something cheaper").direction, said("便宜点的").direction, said("更贵的").direction
(-1, -1, 1)
>>> said("under $50"), said("500以下")
(Said(direction=0, low=None, high=50.0, rest=''), Said(direction=0, low=None, high=500.0, rest=''))
>>> said("the red one").rest, said("红色的").rest, said("cheaper in red").rest
('red', '红色', 'red')
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from models.text.words import normalise


class Said(NamedTuple):
    """``direction``: -1 cheaper, 1 dearer, 0 neither; ``low`` and ``high``: a price; ``rest``: the other words."""

    direction: int
    low: float | None
    high: float | None
    rest: str

    @property
    def about_price(self) -> bool:
        """Whether it says anything about the price."""
        return self.direction != 0 or self.low is not None or self.high is not None


_NUMBER = r"[¥￥$€£]?\s*(\d+(?:\.\d+)?)\s*(?:块钱|块|元|rmb|usd|dollars?|bucks|euros?)?"
_BETWEEN: Final = re.compile(rf"(?:between\s+|from\s+)?{_NUMBER}\s*(?:-|~|to|and|到|至)\s*{_NUMBER}")
_HIGHEST: Final = re.compile(
    rf"(?:under|below|less than|up to|at most|max(?:imum)?|不超过|低于|少于|最多)\s*{_NUMBER}"
    rf"|{_NUMBER}\s*(?:or less|and under|max|以下|以内|之内|之下|内)"
)
#: of these, those that no product's name holds ("15 pro max 256")
_LIMIT: Final = re.compile(
    rf"(?:\b(?:under|below|less than|at most)|不超过|低于|少于|最多)\s*{_NUMBER}"
    rf"|{_NUMBER}\s*(?:or less|and under|以下|以内|之内|之下)"
)
_LOWEST: Final = re.compile(
    rf"(?:over|above|more than|at least|min(?:imum)?|不低于|高于|大于|超过|最少|至少)\s*{_NUMBER}"
    rf"|{_NUMBER}\s*(?:or more|and up|and over|plus|以上|起)"
)
_MORE = r"(?:有没有|有|来|要|能|再|更|稍微|稍|还|还有|可以)*"
_A_BIT = r"(?:一点儿?|点儿?|一些|些)?(?:的|价)?(?:吗|么|呢|吧)?"
_CHEAPER: Final = re.compile(
    r"\b(?:cheaper|cheapest|less expensive|less pricey|lower priced?|more affordable|too expensive|too pricey)\b"
    rf"|太贵了?|{_MORE}(?:便宜|实惠){_A_BIT}|价格?低{_A_BIT}"
)
_DEARER: Final = re.compile(
    r"\b(?:more expensive|pricier|dearer|higher priced?|higher end|fancier|too cheap)\b"
    rf"|太便宜了?|(?<!太){_MORE}(?:贵|高档|高端){_A_BIT}|价格?高{_A_BIT}"
)
#: Words around a refinement that say nothing of their own.
_FILLER: Final = re.compile(
    r"\b(?:something|anything|any|some|a|an|the|bit|little|ones?|please|pls|plz|show|me|give|got|have|you|do|is|are"
    r"|there|in|only|just|but|with|from|by|of|for|instead|ok|and|what|about|how|same|these|this|that|it|i|want|size"
    r"|colou?r|brand)\b"
    r"|^(?:有没有|来个|要|想要|我要|我想要|给我|换成|换个|只要|只看|就要|还是|那)|(?:的呢|的吗|的吧|的款|款的|的|呢|吗|吧|款|牌子的?|牌的?)$"
)
_PRONOUN: Final = re.compile(
    r"\b(?:it|this|that|these|those|they|them|its)\b|这个|这款|这件|这双|这条|这台|这本|这东西|这商品|那个|那款|那件|它|该商品"
)
_COLOURS = """
    black white red blue green yellow orange purple pink brown grey gray beige navy gold silver khaki cream
    黑 白 红 蓝 绿 黄 橙 紫 粉 棕 灰 米 金 银 咖 黑色 白色 红色 蓝色 绿色 黄色 橙色 紫色 粉色 粉红 粉红色 棕色 灰色 米色
    藏青 金色 银色 卡其 卡其色 驼色 咖啡色 米白 米白色 深蓝 浅蓝 深灰 浅灰 天蓝 酒红 杏色 透明 彩色"""
COLOURS: Final = frozenset(_COLOURS.split())
SIZES: Final = re.compile(
    r"(?:x{0,4}[sl]|m|small|medium|large|extra large|extra small|[2-5]xl|[大中小加均]+[号码]|\d+(?:\.\d+)?[a-z]{0,5}"
    r"|\d+[码号寸])"
)


def said(text: str) -> Said:
    """What a text says about price, and what else it says; the text as typed."""
    rest = normalise(text).replace("?", " ").replace("!", " ").replace(",", " ").replace("。", " ").strip()
    # "too cheap" and "太便宜" hold "cheap": the longer one is looked for first
    dearer, rest = _taken(_DEARER, rest)
    cheaper, rest = _taken(_CHEAPER, rest)
    between, rest = _taken(_BETWEEN, rest)
    highest, rest = _taken(_HIGHEST, rest)
    lowest, rest = _taken(_LOWEST, rest)
    low, high = _first(lowest), _first(highest)
    if between is not None:
        low, high = sorted(float(value) for value in between.groups())
    direction = 1 if dearer is not None else -1 if cheaper is not None else 0
    return Said(direction, low, high, " ".join(_FILLER.sub(" ", " ".join(rest.split())).split()))


def without_limit(text: str) -> str:
    """A normalised text without the highest price that it names; as it is where it names none, or nothing else.

    >>> without_limit("laptop under 500"), without_limit("iphone 15 plus"), without_limit("under 50")
    ('laptop', 'iphone 15 plus', 'under 50')
    """
    rest = " ".join(_LIMIT.sub(" ", text).split())
    return rest or text


def points_back(text: str) -> bool:
    """Whether a text speaks of a product without naming one: "is it true to size", "这个商品怎么样".

    >>> points_back("is it true to size"), points_back("这个商品怎么样"), points_back("pixel 8 review")
    (True, True, False)
    """
    return _PRONOUN.search(normalise(text)) is not None


def kind_of(word: str) -> str:
    """What a word of the closed lists is: "colour", "size", or "" when the catalogue must say.

    >>> kind_of("红色"), kind_of("xl"), kind_of("64gb"), kind_of("xiaomi")
    ('colour', 'size', 'size', '')
    """
    if word in COLOURS:
        return "colour"
    return "size" if SIZES.fullmatch(word) else ""


def _taken(pattern: re.Pattern[str], text: str) -> tuple[re.Match[str] | None, str]:
    found = pattern.search(text)
    return (None, text) if found is None else (found, f"{text[: found.start()]} {text[found.end() :]}".strip())


def _first(found: re.Match[str] | None) -> float | None:
    return None if found is None else next(float(value) for value in found.groups() if value is not None)
