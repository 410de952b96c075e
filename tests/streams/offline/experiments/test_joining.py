"""Answers joined with behaviour: each event once, for the answer it names, in any order, in bounded memory."""

from __future__ import annotations

import random

import numpy as np
import pytest

from models.experiments.comparison import COLUMNS
from streamrank_client.errors import SettingsError
from streamrank_client.vocabulary import DAY_MS
from streams.offline.experiments.joining import SLACK_MS, Given, GivenItem, Join, JoinedEvent
from streams.offline.experiments.report import report

HOUR = 3_600_000
ITEMS = [GivenItem("p1"), GivenItem("p2")]


def answer(request: str = "r1", user: str | None = "u1", time: int = 0, arm: str = "control", **more: object) -> Given:
    """An answer with two items."""
    given = {"experiment": "trial", "items": ITEMS, **more}
    return Given("answer", time, request, user, arm=arm, **given)  # type: ignore[arg-type]


def act(event_id: str, kind: str = "click", item: str = "p1", time: int = 10, **more: object) -> JoinedEvent:
    """Something u1 did with an item of r1."""
    return JoinedEvent(kind, time, event_id, **{"user_id": "u1", "item_id": item, "request_id": "r1", **more})  # type: ignore[arg-type]


def join(*taken: Given | JoinedEvent, **more: int) -> Join:
    """A join, an hour wide, that took these, and is done."""
    made = Join("trial", HOUR, **more)
    for one in taken:
        if isinstance(one, Given):
            made.answer(one)
        else:
            made.event(one)
    made.flush()
    return made


def sums(made: Join, arm: str = "control") -> dict[str, float]:
    """An arm's sums over its users."""
    return dict(zip(COLUMNS, made.users[arm].sum(axis=0).tolist(), strict=True))


def test_every_kind_lands_in_its_column() -> None:
    """Clicks count one by one, and once for the answer and for each item; dwell in seconds; a view not at all."""
    made = join(
        answer(), answer("r2", time=5), act("a"), act("b"), act("c", item="p2"), act("d", "purchase"),
        act("e", "add_to_cart", "p2"), act("f", "dwell", milliseconds=2_500), act("g", "view"),
    )  # fmt: skip
    assert sums(made) == {
        "answers": 2, "items": 4, "answers_clicked": 1, "items_clicked": 2, "clicks": 3, "add_to_carts": 1,
        "purchases": 1, "dwell_seconds": 2.5,
    }  # fmt: skip
    assert len(made.users["control"]) == 1
    assert made.counted.events == 6


@pytest.mark.parametrize(
    ("event", "left_out"),
    [
        (act("x", item="p3"), "misplaced"),
        (act("x", user_id="u2"), "misplaced"),
        (act("x", time=-1), "misplaced"),
        (act("x", time=HOUR + 1), "misplaced"),
        (act("x", request_id="r9"), "unmatched"),
        (act("a"), "repeated"),
        (act("x", request_id=None), None),
    ],
)
def test_what_does_not_belong_to_the_answer_is_left_out_and_told(event: JoinedEvent, left_out: str | None) -> None:
    """Another item, user, time or request, or an event id that came before."""
    made = join(answer(), act("a"), event)
    assert sums(made)["clicks"] == 1
    told = {name: getattr(made.counted, name) for name in ("misplaced", "unmatched", "repeated")}
    assert told == {name: int(name == left_out) for name in told}


def test_the_last_moment_of_the_window_belongs_to_it() -> None:
    """As in the workers' own join."""
    assert sums(join(answer(), act("a", time=HOUR), act("b", time=0)))["clicks"] == 2


def test_answers_of_others_take_no_part() -> None:
    """Another experiment, none, nobody known, a refused query, and what is outside the dates; behaviour on them is
    no sign of anything missing."""
    made = join(
        answer("r1", time=100), answer("r2", time=100, experiment="else"), answer("r3", time=100, experiment=""),
        answer("r4", None, 100), answer("r5", time=100, error={"code": "invalid"}), answer("r6", time=99),
        answer("r7", time=200),
        *(act(f"e{n}", request_id=f"r{n}", time=300) for n in range(1, 8)), since=100, until=200,
    )  # fmt: skip
    assert sums(made)["answers"] == 1
    assert sums(made)["clicks"] == 1
    assert (made.counted.anonymous, made.counted.unmatched, made.counted.misplaced) == (1, 0, 0)
    assert (made.first, made.last) == (100, 100)


