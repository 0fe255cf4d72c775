"""Rolling normalisation: its values, its laws, and features made of features by it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from riposte.errors import InputError
from riposte.features.catalogue import catalogue
from riposte.features.causality import check_causality, check_lookback, spread_rows
from riposte.features.matrix import build_matrix, latest_row
from riposte.features.normalise import METHODS, normalised
from riposte.market.frame import Floats, MarketFrame

Method = Callable[..., Floats]
every_method = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS.keys())

numbers = st.floats(-1e6, 1e6, allow_nan=False, width=32) | st.sampled_from([0.0, 1.0, np.nan])
histories = st.integers(2, 60).flatmap(lambda n: arrays(np.float64, n, elements=numbers))
windows = st.integers(2, 12)


def by_hand(name: str, values: Floats, window: int) -> Floats:
    """The definition, one window at a time."""
    out = np.full(len(values), np.nan)
    for row in range(window - 1, len(values)):
        held = values[row - window + 1 : row + 1]
        held = held[np.isfinite(held)]
        if np.isnan(values[row]) or 2 * len(held) < window:
            continue
        x = values[row]
        if name == "minmax":
            reach = np.ptp(held)
            out[row] = (x - held.min()) / reach if reach > 0 else 0.5
            continue
        middle = held.mean() if name == "zscore" else np.median(held)
        if name == "zscore":
            scale = held.std()
        else:
            scale = np.median(np.abs(held - middle)) / 0.6744897501960817
            scale = scale or np.mean(np.abs(held - middle)) / 0.7978845608028654
        flat = scale <= 1e-12 * abs(middle)
        out[row] = 0.0 if flat else (x - middle) / scale
    return out


@pytest.mark.parametrize("name", METHODS)
@given(values=histories, window=windows)
@settings(max_examples=80)
def test_it_is_what_the_definition_says_window_by_window(
    name: str, values: Floats, window: int
) -> None:
    np.testing.assert_allclose(
        METHODS[name](values, window), by_hand(name, values, window), rtol=1e-6, atol=1e-6
    )


@every_method
@given(values=histories, window=windows, data=st.data())
@settings(max_examples=60)
def test_the_future_changes_nothing_to_the_bit(
    method: Method, values: Floats, window: int, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(1, len(values)))
    whole = method(values, window)
    np.testing.assert_array_equal(method(values[:cut], window), whole[:cut])
    other = values.copy()
    other[cut:] = 1e9
    np.testing.assert_array_equal(method(other, window)[:cut], whole[:cut])


@every_method
@given(values=histories, window=windows)
@settings(max_examples=60)
def test_live_on_the_last_window_equals_batch_and_nothing_is_infinite(
    method: Method, values: Floats, window: int
) -> None:
    whole = method(values, window)
    for row in range(window - 1, len(values)):
        live = method(values[row - window + 1 : row + 1], window)[-1]
        np.testing.assert_allclose(live, whole[row], rtol=1e-9, atol=1e-9)
    assert np.isnan(whole[: window - 1]).all()
    assert not np.isinf(whole).any()
    if method is not METHODS["robust"]:
        assert (np.abs(whole[np.isfinite(whole)]) <= np.sqrt(window)).all()


@every_method
@given(
    values=arrays(np.float64, 40, elements=st.integers(-1000, 1000).map(float)),
    window=windows,
    factor=st.sampled_from([0.125, 3.0, 1e4]),
    shift=st.sampled_from([0.0, 64.0]),
)
@settings(max_examples=60)
def test_scale_and_level_do_not_matter(
    method: Method, values: Floats, window: int, factor: float, shift: float
) -> None:
    np.testing.assert_allclose(
        method(values * factor + shift, window), method(values, window), rtol=1e-7, atol=1e-7
    )


@every_method
def test_each_segment_stands_alone(method: Method) -> None:
    values = np.random.default_rng(1).normal(size=90)
    segment = np.repeat([0, 1, 2], [40, 5, 45])
    whole = method(values, 10, segment)
    for each in (0, 1, 2):
        rows = segment == each
        np.testing.assert_array_equal(whole[rows], method(values[rows], 10))
    assert np.isnan(whole[40:45]).all()


@every_method
def test_its_input_is_left_as_it_is_even_where_it_may_not_be_written(method: Method) -> None:
    values = np.arange(30.0)
    values.setflags(write=False)
    before = values.copy()
    assert not np.shares_memory(method(values, 5), values)
    np.testing.assert_array_equal(values, before)


def test_one_wild_value_leaves_the_robust_scale_alone() -> None:
    values = np.random.default_rng(2).normal(size=400)
    wild = values.copy()
    wild[350] = 1e6
    calm, after = (METHODS["robust"](v, 200) for v in (values, wild))
    assert np.abs(calm[351:] - after[351:]).max() < 0.1
    assert np.abs(METHODS["zscore"](wild, 200)[351:]).max() < 0.2  # the plain scale is spoilt


def test_a_standstill_is_neutral() -> None:
    still = np.full(20, 0.1)
    assert (METHODS["zscore"](still, 5)[4:] == 0).all()
    assert (METHODS["robust"](still, 5)[4:] == 0).all()
    assert (METHODS["minmax"](still, 5)[4:] == 0.5).all()


def test_a_window_of_one_row_is_refused() -> None:
    with pytest.raises(InputError, match="at least 2 rows, not 1"):
        METHODS["zscore"](np.arange(3.0), 1)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("inner", ["rsi", "open_interest_zscore_7d", "drawdown_24h"])
def test_a_normalised_feature_obeys_the_laws_of_all_features(
    method: str, inner: str, complete: MarketFrame, broken: MarketFrame
) -> None:
    spec = normalised(catalogue()[inner], method, "3d")
    assert spec.name == f"{inner}_{method}_3d"
    assert spec.lookback(complete.interval) == catalogue()[inner].lookback(complete.interval) + 71
    for frame in (complete, broken):
        assert check_causality(spec, frame, spread_rows(frame, 8)) == []
        assert check_lookback(spec, frame, spread_rows(frame, 24)) == []
    known = {spec.name: spec}
    matrix = build_matrix(complete, [spec.name], known)
    np.testing.assert_allclose(
        latest_row(complete, [spec.name], known), matrix.values[-1], rtol=1e-9
    )
    assert np.isfinite(matrix.values[matrix.ready]).all()


def test_the_version_of_a_normalised_feature_follows_what_is_inside() -> None:
    one = normalised(catalogue()["rsi"], "zscore", "3d")
    others = (
        normalised(catalogue()["rsi"], "zscore", "4d"),
        normalised(catalogue()["rsi"], "robust", "3d"),
        normalised(catalogue()["rsi_fast"], "zscore", "3d"),
    )
    assert len({one.version, *(each.version for each in others)}) == 4
    assert one.version == normalised(catalogue()["rsi"], "zscore", "3d").version


def test_an_unknown_method_is_refused_with_the_nearest_right_one() -> None:
    with pytest.raises(InputError, match=r"'zscor' is not known.*did you mean 'zscore'"):
        normalised(catalogue()["rsi"], "zscor", "3d")
