"""How well probabilities told what came: accuracy, F1, log loss, reliability. Pure.

Labels are -1 SHORT, 0 NEUTRAL, 1 LONG; probabilities (n, 3) are in that order. With no rows every
measure is NaN.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from riposte.market.frame import Floats
from riposte.proof.results import Reliability

CLASSES = np.array([-1, 0, 1], dtype=np.int8)
_LEAST = 1e-15


def accuracy(label: NDArray[np.int8], probabilities: Floats) -> float:
    """Share of rows whose likeliest class was the label."""
    if len(label) == 0:
        return np.nan
    return float(np.mean(CLASSES[np.argmax(probabilities, axis=1)] == label))


def macro_f1(label: NDArray[np.int8], probabilities: Floats) -> float:
    """Unweighted mean of the classes' F1 scores; a class neither said nor seen counts as 0."""
    if len(label) == 0:
        return np.nan
    said = CLASSES[np.argmax(probabilities, axis=1)]
    scores = []
    for each in CLASSES:
        hits = float(np.sum((said == each) & (label == each)))
        total = float(np.sum(said == each) + np.sum(label == each))
        scores.append(2.0 * hits / total if total else 0.0)
    return float(np.mean(scores))


def log_loss(label: NDArray[np.int8], probabilities: Floats) -> float:
    """Mean negative logarithm of the probability given to what came, nats."""
    if len(label) == 0:
        return np.nan
    given = probabilities[np.arange(len(label)), label.astype(np.int64) + 1]
    return float(-np.mean(np.log(np.maximum(given, _LEAST))))


def base_log_loss(training: NDArray[np.int8], label: NDArray[np.int8]) -> float:
    """Log loss of always saying the class frequencies of the training rows (Laplace smoothed)."""
    counts = np.array([np.sum(training == each) for each in CLASSES], dtype=np.float64) + 1.0
    return log_loss(label, np.tile(counts / counts.sum(), (len(label), 1)))


def side_confidence(
    label: NDArray[np.int8], probabilities: Floats
) -> tuple[Floats, NDArray[np.bool_]]:
    """Over rows that resolved to a side: the promised confidence in the likelier side, and the truth.

    Rows without a probability of either side, which no model spoke about, promise nothing.
    """
    resolved = (label != 0) & (probabilities[:, 0] + probabilities[:, 2] > 0.0)
    short, long = probabilities[resolved, 0], probabilities[resolved, 2]
    confidence: Floats = np.maximum(short, long) / (short + long)
    right: NDArray[np.bool_] = np.where(long >= short, 1, -1) == label[resolved]
    return confidence, right


def reliability(confidence: Floats, right: NDArray[np.bool_], bins: int = 10) -> Reliability:
    """Promised against observed, in bins of equal width from 0.5 to 1, and the expected error."""
    edges = np.linspace(0.5, 1.0, bins + 1)
    which = np.clip(np.digitize(confidence, edges) - 1, 0, bins - 1)
    count = np.bincount(which, minlength=bins).astype(np.float64)
    filled = np.maximum(count, 1.0)
    promised = np.bincount(which, weights=confidence, minlength=bins) / filled
    observed = np.bincount(which, weights=right.astype(np.float64), minlength=bins) / filled
    has = count > 0
    total = count.sum()
    error = float(np.sum(count * np.abs(promised - observed)) / total) if total else np.nan
    return Reliability(promised[has], observed[has], count[has], error)
