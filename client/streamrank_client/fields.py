"""What events are made of: bounded texts, numbers and times, places, ranges, filters.

``Range`` refuses an interval that nothing is in:

>>> import msgspec
>>> msgspec.json.decode(b'{"price":{"min":3,"max":2}}', type=Filters)
Traceback (most recent call last):
msgspec.ValidationError: min 3 is above max 2: exchange them - at `$.price`
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from streamrank_client import limits

Id = Annotated[str, Meta(min_length=1, max_length=limits.ID_CHARACTERS)]
RuleId = Annotated[str, Meta(min_length=1, max_length=limits.RULE_ID_CHARACTERS)]
Text = Annotated[str, Meta(max_length=limits.TEXT_CHARACTERS)]
Time = Annotated[int, Meta(ge=0, le=limits.TIME_MS)]
Price = Annotated[float, Meta(ge=0, le=limits.PRICE)]
AttributeName = Annotated[str, Meta(max_length=limits.ATTRIBUTE_NAME_CHARACTERS)]
Attribute = (
    bool
    | float
    | Annotated[str, Meta(max_length=limits.ATTRIBUTE_CHARACTERS)]
    | Annotated[list[Text], Meta(max_length=limits.ATTRIBUTE_TEXTS)]
)
Vector = Annotated[list[float], Meta(min_length=1, max_length=limits.VECTOR_NUMBERS)]


class Base(Struct, kw_only=True, tag_field="event", omit_defaults=True):
    """What every event has: the moment at which it happened, in Unix milliseconds."""

    time: Time


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
WantedValue = bool | float | Text | Annotated[list[bool | float | Text], Meta(max_length=limits.FILTER_VALUES)] | Range


class Filters(Struct, omit_defaults=True):
    """Items must match every filter given; within a list, any of its values. An item without an attribute that is
    asked for does not match.
    """

    category: Annotated[list[Id], Meta(max_length=limits.FILTER_VALUES)] | None = None
    brand: Annotated[list[Id], Meta(max_length=limits.FILTER_VALUES)] | None = None
    price: Range | None = None
    in_stock: bool | None = None
    attributes: Annotated[dict[AttributeName, WantedValue], Meta(max_length=limits.FILTERED_ATTRIBUTES)] = {}
