"""The engine's state and messages as NumPy records: typed, comparable, persistable byte for byte.

Money is USDT, quantities are coins (signed in a position, positive in orders and fills), times are
int64 ns UTC, fractions are plain (0.01 is one per cent).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from riposte.market.instrument import Instrument

Records = NDArray[Any]  # a structured array of one of the dtypes below


def layout(fields: Sequence[tuple[Any, ...]]) -> np.dtype[Any]:
    """An aligned dtype without hidden padding, so that equal records are equal bytes.

    Fields are stored by falling size; what is left to the next multiple of eight is the explicit
    field ``reserved``, always zero.
    """
    by_size = sorted(fields, key=lambda field: -np.dtype(field[1]).itemsize)
    used = np.dtype(by_size).itemsize
    room = -used % 8
    tail: list[tuple[Any, ...]] = [("reserved", "i1", (room,))] if room else []
    return np.dtype([*by_size, *tail], align=True)


RING = 128  # capacity of the rolling windows kept in the account

BRACKETS = 16  # room for maintenance brackets per instrument

PARTIALS = 4  # room for partial targets per position

# The contract rules of one symbol (market.instrument.Instrument) for compiled code.
INSTRUMENT = layout(
    [
        ("tick_size", "f8"),
        ("step_size", "f8"),
        ("min_notional", "f8"),
        ("maker_fee", "f8"),
        ("taker_fee", "f8"),
        ("liquidation_fee", "f8"),
        ("half_spread", "f8"),
        ("bracket_count", "i8"),
        ("brackets", "f8", (BRACKETS, 4)),  # floor, rate, amount, maximum leverage
    ],
)

# One bar of one symbol as the engine sees it; ``present`` 0 means there was no (good) bar.
BAR = layout(
    [
        ("open", "f8"),
        ("high", "f8"),
        ("low", "f8"),
        ("close", "f8"),
        ("mark", "f8"),  # mark price at the close; the close where it is not recorded
        ("quote_volume", "f8"),
        ("volatility", "f8"),  # per bar, fraction, known at the close
        ("volatility_ratio", "f8"),  # short-run / normal, known at the close
        ("atr", "f8"),  # average true range / close, known at the close
        ("funding", "f8"),  # sum of rates settled in (open_time, close_time]
        ("present", "i1"),
    ],
)

# What the layers say about one symbol at a bar's close.
SIGNAL = layout(
    [
        ("direction", "i1"),  # Side
        ("confidence", "f8"),  # 0..1
        ("take_profit", "f8"),  # widths as fractions of the entry price
        ("stop_loss", "f8"),
        ("horizon_ns", "i8"),
        ("regime", "i1"),  # -1 unknown
        ("model_id", "i4"),  # which fitted model spoke; accuracy is counted per model
    ],
)

ACCOUNT = layout(
    [
        ("deposits", "f8"),
        ("wallet", "f8"),  # deposits + realised - fees - funding
        ("realised", "f8"),  # price profit of closed quantity, before fees and funding
        ("fees", "f8"),  # paid, positive
        ("funding", "f8"),  # paid, positive; received, negative
        ("slippage", "f8"),  # memo: already inside realised
        ("gap", "f8"),  # memo: lost between stops and the opens that jumped them, inside realised
        ("unrealised", "f8"),
        ("equity", "f8"),
        ("peak_equity", "f8"),
        ("time", "i8"),  # of the last step
        ("day", "i8"),  # UTC day number
        ("day_start_equity", "f8"),
        ("trades_today", "i8"),
        ("losses_in_row", "i8"),
        ("trades", "i8"),
        ("wins", "i8"),
        ("state", "i1"),  # TradingState
        ("halt", "i1"),  # Halt: why
        ("state_since", "i8"),
        ("paused_until", "i8"),
        ("signals_off", "i1"),  # accuracy tier: model signals off until the model changes
        ("model_id", "i4"),
        ("hits_at", "i8"),
        ("hits_count", "i8"),
        ("hits", "i1", (RING,)),
        ("results_at", "i8"),
        ("results_count", "i8"),
        ("results", "i1", (RING,)),  # of closed trades: 1 won
        ("returns_at", "i8"),
        ("returns_count", "i8"),
        ("returns", "f8", (RING,)),  # daily equity returns
        ("sharpe", "f8"),  # rolling, of those; NaN unknown
        ("order_times", "i8", (RING,)),
        ("orders_at", "i8"),
    ],
)

POSITION = layout(
    [
        ("quantity", "f8"),  # signed
        ("entry_price", "f8"),
        ("margin", "f8"),  # initial; all that stands behind the position where it is isolated
        ("leverage", "f8"),
        ("stop_price", "f8"),
        ("target_price", "f8"),
        ("partial_prices", "f8", (PARTIALS,)),  # 0: none
        ("liquidation_price", "f8"),
        ("risk_per_coin", "f8"),  # |entry - first stop|: one R
        ("first_quantity", "f8"),
        ("best_price", "f8"),  # most favourable price since entry
        ("worst_price", "f8"),
        ("opened_at", "i8"),
        ("expires_at", "i8"),
        ("adds", "i8"),
        ("partials_taken", "i1"),
        ("trailing", "i1"),
        ("regime", "i1"),
        ("model_id", "i4"),
        ("confidence", "f8"),
        # this trade so far
        ("max_quantity", "f8"),
        ("realised", "f8"),
        ("fees", "f8"),
        ("funding", "f8"),
        ("slippage", "f8"),
        ("gap", "f8"),
        ("entry_notional", "f8"),
        ("exit_quantity", "f8"),
        ("exit_notional", "f8"),
        ("equity_before", "f8"),
        # the market as last seen
        ("mark", "f8"),
        ("last_close", "f8"),
        ("last_time", "i8"),
        # the forecast being judged (accuracy tier)
        ("forecast_direction", "i1"),
        ("forecast_price", "f8"),
        ("forecast_due", "i8"),
    ],
)

# An order wanted for one symbol. Only ``review`` sets ``approved``; a venue takes no other. An approved
# order stays in its slot while it works: until it is filled, withdrawn, or out of time.
INTENT = layout(
    [
        ("kind", "i1"),  # Intent
        ("approved", "i1"),
        ("side", "i1"),  # of the order
        ("reason", "i1"),  # Reason
        ("regime", "i1"),
        ("model_id", "i4"),
        ("order", "i1"),  # EntryOrder
        ("resting", "i1"),  # in the book: it has reached the exchange and did not cross
        ("quantity", "f8"),  # still to fill
        ("filled", "f8"),
        ("limit_price", "f8"),  # 0: at market
        ("reference_price", "f8"),  # price the decision saw
        ("take_profit", "f8"),  # widths from the fill price
        ("stop_loss", "f8"),
        ("leverage", "f8"),
        ("confidence", "f8"),
        ("horizon_ns", "i8"),
        ("decided_at", "i8"),
        ("arrives_at", "i8"),  # at the exchange
        ("expires_at", "i8"),  # works no longer than that
    ],
)

FILL = layout(
    [
        ("time", "i8"),
        ("symbol", "i4"),
        ("side", "i1"),
        ("reason", "i1"),
        ("maker", "i1"),
        ("quantity", "f8"),
        ("price", "f8"),
        ("reference_price", "f8"),
        ("fee", "f8"),
        ("slippage", "f8"),
        ("gap", "f8"),
        ("realised", "f8"),
    ],
)

TRADE = layout(
    [
        ("symbol", "i4"),
        ("side", "i1"),
        ("exit_reason", "i1"),
        ("regime", "i1"),
        ("model_id", "i4"),
        ("opened_at", "i8"),
        ("closed_at", "i8"),
        ("entry_price", "f8"),  # averages over fills
        ("exit_price", "f8"),
        ("quantity", "f8"),  # largest held
        ("realised", "f8"),  # before fees and funding
        ("fees", "f8"),
        ("funding", "f8"),
        ("slippage", "f8"),
        ("gap", "f8"),
        ("net", "f8"),
        ("net_fraction", "f8"),  # of equity at entry
        ("confidence", "f8"),
        ("adds", "i8"),
        ("best_price", "f8"),
        ("worst_price", "f8"),
    ],
)

REFUSAL = layout(
    [("time", "i8"), ("symbol", "i4"), ("rule", "i4"), ("limit", "f8"), ("value", "f8")],
)


class Terms(NamedTuple):
    """The parameter records every rule is judged by; built once from an EngineConfig."""

    limits: Any
    costs: Any
    rules: Any
    operator: Any
    execution: Any


class PortfolioRow(NamedTuple):
    """What is known of the symbols together at a close (a row of :class:`riposte.market.portfolio.Portfolio`):
    correlation (S, S) of returns, NaN unknown, and the share of the heat limit each may use (S,)."""

    correlation: Any
    weight: Any


class Log(NamedTuple):
    """Where a run writes what happened; ``counts`` holds how many rows of each are used."""

    trades: Records
    fills: Records
    refusals: Records
    counts: NDArray[np.int64]  # indexed by TRADES, FILLS, REFUSALS


TRADES, FILLS, REFUSALS = 0, 1, 2


def instrument_records(instruments: Sequence[Instrument]) -> Records:
    """One INSTRUMENT record per instrument, in order.

    Raises:
        ValueError: if an instrument has no bracket or more than ``BRACKETS``.
    """
    out = np.zeros(len(instruments), INSTRUMENT)
    for record, instrument in zip(out, instruments, strict=True):
        count = len(instrument.brackets)
        if not 0 < count <= BRACKETS:
            raise ValueError(f"{instrument.symbol}: {count} brackets, room for 1 to {BRACKETS}")
        for name in (
            "tick_size",
            "step_size",
            "min_notional",
            "maker_fee",
            "taker_fee",
            "liquidation_fee",
            "half_spread",
        ):
            record[name] = getattr(instrument, name)
        record["bracket_count"] = count
        record["brackets"][:count] = instrument.brackets
    return out


def new_account(equity: float) -> Any:
    """A fresh account record holding ``equity`` USDT."""
    account = np.zeros(1, ACCOUNT)
    for name in ("deposits", "wallet", "equity", "peak_equity", "day_start_equity"):
        account[name] = equity
    account["day"] = -1
    account["sharpe"] = np.nan
    account["model_id"] = -1
    return account[0]


def new_positions(symbols: int) -> Records:
    """Flat positions, one record per symbol."""
    positions = np.zeros(symbols, POSITION)
    positions["regime"] = -1
    positions["model_id"] = -1
    return positions
