"""The names and groups of the ranker's features.

``explain`` shows them to users; artifacts depend on their order.
"""

from __future__ import annotations

from typing import Final

#: Goes up when a feature is renamed or computed differently: a ranker of another version refuses. One that is
#: added changes nothing for a ranker that does not know it: an artifact names the features that it takes.
FEATURES_VERSION: Final = "2"

#: The retrieval sources, in the order of a candidate's scores.
SOURCES: Final = (
    "query_clicks",
    "covisits",
    "context",
    "semantic",
    "lexical",
    "trending",
    "covisits_wide",
    "image",
    "query_neighbours",
    "trending_category",
    "popular",
    "repurchase",
    "new_arrivals",
    "tower",
    "covisits_basket",
)

#: Each group is one line of an explanation; a feature stands in exactly one. A source's score is a group of its
#: own, of the source's name.
GROUPS: Final[dict[str, tuple[str, ...]]] = {
    # chosen by others after this query
    "query_clicks": ("query_clicks",),
    # what follows, or goes with, the user's last items
    "covisits": ("covisits",),
    "neighbours": (
        "after_newest",
        "after_newest_2",
        "after_newest_5",
        "after_strength",
        "together_newest",
        "together_basket",
        "after_basket",
        "basket_cosine",
        "wide_newest",
        "wide_cosine",
        "wide_strength",
        "after_above_quarter",
        "after_above_one",
        "after_above_four",
        "wide_above_quarter",
        "wide_above_one",
        "wide_above_four",
        "basket_above_quarter",
        "basket_above_one",
        "basket_above_four",
    ),
    # what goes with the user's history
    "covisits_wide": ("covisits_wide",),
    # how like the item is to what the user looked at
    "context": ("context",),
    "interest": ("like_short_interest", "like_long_interest", "like_newest", "like_newest_5"),
    # meaning and words of the query
    "semantic": ("semantic",),
    "meaning": ("like_text",),
    "lexical": ("lexical",),
    # how much it is asked for at the moment
    "trending": ("trending",),
    "trending_category": ("trending_category",),
    "popular": ("popular",),
    # what the user buys again and again
    "repurchase": ("repurchase",),
    "rhythm": ("bought_days", "due"),
    "new_arrivals": ("new_arrivals",),
    "popularity": ("popularity_1_day", "popularity_7_days", "popularity_30_days", "popularity_180_days"),
    # what became of it so far
    "track_record": ("views", "clicks", "carts", "purchases", "click_rate", "purchase_rate", "rating"),
    # what this user did with this very item
    "own_history": ("own_events", "own_events_hour", "own_weight", "own_recency", "own_purchases"),
    "category": ("category_share", "department_share", "category_basket_share"),
    "brand": ("brand_share",),
    "price": ("price", "price_to_usual", "price_distance", "discount", "promotion_hunt"),
    "newness": ("age", "idle", "is_new"),
    # the same for all candidates of a list: they tell the network which case it has before it
    "situation": ("user_events", "basket_size", "has_text", "text_words"),
    # what it looks like
    "image": ("image",),
    "looks": ("like_image_newest",),
    # chosen by others after queries like this one
    "query_neighbours": ("query_neighbours",),
    # near the user's items in the item tower
    "tower": ("tower",),
    "tower_likeness": ("like_tower_newest",),
    # what goes into one basket with what is in it
    "covisits_basket": ("covisits_basket",),
}

FEATURES: Final = tuple(name for group in GROUPS.values() for name in group)
INDEX: Final = {name: place for place, name in enumerate(FEATURES)}

