"""Features of the order book: worked out by hand and against plain loops, and free of every scale."""

from __future__ import annotations

import numpy as np
import pytest
from scaling import scaled

from riposte.features.catalogue import FeatureSpec, catalogue, names
from riposte.features.causality import agree, failures, typical_size
from riposte.features.matrix import build_matrix, feature_values
from riposte.market.frame import Floats, MarketFrame, make_frame
from riposte.market.interval import INTERVALS

SECOND, MINUTE, HOUR = (INTERVALS[name] for name in ("1s", "1m", "1h"))
OWN = {name: spec for name, spec in catalogue().items() if spec.group in ("book", "trades")}


def book(**columns: list[float]) -> MarketFrame:
    """Minute bars with the given columns; candles that stand still."""
    rows = len(next(iter(columns.values())))
    candles = {name: np.full(rows, 100.0) for name in ("open", "high", "low", "close", "volume")}
    given = {name: np.array(values, dtype=np.float64) for name, values in columns.items()}
    times = np.arange(rows, dtype=np.int64) * MINUTE.ns
    return make_frame("BTCUSDT", MINUTE, times, candles | given)


def value(name: str, frame: MarketFrame) -> float:
    return float(feature_values(catalogue()[name], frame)[-1])


def test_there_are_many_and_the_catalogue_is_well_above_two_hundred() -> None:
    assert len(catalogue()) > 300
    assert len(OWN) >= 100
    for interval in ("1s", "5s", "15s", "1m", "1h"):
        chosen = [OWN[name].group for name in names(INTERVALS[interval]) if name in OWN]
        assert chosen.count("book") >= 30, interval
        assert chosen.count("trades") >= 15, interval


@pytest.mark.parametrize("spec", OWN.values(), ids=lambda spec: spec.name)
def test_prices_and_coins_may_be_counted_in_anything(
    spec: FeatureSpec, fine: dict[str, MarketFrame], complete: MarketFrame, broken: MarketFrame
) -> None:
    frames = [complete, broken] if spec.suits(HOUR) else [fine["1m"].rows(0, 2_600)]
    seen = 0
    for frame in frames:
        if not spec.suits(frame.interval):
            continue
        once, again = feature_values(spec, frame), feature_values(spec, scaled(frame))
        scale = typical_size(once)
        assert all(agree(once[row], again[row], scale) for row in range(0, len(frame), 7))
        seen += 1
    assert seen or not spec.suits(MINUTE)


def test_the_laws_hold_on_seconds(fine: dict[str, MarketFrame]) -> None:
    minutes = fine["1m"].rows(0, 8_000)
    times = minutes.open_time[0] + np.arange(len(minutes)) * SECOND.ns
    frame = make_frame("BTCUSDT", SECOND, times, minutes.columns)
    short = {name: OWN[name] for name in names(SECOND) if name in OWN}
    assert sum(name.endswith("_1m") for name in short) >= 10
    assert failures(short, frame, 3) == []
    matrix = build_matrix(frame, short)
    place = np.arange(len(frame))
    for name, column in zip(matrix.names, matrix.values.T, strict=True):
        assert np.isfinite(column[place >= short[name].lookback(SECOND) - 1]).all(), name
    for spec in short.values():
        if spec.lookback(SECOND) < len(frame):
            values, again = (feature_values(spec, each) for each in (frame, scaled(frame)))
            np.testing.assert_allclose(again, values, rtol=1e-7, atol=1e-9 * typical_size(values))


# -- the book as it stands ---------------------------------------------------------------------

