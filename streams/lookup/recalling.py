"""A stored answer explained: what was known then, what each item's score is made of, and what the order hangs on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.ask import Recent
from models.base.arrays import Floats
from models.features.kernels import recent_inputs
from models.features.registry import FEATURES, FEATURES_VERSION, GROUPS, INDEX
from models.items.catalogue import Catalogue
from models.ranking.explanations import DIGITS, reasons
from models.ranking.ranker import Ranker, RankInput
from models.ranking.weights import INITIAL, INPUTS, OnlineWeights, apply, inputs_of
from models.serving import Models
from state.impressions import RECENT, Circumstances, StoredImpression
from streamrank_client.vocabulary import KINDS, key
from streams.lookup.stored_answer import ItemName, KnownThen, LeftOut, RecentItem, StoredAnswer, StoredItem

#: the line of what is not explained by the items shown
UNSEEN = "not_shown"
#: a remainder up to this is rounding
ROUNDING = 2e-5


@dataclass(frozen=True, slots=True)
class _Again:
    """The list ranked again: the k items shown come first. ``unseen`` (k,): score as served less score now."""

    ranker: Ranker
    one: RankInput
    weights: OnlineWeights
    offline: Floats
    adjustments: Mapping[str, Floats]
    reasons: list[dict[str, float]]
    unseen: NDArray[np.float64]


def recall(shown: StoredImpression, models: Models) -> StoredAnswer:
    """Explain a stored answer with the catalogue and the rankers in use.

    Where the stored features are not those of this version, or nothing was kept to explain it with, it says so in
    ``notes`` and gives what is there.
    """
    known, notes = shown.known, []
    again = None
    if known is None:
        notes.append("stored by an earlier version: only the items and their features are there; ask again")
    elif shown.features.shape[1:] != (len(FEATURES),) or shown.feature_names != FEATURES_VERSION:
        notes.append("its features are those of another version, which this one cannot read: ask again")
    else:
        again = _rank_again(shown, known, models, notes)
    served = known.scores if known is not None else shown.offline
    by_score = np.argsort(-served, kind="stable")
    return StoredAnswer(
        request_id=shown.request_id,
        user_id=shown.user_id,
        time=shown.time,
        surface=shown.surface,
        text=shown.text,
        experiment=shown.experiment,
        arm=shown.arm,
        artifact=shown.artifact,
        weights_version=shown.weights_version,
        known=_known_then(known or Circumstances(), models.catalogue),
        candidates={**known.given, "all": known.found} if known is not None else {},
        items=_items(shown, served, again, models.catalogue),
        by_score=[shown.items[place] for place in by_score.tolist()],
        left_out=_left_out(shown, again) if again is not None else [],
        notes=notes,
    )


def _rank_again(shown: StoredImpression, known: Circumstances, models: Models, notes: list[str]) -> _Again:
    rankers = [models.ranker, *models.rankers.values()]
    ranker = next((own for own in rankers if own.version == shown.artifact), models.ranker)
    if ranker.version != shown.artifact:
        notes.append(f"answered by ranker {shown.artifact}, which is in use no longer; explained by {ranker.version}")
    k, others = len(shown.items), np.frombuffer(known.others, "<u8")
    whole = k + len(others) == known.found
    if not whole:
        notes.append(
            f"ranked among {known.found}, of which the {k} shown are kept: `{UNSEEN}` is what the others changed; "
            "queries with `explain` keep them all"
        )
    one = rank_input(shown, known, models.catalogue)
    weights = _weights(known, shown.weights_version)
    offline = ranker.score([one])[0]
    if whole and np.allclose(offline[:k], shown.offline, atol=1e-3):
        offline = np.concatenate([shown.offline, offline[k:]])
    blank = np.zeros(len(others), np.float32)
    adjustments = {name: np.concatenate([values, blank]) for name, values in known.adjustments.items()}
    found = reasons(ranker, one, offline, weights, adjustments, np.arange(k))
    unseen = known.scores - np.array([sum(values.values()) for values in found])
    return _Again(ranker, one, weights, offline, adjustments, found, unseen)


def rank_input(shown: StoredImpression, known: Circumstances, catalogue: Catalogue) -> RankInput:
    """The ranker's input: the items shown, then the others that are kept; zeros where an item is gone."""
    keys = np.array([key(item) for item in shown.items], np.uint64)
    rows = catalogue.rows(np.concatenate([keys, np.frombuffer(known.others, "<u8")]))
    vectors = np.zeros((len(rows), catalogue.compact.shape[1]), np.float32)
    vectors[rows >= 0] = catalogue.compact[rows[rows >= 0]]
    other = known.other_features.reshape(-1, shown.features.shape[1])
    records = np.frombuffer(known.recent, RECENT)
    recent = Recent(
        rows=catalogue.rows(records["item"]),
        age=records["age"],
        weight=(records["weight"] / 8).astype(np.float32),
        kind=records["kind"],
    )
    remembered, weight = recent_inputs(recent, catalogue)
    return RankInput(np.concatenate([shown.features, other]), vectors, remembered, weight)