#: What each feature is, one line, for ``explain`` and the documentation.
MEANING: Final[dict[str, str]] = {
    "query_clicks": "score of the source query_clicks: chosen after this query",
    "covisits": "score of the source covisits",
    "after_newest": "share of what followed the user's newest item that was this item",
    "after_newest_2": "the same, summed over the newest 2 items",
    "after_newest_5": "the same, summed over the newest 5 items",
    "after_strength": "decayed number of times this item followed one of the newest 5",
    "together_newest": "share of what was used within an hour of the newest item that was this item",
    "together_basket": "the same, mean over the basket (items of the last hour, or of the cart)",
    "after_basket": "share of what followed that was this item, mean over the basket",
    "basket_cosine": "cosine of the item's use within an hour with that of the basket's items, summed",
    "covisits_wide": "score of the source covisits_wide: goes with the user's last 20 items",
    "wide_newest": "the same per root of the item's own events, the n-th newest of the user's items counting 1 / n",
    "wide_cosine": "the same, all of the user's items counting alike",
    "wide_strength": "log of the decayed number of times this item went with one of them",
    "after_above_quarter": "what followed the newest 5, less a quarter of a hundredth of all that followed each",
    "after_above_one": "the same, less a hundredth",
    "after_above_four": "the same, less four hundredths",
    "wide_above_quarter": "what went with the user's items, less a quarter of a hundredth of all that went with each",
    "wide_above_one": "the same, less a hundredth",
    "wide_above_four": "the same, less four hundredths",
    "basket_above_quarter": "share of what went with the basket's items, less a quarter of a hundredth for each",
    "basket_above_one": "the same, less a hundredth",
    "basket_above_four": "the same, less four hundredths",
    "context": "score of the source context: near the user's interest",
    "like_short_interest": "cosine with the user's interest of the last hours",
    "like_long_interest": "cosine with the user's interest of the last weeks",
    "like_newest": "cosine with the user's newest item",
    "like_newest_5": "cosine with the mean of the user's newest 5 items",
    "semantic": "score of the source semantic: near the query's meaning",
    "like_text": "cosine with the query's compact vector",
    "lexical": "score of the source lexical: shares the query's words",
    "trending": "score of the source trending",
    "trending_category": "score of the source trending_category: popular in the user's categories",
    "popular": "score of the source popular: popular over the last half year",
    "popularity_1_day": "weight of events on the item, half-life 1 day",
    "popularity_7_days": "weight of events on the item, half-life 7 days",
    "popularity_30_days": "weight of events on the item, half-life 30 days",
    "popularity_180_days": "weight of events on the item, half-life 180 days",
    "views": "log of the number of views",
    "clicks": "log of the number of clicks",
    "carts": "log of the number of times put in a basket",
    "purchases": "log of the number of purchases",
    "click_rate": "clicks per impression, smoothed",
    "purchase_rate": "purchases per event, smoothed",
    "rating": "mean rating (0 to 5), smoothed",
    "own_events": "number of the user's recent events on the item",
    "own_events_hour": "the same, in the last hour",
    "own_weight": "weight of the user's recent events on the item",
    "own_recency": "how lately the user did something with the item: 1 now, 0.5 after an hour, 0 never",
    "own_purchases": "number of the user's recent purchases of the item",
    "category_share": "share of the user's recent items in the item's category",
    "department_share": "share of the user's recent items in the item's topmost category",
    "category_basket_share": "share of the basket in the item's category",
    "brand_share": "share of the user's recent items of the item's brand",
    "price": "log of the price",
    "price_to_usual": "log of the price over the median price of the user's recent items",
    "price_distance": "how far it is from that median, either way",
    "discount": "1 - price / list price",
    "promotion_hunt": "discount, times the probability that the query asks for promotions",
    "repurchase": "score of the source repurchase: purchases expected a day",
    "bought_days": "log of the number of days on which the user bought the item",
    "due": "days since the user last bought it over the mean gap between purchases, at most 4",
    "new_arrivals": "score of the source new_arrivals: new, and near what is asked for or liked",
    "is_new": "1 for an item of the last days that few have seen",
    "age": "log of the item's age in days",
    "idle": "log of the days since anyone did anything with the item",
    "user_events": "log of the number of the user's events",
    "basket_size": "log of the number of items of the user in the last hour",
    "has_text": "1 when the query has a text",
    "text_words": "log of the number of words of the query",
    "query_neighbours": "score of the source query_neighbours: chosen after queries like this one",
    "image": "score of the source image: looks like what was asked for",
    "like_image_newest": "cosine of its image with that of the user's newest item that has one",
    "tower": "score of the source tower: near the user's recent items in the item tower",
    "like_tower_newest": "cosine of its item tower vector with that of the user's newest item",
    "covisits_basket": "score of the source covisits_basket: goes into one basket with what is in it",
}