STANDING = {
    "best_bid": [99.0],
    "best_ask": [101.0],
    "best_bid_quantity": [3.0],
    "best_ask_quantity": [1.0],
    "bid_depth_5": [8.0],
    "ask_depth_5": [4.0],
    "bid_depth_10": [16.0],
    "ask_depth_10": [5.0],
    "bid_distance_10": [0.04],
    "ask_distance_10": [0.02],
    "bid_slope": [300.0],
    "ask_slope": [100.0],
    "bid_notional_02pct": [2.0],
    "ask_notional_02pct": [6.0],
    "bid_notional_1pct": [30.0],
    "ask_notional_1pct": [10.0],
    "bid_notional_5pct": [40.0],
    "ask_notional_5pct": [40.0],
}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("quoted_spread", 2 / 100),
        ("top_imbalance", (3 - 1) / 4),
        # The micro-price: (99 * 1 + 101 * 3) / 4 = 100.5.
        ("micro_price_deviation", 100.5 / 100 - 1),
        ("depth_imbalance_5", 4 / 12),
        ("depth_imbalance_10", 11 / 21),
        ("top_level_share", 4 / 21),
        ("near_level_share", 12 / 21),
        ("near_level_balance", 8 / 16 - 4 / 5),
        ("depth_distance", 0.03),
        ("depth_distance_balance", np.log(0.02 / 0.04)),
        ("book_pressure", (400 - 250) / 650),
        # Bids stand at 96 on average and asks at 102: (96 * 5 + 102 * 16) / 21.
        ("deep_price_deviation", ((96 * 5 + 102 * 16) / 21) / 100 - 1),
        ("book_slope_balance", np.log(3)),
        ("band_imbalance_02", -4 / 8),
        ("band_imbalance_1", 20 / 40),
        ("band_imbalance_5", 0.0),
        ("band_concentration", np.log(40 / 80)),
    ],
)
def test_the_standing_book_worked_out_by_hand(name: str, expected: float) -> None:
    assert value(name, book(**STANDING)) == pytest.approx(expected, rel=1e-12, abs=1e-15)


def test_a_forecast_of_the_middle_is_the_line_through_the_past_and_no_more() -> None:
    """Where each move is twice the flow before it, the next one is foretold exactly."""
    chance = np.random.default_rng(1)
    flow = chance.normal(0, 1, 40)
    returns = np.append(0.0, 2e-4 * flow[:-1] + 1e-5)
    middle = 100 * np.exp(np.cumsum(returns))
    frame = book(best_bid=list(middle - 0.01), best_ask=list(middle + 0.01), order_flow=list(flow))
    found = feature_values(catalogue()["middle_forecast_15m"], frame)
    assert np.isnan(found[:16]).all()
    np.testing.assert_allclose(found[16:], 2e-4 * flow[16:] + 1e-5, rtol=1e-6)


# -- what happens to the book ------------------------------------------------------------------


def loop(frame: MarketFrame, window: int) -> dict[str, Floats]:
    """The features of changes to the book, window by window."""
    rows = len(frame)
    found: dict[str, Floats] = {}

    def note(name: str, row: int, result: float) -> None:
        found.setdefault(name, np.full(rows, np.nan))[row] = result

    for row in range(window - 1, rows):
        part = {n: v[row - window + 1 : row + 1] for n, v in frame.columns.items()}
        total = {n: float(v.sum()) for n, v in part.items()}
        added, removed = (
            total[f"bid_{what}"] + total[f"ask_{what}"] for what in ("added", "removed")
        )
        traded = total["buy_volume"] + total["sell_volume"]
        gone_bids = max(total["bid_removed"] - total["sell_volume"], 0.0)
        gone_asks = max(total["ask_removed"] - total["buy_volume"], 0.0)
        depth = float((part["bid_depth_10"] + part["ask_depth_10"]).mean())
        best = float((part["best_bid_quantity"] + part["best_ask_quantity"]).mean()) / 2
        note("order_flow_imbalance", row, total["order_flow"] / best)
        note("order_flow_balance", row, total["order_flow"] / total["order_flow_size"])
        net = total["bid_added"] - total["bid_removed"] - total["ask_added"] + total["ask_removed"]
        note("level_flow_balance", row, net / (added + removed))
        note("arrival_balance", row, (total["bid_added"] - total["ask_added"]) / added)
        note("cancellation_rate", row, (gone_bids + gone_asks) / added)
        gone = gone_asks + gone_bids
        note("cancellation_balance", row, (gone_asks - gone_bids) / gone if gone else 0.0)
        note("added_per_traded", row, np.log(added / traded))
        note("depth_renewal", row, (added - removed) / (added + removed))
        note("depth_taken", row, traded / window / depth)
        note("quoted_spread_mean", row, float(part["mean_spread"].mean()))
        note("top_imbalance_mean", row, float(part["mean_imbalance"].mean()))
    return found


