"""Does what a study learned from, or decided by, know something it could not have known?

Each check is a pure function that returns what it found, in words; nothing found is an empty tuple:

* :func:`prove_causal`: a pipeline from frame to decisions says the same without the future, and with
  another one;
* :func:`check_fold`: the rows a fold learned from were decided and settled clear of its tests;
* :func:`fit_scope`: what was fitted (a scaler, an encoder, a projection) saw nothing but its rows;
* :func:`too_good`: no single feature tells the label better than any honest one could.

Whether the values of a frame were published when it shows them: :mod:`riposte.proof.known_times`.
One feature by itself: :mod:`riposte.features.causality`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riposte.errors import DataError
from riposte.features.causality import mutated
from riposte.labels.regimes import RegimeWindows
from riposte.layers.contract import Classes, Signals, TrainingSet
from riposte.layers.splits import forward_splits, purged_splits
from riposte.market.frame import Floats, MarketFrame, Times
from riposte.market.interval import format_duration
from riposte.market.series import format_time
from riposte.proof.splits import Fold

Mask = NDArray[np.bool_]
Decisions = Mapping[str, NDArray[Any]]

# What one feature may tell of the label out of fold, as the area under the ROC curve (0.5: nothing).
# The side: the best single features of published work on these markets stay below 0.56. Whether there
# is a side at all: volatility foretells that honestly, and much better.
SIDE_BOUND = 0.65
MOVE_BOUND = 0.90
REGIME_BEHIND_NS = RegimeWindows().behind_ns
_BINS = 20
_STRETCHES = 4
_LEAST_ROWS = 60


@dataclass(frozen=True, slots=True)
class Leak:
    """One way in which something was known too early.

    ``check`` is the check's name, ``what`` the thing that leaks (a feature, a column, a decision) and
    ``time`` (ns UTC) the first place it shows, if it has one.
    """

    check: str
    what: str
    message: str
    time: int | None = None

    def __str__(self) -> str:
        return self.message


def decisions(said: Signals) -> Decisions:
    """Signals as :func:`prove_causal` compares them."""
    return {
        "direction": said.direction,
        "confidence": said.confidence,
        "probabilities": said.probabilities,
        "regime": said.regime,
        "abstention": said.abstention,
    }


def prove_causal(
    pipeline: Callable[[MarketFrame], Decisions], frame: MarketFrame, cuts: Iterable[int]
) -> tuple[Leak, ...]:
    """Whether the pipeline decides every row up to each cut without what comes after it.

    ``pipeline`` takes a frame and gives arrays with a row for each of the frame's. After each cut
    the frame is cut short and, in a second trial, given another future; everything up to the cut must
    be the same bit for bit. What was fitted must have been fitted beforehand, on the past.
    """
    whole = pipeline(frame)
    return tuple(
        leak
        for cut in cuts
        for what, other in (
            ("removed", frame.rows(0, cut + 1)),
            ("changed", mutated(frame, np.arange(len(frame)) > cut)),
        )
        for leak in _changed(whole, pipeline(other), frame, cut, what)
    )


def _changed(
    whole: Decisions, other: Decisions, frame: MarketFrame, cut: int, what: str
) -> Iterator[Leak]:
    for name, values in whole.items():
        before, after = values[: cut + 1], other[name][: cut + 1]
        differs = before != after
        if values.dtype.kind == "f":
            differs &= ~(np.isnan(before) & np.isnan(after))
        rows = np.flatnonzero(differs.reshape(cut + 1, -1).any(axis=1))
        if len(rows):
            row = int(rows[0])
            time = int(frame.close_time[row])
            yield Leak(
                "causal",
                name,
                f"{frame.symbol}: {name} of {format_time(time)} (row {row}) goes from "
                f"{_shown(before[row])} to {_shown(after[row])} when what comes after row {cut} is "
                f"{what}: it looks at least {cut - row + 1} bars ahead",
                time,
            )


def _shown(value: object) -> str:
    return np.array2string(np.asarray(value), precision=6, separator=", ")


def refuse_leaks(leaks: Sequence[Leak]) -> None:
    """Raise DataError with the first of some leaks; nothing where there is none."""
    if leaks:
        more = f" (and {len(leaks) - 1} more)" if len(leaks) > 1 else ""
        raise DataError(f"{leaks[0]}{more}")


def check_fold(rows: TrainingSet, fold: Fold, embargo_ns: int) -> tuple[Leak, ...]:
    """Whether what a fold learned from is clear of its tests.

    A row that was decided in a test, a label that was open within ``embargo_ns`` of a test or of the
    labels of its rows, and a regime label (as far as it is known) or forward return whose window comes
    as close, were made of the test's prices.
    """
    lives = [
        ("label", rows.time, rows.label_end, np.ones(len(rows), np.bool_)),
        ("regime label", rows.time - REGIME_BEHIND_NS, rows.regime_end, rows.regime_label >= 0),
    ]
    if rows.forward_return is not None and rows.forward_end is not None:
        known = np.isfinite(rows.forward_return)
        lives.append(("forward return", rows.time, rows.forward_end, known))
    found = []
    decided = fold.tests(rows.time) | (rows.time >= fold.train_end)
    if decided.any():
        found.append(_fold_leak(rows, fold, "decision", decided, "was made in or after its test"))
    for what, start, end, known in lives:
        for span in fold.test:
            opens = span.start - embargo_ns
            closes = span.end + fold.reach_ns + embargo_ns
            near = known & (end > opens) & (start < closes)
            if near.any():
                deepest = int(np.minimum(end - opens, closes - start)[near].max())
                words = (
                    f"was open between {format_time(opens)} and {format_time(closes)}, the longest for "
                    f"{format_duration(deepest)}"
                )
                found.append(_fold_leak(rows, fold, what, near, words))
                break
    return tuple(found)


def _fold_leak(rows: TrainingSet, fold: Fold, what: str, near: Mask, words: str) -> Leak:
    return Leak(
        "fold",
        what,
        f"fold {fold.index} learned from {int(near.sum()):,} of {len(rows):,} rows whose {what} {words}: "
        "they know prices of its test",
        int(rows.time[near][0]),
    )


def fit_scope(
    transform: Callable[[Floats, Classes], Floats],
    features: Floats,
    label: Classes,
    learned: Mask,
    *,
    probes: int = 12,
) -> tuple[Leak, ...]:
    """Whether a fitted transformation of the features saw only what it may have seen.

    ``transform`` fits itself, as the pipeline does, and gives the transformed features (n, k) of
    all rows; ``learned`` marks the rows it may learn from. Then

    * other features in all other rows change nothing in the learned rows (no scaler fitted on all);
    * other labels in all other rows change nothing at all (no encoder fitted on all);
    * another value in one of the other rows changes nothing in the rest (no scaling by the test's own
      statistics), and another label of one learned row nothing in that row itself (no encoding of a
      row by its own label): ``probes`` rows each, spread evenly.
    """
    whole = transform(features.copy(), label.copy())
    found = []
    outside = ~learned
    others = _other_features(features, outside)
    rows = _differing(whole, transform(others, label.copy()), learned)
    if len(rows):
        found.append(
            Leak(
                "scope",
                "features",
                f"{len(rows):,} of {int(learned.sum()):,} learned rows are transformed differently when "
                "the features outside the training window are: it was fitted on those too",
            )
        )
    flipped = np.where(outside, _other_label(label), label).astype(np.int8)
    rows = _differing(whole, transform(features.copy(), flipped), np.ones_like(learned))
    if len(rows):
        found.append(
            Leak(
                "scope",
                "labels",
                f"{len(rows):,} rows are transformed differently when the labels outside the training "
                "window are: those labels were used",
            )
        )
    found += _alone(transform, features, label, learned, whole, probes)
    return tuple(found)


def _alone(
    transform: Callable[[Floats, Classes], Floats],
    features: Floats,
    label: Classes,
    learned: Mask,
    whole: Floats,
    probes: int,
) -> Iterator[Leak]:
    """One row at a time."""
    for row in _spread(np.flatnonzero(~learned), probes):
        one = np.zeros_like(learned)
        one[row] = True
        again = transform(_other_features(features, one), label.copy())
        if len(_differing(whole, again, ~learned & ~one)):
            yield Leak(
                "scope",
                "other rows",
                f"rows outside the training window are transformed differently when row {row} is: "
                "they are scaled by one another",
            )
            break
    for row in _spread(np.flatnonzero(learned), probes):
        one = np.zeros_like(learned)
        one[row] = True
        flipped = np.where(one, _other_label(label), label).astype(np.int8)
        if len(_differing(whole, transform(features.copy(), flipped), one)):
            yield Leak(
                "scope",
                "own label",
                f"row {row} is transformed differently when its own label is: the label is encoded in "
                "its features",
            )
            break


def _other_features(features: Floats, rows: Mask) -> Floats:
    out = features.copy()
    place = np.arange(len(features))[:, None] + np.arange(features.shape[1])
    out[rows] = (np.nan_to_num(features, nan=1.0) * (1.7 + np.sin(place)) + 3.0 * np.cos(place))[
        rows
    ]
    return out


def _other_label(label: Classes) -> Classes:
    """Each label turned into another one."""
    return ((label + 2) % 3 - 1).astype(np.int8)


def _differing(one: Floats, other: Floats, rows: Mask) -> NDArray[np.int64]:
    if one.shape != other.shape:
        return np.flatnonzero(rows)
    same = (one == other) | (np.isnan(one) & np.isnan(other))
    return np.flatnonzero(rows & ~same.reshape(len(rows), -1).all(axis=1))


def _spread(rows: NDArray[np.int64], count: int) -> list[int]:
    return (
        []
        if len(rows) == 0
        else [int(rows[p]) for p in np.unique(np.linspace(0, len(rows) - 1, count).astype(int))]
    )


def too_good(
    rows: TrainingSet, *, side_bound: float = SIDE_BOUND, move_bound: float = MOVE_BOUND
) -> tuple[Leak, ...]:
    """Features that tell the label, each alone, better than an honest one could.

    Each feature is cut into quantiles on the earlier rows of purged folds, and the labels' frequencies
    in them are asked about the later rows: how well do they tell LONG from SHORT (``side_bound``),
    and a move from none (``move_bound``), as areas under the ROC curve? An area counts only if it
    exceeds the bound by three standard errors of the rows' uniqueness. A leak below the bounds is not
    seen here: this is an alarm, not a proof.
    """
    splits = purged_splits(rows.time, rows.label_end, forward_splits(rows.time, _STRETCHES))
    total = np.zeros((2, len(rows.names)))
    weight = np.zeros(2)
    for split in splits:
        if len(split.fit) < _LEAST_ROWS or len(split.predict) < _LEAST_ROWS:
            continue
        later = rows.label[split.predict]
        truths = (
            (later != 0, later == 1, (-1.0, 0.0, 1.0)),
            (np.ones(len(later), np.bool_), later != 0, (1.0, 0.0, 1.0)),
        )
        unique = rows.weight[split.predict]
        for at, (asked, truth, worth) in enumerate(truths):
            # Rows that overlap say the same thing over again: they count by their uniqueness.
            evidence = min(unique[asked & truth].sum(), unique[asked & ~truth].sum())
            if evidence <= 0.0:
                continue
            weight[at] += evidence
            for feature in range(len(rows.names)):
                score = _frequencies(
                    rows.features[split.fit, feature],
                    rows.label[split.fit],
                    rows.features[split.predict, feature],
                    np.array(worth),
                )
                total[at, feature] += evidence * area(score[asked], truth[asked])
    found = []
    for at, (bound, what) in enumerate(
        ((side_bound, "LONG from SHORT"), (move_bound, "a move from none"))
    ):
        if weight[at] == 0.0:
            continue
        error = 3.0 / np.sqrt(12.0 * weight[at])
        for feature, value in enumerate(total[at] / weight[at]):
            if value - error > bound:
                name = rows.names[feature]
                found.append(
                    Leak(
                        "too good",
                        name,
                        f"feature {name!r} alone tells {what} out of fold with an area of {value:.3f} "
                        f"under the ROC curve, where {bound:g} is already implausible: does it know "
                        "the label?",
                    )
                )
    return tuple(found)


def _frequencies(past: Floats, label: Classes, asked: Floats, worth: Floats) -> Floats:
    """What each asked value is worth by the labels of past values in the same quantile."""
    finite = past[np.isfinite(past)]
    if len(finite) == 0:
        return np.zeros(len(asked))
    edges = np.unique(np.quantile(finite, np.linspace(0.0, 1.0, _BINS + 1)[1:-1]))
    bins = len(edges) + 2  # the last one is for values that are missing

    def binned(values: Floats) -> Times:
        place = np.searchsorted(edges, values, side="right")
        return np.where(np.isnan(values), bins - 1, place).astype(np.int64)

    into = binned(past)
    gained = np.bincount(into, weights=worth[label.astype(np.int64) + 1], minlength=bins)
    count = np.bincount(into, minlength=bins)
    mean = float(worth[label.astype(np.int64) + 1].mean())
    score: Floats = ((gained + 5.0 * mean) / (count + 5.0))[binned(asked)]
    return score


def area(score: Floats, truth: Mask) -> float:
    """Area under the ROC curve: how often a true row scores higher than a false one; 0.5 if one-sided."""
    true = int(truth.sum())
    false = len(truth) - true
    if true == 0 or false == 0:
        return 0.5
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2.0)[place]
    return float((rank[truth].sum() - true * (true + 1) / 2.0) / (true * false))
