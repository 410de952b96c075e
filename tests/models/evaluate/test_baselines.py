"""The baselines, against what a few lines of plain Python count."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.evaluate import pairs
from models.evaluate.baseline import TextCutters
from models.evaluate.baselines import BASELINES, Baselines
from models.evaluate.content import CONTENT, HALF_LIVES, POWERS, RECENCY, UNPRICED, Content, ContentChoice
from models.evaluate.journal import Journal
from models.evaluate.knn import REACHES, Choice, NeighbourTables, Reach
from models.evaluate.lists import Scored, placed
from models.evaluate.pairs import PairTable
from models.evaluate.popular import PopularityTable
from models.evaluate.results import Results
from models.evaluate.sample import drawn, eligible
from streamrank_client.vocabulary import DAY_MS
from tests.support.examples import at_most

TEXTS = TextCutters(str.casefold, str.split)


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=120), st.integers(1, 9))
def test_a_pair_table_counts_as_a_counter_does(found: list[tuple[int, int]], tail: int) -> None:
    """However short the unsorted tail, and however the pairs are cut."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pairs, "TAIL", tail)
        table = PairTable(7)
        for start in range(0, len(found), 5):
            part = np.array(found[start : start + 5]).reshape(-1, 2)
            table.add(part[:, 0], part[:, 1])
        anchors = np.array([5, 0, 3])
        total: Counter[tuple[int, int]] = Counter()
        for which, item, count in zip(*table.rows(anchors), strict=True):
            total[int(anchors[which]), int(item)] += int(count)
    assert total == Counter(pair for pair in found if pair[0] in (0, 3, 5))


