"""What the interactive charts draw, as small as it can be: thinned curves and delta-coded bars."""

from __future__ import annotations

import base64
import gzip
import math
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from riposte.engine.enums import Reason, Side
from riposte.layers.contract import REGIMES
from riposte.market.frame import Floats
from riposte.market.interval import format_duration, parse_interval
from riposte.proof.report import format as fmt
from riposte.proof.report.prepare import HaltSpan, coarser, price_decimals, thin
from riposte.proof.results import Outcome, PriceHistory, Study

CURVE_POINTS = 1600
MOST_BARS = 220_000  # over all symbols
MOST_BARS_PER_SYMBOL = 60_000
_MINUTE_NS = 60_000_000_000


def packed(data: bytes) -> str:
    """Bytes as text that a page can carry: gzip (with no time in it), then base64."""
    return base64.b64encode(gzip.compress(data, 9, mtime=0)).decode("ascii")


def chart_data(study: Study, drawdown: Floats, spans: tuple[HaltSpan, ...]) -> bytes:
    """JSON for charts.js. Times are minutes since 1970, UTC; prices whole ticks of ``scale``."""
    each = max(2000, min(MOST_BARS_PER_SYMBOL, MOST_BARS // max(len(study.prices), 1)))
    under = thin(-drawdown, CURVE_POINTS)
    return orjson.dumps(
        {
            "start": study.starting_equity,
            "range": [_minutes(study.start), _minutes(study.end)],
            "curves": [_curve(o) for o in (study.system, *study.baselines)],
            "drawdown": {
                "time": _minute_list(study.run.time[under]),
                "value": _rounded(-drawdown[under], 6),
            },
            "halts": [
                {
                    "from": _minutes(s.start),
                    "to": _minutes(s.end),
                    "reason": fmt.plain(s.halt.name),
                    "state": fmt.plain(s.state.name).lower(),
                }
                for s in spans
            ],
            "regimes": [fmt.plain(name) for name in REGIMES],
            "symbols": [_symbol(study, at, price, each) for at, price in enumerate(study.prices)],
        }
    )


def _minutes(time_ns: int) -> int:
    return time_ns // _MINUTE_NS


def _minute_list(time_ns: NDArray[np.int64]) -> list[int]:
    return list((time_ns // _MINUTE_NS).tolist())


def _rounded(values: Floats, decimals: int) -> list[float | None]:
    return [round(v, decimals) if math.isfinite(v) else None for v in values.tolist()]


def _curve(outcome: Outcome) -> dict[str, Any]:
    rows = thin(outcome.equity, CURVE_POINTS)
    return {
        "name": outcome.name,
        "time": _minute_list(outcome.time[rows]),
        "equity": _rounded(outcome.equity[rows], 2),
    }


def _symbol(study: Study, at: int, price: PriceHistory, most: int) -> dict[str, Any]:
    bars, length = coarser(price, parse_interval(study.interval).ns, most)
    decimals = price_decimals(price)
    trades = study.run.trades
    mine = trades[trades["symbol"] == at]
    return {
        "name": price.symbol,
        "bar": format_duration(length),
        "minutes": length // _MINUTE_NS,
        "decimals": decimals,
        **_bars(bars, decimals),
        "trades": {
            "opened": _minute_list(mine["opened_at"]),
            "closed": _minute_list(mine["closed_at"]),
            "long": (mine["side"] == Side.LONG).astype(int).tolist(),
            "entry": _rounded(mine["entry_price"], decimals + 1),
            "exit": _rounded(mine["exit_price"], decimals + 1),
            "net": _rounded(mine["net"], 2),
            "share": _rounded(mine["net_fraction"], 5),
            "confidence": _rounded(mine["confidence"], 3),
            "why": [fmt.plain(Reason(int(r)).name) for r in mine["exit_reason"]],
        },
    }


def _bars(bars: PriceHistory, decimals: int) -> dict[str, Any]:
    """Open as the step from the last close, the rest as distances: small numbers, packing well."""
    scale = 10.0**decimals
    opened, high, low, close = (
        np.round(side * scale).astype(np.int64)
        for side in (bars.open, bars.high, bars.low, bars.close)
    )
    before = np.concatenate([[0], close[:-1]])
    return {
        "time": np.diff(bars.time // _MINUTE_NS, prepend=0).tolist(),
        "open": (opened - before).tolist(),
        "high": (high - np.maximum(opened, close)).tolist(),
        "low": (np.minimum(opened, close) - low).tolist(),
        "close": (close - opened).tolist(),
        "regime": bars.regime.astype(int).tolist(),
    }
