"""The words that cross every border, each spelled once: surfaces, kinds of behaviour, dimensions, ids, units of time.

The lowest room of the house: it imports nothing of ours and no Kafka, and everything else may import it.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, get_args

from xxhash import xxh3_64_intdigest

# ---------------------------------------------------------------- surfaces
#: Where an answer is shown.
Surface = Literal["search", "home", "similar", "cart", "rerank"]
#: In the order in which surfaces are listed everywhere.
SURFACES: Final[tuple[Surface, ...]] = get_args(Surface)
#: Orders in which a query may ask for all that matches: cheapest, dearest, newest or best rated first.
Sort = Literal["price", "price_desc", "newest", "rating"]
SORTS: Final[tuple[Sort, ...]] = get_args(Sort)
#: Surfaces that find items themselves; ``rerank`` is given its candidates.
FINDING: Final[tuple[Surface, ...]] = ("search", "home", "similar", "cart")
#: Surfaces that nobody asked anything on: the shop recommends by itself.
UNASKED: Final[tuple[Surface, ...]] = ("home", "similar", "cart")


# ---------------------------------------------------------------- kinds of behaviour
class Kind(NamedTuple):
    """A kind of behaviour: ``name`` on the wire, and what one event of it counts.

    ``interest``: what it adds to its user's interest; ``popularity``: to the item's popularity; ``feedback``: how much
    it says that the item was the right answer (0: nothing). A ``valued`` kind carries a number (stars, milliseconds)
    that decides interest and popularity instead. ``en`` and ``zh``: what the user did, as the middle of a sentence,
    after "you" and after 你; nothing is said of a kind without them.
    """

    name: str
    interest: float = 0.0
    popularity: float = 0.0
    feedback: float = 0.0
    valued: bool = False
    en: str = ""
    zh: str = ""


#: All kinds; a kind's code is its place here, and codes are stored: only append.
KINDS: Final = (
    Kind("impression"),
    Kind("view", interest=1, popularity=1, en="looked at", zh="看过"),
    Kind("click", interest=2, popularity=2, feedback=1, en="clicked", zh="点过"),
    Kind("add_to_cart", interest=3, popularity=3, feedback=1.5, en="put in your basket", zh="放进过购物车"),
    Kind("purchase", interest=5, popularity=5, feedback=2, en="bought", zh="买过"),
    Kind("rating", valued=True, en="rated", zh="评过分"),
    Kind("dislike", interest=-4),
    Kind("dwell", valued=True, en="looked at", zh="看过"),
)
#: From a kind's name to its code.
CODE: Final = {kind.name: code for code, kind in enumerate(KINDS)}
IMPRESSION: Final = CODE["impression"]
VIEW: Final = CODE["view"]
CLICK: Final = CODE["click"]
ADD_TO_CART: Final = CODE["add_to_cart"]
PURCHASE: Final = CODE["purchase"]
RATING: Final = CODE["rating"]
DISLIKE: Final = CODE["dislike"]
DWELL: Final = CODE["dwell"]


def rating_interest(stars: float) -> float:
    """Interest that a rating shows: 2.5 stars are neutral, 5 show as much as a purchase.

    >>> rating_interest(5.0), rating_interest(2.5), rating_interest(0.0)
    (5.0, 0.0, -5.0)
    """
    return 2 * (stars - 2.5)


def dwell_interest(milliseconds: int) -> float:
    """Interest that a stay shows: half a minute as much as a view, a minute or more twice that.

    >>> dwell_interest(30_000), dwell_interest(600_000)
    (1.0, 2.0)
    """
    return min(milliseconds / 30_000, 2.0)


# ---------------------------------------------------------------- dimensions
#: Numbers of a title's vector, and of its projection, by which everything is searched and every interest is kept.
WIDE: Final = 512
COMPACT: Final = 64
#: The encoder of streamrank 0.1, whose vectors do not name it.
FIRST_ENCODER: Final = "b801d2b1ea5c"

# ---------------------------------------------------------------- units of time
MINUTE_S: Final = 60
HOUR_S: Final = 60 * MINUTE_S
DAY_S: Final = 24 * HOUR_S
MINUTE_MS: Final = 1_000 * MINUTE_S
HOUR_MS: Final = 1_000 * HOUR_S
DAY_MS: Final = 1_000 * DAY_S

#: Half-lives of an item's popularity, in days, in the order in which they are stored: six hours came last.
POPULARITY_DAYS: Final = (1.0, 7.0, 30.0, 180.0, 0.25)

# ---------------------------------------------------------------- ids and keys
#: Begins the key of a rule's record, so that the compacted topic keeps items and rules apart; no item id begins so.
RULE_KEY: Final = "rule:"


def digest(data: str | bytes) -> int:
    """A stable u64 of a text (as UTF-8) or of bytes: xxh3. It chooses arms and seeds what is random in an answer.

    >>> digest("r1") == digest(b"r1")
    True
    """
    return xxh3_64_intdigest(data.encode() if isinstance(data, str) else data)


def key(text: str) -> int:
    """The u64 key of an item id, an event id or a query text: its digest, but never 0, which marks an empty slot.

    >>> key("p1") == key("p1") != key("p2")
    True
    """
    return xxh3_64_intdigest(text.encode()) or 1


def event_key(event_id: str, kind: str, user_id: str, item_id: str) -> int:
    """The u64 key by which a behaviour event is counted once: lines of an order may share an ``event_id``.

    >>> event_key("o7", "purchase", "u1", "p1") != event_key("o7", "purchase", "u1", "p2")
    True
    """
    return key(f"{event_id}\x1f{kind}\x1f{user_id}\x1f{item_id}")


def path_key(path: tuple[str, ...]) -> int:
    """The u64 key of a category path, root first.

    >>> path_key(("food", "tea")) != path_key(("food tea",))
    True
    """
    return key("\x1f".join(path))
