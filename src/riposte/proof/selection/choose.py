"""The choice itself: prune what repeats itself, rank what is left, keep the best, and say how stable it is.

Stability answers: would another draw of the same history, and of chance, have chosen the same? The
ranking is done for several seeds, each on its own draw of four fifths of the training window (whole
blocks of time), and the chosen sets are compared by the index of Nogueira, Sechidis and Brown (2018):
1 if all are the same, 0 if they agree no more than sets drawn blindly. Below :data:`LEAST_STABILITY` a
selection says in words that it is mostly chance.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from riposte.errors import DataError, InputError, nearest
from riposte.layers.contract import Indices, Learner, TrainingSet
from riposte.layers.learners.lightgbm import LightGBMLearner
from riposte.market.frame import Floats
from riposte.proof.selection.correlation import clusters, label_information
from riposte.proof.selection.gain import gain_importance
from riposte.proof.selection.inner import drawn_rows
from riposte.proof.selection.permutation import permutation_importance
from riposte.proof.selection.shap import shap_importance

# Nogueira et al. after Fleiss: agreement below 0.4 is poor, above 0.75 excellent.
LEAST_STABILITY = 0.4
GOOD_STABILITY = 0.75


def _univariate(rows: TrainingSet, columns: Indices, _learner: Learner, _seed: int) -> Floats:
    return np.asarray(label_information(rows)[columns], dtype=np.float64)


METHODS: Mapping[str, Callable[[TrainingSet, Indices, Learner, int], Floats]] = MappingProxyType(
    {
        "information": _univariate,
        "gain": gain_importance,
        "permutation": permutation_importance,
        "shap": shap_importance,
    }
)


@dataclass(frozen=True, slots=True)
class SelectionConfig:
    """How features are chosen.

    ``method``: how they are ranked, one of :data:`METHODS`, or "none" (prune only). ``keep``: how many
    at most; 0 keeps all that are left after pruning. ``correlation``: of features whose absolute rank
    correlation is above this one is kept; 1 prunes nothing. ``seeds``: how many draws the ranking is
    the mean of.
    """

    method: str = "shap"
    keep: int = 40
    correlation: float = 0.95
    seeds: int = 5
    seed: int = 7
    learner: Learner = field(default_factory=LightGBMLearner)

    def __post_init__(self) -> None:
        allowed = ("none", *METHODS)
        if self.method not in allowed:
            raise InputError(
                f"selection method {self.method!r} is not known: use one of {', '.join(allowed)}"
                + nearest(self.method, allowed)
            )
        if self.keep < 0:
            raise InputError(f"a selection cannot keep {self.keep} features")
        if not 0.0 < self.correlation <= 1.0:
            raise InputError(
                f"the correlation limit must be above 0 and at most 1, not {self.correlation:g}"
            )
        if self.seeds < 2:
            raise InputError("stability needs at least 2 seeds to be measured")


@dataclass(frozen=True, slots=True)
class Selection:
    """What was chosen.

    ``names`` in the order of the training set; ``scores`` of every ranked feature (mean over the
    seeds), best first; ``pruned`` the left-out features and the kept one each repeats ("" for one that
    never varies). ``stability`` in (-1, 1], NaN where there was nothing to choose from.
    """

    method: str
    names: tuple[str, ...]
    scores: Mapping[str, float]
    pruned: Mapping[str, str]
    stability: float

    @property
    def words(self) -> str:
        """The selection and its stability in a sentence."""
        every = len(self.scores) + len(self.pruned)
        done = f"{len(self.names)} of {every} features kept"
        if self.pruned:
            done += f" ({len(self.pruned)} repeat another or never vary)"
        if math.isnan(self.stability):
            return f"{done}; nothing was left to choose from"
        done += f", ranked by {self.method}"
        if self.stability < LEAST_STABILITY:
            return (
                f"{done}; the choice is unstable ({self.stability:.2f}, below {LEAST_STABILITY:g}): "
                "another draw of the same history would have chosen others"
            )
        good = "stable" if self.stability >= GOOD_STABILITY else "fairly stable"
        return f"{done}; the choice is {good} ({self.stability:.2f})"


def choose(rows: TrainingSet, config: SelectionConfig) -> Selection:
    """Choose features on these rows, and on nothing else: hand in the rows of one training window.

    The same rows and configuration give the same selection.

    Raises:
        DataError: if no feature varies, or the rows are too few for the method.
    """
    found = clusters(rows, config.correlation)
    if not found.kept:
        raise DataError("no feature varies over the training rows")
    left = np.array(found.kept, dtype=np.int64)
    pruned = {
        name: rows.names[leader] if leader >= 0 else ""
        for place, (name, leader) in enumerate(zip(rows.names, found.leader, strict=True))
        if leader != place
    }
    keep = min(config.keep or len(left), len(left))
    if config.method == "none" or keep == len(left):
        told = label_information(rows)
        return _selection(config.method, rows, left, told[left], len(left), pruned, math.nan)
    rank = METHODS[config.method]
    scores = np.array(
        [
            rank(drawn_rows(rows, config.seed + draw), left, config.learner, config.seed + draw)
            for draw in range(config.seeds)
        ]
    )
    chosen = np.zeros(scores.shape, np.bool_)
    for each, score in zip(chosen, scores, strict=True):
        each[best(score, keep)] = True
    mean = scores.mean(axis=0)
    return _selection(config.method, rows, left, mean, keep, pruned, stability(chosen))


def _selection(
    method: str,
    rows: TrainingSet,
    left: Indices,
    scores: Floats,
    keep: int,
    pruned: Mapping[str, str],
    stable: float,
) -> Selection:
    order = best(scores, len(scores))
    kept = np.sort(left[order[:keep]])
    return Selection(
        method=method,
        names=tuple(rows.names[column] for column in kept),
        scores=MappingProxyType({rows.names[left[at]]: float(scores[at]) for at in order}),
        pruned=MappingProxyType(dict(pruned)),
        stability=stable,
    )


def best(scores: Floats, count: int) -> Indices:
    """The places of the ``count`` highest scores, best first; the earlier of equals first."""
    return np.argsort(-scores, kind="stable")[:count]


def stability(chosen: NDArray[np.bool_]) -> float:
    """Agreement of the chosen sets (draws, features): Nogueira et al. (2018), formula 4.

    1 if all are the same, 0 expected of blind draws; NaN where all features are in all sets, or none.
    """
    draws, features = chosen.shape
    share = chosen.mean(axis=0)
    size = float(chosen.sum()) / draws / features
    if size in {0.0, 1.0} or draws < 2:
        return math.nan
    spread = draws / (draws - 1) * share * (1.0 - share)
    return float(1.0 - spread.mean() / (size * (1.0 - size)))


def narrowed(rows: TrainingSet, names: Sequence[str], feature_version: str = "") -> TrainingSet:
    """The training rows with only those features, in that order, under their own feature version."""
    place = {name: column for column, name in enumerate(rows.names)}
    columns = [place[name] for name in names]
    return replace(
        rows,
        features=np.ascontiguousarray(rows.features[:, columns]),
        names=tuple(names),
        feature_version=feature_version,
    )