def test_an_answer_given_twice_counts_once() -> None:
    """Workers answer at least once."""
    made = join(answer(), answer(), act("a"))
    assert sums(made)["answers"] == 1
    assert made.counted.repeated == 1


def test_the_order_in_which_answers_and_events_come_does_not_matter() -> None:
    """Events before their answers wait: any shuffle of 40 answers and 300 events gives the same sums."""
    chance = random.Random(3)
    taken: list[Given | JoinedEvent] = [
        answer(f"r{n}", f"u{n % 7}", n, ("control", "other")[n % 7 % 2]) for n in range(40)
    ]
    taken += [
        act(f"e{n % 250}", chance.choice(["click", "purchase", "dwell"]), f"p{n % 3}", 50 + n,
            request_id=f"r{n % 45}", user_id=f"u{n % 45 % 7}", milliseconds=250 * n)
        for n in range(250)
    ]  # fmt: skip
    taken += taken[40:90]
    expected = join(*taken)
    for _ in range(20):
        chance.shuffle(taken)
        made = join(*taken)
        assert {arm: sums(made, arm) for arm in made.users} == {arm: sums(expected, arm) for arm in expected.users}
        assert made.counted == expected.counted
    assert expected.counted.repeated == 50


def test_memory_holds_the_window_and_the_users_only() -> None:
    """Over 400 days of a hundred answers and events a day, what is held stays below that of five days."""
    made = Join("trial", HOUR)
    for n in range(40_000):
        time = n * DAY_MS // 100
        made.answer(answer(f"r{n}", f"u{n % 50}", time))
        made.event(act(f"e{n}", time=time + 5, request_id=f"r{n}", user_id=f"u{n % 50}"))
        made.event(act(f"x{n}", time=time + 5, request_id=f"gone{n}"))
    held = (len(made._shown), len(made._waiting), len(made._ids) / 2, len(made._order) / 3)
    days = (SLACK_MS + HOUR) / DAY_MS
    assert all(days * 90 < one < 500 for one in held), held
    assert sums(made)["clicks"] == sums(made)["answers"] == 40_000
    made.flush()
    assert made.counted.unmatched == 40_000


def test_a_user_in_two_arms_is_told() -> None:
    """It means that shares or salt were changed while the experiment ran."""
    made = join(answer(), answer("r2", arm="other"), answer("r3", arm="other"), answer("r4", "u2", arm="other"))
    assert made.counted.moved == 1
    lines = report(made, "control", {"control": 0.5, "other": 0.5}).conclusion
    assert any("1 users had answers of more than one arm" in line and "--since" in line for line in lines)


def test_a_report_without_answers_or_with_unknown_arms_says_what_to_do() -> None:
    """The experiment's name, the arm and the option."""
    with pytest.raises(SettingsError, match=r"'trial'.*STREAMRANK_EXPERIMENT"):
        report(join(answer(experiment="else")), "control", None)
    with pytest.raises(SettingsError, match=r"'old'.*control, other.*--config"):
        report(join(answer(arm="old")), "control", {"control": 0.5, "other": 0.5})
    with pytest.raises(SettingsError, match=r"'base'.*control.*--control"):
        report(join(answer()), "base", None)


def test_an_arm_without_a_single_answer_is_a_sample_ratio_mismatch() -> None:
    """A worker without the arm's file shows: 60 users of one arm, none of the other; the conclusion comes first."""
    made = join(*(answer(f"r{n}", f"u{n}") for n in range(60)))
    found = report(made, "control", {"control": 0.5, "other": 0.5})
    assert found.sample_ratio is not None
    assert found.sample_ratio.alarm
    assert found.conclusion[0].startswith("SAMPLE RATIO MISMATCH: users by arm (control 60, other 0)")
    assert found.verdicts == {"other": "sample ratio mismatch"}
    assert found.totals["other"]["users"] == 0
    assert np.isfinite(found.sample_ratio.chi_square)
