"""The picture of one feature: right numbers, honest words, one file that asks for nothing."""

from __future__ import annotations

import numpy as np
import pytest
from small_study import market

from riposte.errors import DataError
from riposte.features.catalogue import catalogue
from riposte.features.matrix import feature_values
from riposte.market.frame import MarketFrame, make_frame
from riposte.market.interval import HOUR_NS
from riposte.proof.feature_figure import FeatureFigure, feature_figure, render_feature


@pytest.fixture(scope="module")
def frame() -> MarketFrame:
    return market(3, months=3)[0]


@pytest.fixture(scope="module")
def figure(frame: MarketFrame) -> FeatureFigure:
    return feature_figure(catalogue()["rsi"], frame, 4 * HOUR_NS)


def test_the_mean_return_of_each_quantile_is_that_of_its_rows(
    frame: MarketFrame, figure: FeatureFigure
) -> None:
    value = feature_values(catalogue()["rsi"], frame)
    assert len(figure.quantiles) == 10
    total = 0
    for each in figure.quantiles:
        rows = np.flatnonzero((value[:-4] >= each.start) & (value[:-4] <= each.stop))
        later = np.log(frame["close"][rows + 4] / frame["close"][rows])
        assert each.mean == pytest.approx(later.mean())
        assert each.low < each.mean < each.high
        total += each.rows
    assert total == np.isfinite(value[:-4]).sum()
    assert figure.count.sum() == pytest.approx(0.99 * np.isfinite(value).sum(), rel=0.01)


def test_no_return_reaches_over_a_gap(frame: MarketFrame) -> None:
    kept = np.ones(len(frame), np.bool_)
    kept[1_000:1_400] = False
    columns = {name: np.array(values[kept]) for name, values in frame.columns.items()}
    for name in ("open", "high", "low", "close"):
        columns[name][1_000:] *= 100.0
    gap = make_frame(frame.symbol, frame.interval, frame.open_time[kept], columns)
    figure = feature_figure(catalogue()["candle_body"], gap, 4 * HOUR_NS)
    assert max(abs(each.mean) for each in figure.quantiles) < 0.02


def test_the_words_say_that_it_is_in_sample(figure: FeatureFigure) -> None:
    text = " ".join(figure.words)
    assert "In sample" in text
    assert "An order seen here is a question, not evidence" in text
    assert "in the first half and" in text


def test_equal_figures_give_equal_pages_that_point_nowhere(figure: FeatureFigure) -> None:
    page = render_feature(figure, real_data=False)
    assert page == render_feature(figure, real_data=False)
    assert 'src="http' not in page
    assert 'href="http' not in page
    assert "Synthetic data" in page
    assert "in sample" in page
    assert "Synthetic data" not in render_feature(figure)


def test_a_feature_without_data_is_refused_with_what_it_reads(frame: MarketFrame) -> None:
    with pytest.raises(DataError, match="has 0 values with a known future") as caught:
        feature_figure(catalogue()["log_return_24h"], frame.rows(0, 20), 4 * HOUR_NS)
    assert "close" in caught.value.hint
