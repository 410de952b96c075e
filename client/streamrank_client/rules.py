"""The shop's rules by hand as events, and what is wrong with one before anything is searched.

>>> rule = Rule(time=0, rule_id="r1", action="pin", item_ids=["p1"], text="red tea", match="words")
>>> rule_key(rule.rule_id), check_rule(rule)
('rule:r1', None)
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from streamrank_client import limits
from streamrank_client.errors import InvalidEvent
from streamrank_client.fields import Base, Id, RuleId, Text, Time, refuse_seconds
from streamrank_client.vocabulary import RULE_KEY, SURFACES, Surface

__all__ = ["DeleteRule", "Rule", "check_rule", "rule_key"]

RuleAction = Literal["pin", "bury", "hide"]
#: Which queries a rule's text is for: those of the same text, or those with all its words.
RuleMatch = Literal["equal", "words"]


class Rule(Base, tag="rule", kw_only=True):
    """The shop pins items to places, buries items behind all others, or hides them; a later rule of its id replaces
    it. Its record's key is ``rule:`` and the ``rule_id``.

    It holds on its ``surfaces`` (none: all), for queries whose text is ``text`` or, with ``match`` "words", has all
    its words (no text: all queries), from ``valid_from`` until ``valid_to`` in the query's time. ``pin`` takes
    ``item_ids``, shown from ``position`` on; ``bury`` and ``hide`` take categories and brands as well.
    """

    rule_id: RuleId
    action: RuleAction
    item_ids: Annotated[list[Id], Meta(max_length=limits.RULE_ITEMS)] = []
    category: Annotated[list[Id], Meta(max_length=limits.RULE_GROUPS)] = []
    brand: Annotated[list[Id], Meta(max_length=limits.RULE_GROUPS)] = []
    surfaces: Annotated[list[Surface], Meta(max_length=len(SURFACES))] = []
    text: Text = ""
    match: RuleMatch = "equal"
    position: Annotated[int, Meta(ge=0, le=limits.RULE_POSITION)] = 0
    valid_from: Time | None = None
    valid_to: Time | None = None

    def __post_init__(self) -> None:
        """Refuse times in seconds."""
        for field in ("time", "valid_from", "valid_to"):
            refuse_seconds(field, getattr(self, field))


class DeleteRule(Base, tag="delete_rule", kw_only=True):
    """A rule that holds no longer; the same as a tombstone with its key."""

    rule_id: RuleId


def rule_key(rule_id: str) -> str:
    """The key of a rule's records on item-events."""
    return RULE_KEY + rule_id


def check_rule(rule: Rule) -> None:
    """Raise InvalidEvent, naming the field, for a rule that could never do anything or contradicts itself."""
    if rule.action == "pin":
        if not rule.item_ids:
            raise InvalidEvent("missing", "item_ids", "a pin needs the items to show: name at least one")
        for field in ("category", "brand"):
            if getattr(rule, field):
                raise InvalidEvent("invalid", field, "a pin takes item_ids only: leave it out, or bury or hide")
    elif not (rule.item_ids or rule.category or rule.brand):
        raise InvalidEvent("missing", "item_ids", f"nothing to {rule.action}: name items, categories or brands")
    elif rule.position:
        raise InvalidEvent("invalid", "position", f"only a pin has one, not {rule.action!r}: leave it out")
    if rule.match == "words" and not rule.text:
        raise InvalidEvent("missing", "text", 'match is "words", of no text: give a text, or leave match out')
    if rule.text and not rule.text.strip():
        raise InvalidEvent("invalid", "text", f"{rule.text!r} is blank: give a text, or leave it out for all queries")
    if rule.valid_from is not None and rule.valid_to is not None and rule.valid_from >= rule.valid_to:
        raise InvalidEvent("invalid", "valid_to", f"{rule.valid_to} is not after valid_from, {rule.valid_from}")
