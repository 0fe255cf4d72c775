"""vectorbt makes the same trades as our engine, one for one, on real candles.

What had to be aligned, and why the two are then the same rules:

* **When.** Ours decides at a close and fills at the next open, and the bar of that open can already reach
  a barrier. vectorbt acts once per row, looks at a position's stops from the *row after* its entry, and is
  deaf to signals in a row where a stop is hit. So every candle is given to it as two rows: one with no
  prices but that of an order, the open, where what was decided at the close before is filled; and one that
  is the candle, where stops are looked at. Both engines then see the same prices in the same order, and
  vectorbt's value at the second row is the equity at the candle's close.
* **Which first.** A stop comes before a target reached in the same bar, even where the bar opened beyond
  the target, and a barrier that the open has jumped over fills at the open, in both. A barrier touched
  exactly counts in both: our target is an order at market (vectorbt knows no resting limit that must be
  traded through).
* **From where.** Barriers are measured from the price filled (``stop_entry_price="fillprice"``), and
  leaving through one costs slippage (``stop_exit_price="stopmarket"``), as ours do.
* **Reversal.** Ours closes on the opposite direction and may open only after the next close:
  ``upon_opposite_entry="close"``. Without reversal exits it is deaf: ``"ignore"``.
* **The end.** Ours closes at the last close; one more row, where vectorbt leaves at that price, does the same.
* **Out of reach of vectorbt**, and therefore off: funding, liquidation, limits, partial profits, impact.
"""

from __future__ import annotations

import dataclasses
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
    engine_run,
    engine_trades,
    units,
)

from riposte.engine.enums import Reason
from riposte.market.interval import HOUR_NS

pytestmark = pytest.mark.slow  # vectorbt compiles for ten seconds, in every process anew

MARKETS = {
    "BTC": ("BTCUSDT", 1_609_459_200_000, 14_000),  # from 2021-01-01
    "SOL": ("SOLUSDT", 1_617_235_200_000, 14_000),  # from 2021-04-01, both of its gaps inside
    # The same to the end, but only while New York is awake: the price jumps every night.
    "SOL by day": ("SOLUSDT", 1_617_235_200_000, 12_300, range(13, 21)),
}
RULE_SETS = {
    "crossings, stop and target": Rules(trend=False, reversal=False, stop=0.012, target=0.02),
    "crossings, narrow barriers": Rules(trend=False, reversal=False, stop=0.004, target=0.005),
    "trend, reversal only": Rules(trend=True, reversal=True),
    "trend, reversal and barriers": Rules(trend=True, reversal=True, stop=0.012, target=0.03),
    "trend, barriers, deaf to reversal": Rules(
        trend=True, reversal=False, stop=0.006, target=0.006
    ),
}
SLIPPAGES = {"no slippage": 0.0, "fixed slippage": 0.0002}


def in_two_rows(candles: Candles) -> dict[str, Any]:
    """Prices for vectorbt: before each candle a row with an order price alone; the last close once more."""
    nothing = np.full(len(candles), np.nan)
    rows = {
        name: np.append(np.column_stack([nothing, getattr(candles, name)]).ravel(), np.nan)
        for name in ("open", "high", "low", "close")
    }
    orders = np.column_stack([candles.open, nothing]).ravel()
    return {**rows, "price": np.append(orders, candles.close[-1])}


