"""What events are made of: bounded texts, numbers and times, places, ranges, filters.

``Range`` refuses an interval that nothing is in:

>>> import msgspec
>>> msgspec.json.decode(b'{"price":{"min":3,"max":2}}', type=Filters)
Traceback (most recent call last):
msgspec.ValidationError: min 3 is above max 2: exchange them - at `$.price`
"""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta, Struct

from streamrank_client import limits

Id = Annotated[str, Meta(min_length=1, max_length=limits.ID_CHARACTERS)]
RuleId = Annotated[str, Meta(min_length=1, max_length=limits.RULE_ID_CHARACTERS)]
Text = Annotated[str, Meta(max_length=limits.TEXT_CHARACTERS)]
Time = Annotated[int, Meta(ge=0, le=limits.TIME_MS)]
Link = Annotated[str, Meta(min_length=1, max_length=limits.LINK_CHARACTERS)]
Price = Annotated[float, Meta(ge=0, le=limits.PRICE)]
AttributeName = Annotated[str, Meta(max_length=limits.ATTRIBUTE_NAME_CHARACTERS)]
AttributePart = Annotated[bool | float | Text, Meta(title="AttributePart", description="One of an attribute's values.")]
Attribute = Annotated[
    bool
    | float
    | Annotated[str, Meta(max_length=limits.ATTRIBUTE_CHARACTERS)]
    | Annotated[list[AttributePart], Meta(max_length=limits.ATTRIBUTE_TEXTS)],
    Meta(title="Attribute", description="What an item is in one respect."),
]
Vector = Annotated[list[float], Meta(min_length=1, max_length=limits.VECTOR_NUMBERS)]


#: Numbers that are seconds of the years 1973 to 5138; as milliseconds they lie within 1970 to 1973.
SECONDS: Final = (100_000_000, 99_999_999_999)


def refuse_seconds(field: str, time: int | None) -> None:
    """Raise ValueError, naming the field and the remedy, for a time that is in seconds.

    >>> refuse_seconds("time", 820_454_400_000)
    >>> refuse_seconds("time", 1_700_000_000)
    Traceback (most recent call last):
    ValueError: time: 1700000000 is in seconds: send milliseconds, 1700000000000
    """
    if time is not None and SECONDS[0] <= time <= SECONDS[1]:
        raise ValueError(f"{field}: {time} is in seconds: send milliseconds, {time * 1000}")


class Base(Struct, kw_only=True, tag_field="event", omit_defaults=True):
    """What every event has: the moment at which it happened, in Unix milliseconds."""

    time: Time

    def __post_init__(self) -> None:
        """Refuse a time in seconds."""
        refuse_seconds("time", self.time)


class Place(Struct):
    """A record's place in behavior-events."""

    partition: Annotated[int, Meta(ge=0, le=1_000_000)]
    offset: Annotated[int, Meta(ge=0)]


class Range(Struct, omit_defaults=True):
    """A closed interval; a missing side is open."""

    min: float | None = None
    max: float | None = None

    def __post_init__(self) -> None:
        """Refuse an interval that nothing is in."""
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min:g} is above max {self.max:g}: exchange them")


#: what an attribute may have to be: equal to a value, one of several, or a number within a range
WantedValue = Annotated[
    bool | float | Text | Annotated[list[AttributePart], Meta(max_length=limits.FILTER_VALUES)] | Range,
    Meta(title="WantedValue", description="What an attribute has to be: this, one of these, or within a range."),
]
WantedCategory = Annotated[
    Id | Annotated[list[Id], Meta(min_length=1, max_length=limits.CATEGORY_LEVELS)],
    Meta(title="WantedCategory", description="A category's name, or names from the root on."),
]


class Filters(Struct, omit_defaults=True):
    """Items must match every filter given; within a list, any of its values. An item without an attribute that is
    asked for does not match.

    Texts are compared in their normal form. A category is a name at any level, a part of a path (``Men > Shoes``), or a
    list of names from the root on, ``["Men", "Shoes"]``; so is the whole list of categories where its names are the
    beginning of an item's path.
    """

    category: Annotated[list[WantedCategory], Meta(max_length=limits.FILTER_VALUES)] | None = None
    brand: Annotated[list[Id], Meta(max_length=limits.FILTER_VALUES)] | None = None
    price: Range | None = None
    in_stock: bool | None = None
    attributes: Annotated[dict[AttributeName, WantedValue], Meta(max_length=limits.FILTERED_ATTRIBUTES)] = {}
