"""Laws that every feature of the catalogue obeys, found by reflection."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from scaling import scaled

from riposte.features.calendar import hour_sine
from riposte.features.catalogue import FeatureSpec, catalogue, declared, feature, names
from riposte.features.causality import (
    agree,
    check_causality,
    check_lookback,
    failures,
    spread_rows,
    typical_size,
)
from riposte.features.matrix import (
    build_matrix,
    feature_values,
    latest_row,
    max_lookback,
    row_in_segment,
)
from riposte.market.frame import Floats, MarketFrame, make_frame
from riposte.market.interval import parse_interval

HOUR = parse_interval("1h")
CANDLES = {"open", "high", "low", "close", "volume"}

every_feature = pytest.mark.parametrize(
    "spec", [catalogue()[name] for name in names(HOUR)], ids=lambda spec: spec.name
)


@every_feature
def test_the_future_changes_nothing(
    spec: FeatureSpec, complete: MarketFrame, broken: MarketFrame
) -> None:
    assert check_causality(spec, complete, spread_rows(complete, 12)) == []
    assert check_causality(spec, broken, spread_rows(broken, 12)) == []


@every_feature
def test_what_lies_before_the_look_back_changes_nothing(
    spec: FeatureSpec, complete: MarketFrame, broken: MarketFrame
) -> None:
    assert check_lookback(spec, complete, spread_rows(complete, 12)) == []
    assert check_lookback(spec, broken, spread_rows(broken, 24)) == []


@every_feature
def test_the_look_back_is_no_longer_than_needed_for_a_value(
    spec: FeatureSpec, complete: MarketFrame
) -> None:
    lookback = spec.lookback(HOUR)
    values = feature_values(spec, complete)
    assert np.isnan(values[: lookback - 1]).all()
    assert np.isfinite(values[lookback - 1 :]).all()


@every_feature
def test_it_varies(spec: FeatureSpec, complete: MarketFrame) -> None:
    values = feature_values(spec, complete)
    assert np.ptp(values[np.isfinite(values)]) > 0


@every_feature
def test_it_is_never_infinite_and_candles_alone_are_enough(
    spec: FeatureSpec, broken: MarketFrame
) -> None:
    values = feature_values(spec, broken)
    assert not np.isinf(values).any()
    if set(spec.columns) <= CANDLES:
        ready = row_in_segment(broken) >= spec.lookback(HOUR) - 1
        assert ready.any()
        assert np.isfinite(values[ready]).all()


@every_feature
def test_it_is_scale_free(spec: FeatureSpec, complete: MarketFrame, broken: MarketFrame) -> None:
    for frame in (complete, broken):
        once, again = feature_values(spec, frame), feature_values(spec, scaled(frame))
        scale = typical_size(once)
        rows = range(0, len(frame), 7)
        assert all(agree(once[row], again[row], scale) for row in rows)


@every_feature
def test_it_leaves_its_input_untouched_and_repeats_itself(
    spec: FeatureSpec, broken: MarketFrame
) -> None:
    before = {name: values.copy() for name, values in broken.columns.items()}
    once, again = feature_values(spec, broken), feature_values(spec, broken)
    np.testing.assert_array_equal(once, again)
    for name, values in before.items():
        np.testing.assert_array_equal(values, broken[name])
    assert not any(np.shares_memory(once, values) for values in broken.columns.values())


@pytest.mark.parametrize("symbol", ["bitcoin", "ether", "complete", "broken"])
def test_live_equals_batch_for_every_feature(symbol: str, request: pytest.FixtureRequest) -> None:
    frame: MarketFrame = request.getfixturevalue(symbol)
    matrix = build_matrix(frame)
    scale = [typical_size(column) for column in matrix.values.T]
    compared = 0
    for row in np.linspace(1, len(frame) - 1, 60).astype(int):
        # Whatever the history: from a little more than the look-back to all there is.
        for first in (0, max(0, row - 2 * max_lookback(matrix.names, HOUR))):
            live = latest_row(frame.rows(first, row + 1))
            if first > row_in_segment(frame)[row]:
                continue
            for place, name in enumerate(matrix.names):
                if first and row - first + 1 < catalogue()[name].lookback(HOUR):
                    continue
                batch = matrix.values[row, place]
                assert agree(batch, live[place], scale[place]), (name, row, batch, live[place])
                compared += bool(np.isfinite(batch))
    assert compared > 1_000


def test_a_value_never_looks_across_a_gap(broken: MarketFrame) -> None:
    starts = np.flatnonzero(row_in_segment(broken) == 0)
    assert len(starts) == 3
    matrix = build_matrix(broken)
    for start, stop in zip(starts, [*starts[1:], len(broken)], strict=True):
        alone = build_matrix(broken.rows(start, stop))
        whole = matrix.values[start:stop]
        np.testing.assert_array_equal(np.isnan(alone.values), np.isnan(whole))
        scale = np.array([typical_size(column) for column in matrix.values.T])
        error = np.abs(alone.values - whole) / np.maximum(np.maximum(np.abs(whole), scale), 1e-300)
        assert np.nanmax(error) <= 1e-9


@pytest.mark.parametrize("interval", ["1m", "5m", "15m"])
def test_the_laws_hold_on_finer_bars_too(interval: str, fine: dict[str, MarketFrame]) -> None:
    frame = fine[interval]
    used = {name: catalogue()[name] for name in names(frame.interval)}
    assert failures(used, frame, 3) == []
    assert np.isfinite(latest_row(frame)).all()


def test_a_long_standstill_is_neutral_and_live_equals_batch_in_it(complete: MarketFrame) -> None:
    columns = {name: np.array(values) for name, values in complete.columns.items()}
    still = slice(1_000, 1_700)  # longer than any average remembers
    for name in ("open", "high", "low", "close"):
        columns[name][still] = columns["close"][999]
    columns["volume"][still] = 0.0
    frame = make_frame("BTCUSDT", HOUR, complete.open_time, columns)
    rows = [1_005, 1_060, 1_099, 1_120, 1_250, 1_400, 1_500, 1_690, 1_701, 1_720, 1_800]
    assert [v for name in names(HOUR) for v in check_lookback(catalogue()[name], frame, rows)] == []
    for name, neutral in {"rsi": 0.5, "rsi_fast": 0.5, "stochastic_rsi": 0.5}.items():
        assert feature_values(catalogue()[name], frame)[1_690] == neutral
    assert feature_values(catalogue()["adx"], frame)[1_690] < 1e-12


@pytest.mark.parametrize("rows", [1, 2, 3, 15, 40])
def test_a_short_history_gives_missing_values_and_no_error(
    rows: int, complete: MarketFrame
) -> None:
    start = complete.rows(0, rows)
    matrix = build_matrix(start)
    np.testing.assert_allclose(matrix.values[-1], latest_row(start), rtol=1e-9, atol=1e-12)
    assert np.isfinite(matrix.values[-1]).any()
    assert not matrix.ready.any()


# -- the checker catches those who break the law -----------------------------------------------


def planted() -> Iterator[FeatureSpec]:
    def sections(summary: str) -> str:
        return f"{summary}\n\nFormula: x\nUnit: x\nLook-back: x\nSource: x\n"

    def centred_mean(close: Floats) -> Floats:
        return close / np.convolve(np.pad(close, 2, mode="edge"), np.full(5, 0.2), mode="valid")

    def whole_frame_zscore(close: Floats) -> Floats:
        return (close - close.mean()) / close.std()

    def next_return(close: Floats) -> Floats:
        return np.append(np.diff(np.log(close)), 0.0)

    def filled_backwards(open_interest: Floats) -> Floats:
        filled = open_interest.copy()
        for row in range(len(filled) - 2, -1, -1):
            filled[row] = filled[row + 1] if np.isnan(filled[row]) else filled[row]
        return filled

    def present_at_all(open_interest: Floats) -> Floats:
        return np.full(len(open_interest), float(np.isfinite(open_interest).any()))

    for function in (
        centred_mean,
        whole_frame_zscore,
        next_return,
        filled_backwards,
        present_at_all,
    ):
        function.__doc__ = sections(function.__name__)
        feature("planted", lookback=lambda: 1)(function)
        yield from declared(function)


@pytest.mark.parametrize("spec", list(planted()), ids=lambda spec: spec.name)
def test_a_planted_look_ahead_is_caught(spec: FeatureSpec, broken: MarketFrame) -> None:
    violations = check_causality(spec, broken, spread_rows(broken, 12))
    assert violations
    assert all(violation.row <= violation.cut for violation in violations)
    assert spec.name in str(violations[0])


def test_one_row_of_look_ahead_is_caught_at_any_cut(complete: MarketFrame) -> None:
    spec = next(spec for spec in planted() if spec.name == "next_return")
    violations = check_causality(spec, complete, [100, 1_000])
    assert {(v.experiment, v.cut, v.row) for v in violations} == {
        (experiment, cut, cut) for experiment in ("truncation", "mutation") for cut in (100, 1_000)
    }


def test_an_understated_look_back_is_caught(complete: MarketFrame) -> None:
    @feature("planted", lookback=lambda: 10)
    def long_memory(close: Floats) -> Floats:
        """Memory longer than stated.

        Formula: close[t] / close[t-20]
        Unit: x
        Look-back: 10 bars, it says
        Source: x
        """
        return close / np.roll(close, 20)

    (spec,) = declared(long_memory)
    assert [v.row for v in check_lookback(spec, complete, [50, 100])] == [50, 100]


def test_the_time_of_the_close_decides_and_not_the_clock() -> None:
    day = np.arange(24, dtype=np.int64) * HOUR.ns
    np.testing.assert_allclose(hour_sine(day), np.sin(np.arange(24) * 2 * np.pi / 24), atol=1e-12)
