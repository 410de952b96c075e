"""What the intent of a search asks for beside what its words find: offers, the product in question, a named category.

An intent is a guess: it adds candidates and re-orders, and takes none away.

>>> from models.sample import asked, sample
>>> catalogue = sample(["tea", "cup", "pot"], price=[6.0, 4.0, 5.0], list_price=[8.0, 5.0, None])
>>> ask = asked("search", asked="deals", tokens=("deal",), meant=("promotion", 0.9))
>>> named(ask, catalogue, 10, catalogue.recommendable).rows.tolist()
[0, 1]
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import numpy as np

from models.ask import Ask, Weighted
from models.base.arrays import Mask, Rows
from models.base.vectors import SLACK, near_top
from models.items.catalogue import Catalogue
from models.items.codes import folded
from models.retrieval.matching import same_meaning
from models.retrieval.tables import best
from models.text.words import normalise

#: Intents that ask for no product; the answer tells them, with the items that match all the same.
NO_PRODUCT: Final = ("order_service", "chitchat_other")
_OFFER_WORDS = """
    deal sale offer promo promotion coupon voucher discount code clearance bargain special off half price free cheap
    cheapest today now week weekend friday monday save saving percent get one two best all new first order
    优惠 优惠券 优惠码 打折 折扣 特价 促销 活动 满减 券 红包 便宜 秒杀 清仓 甩卖 大促 半价 今天 今日 现在 本周 最近 商品
    东西 降价 新人 会员 限时 抢购 惠 折 薅 羊毛 福利 领 最 全部 所有"""
_AROUND_OFFERS = """
    what whats which any some are is there do you have got a an the on in of for with to me my show find give i want
    looking please good now right store shop site today
    有什么 有没有 有哪些 有无 哪些 什么 请问 我想 想要 我要 要买 买 有 的 吗 呢 吧 啊 在 正在 做
    搞 找 看看 中 都 哪 个"""
#: Words of promotions; what else a text says is the product whose offers are wanted.
OFFER_WORDS: Final = frozenset(_OFFER_WORDS.split())
_SAYS_OFFER: Final = OFFER_WORDS | frozenset(_AROUND_OFFERS.split())
#: The same within a text: English words whole and in any number, Chinese ones anywhere, the longest first.
_NO_PRODUCT_WORD: Final = re.compile(
    r"(?<![^\W_])(?:" + "|".join(sorted((w for w in _SAYS_OFFER if w.isascii()), key=len, reverse=True))
    + r")(?:s|es)?(?![^\W_])|"
    + "|".join(sorted((w for w in _SAYS_OFFER if not w.isascii()), key=lambda word: (-len(word), word)))
)  # fmt: skip
#: Characters of a text in which a category is looked for, and characters or words of its name.
LONGEST_TEXT: Final = 200
LONGEST_NAME: Final = 12
#: An item is of the product named if its words score so much of what the best item's do.
HALF: Final = 0.5
#: How much an offer gains in a category, brand or style of the user's interest, which no text says.
INTEREST: Final = 1.0
#: The largest discounts, among which the user's interest chooses; and what is nearest to a product by name.
POOL: Final = 1_000


def sure(ask: Ask, intent: str) -> float:
    """The confidence with which a search means ``intent``, 0 to 1; 0 when it means something else or is unclear."""
    if ask.query.surface != "search" or ask.text.meant is None or ask.text.meant[0] != intent:
        return 0.0
    return ask.text.meant[1]


def wants_no_product(ask: Ask, catalogue: Catalogue) -> bool:
    """Whether the text is about orders or small talk and names no product: no item that is to be had holds all its
    words, and nothing was ever chosen after it.
    """
    if (
        ask.query.image is not None
        or len(ask.crowd.choices.rows)
        or not any(sure(ask, intent) for intent in NO_PRODUCT)
    ):
        return False
    return not catalogue.recommendable[catalogue.lexical.holding(ask.text.tokens)].any()


def named(ask: Ask, catalogue: Catalogue, k: int, allowed: Mask) -> Weighted:
    """At most ``k`` allowed rows that the meaning of ``ask`` names itself, best first; often none."""
    if ask.query.surface != "search":
        return Weighted()
    rows = (
        np.concatenate([ask.text.about, ask.text.preferred])
        if len(ask.text.about) or len(ask.text.preferred)
        else ask.text.about
    )
    if len(rows):
        rows = np.unique(rows)
        rows = rows[allowed[rows]]
        return best(rows, 1 + catalogue.lexical.score(ask.text.tokens, rows), k)
    if sure(ask, "promotion"):
        return _offers(ask, catalogue, k, allowed)
    return _categories(ask, catalogue, k, allowed) if sure(ask, "category_browse") else Weighted()


def named_categories(ask: Ask, catalogue: Catalogue) -> list[int]:
    """Codes of the category paths under a category that the text names, ascending; the longest name counts."""
    text = folded(ask.text.asked[:LONGEST_TEXT])
    words, known = text.split(), catalogue.categories.folded
    parts = {" ".join(words[start:end]) for start, end in _runs(len(words))}
    if not text.isascii():
        parts |= {text[start:end] for start, end in _runs(len(text))}
    found = [part for part in parts if part in known and (part in words or not part.isascii() or " " in part)]
    longest = [name for name in found if not any(name != other and name in other for other in found)]
    codes = (catalogue.categories.under(spelled) for name in longest for spelled in known[name])
    return sorted({code for some in codes for code in some})


def _runs(length: int) -> Iterator[tuple[int, int]]:
    """Where each run of at most ``LONGEST_NAME`` begins and ends."""
    return ((n, m) for n in range(length) for m in range(n + 1, min(n + LONGEST_NAME, length) + 1))


def product_named(text: str) -> str:
    """What a hunt for offers says of a product, normalised: the text without the words of promotions.

    >>> product_named("有什么优惠的咖啡"), product_named("Coffee on sale"), product_named("any deals today?")
    ('咖啡', 'coffee', '')
    """
    rest = _NO_PRODUCT_WORD.sub(" ", normalise(text))
    return " ".join(rest.split()) if any(character.isalpha() for character in rest) else ""


def of_product(ask: Ask, catalogue: Catalogue, rows: Rows) -> Mask:
    """Which of the rows are of the product whose offers a text hunts for, (n,) bool; all where it names none.

    By its words, or by its meaning: "咖啡" finds coffee.
    """
    if ask.text.product is None:
        return np.ones(len(rows), np.bool_)
    words = [token for token in ask.text.tokens if token not in OFFER_WORDS]
    held = catalogue.lexical.score(words, rows)
    by_words = held >= HALF * held.max(initial=0) if held.any() else np.zeros(len(rows), np.bool_)
    meant: Mask = by_words | same_meaning(ask.text.product, ask.text.unrelated, catalogue, rows)
    return meant


def _offers(ask: Ask, catalogue: Catalogue, k: int, allowed: Mask) -> Weighted:
    """The largest discounts now: of the product that the text names, else in what interests the user."""
    weight = np.where(allowed, catalogue.discount_at(ask.query.now), np.float32(0))
    if ask.text.product is not None:
        rows = _near_product(ask, catalogue, allowed)
        rows = rows[of_product(ask, catalogue, rows)]
        rows = rows[weight[rows] > 0]
        return best(rows, weight[rows], k)
    rows = near_top(weight, POOL, above=0.0)
    liked = ask.user.short if ask.user.short.any() else ask.user.long
    if liked.any() and len(rows):
        near = np.einsum("ij,j->i", catalogue.compact[rows], liked)
        return best(rows, (weight[rows] * (1 + INTEREST * np.maximum(near, 0))).astype(np.float32), k)
    return best(rows, weight[rows], k)


def _near_product(ask: Ask, catalogue: Catalogue, allowed: Mask) -> Rows:
    """Allowed rows among which those of the named product are: they hold a word of it, or are nearest in meaning."""
    words = [token for token in ask.text.tokens if token not in OFFER_WORDS]
    by_words = near_top(np.where(allowed, catalogue.lexical.scores(words, len(catalogue)), 0), POOL, above=0.0)
    if ask.text.product_compact is None:
        return by_words
    cosine = np.where(allowed, catalogue.compact @ ask.text.product_compact, np.float32(-2))
    return np.union1d(by_words, near_top(cosine, POOL, above=-1.5, slack=2 * SLACK)).astype(np.int32)


def _categories(ask: Ask, catalogue: Catalogue, k: int, allowed: Mask) -> Weighted:
    """Items of the named categories, one of each leaf category in turn, newest first."""
    codes = named_categories(ask, catalogue)
    if not codes:
        return Weighted()
    inside = np.zeros(len(catalogue.categories.paths) + 1, np.bool_)
    inside[codes] = True  # the last entry answers for code -1, none
    rows = np.flatnonzero(allowed & inside[catalogue.category]).astype(np.int32)
    rows = rows[np.argsort(-catalogue.first_time[rows], kind="stable")]
    leaf = catalogue.category[rows]
    by_leaf = np.argsort(leaf, kind="stable")
    first = np.flatnonzero(np.r_[True, leaf[by_leaf][1:] != leaf[by_leaf][:-1]]) if len(rows) else np.zeros(0, np.intp)
    turn = np.empty(len(rows), np.intp)
    turn[by_leaf] = np.arange(len(rows)) - np.repeat(first, np.diff(np.r_[first, len(rows)]))
    order = np.argsort(turn, kind="stable")[:k]
    return Weighted(rows[order], (1 / (1 + turn[order])).astype(np.float32))
