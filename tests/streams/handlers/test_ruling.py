"""Rules from event to answer: records of item-events, answers that obey, pages that do not repeat."""

from __future__ import annotations

from typing import Any

import pytest

from models.exploration.explore import epsilon_swap
from models.items.catalogue import Catalogue
from models.lore.query_lore import QueryLore
from models.shop.rule_book import RuleBook, decode_rule
from models.shop.rules import Rules
from models.text.words import normalise
from streamrank_client.answers import Answer
from streamrank_client.errors import InvalidEvent
from streamrank_client.events import Item, Query, encode
from streamrank_client.fields import Filters, Range
from streamrank_client.making import checked, rule
from streamrank_client.routing import head_of, route
from streamrank_client.rules import DeleteRule, Rule
from streamrank_client.topics import topics
from streams.handlers.catalogue import ItemChanges, key_of, on_items
from streams.handlers.steps import run_on
from streams.wire.messages import Record
from tests.support.composing import Answering, reading_models
from tests.support.small_log import START, items

NOW = START + 10 * 60_000


def words(text: str) -> list[str]:
    """Words of a text; "the" is none."""
    return [word for word in normalise(text).split() if word != "the"]


def handled(*given: Item | Rule | DeleteRule | tuple[bytes, bytes | None]) -> ItemChanges:
    """The changes that events, or records of (key, value), lead to."""
    pairs = [one if isinstance(one, tuple) else (key_of(one).encode(), encode(one)) for one in given]
    records = [Record(key, value, n, NOW) for n, (key, value) in enumerate(pairs)]
    return run_on(on_items(records, -1, 0, reading_models(words), topics(prefix="x-")), {})


def made(**given: Any) -> Rule:
    """A rule; by default it hides p1."""
    whole: dict[str, Any] = {"time": NOW, "rule_id": "r1", "action": "hide", "item_ids": ["p1"]}
    return Rule(**(whole | given))


def test_a_rule_goes_to_the_rules_topic_beside_the_items() -> None:
    """Keyed by its id there; of several events of one rule in a batch the last counts."""
    changes = handled(
        made(rule_id="r1"), Item(item_id="p1", time=NOW), made(rule_id="r1", text="Red the TEA", match="words"),
        made(rule_id="r2"), DeleteRule(rule_id="r2", time=NOW), (b"rule:r3", None),
    )  # fmt: skip
    assert [(m.topic, m.key) for m in changes.messages] == [
        ("x-rules", b"r1"), ("x-catalogue", b"p1"), ("x-rules", b"r2"), ("x-rules", b"r3"),
    ]  # fmt: skip
    entry = decode_rule(changes.messages[0].value or b"")
    assert (entry.text, entry.words, entry.item_ids) == ("red the tea", ["red", "tea"], ["p1"])
    assert [m.value for m in changes.messages[2:]] == [None, None]
    assert (changes.accepted, changes.dead) == (6, [])


BROKEN: list[tuple[dict[str, Any], str]] = [
    ({"action": "pin", "item_ids": []}, "item_ids"),
    ({"action": "pin", "brand": ["Oz"]}, "brand"),
    ({"action": "pin", "category": ["tea"]}, "category"),
    ({"item_ids": []}, "item_ids"),
    ({"position": 3}, "position"),
    ({"match": "words"}, "text"),
    ({"text": "  "}, "text"),
    ({"text": "the", "match": "words"}, "text"),
    ({"valid_from": NOW, "valid_to": NOW}, "valid_to"),
    ({"position": 1_001}, "position"),
    ({"surfaces": ["shop"]}, "surfaces[0]"),
    ({"action": "praise"}, "action"),
    ({"rule_id": ""}, "rule_id"),
]


@pytest.mark.parametrize(("given", "field"), BROKEN)
def test_a_broken_rule_is_a_dead_letter_that_names_the_field(given: dict[str, Any], field: str) -> None:
    """The other records of its batch are handled."""
    changes = handled(made(**given), Item(item_id="p1", time=NOW))
    assert [letter.field for letter in changes.dead] == [field]
    assert [message.key for message in changes.messages] == [b"p1"]