def test_changes_of_the_book_equal_a_loop_over_the_windows(complete: MarketFrame) -> None:
    part = complete.rows(0, 200)
    for name, expected in loop(part, 4).items():
        found = feature_values(catalogue()[f"{name}_4h"], part)
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("limit_order_arrival_rate", ("bid_additions", "ask_additions")),
        ("removal_rate", ("bid_removals", "ask_removals")),
        ("book_update_rate", ("book_updates",)),
        ("middle_change_rate", ("middle_changes",)),
        ("market_order_arrival_rate", ("taker_orders",)),
        ("price_speed", ("price_path",)),
    ],
)
def test_a_rate_against_usual_is_the_last_twelfth_against_the_day(
    name: str, columns: tuple[str, ...], complete: MarketFrame
) -> None:
    part = complete.rows(0, 200)
    counts = np.sum([part[column] for column in columns], axis=0)
    for row in (23, 77, 199):
        usual, recent = counts[row - 23 : row + 1].mean(), counts[row - 1 : row + 1].mean()
        found = feature_values(catalogue()[f"{name}_24h"], part)[row]
        assert found == pytest.approx(np.log(recent / usual), rel=1e-9)


def test_impact_is_the_slope_of_the_move_on_the_flow_per_deviation(complete: MarketFrame) -> None:
    part = complete.rows(0, 200)
    middle = np.log(0.5 * (part["best_bid"] + part["best_ask"]))
    signed = part["buy_volume"] - part["sell_volume"]
    for row in (24, 120, 199):
        window = slice(row - 23, row + 1)
        for name, price, flow in (
            ("order_flow_impact_24h", middle, part["order_flow"]),
            ("price_impact_24h", np.log(part["close"]), signed),
        ):
            moves = np.diff(price, prepend=np.nan)[window]
            slope = np.polyfit(flow[window], moves, 1)[0]
            found = feature_values(catalogue()[name], part)[row]
            assert found == pytest.approx(slope * flow[window].std(), rel=1e-6), name


CHANGES = (
    "order_flow", "order_flow_size", "book_updates", "middle_changes", "bid_added", "ask_added",
    "bid_removed", "ask_removed", "bid_additions", "ask_additions", "bid_removals",
    "ask_removals", "buy_volume", "sell_volume",
)  # fmt: skip


def test_a_quiet_book_is_neutral() -> None:
    zero = [0.0] * 40
    frame = book(
        best_bid=[99.0] * 40, best_ask=[101.0] * 40,
        best_bid_quantity=[1.0] * 40, best_ask_quantity=[1.0] * 40,
        bid_depth_10=[5.0] * 40, ask_depth_10=[5.0] * 40,
        **dict.fromkeys(CHANGES, zero),
    )  # fmt: skip
    for name, spec in OWN.items():
        if spec.suits(MINUTE) and spec.lookback(MINUTE) <= 40 and all(map(frame.has, spec.columns)):
            constant = {"quoted_spread": 0.02, "top_level_share": 0.2}.get(name, 0.0)
            assert value(name, frame) == pytest.approx(constant, abs=1e-15), name


def test_where_the_book_was_lost_there_is_no_value(broken: MarketFrame) -> None:
    lost = np.flatnonzero(np.isnan(broken["best_bid"]))
    assert len(lost) == 40
    for name in ("quoted_spread", "book_pressure", "order_flow_imbalance_4h", "depth_taken_4h"):
        assert np.isnan(feature_values(catalogue()[name], broken)[lost]).all(), name
