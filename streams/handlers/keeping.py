"""What is kept of an answer: the items shown, and what was known, so that it can be learnt from and explained."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.exploration.slates import ExploredPage
from models.features.registry import FEATURES_VERSION
from models.items.catalogue import Catalogue
from models.ranking.weights import INITIAL
from models.retrieval.sources.registry import SOURCES
from state.contexts import eighths
from state.impressions import RECENT, Circumstances, StoredImpression
from streamrank_client.answers import Answer
from streamrank_client.vocabulary import digest
from streams.handlers.ranking import Ranked

#: anchors that are kept
ANCHORS: Final = 8
#: candidates that are kept of those not shown, where rankers are retrained: 3.5 KB an impression
SAMPLED: Final = 20


def impression(
    ranked: Ranked, shown: ExploredPage, answer: Answer, catalogue: Catalogue, retrained: bool = False
) -> StoredImpression:
    """The impression of an answer with items; with ``explain`` it holds the candidates that were not shown as well.

    ``retrained``: it also holds a sample of them, as rankers are trained on it.
    """
    some = _sample(ranked, shown.order, answer.request_id) if retrained else np.zeros(0, np.intp)
    return StoredImpression(
        request_id=answer.request_id,
        user_id=answer.user_id or "",
        time=answer.time,
        surface=answer.surface,
        arm=answer.arm,
        text=ranked.query.text,
        items=[i.item_id for i in answer.items],
        propensities=[i.propensity for i in answer.items],
        features=ranked.features[shown.order],
        offline=ranked.offline[shown.order],
        weights_version=answer.weights_version,
        artifact=answer.artifact,
        feature_names=FEATURES_VERSION,
        experiment=answer.experiment,
        known=_known(ranked, shown.order, catalogue),
        exchange=shown.exchange.astype(np.float32) if shown.exchange.any() else None,
        sampled=_keys(ranked.candidates.rows[some], catalogue) if retrained else None,
        sampled_features=ranked.features[some],
    )


def _sample(ranked: Ranked, order: NDArray[np.intp], request_id: str) -> NDArray[np.intp]:
    """Places of ``SAMPLED`` candidates, drawn evenly by the request id from those not shown; all where they are few."""
    hidden = np.ones(len(ranked.score), np.bool_)
    hidden[order] = False
    others = np.flatnonzero(hidden)
    if len(others) <= SAMPLED:
        return others
    chance = np.random.Generator(np.random.PCG64(digest(f"sample {request_id}")))
    return others[np.sort(chance.choice(len(others), SAMPLED, replace=False))]


def _known(ranked: Ranked, order: NDArray[np.intp], catalogue: Catalogue) -> Circumstances:
    ask, weights = ranked.ask, ranked.weights
    given = dict(zip(SOURCES, ranked.candidates.given.sum(axis=0).tolist(), strict=True))
    moved = {name: added[order] for name, added in ranked.adjustments.items() if added[order].any()}
    others = np.zeros(0, np.intp)
    if ranked.query.explain:
        others = np.setdiff1d(np.arange(len(ranked.score)), order)
    return Circumstances(
        events=ask.user.events,
        short=bool(ask.user.short.any()),
        long=bool(ask.user.long.any()),
        recent=_recent(ranked, catalogue),
        anchors=_keys(ask.crowd.anchors[:ANCHORS], catalogue),
        given={name: count for name, count in given.items() if count},
        found=len(ranked.score),
        scores=ranked.score[order],
        weights=np.array([] if weights is INITIAL else [weights.weights, weights.scale], np.float32),
        adjustments=moved,
        others=_keys(ranked.candidates.rows[others], catalogue),
        other_features=ranked.features[others],
    )


def _recent(ranked: Ranked, catalogue: Catalogue) -> bytes:
    """The user's recent events on items that the catalogue holds, as records."""
    recent = ranked.ask.user.recent
    known = recent.rows >= 0
    records = np.zeros(int(known.sum()), RECENT)
    records["item"] = catalogue.keys[recent.rows[known]]
    records["age"], records["kind"] = recent.age[known], recent.kind[known]
    records["weight"] = eighths(recent.weight[known])
    return records.tobytes()


def _keys(rows: NDArray[np.int32], catalogue: Catalogue) -> bytes:
    return catalogue.keys[rows[rows >= 0]].astype("<u8").tobytes()