@pytest.mark.parametrize(("given", "field"), [pair for pair in BROKEN if pair[0].get("text") != "the"])
def test_a_client_refuses_what_a_worker_would(given: dict[str, Any], field: str) -> None:
    """Before anything is sent; whether a word is one that is searched by, only the worker knows."""
    with pytest.raises(InvalidEvent) as caught:
        checked(made(**given))
    assert caught.value.field == field


def test_an_item_whose_id_looks_like_a_rules_key_is_refused() -> None:
    """On a compacted topic one would take the other's place."""
    (letter,) = handled(Item(item_id="rule:r1", time=NOW)).dead
    assert (letter.field, letter.code) == ("item_id", "invalid")


def test_a_rule_is_routed_by_its_own_key() -> None:
    """To item-events, so that one compacted topic holds items and rules."""
    for event in (rule("rule", rule_id="r1", action="hide", item_ids=["p1"]), rule("delete_rule", rule_id="r1")):
        routed = route(head_of(event), topics())
        assert (routed.spec.name, routed.key) == ("item-events", b"rule:r1")


# ---------------------------------------------------------------- answers


@pytest.fixture
def shop(shelf: Answering) -> Answering:
    """The shelf with an empty rule book and plain rules."""
    return shelf.with_models(rule_book=RuleBook())


def answer(shop: Answering, **given: Any) -> Answer:
    """The answer to one query."""
    whole: dict[str, Any] = {"time": NOW, "request_id": "r1", "user_id": "u1"}
    return shop.answer(Query(**(whole | given)))


def department(shop: Answering, item: str) -> str:
    """The category of the first level that an item is in."""
    catalogue = shop.models.catalogue
    name: str = catalogue.categories.paths[catalogue.category[catalogue.row(item)]][0]
    return name


def ids(shop: Answering, **given: Any) -> list[str]:
    """The items of that answer."""
    return [item.item_id for item in answer(shop, **given).items]


def test_a_pinned_item_stands_at_its_place_though_no_source_found_it(shop: Answering) -> None:
    """With source "rule" and propensity 1, on the surfaces and for the text that the rule names."""
    far = next(i for i in ids(shop, text="milk", limit=100)[::-1])
    shop.take(made(action="pin", item_ids=[far], position=2, surfaces=["search"], text="MILK"))
    found = answer(shop, text=" milk ", limit=5).items
    assert (found[2].item_id, found[2].propensity) == (far, 1.0)
    assert found[2].sources[0] == "rule"
    assert all("rule" not in item.sources for n, item in enumerate(found) if n != 2)
    others: list[dict[str, Any]] = [{"text": "milk bread"}, {}, {"item_id": "p3"}]
    for other in others:
        assert not any("rule" in item.sources for item in answer(shop, **other).items)


def test_a_pinned_item_stays_where_it_is_while_others_are_explored(shop: Answering) -> None:
    """Whatever the chance, and its propensity says so."""
    shop.take(made(action="pin", item_ids=["p7"], position=1))
    shop = shop.with_plan(policy=epsilon_swap(1.0))
    for n in range(20):
        found = answer(shop, limit=4, request_id=f"r{n}").items
        assert (found[1].item_id, found[1].propensity) == ("p7", 1.0)


def test_a_pin_obeys_filters_exclusions_and_stock(shop: Answering) -> None:
    """It is a wish for a place, not a pass."""
    shop.take(made(action="pin", item_ids=["p7", "p8"]))
    category = department(shop, "p8")
    assert ids(shop)[:2] == ["p7", "p8"]
    assert "p7" not in ids(shop, exclude=["p7"], limit=100)
    assert ids(shop, exclude=["p7"])[0] == "p8"
    only = ids(shop, filters=Filters(category=[category]), limit=100)
    assert only[0] == "p8"
    assert {department(shop, item) for item in only} == {category}


