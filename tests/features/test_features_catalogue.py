"""The catalogue: what is in it, how a feature is declared, and which are chosen for an interval."""

from __future__ import annotations

import inspect
import re

import numpy as np
import pytest

from riposte.errors import InputError
from riposte.features import momentum
from riposte.features.catalogue import (
    LONGEST_LOOKBACK,
    catalogue,
    collect,
    declared,
    feature,
    names,
    select,
    version,
)
from riposte.features.matrix import build_matrix, latest_row, max_lookback
from riposte.market.frame import COLUMNS, Floats, MarketFrame
from riposte.market.interval import parse_interval

INTERVALS = [parse_interval(name) for name in ("1m", "5m", "15m", "1h")]
RECORDED = [
    "open",
    "high",
    "low",
    "close",
    "volume",
    "mark_price",
    "open_interest",
    "funding_rate",
    "funding_charge",
    "hours_since_funding",
]


def test_the_recorded_data_supports_more_than_a_hundred_features_of_every_group() -> None:
    for interval in INTERVALS:
        supported = names(interval, RECORDED)
        assert len(supported) >= 100
        assert {catalogue()[name].group for name in supported} == {
            "momentum",
            "trend",
            "oscillators",
            "volatility",
            "volume",
            "candles",
            "open_interest",
            "funding",
            "regime",
            "calendar",
            "timeframes",
        }
        assert sum(catalogue()[name].group == "open_interest" for name in supported) >= 20
        assert sum(catalogue()[name].group == "funding" for name in supported) >= 10


def test_flow_and_positioning_are_there_for_data_that_has_them() -> None:
    groups = [catalogue()[name].group for name in names(INTERVALS[-1], COLUMNS)]
    assert groups.count("flow") >= 6
    assert groups.count("positioning") >= 8


def test_every_docstring_names_formula_unit_look_back_and_source() -> None:
    for spec in catalogue().values():
        for section in ("Formula", "Unit", "Look-back", "Source"):
            assert re.search(rf"^{section}: \S", spec.doc, re.MULTILINE), (spec.name, section)
        assert spec.unit
        assert spec.columns or "close_time" in inspect.signature(spec.function).parameters


def test_the_catalogue_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        catalogue()["return_1bar"] = catalogue()["rsi"]  # type: ignore[index]


def test_windows_are_durations_and_become_bars_of_the_interval() -> None:
    spec = catalogue()["log_return_24h"]
    assert [spec.lookback(interval) for interval in INTERVALS] == [1441, 289, 97, 25]


def test_a_window_of_one_bar_is_left_out_because_it_would_repeat_the_last_bar() -> None:
    for interval in INTERVALS:
        assert ("log_return_1h" in names(interval)) == (interval.name != "1h")
        assert ("log_return_15m" in names(interval)) == (interval.name in {"1m", "5m"})


def test_a_look_back_beyond_a_week_of_minutes_is_left_out() -> None:
    assert "funding_zscore_30d" not in names(parse_interval("1m"))
    for interval in INTERVALS:
        assert max_lookback(names(interval), interval) <= LONGEST_LOOKBACK


def test_no_two_features_are_the_same_column(complete: MarketFrame) -> None:
    matrix = build_matrix(complete)
    seen: dict[bytes, str] = {}
    for name, column in zip(matrix.names, matrix.values[matrix.ready].T, strict=True):
        key = column.tobytes()
        assert key not in seen, (name, seen[key])
        seen[key] = name


def declare(doc: str | None, **options: object) -> None:
    def mine(close: Floats, window: int) -> Floats:
        return close * window

    mine.__doc__ = doc
    feature("mine", lookback=lambda window: window, **options)(mine)  # type: ignore[arg-type]


GOOD = "Mine.\n\nFormula: x\nUnit: fraction\nLook-back: window bars\nSource: me\n"


def test_a_declaration_without_its_source_is_refused() -> None:
    with pytest.raises(InputError, match=r"lacks a line 'Source: \.\.\.'"):
        declare(GOOD.replace("Source: me\n", ""), at=("1h",))


def test_a_declaration_with_an_unknown_column_is_refused() -> None:
    with pytest.raises(InputError, match="'window' is neither a window nor a column"):
        declare(GOOD)


def test_a_declaration_with_a_window_it_does_not_take_is_refused() -> None:
    with pytest.raises(InputError, match="'slow' is not one of its parameters"):
        declare(GOOD, at=("1h",), windows={"slow": "4h"})


def test_unknown_repeated_and_too_fine_names_are_refused() -> None:
    hour = parse_interval("1h")
    with pytest.raises(InputError, match=r"'rsj' is not known .did you mean 'rsi'"):
        select(["rsj"], hour)
    with pytest.raises(InputError, match="named twice"):
        select(["rsi", "rsi"], hour)
    with pytest.raises(InputError, match="'log_return_15m' needs windows of at least 2 bars"):
        select(["log_return_15m"], hour)


def test_a_user_feature_lives_beside_the_built_in_ones(complete: MarketFrame) -> None:
    def mine(close: Floats, window: int) -> Floats:
        return np.roll(close, window) / close

    mine.__doc__ = GOOD
    feature("mine", lookback=lambda window: window + 1, at=("2h", "6h"))(mine)
    own = {spec.name: spec for spec in declared(mine)}
    assert list(own) == ["mine_2h", "mine_6h"]
    together = {**catalogue(), **own}
    matrix = build_matrix(complete, ["rsi", "mine_6h"], together)
    assert matrix.names == ("rsi", "mine_6h")
    np.testing.assert_allclose(
        latest_row(complete, ["rsi", "mine_6h"], together), matrix.values[-1]
    )


def test_the_matrix_is_read_only_row_major_and_says_which_rows_are_ready(
    broken: MarketFrame,
) -> None:
    matrix = build_matrix(broken, ["rsi", "log_return_7d"])
    assert matrix.values.shape == (len(broken), 2)
    assert matrix.values.flags["C_CONTIGUOUS"]
    assert not matrix.values.flags.writeable
    np.testing.assert_array_equal(matrix.close_time, broken.open_time + broken.interval.ns)
    history = max_lookback(matrix.names, broken.interval)
    assert history == catalogue()["rsi"].lookback(broken.interval)
    starts = np.flatnonzero(np.diff(broken.segment, prepend=-1))
    for start, stop in zip(starts, [*starts[1:], len(broken)], strict=True):
        assert not matrix.ready[start : min(start + history - 1, stop)].any()
        assert matrix.ready[start + history - 1 : stop].all()
    assert np.isfinite(matrix.values[matrix.ready]).all()


def test_a_history_shorter_than_the_look_back_gives_missing_values(complete: MarketFrame) -> None:
    row = latest_row(complete.rows(0, 30), ["candle_body", "log_return_24h", "rsi"])
    assert np.isfinite(row[:2]).all()
    assert np.isnan(row[2])


def test_the_version_follows_names_order_and_definitions() -> None:
    rsi, body = catalogue()["rsi"], catalogue()["candle_body"]
    assert rsi.version == catalogue()["rsi"].version
    assert len({spec.version for spec in catalogue().values()}) == len(catalogue())
    assert version([rsi, body]) != version([body, rsi])


def test_features_come_in_the_order_of_their_file() -> None:
    found = [spec.name for spec in collect(momentum)]
    assert found[:3] == ["return_1bar", "log_return_15m", "log_return_1h"]
    assert [name for name in catalogue() if name in found] == found
