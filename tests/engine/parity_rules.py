"""Rule sets that other engines can express too, on real candles: for parity and for the benchmarks.

Every rule set decides at the close of a bar and is filled at the next open, holds one position of a fixed
notional in whole coins, and pays taker fees and a fixed slippage.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scenario import FREE, PLAIN, STEADY, WIDE, bars_of, config, signals_of

from riposte.engine.enums import Reason
from riposte.engine.parameters import EngineConfig, Sizing, TargetOrder
from riposte.engine.run import MarketInputs, RunResult, run
from riposte.market.interval import DAY_NS, HOUR_NS

EQUITY = 20_000_000.0
NOTIONAL = 500_000.0
# Out of reach on these candles (a short's target lies below zero): as good as no barrier. A test that means it
# asserts that no trade ended there.
NO_STOP, NO_TARGET = 0.79, 1_000.0

# Of a trade: coins, signed; numbers of rows; prices; USDT, the profit net of fees.
COLUMNS = ("size", "entry bar", "exit bar", "entry price", "exit price", "fees", "profit")


@dataclass(frozen=True, slots=True)
class Candles:
    """Hourly candles in rows, as recorded: where bars are missing, ``time`` jumps. Times are ns UTC."""

    symbol: str
    open_time: Any
    open: Any
    high: Any
    low: Any
    close: Any

    def __len__(self) -> int:
        return len(self.close)


@dataclass(frozen=True, slots=True)
class Rules:
    """What is traded. ``stop`` and ``target`` are distances from the fill, as fractions.

    ``trend``: every bar has a direction, that of the faster average; else only the bar of a crossing.
    ``reversal``: an opposite direction closes. ``hours``: time exit, 0 for none.
    """

    trend: bool
    reversal: bool
    stop: float = NO_STOP
    target: float = NO_TARGET
    hours: int = 0
    fee: float = 0.0004
    slippage: float = 0.0


def candles_of(
    folder: Path, symbol: str, since_ms: int, rows: int, hours: range = range(24)
) -> Candles:
    """``rows`` recorded hourly candles from ``since_ms`` on, of these ``hours`` of the day alone.

    Around the clock a candle opens where the last one closed; with hours left out the price jumps over
    barriers, as it does in a market that closes at night.
    """
    frame = pl.read_parquet(folder / "klines" / f"{symbol}-1h.parquet")
    hour = pl.col("open_time") // 3_600_000 % 24
    frame = frame.filter((pl.col("open_time") >= since_ms) & hour.is_in(list(hours))).head(rows)
    prices = (frame[name].to_numpy() for name in ("open", "high", "low", "close"))
    return Candles(symbol, frame["open_time"].to_numpy().astype(np.int64) * 1_000_000, *prices)


def directions(close: Any, *, trend: bool = False) -> Any:
    """Moving averages of 10 and 40 bars: +1 and -1 on a crossing, or in every bar of a ``trend``."""
    ends = np.cumsum(np.insert(close, 0, 0.0))

    def mean(n: int) -> Any:
        out = np.full(len(close), np.nan)
        out[n - 1 :] = (ends[n:] - ends[:-n]) / n
        return out

    above = np.sign(mean(10) - mean(40))
    if trend:
        return np.nan_to_num(above).astype(np.int8)
    crossed = np.diff(above, prepend=np.nan)
    return np.where(crossed == 2, 1, np.where(crossed == -2, -1, 0)).astype(np.int8)


def units(candles: Candles, direction: Any, slippage: float = 0.0) -> Any:
    """Whole coins that the notional buys both at the decision and at the price of the next open."""
    next_open = np.append(candles.open[1:], candles.close[-1]) * (1.0 + direction * slippage)
    return np.floor(NOTIONAL / np.maximum(candles.close, next_open))


def engine_config(rules: Rules) -> EngineConfig:
    """Our engine told to do no more than the rule set says."""
    leverage = 1.0 if rules.stop == NO_STOP else 5.0
    return config(
        dataclasses.replace(
            WIDE, max_leverage=leverage, max_order_notional=NOTIONAL, stale_ns=30 * DAY_NS
        ),
        dataclasses.replace(FREE, target_order=TargetOrder.MARKET, funding=False),
        dataclasses.replace(
            STEADY,
            sizing=Sizing.FIXED_FRACTION,
            fixed_fraction=1.0,
            time_exit=rules.hours > 0,
            exit_on_reversal=rules.reversal,
        ),
        equity=EQUITY,
    )


def engine_inputs(candles: Candles, rules: Rules) -> MarketInputs:
    """The candles and the directions as our engine reads them, on the recorded clock."""
    bars = bars_of(np.column_stack([candles.open, candles.high, candles.low, candles.close]))
    signals = signals_of(len(bars), {})
    signals["direction"] = directions(candles.close, trend=rules.trend)
    signals["stop_loss"], signals["take_profit"] = rules.stop, rules.target
    signals["horizon_ns"] = rules.hours * HOUR_NS
    instrument = dataclasses.replace(
        PLAIN,
        symbol=candles.symbol,
        taker_fee=rules.fee,
        maker_fee=rules.fee,
        half_spread=rules.slippage,
        step_size=1.0,
        tick_size=0.0,
    )
    return MarketInputs(
        (candles.symbol,),
        (instrument,),
        HOUR_NS,
        candles.open_time + HOUR_NS,
        bars[:, None],
        signals[:, None],
    )


def engine_run(candles: Candles, rules: Rules) -> RunResult:
    """Our engine's run of the rule set."""
    return run(engine_inputs(candles, rules), engine_config(rules))


def engine_trades(candles: Candles, result: RunResult) -> Any:
    """All trades of a run as rows of :data:`COLUMNS`; bars are numbers of rows."""
    trades = result.trades
    at_open = np.isin(trades["exit_reason"], [Reason.REVERSAL, Reason.TIME])
    exit_bar = np.where(
        at_open,
        np.searchsorted(candles.open_time, trades["closed_at"]),
        np.searchsorted(candles.open_time + HOUR_NS, trades["closed_at"]),
    )
    return np.column_stack(
        [
            trades["side"] * trades["quantity"],
            np.searchsorted(candles.open_time, trades["opened_at"]),
            exit_bar,
            trades["entry_price"],
            trades["exit_price"],
            trades["fees"],
            trades["net"],
        ]
    )


def assert_same_trades(found: Any, expected: Any) -> None:
    """Two tables of :data:`COLUMNS` are the same to 1e-9; a profit, the small difference of two large
    amounts, to a millionth of a USDT."""
    assert found.shape == expected.shape
    for column, ours, theirs in zip(COLUMNS, found.T, expected.T, strict=True):
        cents = 1e-6 if column == "profit" else 0.0
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=cents, err_msg=column)