def journals(rng: np.random.Generator, n: int = 60) -> Journal:
    """A small random journal with baskets."""
    user = rng.integers(0, 4, n)
    return Journal.of(
        user.tolist(), rng.integers(0, 6, n).tolist(), sorted(rng.integers(0, 10**7, n).tolist()),
        basket=(user * 100 + np.arange(n) // 9).tolist(),
    )  # fmt: skip


@pytest.mark.parametrize("reach", REACHES, ids=lambda reach: reach.name)
def test_a_table_counts_the_pairs_within_its_reach(reach: Reach) -> None:
    """Against a double loop over each user's events."""
    journal = journals(np.random.default_rng(4))
    knn = NeighbourTables(journal, (reach,))
    row = len(journal) - 1
    knn.advance(row)
    wanted: Counter[tuple[int, int]] = Counter()
    for late in range(row):
        for early in journal.before(late, reach.back).tolist():
            a, b = int(journal.item[early]), int(journal.item[late])
            if a == b or (reach.basket and journal.basket[early] != journal.basket[late]):
                continue
            wanted[a, b] += 1
            if reach.both_ways:
                wanted[b, a] += 1
    anchors = np.arange(6)
    found: Counter[tuple[int, int]] = Counter()
    for which, item, count in zip(*knn._tables[reach].rows(anchors), strict=True):
        found[int(which), int(item)] += int(count)
    assert found == wanted
    last = int(journal.item[journal.before(row, 1)[0]])
    plain = knn.score(Choice(reach, (0.0, 0.0), 50.0), row)  # the newest anchor alone
    assert all(
        score == pytest.approx(wanted[last, item], abs=1e-6)
        for item, score in zip(*map(np.ndarray.tolist, plain), strict=True)
    )


def test_popularity_fades_by_half_in_a_half_life_and_survives_a_long_log() -> None:
    """Ten years of days at a half-life of six hours: no overflow, and yesterday weighs a sixteenth."""
    popular = PopularityTable(2, (0.25,))
    days = np.arange(3_650) * DAY_MS
    for day in days.tolist():
        popular.add(np.array([day // DAY_MS % 2]), np.array([day]))
    weights = popular.weights(0)
    assert weights[1] / weights[0] == pytest.approx(16.0)
    assert weights[1] == pytest.approx(1 / (1 - 2.0**-8))


@at_most(60)
@given(st.integers(0, 10**6), st.booleans())
def test_the_place_in_a_list_is_that_of_a_full_sort(seed: int, backed: bool) -> None:
    """With ties, forbidden items and items that nobody scored."""
    rng = np.random.default_rng(seed)
    n = 25
    items = np.sort(rng.choice(n, 12, replace=False))
    scores, rest = rng.integers(0, 4, 12).astype(float), rng.integers(0, 3, n).astype(float)
    allowed, target = rng.random(n) < 0.7, int(rng.integers(n))
    value = np.zeros(n)
    value[items] = scores
    listed = [i for i in range(n) if allowed[i] and (backed or value[i] > 0)]
    order = sorted(listed, key=lambda i: (-value[i], -rest[i] if backed else 0, i))
    found = placed(Scored(items, scores), rest if backed else None, allowed, target)
    assert found.rank == (order.index(target) + 1 if target in order else 0)
    assert found.top.tolist() == order[:10]


def test_no_baseline_sees_the_event_that_it_is_asked_for() -> None:
    """An item that is used for the first time in the tested event is last of all."""
    journal = Journal.of(
        user=[0, 0, 0, 1, 1, 1], item=[0, 1, 2, 0, 1, 3], time=[0, 1, 2, 3, 4, 5], text=[0, 0, 0, 0, 0, 0]
    )
    results = Results.empty(np.array([5]))
    baselines = Baselines(journal, "unseen", tuple(BASELINES), TEXTS)
    baselines.run(np.array([1, 2]), results)
    assert results.ranks["popular"].tolist() == results.ranks["knn"].tolist() == [2]  # 2 is unseen too, and was bought
    assert results.ranks["query-table"].tolist() == [0]
    assert results.tops["knn"][0].tolist()[:2] == [2, 3]


def test_repeat_ranks_only_what_the_user_had() -> None:
    """And `unseen` everything else."""
    journal = Journal.of(user=[0, 0, 1, 0], item=[0, 1, 2, 0], time=[0, 1, 2, 3])
    results = Results.empty(np.array([3]))
    Baselines(journal, "repeat", ["popular"], TEXTS).run(np.array([], np.int64), results)
    assert sorted(results.tops["popular"][0].tolist())[-2:] == [0, 1]
    assert eligible(journal, "repeat").tolist() == [False, False, False, True]


def test_the_sample_is_the_seeds_and_lies_in_the_second_half() -> None:
    """Uniform, without repeats, in order."""
    ok = np.ones(1_000, np.bool_)
    one = drawn(ok, 0.5, 1.0, 100, seed=1)
    assert (one == drawn(ok, 0.5, 1.0, 100, seed=1)).all()
    assert (one != drawn(ok, 0.5, 1.0, 100, seed=2)).any()
    assert one.min() >= 500
    assert (np.diff(one) > 0).all()


def shelf() -> Journal:
    """Twelve events of three users on six items, some of which have a category, a brand or a price."""
    return Journal.of(
        user=[0, 1, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0],
        item=[0, 1, 2, 0, 3, 1, 4, 0, 5, 2, 1, 3],
        time=[n * DAY_MS // 3 for n in range(12)],
        category=[0, 0, 1, 1, -1, 0],
        brand=[0, 1, 0, -1, 1, -1],
        price=[10.0, 20.0, 0.0, 12.0, 40.0, 11.0],
    )


@pytest.mark.parametrize("reach", REACHES, ids=lambda reach: reach.name)
@pytest.mark.parametrize("nearness", [0.0, 1.0])
def test_content_is_what_its_formula_says(reach: Reach, nearness: float) -> None:
    """Against loops over items and anchors, beside a kNN's own scores."""
    journal, row = shelf(), 11
    content = Content(journal, TEXTS)
    content.choose(ContentChoice(reach, 0.3, nearness, HALF_LIVES.index(3.0)))
    content.advance(row)
    tables = NeighbourTables(journal, (reach,))
    tables.advance(row)
    together = dict(zip(*map(np.ndarray.tolist, tables.score(Choice(reach, POWERS, RECENCY), row)), strict=True))
    anchors = tables.anchors(reach, row).tolist()
    weights = [(1 + place) ** -0.5 for place in range(len(anchors))]
    weights = [weight / sum(weights) for weight in weights]
    priced = [(w, journal.price[j]) for w, j in zip(weights, anchors, strict=True) if journal.price[j]]
    usual = sum(w * np.log(price) for w, price in priced) / sum(w for w, _ in priced)
    kin = {}
    for b in range(6):
        popular = sum(0.5 ** ((10 - n) / 9) for n in range(row) if journal.item[n] == b)
        near = np.exp(-abs(np.log(journal.price[b]) - usual)) if journal.price[b] else UNPRICED
        same = sum(
            w * (int(codes[b] == codes[j]) if codes[b] >= 0 else 0)
            for w, j in zip(weights, anchors, strict=True)
            for codes in (journal.category, journal.brand)
        )
        kin[b] = same * popular * (near if nearness else 1)
    wanted = {
        b: together.get(b, 0) / max([*together.values(), 1e-30]) + 0.3 * kin[b] / max(kin.values()) for b in range(6)
    }
    found = dict(zip(*map(np.ndarray.tolist, content.score(row)), strict=True))
    assert found == pytest.approx({b: score for b, score in wanted.items() if score > 0})


def test_content_chooses_the_weight_that_puts_the_right_item_first() -> None:
    """Two users who stay on one shelf: what is alike counts, chosen from every weight; its trials say what it would
    have answered."""
    user, item = [0, 1] * 30, [n % 5 for n in range(30) for _ in range(2)]
    journal = Journal.of(user, item, [n * 1_000 for n in range(60)], category=[0, 0, 0, 0, 0])
    content = Content(journal, TEXTS)
    content.advance(40)
    allowed = np.ones(5, np.bool_)
    trials = dict(content.trials(40, allowed, int(journal.item[40])))
    assert {choice.content for choice in trials if isinstance(choice, ContentChoice)} == set(CONTENT)
    for choice, rank in list(trials.items())[::17]:
        again = Content(journal, TEXTS)
        again.choose(choice)
        again.advance(40)
        assert placed(again.score(40), None, allowed, int(journal.item[40])).rank == rank
        assert again.chosen() == str(choice)


def test_content_knows_nothing_of_a_user_without_events() -> None:
    """Then all items follow by popularity."""
    content = Content(Journal.of([0, 1], [0, 1], [0, 1], category=[0, 0]), TEXTS)
    content.advance(1)
    assert content.score(1).items.tolist() == []
