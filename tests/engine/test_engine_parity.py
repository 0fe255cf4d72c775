"""An independent engine (backtesting.py) makes the same trades on real data.

The rule sets both can express: a market order at the next open, a fixed notional in whole units, one position
at a time, taker fees, no funding; with a stop and a target attached, or left at the next open on the
opposite direction or after a time. backtesting.py also takes the stop before the target within a bar and
fills jumped stops and targets at the open.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from parity_rules import (
    EQUITY,
    NO_STOP,
    Candles,
    Rules,
    assert_same_trades,
    candles_of,
    directions,
    engine_config,
    engine_inputs,
    engine_trades,
    units,
)

from riposte.engine.enums import Reason
from riposte.engine.run import RunResult, run

ROWS = 12_000
MARKETS = {
    "BTCUSDT": 1_609_459_200_000,  # from 2021-01-01
    "SOLUSDT": 1_617_235_200_000,  # from 2021-04-01, both of its gaps inside
}
RULE_SETS = {
    "crossings, stop and target": Rules(trend=False, reversal=False, stop=0.012, target=0.02),
    "the same without fees": Rules(trend=False, reversal=False, stop=0.012, target=0.02, fee=0.0),
    "trend, reversal exits": Rules(trend=True, reversal=True),
    "trend, reversal and time exits": Rules(trend=True, reversal=True, hours=12),
}


def theirs(candles: Candles, rules: Rules) -> tuple[Any, Any]:
    """(trades as rows of COLUMNS, equity curve) of backtesting.py."""
    barriers = rules.stop != NO_STOP
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pandas as pd
        from backtesting import Backtest, Strategy

        class Averages(Strategy):
            def init(self) -> None:
                self.wanted = self.I(lambda c: directions(c, trend=rules.trend), self.data.Close)
                self.units = self.I(lambda c: units(candles, self.wanted), self.data.Close)

            def next(self) -> None:
                side = 0 if np.isnan(self.wanted[-1]) else int(self.wanted[-1])
                if self.position:
                    held = self.data.index[-1] + pd.Timedelta("1h") - self.trades[0].entry_time
                    late = rules.hours > 0 and held >= pd.Timedelta(hours=rules.hours)
                    if late or (rules.reversal and side * self.trades[0].size < 0):
                        self.position.close()
                elif not self.orders and side != 0:
                    price, size = self.data.Close[-1], int(self.units[-1])
                    stop = price * (1 - side * rules.stop) if barriers else None
                    target = price * (1 + side * rules.target) if barriers else None
                    (self.buy if side > 0 else self.sell)(size=size, sl=stop, tp=target)

        frame = pd.DataFrame(
            {
                "Open": candles.open,
                "High": candles.high,
                "Low": candles.low,
                "Close": candles.close,
            },
            index=pd.to_datetime(candles.open_time),
        )
        stats = Backtest(
            frame, Averages, cash=EQUITY, commission=rules.fee, margin=0.2, finalize_trades=False
        ).run()
    trades = stats["_trades"].sort_values("EntryBar")
    columns = ["Size", "EntryBar", "ExitBar", "EntryPrice", "ExitPrice", "Commission", "PnL"]
    return trades[columns].to_numpy(float), stats["_equity_curve"]["Equity"].to_numpy()


def ours(candles: Candles, rules: Rules) -> tuple[Any, RunResult]:
    """The same from our engine, which measures barriers from the fill; theirs stand from the decision on.

    Widths that lead to the same prices make the rule sets equal.
    """
    inputs = engine_inputs(candles, rules)
    if rules.stop != NO_STOP:
        signals = inputs.signals[:, 0]
        side = signals["direction"]
        next_open = np.append(candles.open[1:], candles.close[-1])
        signals["stop_loss"] = side * (1.0 - candles.close * (1.0 - side * rules.stop) / next_open)
        signals["take_profit"] = side * (
            candles.close * (1.0 + side * rules.target) / next_open - 1.0
        )
    result = run(inputs, engine_config(rules))
    return engine_trades(candles, result), result


@pytest.fixture(scope="module")
def markets(market_data: Path) -> dict[str, Candles]:
    return {symbol: candles_of(market_data, symbol, at, ROWS) for symbol, at in MARKETS.items()}


@pytest.mark.parametrize("name", RULE_SETS)
@pytest.mark.parametrize("symbol", MARKETS)
def test_every_trade_equals_that_of_an_independent_engine(
    markets: dict[str, Candles], symbol: str, name: str
) -> None:
    rules = RULE_SETS[name]
    expected, expected_equity = theirs(markets[symbol], rules)
    found, result = ours(markets[symbol], rules)
    # Their last open trade stays open, ours is closed at the end of the data: compare before it.
    closed = found[result.trades["exit_reason"] != Reason.END_OF_DATA]
    assert len(expected) > 100
    assert_same_trades(closed, expected)
    last = int(expected[-1, 2])
    np.testing.assert_allclose(result.equity[: last + 1], expected_equity[: last + 1], rtol=1e-9)
    by_time = int((result.trades["exit_reason"] == Reason.TIME).sum())
    assert by_time > 100 if rules.hours else by_time == 0
