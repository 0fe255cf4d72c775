"""Features, labels and barrier widths of each symbol, and the rows a fold may learn from.

This is the one place where the past (features) meets the future (labels).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from riposte.features.catalogue import combined_version
from riposte.features.matrix import FeatureMatrix
from riposte.features.primitives import log_change
from riposte.features.provision import BUILT_IN, MatrixSource
from riposte.labels.regimes import fit_regime_rule, regime_labels
from riposte.labels.returns import forward_end, forward_return
from riposte.labels.triple_barrier import BarrierLabels, Reading, triple_barrier
from riposte.labels.weights import return_attribution, uniqueness
from riposte.layers.contract import TrainingSet
from riposte.market.barriers import Barriers, barrier_widths
from riposte.market.frame import Floats, MarketFrame, Times
from riposte.proof.selection.choose import Selection, SelectionConfig, choose, narrowed
from riposte.proof.splits import Fold, training_rows

Weighting = Literal["uniqueness", "return"]


@dataclass(frozen=True, slots=True)
class SymbolData:
    """Everything a fold needs of one symbol, row by row of its frame."""

    frame: MarketFrame
    matrix: FeatureMatrix
    labels: BarrierLabels
    take_profit: Floats
    stop_loss: Floats
    settled: Times  # when a row's label is settled for every row alike: the end of its horizon

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Rows a signal can be asked for: features warm, widths known."""
        rows: NDArray[np.bool_] = self.matrix.ready & np.isfinite(self.stop_loss)
        return rows


def prepare(
    frame: MarketFrame,
    barriers: Barriers,
    *,
    reading: Reading,
    round_trip_cost: float,
    wanted: Sequence[str],
    features: MatrixSource = BUILT_IN,
) -> SymbolData:
    """Features, labels and widths of one frame; ``features`` computes the matrix or has it cached."""
    take_profit, stop_loss = barrier_widths(frame, barriers)
    horizon = frame.interval.bars(barriers.horizon_ns) * frame.interval.ns
    return SymbolData(
        frame=frame,
        matrix=features(frame, wanted),
        labels=triple_barrier(frame, barriers, reading=reading, round_trip_cost=round_trip_cost),
        take_profit=take_profit,
        stop_loss=stop_loss,
        settled=frame.close_time + horizon,
    )


def selected(
    rows: TrainingSet, config: SelectionConfig | None, versions: Mapping[str, str]
) -> tuple[TrainingSet, Selection | None]:
    """The training rows with the features that a selection on these rows alone chooses.

    ``versions`` are those of the features' definitions, by name; a narrowed set has its own version.

    Raises:
        DataError: if nothing can be chosen from the rows.
    """
    if config is None:
        return rows, None
    chosen = choose(rows, config)
    version = combined_version(versions[name] for name in chosen.names)
    return narrowed(rows, chosen.names, version), chosen


def columns_of(names: Sequence[str], of: Sequence[str]) -> NDArray[np.int64]:
    """Where each of ``names`` stands among the columns ``of`` a matrix."""
    place = {name: column for column, name in enumerate(of)}
    return np.array([place[name] for name in names], dtype=np.int64)


def training_set(
    data: Sequence[SymbolData],
    fold: Fold,
    embargo_ns: int,
    forecast_ns: int | None = None,
    weighting: Weighting = "uniqueness",
) -> tuple[TrainingSet, int]:
    """The rows of all symbols that the fold may learn from, in time order; and how many were purged.

    A row is purged if its horizon comes within ``embargo_ns`` of a test span and its labels, or had not
    ended with the training window, whether or not a barrier was reached earlier: keeping only the early
    ones would show the model fast outcomes alone. ``forecast_ns``: horizon of the forward returns to
    learn, None for none; those that come as close are missing, and so are regime labels.
    ``weighting``: rows count by how unique their label is, or by that and by how much the price moved in
    its life.
    """
    rule = fit_regime_rule(
        [each.frame.between(span.start, span.end) for each in data for span in fold.learned()]
    )
    parts: list[dict[str, NDArray[np.generic]]] = []
    purged = 0
    for index, each in enumerate(data):
        time = each.frame.close_time
        known = each.usable & each.labels.known
        inside = known & (time >= fold.train_start) & (time < fold.train_end) & ~fold.tests(time)
        keep = inside & training_rows(fold, time, each.settled, embargo_ns)
        purged += int(inside.sum() - keep.sum())
        regimes = regime_labels(each.frame, rule)
        clear = fold.clear(time - rule.windows.behind_ns, regimes.end_time, embargo_ns)
        regime = np.where(clear, regimes.label, -1).astype(np.int8)
        lives = time[keep], each.labels.end_time[keep]
        weight = uniqueness(*lives)
        ahead: dict[str, NDArray[np.generic]] = {}
        if weighting == "return":
            ahead["uniqueness"] = weight
            moved = log_change(each.frame["close"], 1)
            weight = weight * return_attribution(*lives, time, moved)
        if forecast_ns is not None:
            ends = forward_end(each.frame, forecast_ns)
            ahead["forward_return"] = np.where(
                fold.clear(time, ends, embargo_ns), forward_return(each.frame, forecast_ns), np.nan
            )[keep]
            ahead["forward_end"] = ends[keep]
        parts.append(
            {
                **ahead,
                "features": each.matrix.values[keep],
                "time": time[keep],
                "symbol": np.full(int(keep.sum()), index, np.int64),
                "label": each.labels.label[keep],
                "label_end": each.settled[keep],
                "weight": weight,
                "regime_label": regime[keep],
                "regime_end": regimes.end_time[keep],
                "long_return": each.labels.long_return[keep],
                "short_return": each.labels.short_return[keep],
                "take_profit": each.take_profit[keep],
                "stop_loss": each.stop_loss[keep],
            }
        )
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    order = np.lexsort((joined["symbol"], joined["time"]))
    return (
        TrainingSet(
            **{name: values[order] for name, values in joined.items()},
            names=data[0].matrix.names,
            feature_version=data[0].matrix.version,
        ),
        purged,
    )