def vectorbt_run(candles: Candles, rules: Rules) -> tuple[Any, Any]:
    """(trades as rows of COLUMNS, value at every candle's close) of vectorbt's from_signals."""
    direction = directions(candles.close, trend=rules.trend)
    count = len(candles)
    # What was decided at a close is acted on in the row of the next open.
    wanted = np.zeros(2 * count + 1, np.int8)
    size = np.ones(2 * count + 1)
    wanted[2:-1:2] = direction[:-1]
    size[2:-1:2] = units(candles, direction, rules.slippage)[:-1]
    leave = np.zeros(2 * count + 1, np.bool_)
    leave[-1] = True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import vectorbt

        portfolio = vectorbt.Portfolio.from_signals(
            **in_two_rows(candles),
            entries=wanted > 0,
            short_entries=wanted < 0,
            exits=leave,
            short_exits=leave,
            size=size,
            fees=rules.fee,
            slippage=rules.slippage,
            sl_stop=rules.stop,
            tp_stop=rules.target,
            stop_entry_price="fillprice",
            stop_exit_price="stopmarket",
            upon_opposite_entry="close" if rules.reversal else "ignore",
            init_cash=EQUITY,
            use_stops=rules.stop != NO_STOP,
            freq="30min",
        )
        trades = portfolio.exit_trades.values
        value = portfolio.value().to_numpy()
    rows = np.column_stack(
        [
            np.where(trades["direction"] == 0, 1.0, -1.0) * trades["size"],
            trades["entry_idx"] // 2,
            np.minimum(trades["exit_idx"] // 2, count - 1),
            trades["entry_price"],
            trades["exit_price"],
            trades["entry_fees"] + trades["exit_fees"],
            trades["pnl"],
        ]
    )
    return rows, np.append(value[1:-2:2], EQUITY + trades["pnl"].sum())


@pytest.fixture(scope="module")
def markets(market_data: Path) -> dict[str, Candles]:
    return {name: candles_of(market_data, *chosen) for name, chosen in MARKETS.items()}


@pytest.mark.parametrize("slippage", SLIPPAGES)
@pytest.mark.parametrize("name", RULE_SETS)
@pytest.mark.parametrize("market", MARKETS)
def test_every_trade_and_the_equity_at_every_close_equal_those_of_vectorbt(
    markets: dict[str, Candles], market: str, name: str, slippage: str
) -> None:
    rules = dataclasses.replace(RULE_SETS[name], slippage=SLIPPAGES[slippage])
    candles = markets[market]
    expected, expected_equity = vectorbt_run(candles, rules)
    result = engine_run(candles, rules)
    found = engine_trades(candles, result)
    assert len(expected) > 300
    assert_same_trades(found, expected)
    np.testing.assert_allclose(result.equity, expected_equity, rtol=1e-9)
    barriers = int(np.isin(result.trades["exit_reason"], [Reason.STOP, Reason.TARGET]).sum())
    assert barriers == 0 if rules.stop == NO_STOP else barriers > 300


@pytest.mark.parametrize("market", MARKETS)
def test_the_candles_hold_what_engines_disagree_about(
    markets: dict[str, Candles], market: str
) -> None:
    """Both barriers in one bar, exits in the bar of the entry, barriers jumped over, missing bars."""
    rules = RULE_SETS["trend, reversal and barriers"]
    candles = markets[market]
    result = engine_run(candles, rules)
    rows = engine_trades(candles, result)
    barrier = np.isin(result.trades["exit_reason"], [Reason.STOP, Reason.TARGET])
    entry, left = rows[:, 1].astype(int), rows[:, 2].astype(int)
    side, entered = np.sign(rows[:, 0]), rows[:, 3]
    high, low = candles.high[left], candles.low[left]
    worst, best = np.where(side > 0, low, high), np.where(side > 0, high, low)
    both = (worst / entered - 1.0) * side <= -rules.stop
    both &= (best / entered - 1.0) * side >= rules.target
    jumped = barrier & (rows[:, 4] == candles.open[left]) & (entry != left)
    gaps = np.flatnonzero(np.diff(candles.open_time) > HOUR_NS)
    across = sum(bool(((entry <= gap) & (left > gap)).any()) for gap in gaps)
    assert (barrier & (entry == left)).sum() > 100
    assert both.sum() > 10
    if market == "SOL":
        assert across >= 1
    if market == "SOL by day":
        assert jumped.sum() > 100
        assert across > 100
