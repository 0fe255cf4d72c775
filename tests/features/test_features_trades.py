"""Features of trades worked out by hand and against plain loops; the input vector of the PPO system."""

from __future__ import annotations

import numpy as np
import pytest

from riposte.errors import InputError
from riposte.features.catalogue import catalogue, select
from riposte.features.matrix import build_matrix, feature_values, latest_row
from riposte.features.sets import PPO_30, PPO_NAMES, SETS, named_set
from riposte.market.frame import COLUMNS, Floats, MarketFrame, make_frame
from riposte.market.interval import INTERVALS

MINUTE = INTERVALS["1m"]


def minutes(**columns: list[float]) -> MarketFrame:
    rows = len(next(iter(columns.values())))
    candles = {name: np.full(rows, 100.0) for name in ("open", "high", "low", "close", "volume")}
    given = {name: np.array(values, dtype=np.float64) for name, values in columns.items()}
    times = np.arange(rows, dtype=np.int64) * MINUTE.ns
    return make_frame("BTCUSDT", MINUTE, times, candles | given)


def value(name: str, frame: MarketFrame) -> float:
    return float(feature_values(catalogue()[name], frame)[-1])


FIVE = minutes(
    buy_volume=[1, 2, 0, 4, 3],
    sell_volume=[1, 0, 0, 1, 8],
    buy_count=[2, 1, 0, 4, 1],
    sell_count=[1, 0, 0, 1, 10],
    taker_orders=[2, 1, 0, 2, 3],
    largest_order=[1, 2, 0, 4, 5],
    order_size_squares=[2, 4, 0, 17, 38],
    large_buy_volume=[0, 0, 0, 4, 0],
    large_sell_volume=[0, 0, 0, 0, 5],
    upticks=[1, 1, 0, 3, 0],
    downticks=[0, 1, 0, 1, 3],
    quote_volume=[202, 203, 0, 505, 1107],
    volume=[2, 2, 0, 5, 11],
    close=[101, 101.5, 101.5, 101, 100],
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("trade_flow_imbalance_5m", (10 - 10) / 20),
        ("trade_count_imbalance_5m", (8 - 12) / 20),
        ("order_size_dispersion_5m", np.sqrt(8 * 61 / 20**2 - 1)),
        ("trade_size_balance_5m", np.log((10 / 8) / (10 / 12))),
        ("largest_order_share_5m", 5 / 20),
        ("large_trade_share_5m", 9 / 20),
        ("large_trade_balance_5m", -1 / 9),
        ("trades_per_order_5m", np.log(20 / 8)),
        ("tick_imbalance_5m", 0.0),
        ("vwap_gap_5m", np.log(100 / (2017 / 20))),
    ],
)
def test_five_minutes_worked_out_by_hand(name: str, expected: float) -> None:
    assert value(name, FIVE) == pytest.approx(expected, rel=1e-12, abs=1e-15)


def test_dispersion_is_that_of_the_sizes_themselves() -> None:
    sizes = np.array([1.0, 1.0, 2.0, 4.0, 1.0, 5.0, 3.0, 3.0])
    frame = minutes(
        buy_volume=[1, 2, 0, 5, 11], sell_volume=[1, 0, 0, 0, 0], taker_orders=[2, 1, 0, 2, 3],
        order_size_squares=[2, 4, 0, 17, 43],
    )  # fmt: skip
    expected = sizes.std() / sizes.mean()
    assert value("order_size_dispersion_5m", frame) == pytest.approx(expected, rel=1e-12)


