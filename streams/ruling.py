"""Rule events: their keys, what is wrong with one, and what query workers are told of it.

>>> rule = Rule(time=0, rule_id="r1", action="pin", item_ids=["p1"], text="Red  Tea", match="words")
>>> rule_key(rule.rule_id), check_rule(rule)
('rule:r1', None)
>>> entry = rule_entry(rule, lambda text: text.lower().split())
>>> entry.text, entry.words
('red tea', ['red', 'tea'])
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from models.rule_book import RuleEntry
from models.words import normalise
from streams.errors import InvalidEvent
from streams.events import Rule

#: begins the key of a rule's record, so that a compacted topic keeps items and rules apart; no item id begins so
RULE_KEY: Final = "rule:"


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
    if rule.text and not normalise(rule.text):
        raise InvalidEvent("invalid", "text", f"{rule.text!r} is blank: give a text, or leave it out for all queries")
    if rule.valid_from is not None and rule.valid_to is not None and rule.valid_from >= rule.valid_to:
        raise InvalidEvent("invalid", "valid_to", f"{rule.valid_to} is not after valid_from, {rule.valid_from}")


def rule_entry(rule: Rule, tokens: Callable[[str], list[str]]) -> RuleEntry:
    """The rule as query workers hold it; ``tokens`` cuts words as queries are cut.

    Raises InvalidEvent when it is to match by words and its text holds none that a search would use.
    """
    words = sorted(set(tokens(rule.text))) if rule.match == "words" else []
    if rule.match == "words" and not words:
        raise InvalidEvent("invalid", "text", f"{rule.text!r} holds no word that is searched by: match it as a whole")
    return RuleEntry(
        rule_id=rule.rule_id,
        action=rule.action,
        item_ids=rule.item_ids,
        category=rule.category,
        brand=rule.brand,
        surfaces=list(rule.surfaces),
        text=normalise(rule.text),
        words=words,
        position=rule.position,
        valid_from=rule.valid_from,
        valid_to=rule.valid_to,
    )
