"""How right an intent head is and how sure it may be: its temperature, its threshold, and the figures of a test."""

from __future__ import annotations

import math

import numpy as np

from models.training.intent_data import LabelledTexts


def fit_temperature(logits: np.ndarray, intents: np.ndarray) -> float:
    """The divisor of the logits with the least negative log likelihood, on a grid of 2 % steps."""
    grid = np.exp(np.arange(-1.5, 1.5, 0.02))
    rows = np.arange(len(intents))
    losses = [-np.log(softmax(logits / t)[rows, intents] + 1e-12).mean() for t in grid]
    return float(grid[int(np.argmin(losses))])


def fit_threshold(probabilities: np.ndarray, intents: np.ndarray) -> float:
    """The confidence below which a label is ``unknown``.

    With texts of none of the intents (-1): so high that one in twenty right labels is lost. Without: the highest,
    .30 to .50, below which labels are wrong as often as right.

    >>> p = np.array([[.45, .30, .25, 0, 0, 0], [.9, .1, 0, 0, 0, 0]])
    >>> fit_threshold(p, np.array([1, 0])), fit_threshold(p, np.array([-1, 0]))
    (0.5, 0.9)
    """
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == intents
    if (intents < 0).any():
        return min(math.floor(100 * float(np.quantile(confidence[right], 0.05))) / 100, 0.95)
    best = 0.3
    for step in np.arange(0.3, 0.501, 0.05):
        below = confidence < step
        if below.any() and right[below].mean() <= 0.5:
            best = round(float(step), 2)
    return best


def judge(probabilities: np.ndarray, data: LabelledTexts, thresholds: np.ndarray) -> dict[str, float | str]:
    """Accuracy in all, by class and language, with the fallback, the calibration error, and what is refused.

    ``thresholds`` (intents,): the confidence below which each is ``unknown``.
    """
    inside = np.flatnonzero(data.intents >= 0)
    strange = probabilities[data.intents < 0]
    probabilities, data = probabilities[inside], data.taken(inside.tolist())
    right = probabilities.argmax(axis=1) == data.intents
    confidence = probabilities.max(axis=1)
    sure = confidence >= thresholds[probabilities.argmax(axis=1)]
    figures: dict[str, float | str] = {
        "test_texts": float(len(right)),
        "test_accuracy": share(right),
        "test_accuracy_unknown_is_wrong": share(right & sure),
        "test_unknown": share(~sure),
        "test_accuracy_when_known": share(right[sure]),
        "test_calibration_error": calibration_error(confidence, right),
    }
    if len(strange):
        figures["test_out_of_scope_texts"] = float(len(strange))
        figures["test_out_of_scope_auroc"] = auroc(confidence, strange.max(axis=1))
        figures["test_out_of_scope_refused"] = share(strange.max(axis=1) < thresholds[strange.argmax(axis=1)])
    for language in sorted(set(data.languages) - {""}):
        of_language = np.array([one == language for one in data.languages])
        figures[f"test_accuracy_{language}"] = share(right[of_language])
        for i, intent in enumerate(data.labels):
            figures[f"test_accuracy_{intent}_{language}"] = share(right[of_language & (data.intents == i)])
    return figures


def auroc(inside: np.ndarray, outside: np.ndarray) -> float:
    """How often a text of the intents gets a higher confidence than one of none; ties count half.

    >>> auroc(np.array([.9, .8]), np.array([.1, .8]))
    0.875
    """
    ordered = np.sort(outside)
    below, level = np.searchsorted(ordered, inside, "left"), np.searchsorted(ordered, inside, "right")
    return round(float((below + level).mean() / (2 * len(outside))), 4)


def calibration_error(confidence: np.ndarray, right: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error over equal bins of confidence (Naeini et al., AAAI 2015).

    >>> calibration_error(np.array([.75, .75, .75, .75]), np.array([True, True, True, False]))
    0.0
    """
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    error = 0.0
    for i in range(bins):
        inside = place == i
        if inside.any():
            error += inside.mean() * abs(confidence[inside].mean() - right[inside].mean())
    return round(float(error), 4)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Rows that sum to one."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: np.ndarray = powers / powers.sum(axis=1, keepdims=True)
    return shares


def share(right: np.ndarray) -> float:
    """The share of (n,) that is true, rounded; 0 of none."""
    return round(float(right.mean()), 4) if len(right) else 0.0
