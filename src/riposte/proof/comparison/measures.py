"""One study measured on the common ground."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from riposte.engine.records import Records
from riposte.market.frame import Floats, Times
from riposte.market.interval import DAY_NS
from riposte.proof.comparison.common import day_of
from riposte.proof.comparison.results import Common, Entry
from riposte.proof.metrics import (
    DAYS_PER_YEAR,
    METRICS,
    by_group,
    curve_measures,
    trade_measures,
)
from riposte.proof.report.record import StudyRecord


def entry(record: StudyRecord, common: Common) -> Entry:
    """The study over the common days.

    Where all studies have the same period, its measures are those of its own report, taken bar by bar.
    Else they are computed anew from the ends of the days and the trades closed in them.
    """
    equity = equity_by_day(record, common)
    base = float(equity[0])
    growth = equity / base
    trades = closed_within(record.trades, common)
    ends = (np.arange(common.first_day, common.last_day + 1) + 1) * DAY_NS
    measures = (
        dict(record.system.metrics)
        if common.whole
        else _measured(ends, equity[1:], base, trades, common)
    )
    return Entry(
        record=record,
        base=base,
        growth=growth,
        returns=growth[1:] / growth[:-1] - 1.0,
        measures=measures,
        by_symbol=by_group(trades, trades["symbol"], dict(enumerate(record.symbols))),
    )


def equity_by_day(record: StudyRecord, common: Common) -> Floats:
    """Equity when the common period begins and at the end of each of its days, (days + 1,), USDT.

    A day without a bar keeps the equity of the day before.
    """
    day = day_of(record.system.time)
    wanted = np.arange(common.first_day - 1, common.last_day + 1)
    at = np.searchsorted(day, wanted, side="right") - 1
    known = np.append(record.system.equity, record.starting_equity)  # row -1: before the first day
    equity: Floats = known[at]
    return equity


def closed_within(trades: Records, common: Common) -> Records:
    """Trades that were closed on a common day."""
    day = day_of(trades["closed_at"])
    return trades[(day >= common.first_day) & (day <= common.last_day)]


def _measured(
    time: Times, equity: Floats, base: float, trades: Records, common: Common
) -> Mapping[str, float]:
    years = common.days / DAYS_PER_YEAR
    traded = trades["quantity"] * (trades["entry_price"] + trades["exit_price"])
    found = curve_measures(time, equity, base) | trade_measures(trades)
    found |= {
        "exposure": _share_held(trades, common),
        "turnover": float(traded.sum()) / float(np.mean(equity)) / years,
        "fees": float(trades["fees"].sum()),
        "funding": float(trades["funding"].sum()),
        "slippage": float(trades["slippage"].sum()),
        "gap": float(trades["gap"].sum()),
    }
    return {name: found[name] for name in METRICS}


def _share_held(trades: Records, common: Common) -> float:
    """Share of the common period in which any position was open."""
    start, end = common.first_day * DAY_NS, (common.last_day + 1) * DAY_NS
    order = np.argsort(trades["opened_at"], kind="stable")
    opened = np.maximum(trades["opened_at"][order], start)
    closed = np.minimum(trades["closed_at"][order], end)
    if not len(opened):
        return 0.0
    reached = np.maximum.accumulate(np.concatenate([[start], closed[:-1]]))
    held = np.maximum(closed - np.maximum(opened, reached), 0)
    return float(held.sum()) / float(end - start)