def _weights(known: Circumstances, version: int) -> OnlineWeights:
    if known.weights.shape != (2, len(INPUTS)):
        return INITIAL
    weights, scale = known.weights.tolist()
    return OnlineWeights(version=version, names=INPUTS, weights=tuple(weights), scale=tuple(scale), pairs=0)


def _known_then(known: Circumstances, catalogue: Catalogue) -> KnownThen:
    records = np.frombuffer(known.recent, RECENT)
    recent = [
        RecentItem(item.item_id, item.title, KINDS[kind].name, round(float(age)), weight / 8)
        for item, kind, age, weight in zip(
            _named(records["item"], catalogue), records["kind"], records["age"], records["weight"].tolist(), strict=True
        )
    ]
    anchors = _named(np.frombuffer(known.anchors, "<u8"), catalogue)
    return KnownThen(known.events, known.short, known.long, recent, anchors)


def _named(keys: NDArray[np.uint64], catalogue: Catalogue) -> list[ItemName]:
    rows = catalogue.rows(keys).tolist()
    return [ItemName(catalogue.ids[row], catalogue.titles[row]) if row >= 0 else ItemName("?", "") for row in rows]


def _items(shown: StoredImpression, served: Floats, again: _Again | None, catalogue: Catalogue) -> list[StoredItem]:
    found = []
    for position, (item_id, score) in enumerate(zip(shown.items, served.tolist(), strict=True)):
        why, features = {}, {}
        if again is not None:
            why = dict(again.reasons[position])
            if abs(again.unseen[position]) > ROUNDING:
                why[UNSEEN] = round(float(again.unseen[position]), DIGITS)
            values = shown.features[position].tolist()
            features = {name: round(value, DIGITS) for name, value in zip(FEATURES, values, strict=True) if value}
        row = catalogue.row(item_id)
        title = catalogue.titles[row] if row >= 0 else ""
        propensity = shown.propensities[position]
        found.append(StoredItem(position, item_id, title, round(score, DIGITS), propensity, why, features))
    return found


def _left_out(shown: StoredImpression, again: _Again) -> list[LeftOut]:
    """The order of the items shown without each group in which the list's candidates differ, the most moved first."""
    lists, groups = [], []
    mean = again.one.features.mean(axis=0, dtype=np.float64).astype(np.float32)
    for group, names in GROUPS.items():
        columns = [INDEX[name] for name in names]
        remembers = group == "interest" and bool(again.one.recent_weight.any())
        if not remembers and (again.one.features[:, columns] == mean[columns]).all():
            continue
        features = again.one.features.copy()
        features[:, columns] = mean[columns]
        weight = np.zeros_like(again.one.recent_weight) if group == "interest" else again.one.recent_weight
        lists.append(replace(again.one, features=features, recent_weight=weight))
        groups.append(group)
    k = len(shown.items)
    place = _places(_total(again, again.one, again.offline)[:k])
    found = []
    for group, one, offline in zip(groups, lists, again.ranker.score(lists), strict=True):
        without = _places(_total(again, one, offline)[:k])
        moves = {shown.items[n]: int(place[n] - without[n]) for n in range(k) if place[n] != without[n]}
        order = [shown.items[n] for n in np.argsort(without).tolist()]
        found.append(LeftOut(group, order, moves))
    return sorted(found, key=lambda one: -sum(map(abs, one.moves.values())))


def _total(again: _Again, one: RankInput, offline: Floats) -> NDArray[np.float64]:
    """Scores (n,) of the list with these features; what was not explained stays as it was."""
    total = apply(again.weights, inputs_of(one.features, offline)).astype(np.float64)
    for added in again.adjustments.values():
        total = total + added
    total[: len(again.unseen)] += np.where(np.abs(again.unseen) > ROUNDING, again.unseen, 0)
    return total


def _places(scores: NDArray[np.float64]) -> NDArray[np.intp]:
    """The place of each, best first, ties as they stand.

    >>> _places(np.array([1.0, 3.0, 3.0])).tolist()
    [2, 0, 1]
    """
    places = np.empty(len(scores), np.intp)
    places[np.argsort(-scores, kind="stable")] = np.arange(len(scores))
    return places
