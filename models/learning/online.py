"""The online ranker: a narrow linear layer over the offline score, learnt from every click (River).

It sees a few inputs of each shown item: the sources' scores and the offline ranker's score. A click says that the
clicked item was better than the others that were shown. Each such pair is a step of River's logistic regression on
the difference of the two inputs, all steps of a click together as long as one. Inputs are divided by their scale
and not centred: in a difference the mean falls out, and a mean that moves would make yesterday's weights wrong.

The offline score's weight starts at 1 and all others at 0, so that before the first click the order is the
offline ranker's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
from river import linear_model, optim

from models.base.arrays import Doubles
from models.base.errors import StateError
from models.learning.pairwise import FeedbackError, PairwiseFeedback, skipped_positions
from models.ranking.weights import INITIAL, INPUTS, OFFLINE, OnlineWeights, apply, contributions, scaled

__all__ = [
    "INITIAL",
    "INPUTS",
    "FeedbackError",
    "OnlineRanker",
    "OnlineWeights",
    "PairwiseFeedback",
    "StateError",
    "apply",
    "contributions",
    "skipped_positions",
]

#: Scales begin at 1 as if so many rows had been seen, so that the first ones do not decide alone.
PRIOR_ROWS: Final = 50.0
#: No smaller scale is divided by: a source that is always silent keeps a scale that means something.
LEAST_SCALE: Final = 1e-3
LAYOUT: Final = "1"


class _State(msgspec.Struct, frozen=True, kw_only=True):
    layout: str
    names: tuple[str, ...]
    learning_rate: float
    version: int
    pairs: int
    steps: int
    rows: float
    squares: tuple[float, ...]
    weights: tuple[float, ...]


class OnlineRanker:
    """The one trainer's model; ``learning_rate`` is the step of the stochastic gradient descent.

    >>> ranker = OnlineRanker(learning_rate=0.1)
    >>> liked, passed = np.zeros(len(INPUTS), np.float32), np.zeros((1, len(INPUTS)), np.float32)
    >>> liked[INPUTS.index("lexical")] = 1.0
    >>> ranker.learn(PairwiseFeedback(liked, passed)), ranker.export().weights[4] > 0
    (1, True)
    """

    def __init__(self, learning_rate: float = 0.02) -> None:
        self.learning_rate = learning_rate
        self.version = 0
        self.pairs = 0
        self._rows = PRIOR_ROWS
        self._squares: Doubles = np.full(len(INPUTS), PRIOR_ROWS)
        self._model = _model(learning_rate, INITIAL.weights, 0)

    def learn(self, feedback: PairwiseFeedback) -> int:
        """Take one step for each passed-over item, all together as long as one; returns how many.

        A choice at the bottom of a list has many pairs, and they agree with each other: with whole steps one such
        click turned the offline score's weight round, and the order with it (docs/quality.md).

        Raises ``FeedbackError`` (and learns nothing) when the shapes are wrong or a number is not finite.
        """
        clicked, skipped = _checked(feedback)
        for row in (clicked, *skipped):
            self._squares += np.square(row)
        self._rows += 1 + len(skipped)
        scale = self._scale()
        for difference in scaled(clicked, scale) - scaled(skipped, scale):
            x = dict(zip(INPUTS, difference.tolist(), strict=True))
            self._model.learn_one(x, True, w=float(feedback.weight) / len(skipped))
        self.pairs += len(skipped)
        return len(skipped)

    def export(self) -> OnlineWeights:
        """The weights as they stand, under the next version number."""
        self.version += 1
        return self.current()

    def current(self) -> OnlineWeights:
        """The weights under the version that was exported last."""
        return OnlineWeights(
            version=self.version,
            names=INPUTS,
            weights=self._weights(),
            scale=tuple(self._scale().tolist()),
            pairs=self.pairs,
        )

    def state(self) -> bytes:
        """Everything that learning depends on, as msgpack: ``restore`` continues exactly."""
        return msgspec.msgpack.encode(
            _State(
                layout=LAYOUT,
                names=INPUTS,
                learning_rate=self.learning_rate,
                version=self.version,
                pairs=self.pairs,
                steps=int(self._model.optimizer.n_iterations),
                rows=self._rows,
                squares=tuple(self._squares.tolist()),
                weights=self._weights(),
            )
        )

    @classmethod
    def restore(cls, state: bytes, learning_rate: float | None = None) -> OnlineRanker:
        """The ranker that ``state`` was taken of; ``learning_rate`` replaces the stored one when given.

        Raises ``StateError`` when the bytes are not such a state, or one of other inputs.
        """
        remedy = "delete the stored state of the trainer to begin again from the offline ranker."
        try:
            saved = msgspec.msgpack.decode(state, type=_State)
        except msgspec.DecodeError as error:
            raise StateError(f"state of the online ranker ({len(state)} bytes): {error}.", remedy) from error
        if (saved.layout, saved.names) != (LAYOUT, INPUTS):
            raise StateError(
                f"state of the online ranker: layout {saved.layout!r} with inputs {', '.join(saved.names)}; "
                f"expected {LAYOUT!r} with {', '.join(INPUTS)}.",
                remedy,
            )
        sums = np.array([saved.rows, *saved.squares])
        if not (np.isfinite(sums) & (sums > 0)).all() or not np.isfinite(saved.weights).all():
            raise StateError("state of the online ranker: a weight or scale is not finite.", remedy)
        ranker = cls(saved.learning_rate if learning_rate is None else learning_rate)
        ranker.version, ranker.pairs, ranker._rows = saved.version, saved.pairs, saved.rows
        ranker._squares = np.array(saved.squares)
        ranker._model = _model(ranker.learning_rate, saved.weights, saved.steps)
        return ranker

    def _weights(self) -> tuple[float, ...]:
        weights: dict[str, float] = self._model.weights
        return tuple(float(weights[name]) for name in INPUTS)

    def _scale(self) -> Doubles:
        """Root mean square of each input; the offline score is on a fair scale already and keeps 1."""
        scale: Doubles = np.maximum(np.sqrt(self._squares / self._rows), LEAST_SCALE)
        scale[OFFLINE] = 1.0
        return scale


def _model(learning_rate: float, weights: Sequence[float], steps: int) -> linear_model.LogisticRegression:
    model = linear_model.LogisticRegression(optimizer=optim.SGD(learning_rate), intercept_lr=0.0)
    model._weights.update(dict(zip(INPUTS, weights, strict=True)))
    model.optimizer.n_iterations = steps
    return model


def _checked(feedback: PairwiseFeedback) -> tuple[Doubles, Doubles]:
    clicked = np.asarray(feedback.clicked, np.float64)
    skipped = np.asarray(feedback.skipped, np.float64)
    width, remedy = len(INPUTS), "publish the feedback again as it was served, or drop it."
    if clicked.shape != (width,) or skipped.ndim != 2 or skipped.shape[1] != width:
        raise FeedbackError(
            f"feedback: clicked has shape {clicked.shape} and skipped {skipped.shape}; "
            f"expected ({width},) and (s, {width}).",
            remedy,
        )
    for row in (clicked, *skipped):
        wrong = np.flatnonzero(~np.isfinite(row) | (np.abs(row) > 1e6))
        if len(wrong):
            raise FeedbackError(
                f"feedback: {INPUTS[wrong[0]]} is {row[wrong[0]]}; expected a finite number within ±1e6.",
                remedy,
            )
    if not 0 < feedback.weight <= 100:
        raise FeedbackError(f"feedback: weight is {feedback.weight}; expected above 0, at most 100.", remedy)
    return clicked, skipped
