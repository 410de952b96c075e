"""The shop's rules as query workers are told of them.

>>> rule = Rule(time=0, rule_id="r1", action="pin", item_ids=["p1"], text="Red  Tea", match="words")
>>> entry = rule_entry(rule, lambda text: text.lower().split())
>>> entry.text, entry.words
('red tea', ['red', 'tea'])
"""

from __future__ import annotations

from collections.abc import Callable

from models.shop.rule_book import RuleEntry
from models.text.words import normalise
from streamrank_client.errors import InvalidEvent
from streamrank_client.rules import Rule, check_rule


def rule_entry(rule: Rule, tokens: Callable[[str], list[str]]) -> RuleEntry:
    """The rule as query workers hold it; ``tokens`` cuts words as queries are cut.

    Raises InvalidEvent as ``check_rule`` does, and when it is to match by words and its text holds none that a search
    would use.
    """
    check_rule(rule)
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