def test_a_hidden_item_is_never_shown_and_a_buried_one_stands_last(shop: Answering) -> None:
    """On every surface; a hidden one even when it is pinned or the caller's own candidate."""
    before = ids(shop, text="milk", limit=100)
    shop.take(
        made(item_ids=before[:1]), made(rule_id="r2", action="bury", item_ids=before[1:2]),
        made(rule_id="r3", action="pin", item_ids=before[:1]),
    )  # fmt: skip
    after = ids(shop, text="milk", limit=100)
    assert before[0] not in after
    assert after[-1] == before[1]
    assert ids(shop, candidates=before[:4])[-1] == before[1]
    assert before[0] not in ids(shop, candidates=before[:4])
    shop.take(DeleteRule(rule_id="r1", time=NOW), DeleteRule(rule_id="r2", time=NOW))
    assert ids(shop, text="milk", limit=100)[0] == before[0]


def test_a_rule_holds_from_and_until_its_moments_in_the_querys_time(shop: Answering) -> None:
    """The first is included, the last is not."""
    last = ids(shop)[-1]
    shop.take(made(action="pin", item_ids=[last], valid_from=NOW, valid_to=NOW + 5))
    pinned = [ids(shop, time=NOW + after)[0] == last for after in (-1, 0, 4, 5)]
    assert pinned == [False, True, True, False]


@pytest.mark.parametrize("fields", [{"text": "milk"}, {}, {"item_id": "p3"}, {"cart": ["p1"]}])
@pytest.mark.parametrize("epsilon", [0.0, 1.0])
def test_page_two_repeats_nothing_of_page_one(shop: Answering, fields: dict[str, Any], epsilon: float) -> None:
    """With pins, shares, variety and exploration all at once, when page two names page one."""
    rules = Rules(per_brand=(("home", 1), ("search", 1)), diversity=(("home", 0.4), ("search", 0.4)))
    shop = shop.with_plan(policy=epsilon_swap(epsilon), rules=rules)
    shop.take(made(action="pin", item_ids=["p7", "p9"], position=3), made(rule_id="r2", action="bury", item_ids=["p5"]))
    for n in range(4):
        pages = [
            ids(shop, limit=4, offset=4 * page, request_id=f"q{n}-{page}", page_of=f"q{n}-0", **fields)
            for page in range(4)
        ]
        shown = [item for page in pages for item in page]
        assert len(shown) == len(set(shown))
        assert len(pages[0]) == len(pages[1]) == 4
        assert pages[0][3] == "p7"
        if not epsilon:
            assert pages[1][0] == "p9"


def test_a_page_beyond_the_candidates_is_short_or_empty(shop: Answering) -> None:
    """It is an answer like any other."""
    whole = ids(shop, text="milk", limit=100)
    assert ids(shop, text="milk", limit=100, offset=len(whole) - 2) == whole[-2:]
    assert ids(shop, text="milk", offset=1_000) == []


def test_filters_on_attributes_hold_in_every_answer(shop: Answering) -> None:
    """Equal, one of, a range; an unknown name matches nothing."""
    extra = [
        Item(item_id=f"a{n}", time=START, title=f"milk mug {n}", attributes={"size": n, "colour": colour})
        for n, colour in enumerate(["Red", "blue"] * 3)
    ]
    shop = shop.with_models(catalogue=Catalogue(), lore=QueryLore())
    shop.take(*items(), *extra)
    for wanted, expected in (
        ({"size": Range(min=2, max=4)}, {"a2", "a3", "a4"}), ({"colour": "RED"}, {"a0", "a2", "a4"}),
        ({"colour": ["red", "green"], "size": Range(max=1)}, {"a0"}), ({"size": [1, 5.0]}, {"a1", "a5"}),
        ({"weight": 1}, set()),
    ):  # fmt: skip
        found = ids(shop, text="milk mug", limit=100, filters=Filters(attributes=wanted))  # type: ignore[arg-type]
        assert set(found) == expected
