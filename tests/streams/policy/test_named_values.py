"""Settings that differ by name, and the rules made of them."""

from __future__ import annotations

import pytest

from models.shop.rules import Rules
from streamrank_client.errors import SettingsError
from streams.policy.plans import plan_of
from streams.settings import Settings


def test_the_settings_make_the_rules() -> None:
    """Days become seconds; a default holds on home, similar and cart, other surfaces only by name."""
    given = Settings(repeat_days="1,food=0", per_brand="2,search=5", per_category="home=3", diversity="0.25,home=0")
    assert plan_of(given).rules == Rules(
        repeat_after=86_400.0,
        repeat_by_category=(("food", 0.0),),
        per_brand=(("home", 2), ("similar", 2), ("cart", 2), ("search", 5)),
        per_category=(("home", 3), ("similar", 0), ("cart", 0)),
        diversity=(("home", 0.0), ("similar", 0.25), ("cart", 0.25)),
        dislike_ms=90 * 86_400_000,
    )


@pytest.mark.parametrize(
    ("setting", "text", "words"),
    [
        ("repeat_days", "food", "'food': expected a number"),
        ("repeat_days", "0,food=-1", "'food=-1': expected a number of 0 or more"),
        ("repeat_days", "1,2", "'2': given twice"),
        ("repeat_days", "food=1,food=2", "'food=2': given twice"),
        ("repeat_days", "=3", "no name before"),
        ("repeat_days", "inf", "expected a number of 0 or more"),
        ("per_brand", "1.5", "expected a whole number"),
        ("per_category", "hom=2", "'hom' is none of search, home"),
        ("diversity", "home=1.5", "from 0 to 1"),
        ("diversity", "nan", "from 0 to 1"),
    ],
)
def test_a_wrong_part_is_named(setting: str, text: str, words: str) -> None:
    """With the variable and what would be right."""
    with pytest.raises(SettingsError) as caught:
        plan_of(Settings(**{setting: text}))  # type: ignore[arg-type]
    assert f"STREAMRANK_{setting.upper()}={text!r}" in str(caught.value)
    assert words in str(caught.value)
