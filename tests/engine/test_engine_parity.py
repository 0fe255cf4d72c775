"""An independent engine (backtesting.py) makes the same trades on real data.

The rule set both can express: a market order at the next open on a signal, a fixed notional in whole
units, a stop and a target attached, one position at a time, taker fees, no funding. backtesting.py also takes
the stop before the target within a bar and fills jumped stops and targets at the open.
"""

from __future__ import annotations

import dataclasses
import warnings
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scenario import FREE, PLAIN, STEADY, WIDE, bars_of, config, inputs_of, signals_of

from riposte.engine.enums import Reason
from riposte.engine.parameters import Sizing, TargetOrder
from riposte.engine.run import run

STOP, TARGET = 0.012, 0.02
EQUITY = 2_000_000.0
NOTIONAL = 500_000.0


def units(open_: np.ndarray, close: np.ndarray) -> np.ndarray:
    """Whole coins that the notional buys, both at the decision and at the next open."""
    next_open = np.append(open_[1:], close[-1])
    return np.floor(NOTIONAL / np.maximum(close, next_open))


def directions(close: np.ndarray) -> np.ndarray:
    """Moving-average crossings: +1 on a cross up, -1 on a cross down, else 0."""
    ends = np.cumsum(np.insert(close, 0, 0.0))

    def mean(n: int) -> np.ndarray:
        out = np.full(len(close), np.nan)
        out[n - 1 :] = (ends[n:] - ends[:-n]) / n
        return out

    above = np.sign(mean(10) - mean(40))
    crossed = np.diff(above, prepend=np.nan)
    return np.where(crossed == 2, 1, np.where(crossed == -2, -1, 0)).astype(np.int8)


@pytest.fixture(scope="module")
def candles(market_data: Path) -> pl.DataFrame:
    frame = pl.read_parquet(market_data / "klines" / "BTCUSDT-1h.parquet")
    return frame.filter(pl.col("open_time") >= 1_609_459_200_000).head(12_000)


def theirs(candles: pl.DataFrame, fee: float) -> tuple[np.ndarray, np.ndarray]:
    """(trades as rows of size, entry bar, exit bar, entry price, exit price; equity curve)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pandas as pd
        from backtesting import Backtest, Strategy

        class Crossing(Strategy):
            def init(self) -> None:
                self.wanted = self.I(directions, self.data.Close)
                self.units = self.I(units, self.data.Open, self.data.Close)

            def next(self) -> None:
                side = self.wanted[-1]
                if self.position or self.orders or np.isnan(side) or side == 0:
                    return
                price, size = self.data.Close[-1], int(self.units[-1])
                if side > 0:
                    self.buy(size=size, sl=price * (1 - STOP), tp=price * (1 + TARGET))
                else:
                    self.sell(size=size, sl=price * (1 + STOP), tp=price * (1 - TARGET))

        frame = pd.DataFrame(
            {
                "Open": candles["open"].to_numpy(),
                "High": candles["high"].to_numpy(),
                "Low": candles["low"].to_numpy(),
                "Close": candles["close"].to_numpy(),
            },
            index=pd.to_datetime(candles["open_time"].to_numpy(), unit="ms"),
        )
        stats = Backtest(
            frame, Crossing, cash=EQUITY, commission=fee, margin=0.2, finalize_trades=False
        ).run()
    trades = stats["_trades"].sort_values("EntryBar")
    columns = ["Size", "EntryBar", "ExitBar", "EntryPrice", "ExitPrice"]
    return trades[columns].to_numpy(float), stats["_equity_curve"]["Equity"].to_numpy()


def ours(candles: pl.DataFrame, fee: float) -> tuple[np.ndarray, np.ndarray]:
    """The same from our engine; stop and target are measured from the decision price, as theirs."""
    bars = bars_of(candles.select("open", "high", "low", "close").to_numpy())
    signals = signals_of(len(bars), {})
    signals["direction"] = directions(bars["close"])
    # Theirs fixes the barrier prices at the decision; ours from the fill at the next open. Widths
    # that lead to the same prices make the rule sets equal.
    next_open = np.append(bars["open"][1:], bars["close"][-1])
    side = signals["direction"]
    signals["stop_loss"] = side * (1.0 - bars["close"] * (1.0 - side * STOP) / next_open)
    signals["take_profit"] = side * (bars["close"] * (1.0 + side * TARGET) / next_open - 1.0)
    instrument = dataclasses.replace(PLAIN, taker_fee=fee, maker_fee=fee, step_size=1.0)
    rules = dataclasses.replace(
        STEADY, sizing=Sizing.FIXED_FRACTION, fixed_fraction=1.0, time_exit=False
    )
    limits = dataclasses.replace(WIDE, max_order_notional=NOTIONAL)
    costs = dataclasses.replace(FREE, target_order=TargetOrder.MARKET, funding=False)
    result = run(inputs_of(bars, signals, instrument), config(limits, costs, rules, equity=EQUITY))
    closed = result.trades[result.trades["exit_reason"] != Reason.END_OF_DATA]
    start = result.time[0]
    hour = result.time[1] - start
    rows = np.column_stack(
        [
            closed["side"] * closed["quantity"],
            (closed["opened_at"] - start) // hour + 1,
            (closed["closed_at"] - start) // hour,
            closed["entry_price"],
            closed["exit_price"],
        ]
    )
    return rows, result.equity


@pytest.mark.parametrize("fee", [0.0, 0.0005])
def test_every_trade_equals_that_of_an_independent_engine(
    candles: pl.DataFrame, fee: float
) -> None:
    expected, expected_equity = theirs(candles, fee)
    found, equity = ours(candles, fee)
    assert len(expected) > 100
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    # Their last open trade stays open, ours is closed at the end of the data: compare before it.
    last = int(expected[-1, 2])
    np.testing.assert_allclose(equity[: last + 1], expected_equity[: last + 1], rtol=1e-9)