def loop(frame: MarketFrame, window: int) -> dict[str, Floats]:
    """The features that have a window of 24 bars of an hour, window by window."""
    close, signed = np.log(frame["close"]), frame["buy_volume"] - frame["sell_volume"]
    volume = frame["buy_volume"] + frame["sell_volume"]
    moves = np.diff(close, prepend=np.nan)
    found: dict[str, Floats] = {}
    for row in range(window + 1, len(frame)):
        all_of, last = slice(row - window + 1, row + 1), slice(row - window // 12 + 1, row + 1)
        before = slice(row - window, row)
        orders = frame["taker_orders"]
        impact = [np.abs(moves[s]).sum() / np.abs(signed[s]).sum() for s in (last, all_of)]
        size = [volume[s].sum() / orders[s].sum() for s in (last, all_of)]
        for name, result in {
            "flow_toxicity": np.abs(signed[all_of]).sum() / volume[all_of].sum(),
            "flow_persistence": np.corrcoef(signed[all_of], signed[before])[0, 1],
            "order_clustering": orders[all_of].std() / orders[all_of].mean(),
            "impact_against_usual": np.log(impact[0] / impact[1]),
            "order_size_against_usual": np.log(size[0] / size[1]),
        }.items():
            found.setdefault(name, np.full(len(frame), np.nan))[row] = result
    return found


def test_longer_windows_equal_a_loop(complete: MarketFrame) -> None:
    part = complete.rows(0, 160)
    for name, expected in loop(part, 24).items():
        found = feature_values(catalogue()[f"{name}_24h"], part)
        rows = np.isfinite(expected)
        np.testing.assert_allclose(found[rows], expected[rows], rtol=1e-8, err_msg=name)


def test_velocity_is_one_where_the_price_goes_straight_and_small_where_it_wanders() -> None:
    straight = 100 * np.exp(0.001 * np.arange(10))
    path = [0.001] * 10
    assert value(
        "price_velocity_5m", minutes(close=list(straight), price_path=path)
    ) == pytest.approx(1.0)
    falling = list(straight[::-1])
    assert value("price_velocity_5m", minutes(close=falling, price_path=path)) == pytest.approx(
        -1.0
    )
    assert value("price_velocity_5m", minutes(close=[100.0] * 10, price_path=path)) == 0.0
    assert value("price_velocity_5m", minutes(close=[100.0] * 10, price_path=[0.0] * 10)) == 0.0


def test_volume_acceleration_and_volume_against_usual_within_minutes() -> None:
    volume = [1.0] * 5 + [2.0] * 5 + [8.0] * 5
    assert value("volume_acceleration_5m", minutes(volume=volume)) == pytest.approx(np.log(2))
    mean = np.mean(volume)
    assert value("volume_against_usual_15m", minutes(volume=volume)) == pytest.approx(
        np.log(8 / mean)
    )


def test_bars_without_trades_are_neutral() -> None:
    zero = [0.0] * 50
    own = [n for n in COLUMNS if n.startswith(("buy_", "sell_", "large", "order_size", "taker_o", "price_p", "up", "down"))]  # fmt: skip
    frame = minutes(**dict.fromkeys(own, zero), volume=zero, quote_volume=zero)
    checked = 0
    for name, spec in catalogue().items():
        if spec.group == "trades" and spec.suits(MINUTE) and spec.lookback(MINUTE) <= 50:
            assert value(name, frame) == 0.0, name
            checked += 1
    assert checked >= 20


# -- the input vector of the PPO system --------------------------------------------------------


def test_the_ppo_vector_has_thirty_features_in_a_layout_that_does_not_move() -> None:
    assert named_set("ppo-30") == PPO_30 == tuple(PPO_NAMES.values())
    assert len(PPO_30) == len(set(PPO_30)) == 30
    assert PPO_30[:6] == (
        "candle_body", "upper_wick", "lower_wick", "return_1bar",
        "volume_against_usual_15m", "vwap_gap_15m",
    )  # fmt: skip
    assert PPO_30[6:18] == (
        "trade_flow_imbalance_5m", "price_change_5m", "log_return_15m",
        "order_size_dispersion_5m", "trade_frequency_15m", "price_velocity_5m",
        "volume_acceleration_5m", "large_trade_share_5m", "trade_count_imbalance_5m",
        "rsi", "macd", "bollinger_position",
    )  # fmt: skip
    assert PPO_30[18:] == (
        "quoted_spread", "depth_imbalance_10", "depth_against_usual_15m", "price_impact_15m",
        "order_flow_imbalance_5m", "limit_order_arrival_rate_15m", "cancellation_rate_5m",
        "market_order_arrival_rate_15m", "book_pressure", "near_level_share",
        "book_slope_balance", "micro_price_deviation",
    )  # fmt: skip


def test_every_input_that_the_ppo_system_names_is_there() -> None:
    """The one-minute change is that of the bar: on bars of a minute the close less the one before."""
    wanted = """
        Price (Open); Price (High); Price (Low); Price (Close); Volume; VWAP;
        Trade Imbalances; Rolling Price Changes (5-min); Rolling Price Changes (15-min);
        Trade Size Distribution; Trade Frequency; Price Velocity; Volume Acceleration;
        Large Trade Detection; Trade Flow Imbalance; Relative Strength Index (RSI);
        Moving Average Convergence Divergence (MACD); Bollinger Bands;
        Bid-Ask Spread; Order Book Imbalance; Order Book Depth; Price Impact Estimation;
        Order Flow Imbalance; Limit Order Arrival Rate; Order Cancellation Rate;
        Market Order Arrival Rate; Order Book Pressure; Liquidity at Different Price Levels;
        Order Book Slope; Mid-Price Movement Prediction
    """
    assert list(PPO_NAMES) == [name.strip() for name in wanted.replace("\n", " ").split(";")]


def test_the_change_of_a_one_minute_bar_is_the_one_minute_change(
    fine: dict[str, MarketFrame],
) -> None:
    close = np.log(fine["1m"]["close"][:200])
    found = feature_values(catalogue()["return_1bar"], fine["1m"])[1:200]
    np.testing.assert_allclose(found, np.diff(close), rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("interval", ["1s", "5s", "15s", "1m"])
def test_the_ppo_vector_suits_bars_up_to_a_minute(interval: str) -> None:
    assert [spec.name for spec in select(PPO_30, INTERVALS[interval])] == list(PPO_30)


def test_the_ppo_vector_is_finite_and_live_equals_batch(fine: dict[str, MarketFrame]) -> None:
    frame = fine["1m"].rows(0, 1_500)
    matrix = build_matrix(frame, PPO_30)
    assert np.isfinite(matrix.values[matrix.ready]).all()
    assert matrix.ready.sum() > 900
    np.testing.assert_allclose(latest_row(frame, PPO_30), matrix.values[-1], rtol=1e-9, atol=1e-12)


def test_an_unknown_set_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(InputError, match=r"'ppo-3' is not known: use one of ppo-30"):
        named_set("ppo-3")
    assert list(SETS) == ["ppo-30"]
