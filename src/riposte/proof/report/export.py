"""A study as JSON for scripts: every figure, every trade, curves at the end of each UTC day.

What is not defined is null. Times are ISO 8601, UTC; fractions are plain numbers; money is USDT.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import orjson

from riposte.engine.enums import Halt, Reason, Side, TradingState
from riposte.engine.records import Records
from riposte.layers.contract import REGIMES
from riposte.market.frame import Floats, Times
from riposte.market.interval import parse_interval
from riposte.proof.metrics import drawdown
from riposte.proof.report import chance, words
from riposte.proof.report import format as fmt
from riposte.proof.report.evidence import evidence
from riposte.proof.report.luck import honesty_values, path_values
from riposte.proof.report.prepare import cost_split, daily, halt_spans, monthly_returns
from riposte.proof.results import FoldResult, Outcome, PriceHistory, Study

SCHEMA = 2
TRADE_NUMBERS = (
    "entry_price",
    "exit_price",
    "quantity",
    "realised",
    "fees",
    "funding",
    "slippage",
    "gap",
    "net",
    "net_fraction",
    "confidence",
)


def as_json(study: Study) -> bytes:
    """The study as one JSON object, UTF-8, without NaN or infinity."""
    fall = drawdown(study.run.equity, study.starting_equity)
    spans = halt_spans(study.run, fall)
    whole = {
        "schema": SCHEMA,
        "kind": "study",
        "title": study.title,
        "verdict": words.verdict(study),
        "source": study.source,
        "real_data": study.real_data,
        "created": study.created,
        "version": study.version,
        "settings": study.settings,
        "symbols": study.symbols,
        "interval": study.interval,
        "barriers": study.barriers,
        "start": fmt.iso(study.start),
        "end": fmt.iso(study.end),
        "starting_equity": study.starting_equity,
        "system": _outcome(study.system),
        "never_resumed": _outcome(study.never_resumed),
        "baselines": [_outcome(o) for o in study.baselines],
        "cost_what_ifs": [_outcome(o) for o in study.cost_what_ifs],
        "intervals_95": study.intervals,
        "targets": study.targets,
        "monthly_returns": _months(study),
        "costs": cost_split(study.system, study.starting_equity),
        "chance": chance.as_values(study.chance),
        "ladder": study.ladder,
        "folds": [_fold(f) for f in study.folds],
        "reliability": study.reliability,
        "silences": {
            "rows": study.silences.rows,
            "directed": study.silences.directed,
            "reasons": dict(study.silences.reasons),
            "coverage": study.silences.coverage,
            "promised_coverage": study.promised_coverage,
            "promised_unlike": study.promised_unlike,
        },
        "importance": study.importance,
        "by_symbol": study.by_symbol,
        "by_regime": study.by_regime,
        "by_exit": study.by_exit,
        "refusals": study.refusals,
        "restrictions": [
            {
                "from": fmt.iso(s.start),
                "to": fmt.iso(s.end),
                "state": TradingState(s.state).name,
                "halt": Halt(s.halt).name,
                "equity": s.equity,
                "drawdown": s.drawdown,
            }
            for s in spans
        ],
        "trades": _trades(study.run.trades, study.symbols),
        "closes": {price.symbol: _closes(price, study.interval) for price in study.prices},
        "quality": study.quality,
        "trials": study.trials,
        "evidence": evidence(study),
        "honesty": honesty_values(study.honesty),
        "paths": path_values(study.paths),
        "fingerprint": study.fingerprint,
    }
    return orjson.dumps(whole, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_INDENT_2)


def _curve(time: Times, equity: Floats) -> Mapping[str, Any]:
    rows = daily(time)
    return {"time": [fmt.iso(int(t)) for t in time[rows]], "equity": equity[rows].tolist()}


def _closes(price: PriceHistory, interval: str) -> Mapping[str, Any]:
    """The market's last price of each day: by it a comparison knows the same market again."""
    closed = price.time + parse_interval(interval).ns
    rows = daily(closed)
    return {"time": [fmt.iso(int(t)) for t in closed[rows]], "close": price.close[rows].tolist()}


def _outcome(outcome: Outcome) -> Mapping[str, Any]:
    return {
        "name": outcome.name,
        "note": outcome.note,
        "metrics": dict(outcome.metrics),
        "daily": _curve(outcome.time, outcome.equity),
    }


def _fold(fold: FoldResult) -> Mapping[str, Any]:
    values = dataclasses.asdict(fold)
    for name in ("train_start", "train_end", "test_start", "test_end"):
        values[name] = fmt.iso(values[name])
    return values


def _months(study: Study) -> Mapping[str, float]:
    years = monthly_returns(study.system.time, study.system.equity, study.starting_equity)
    return {
        f"{row.year}-{number:02d}": value
        for row in years
        for number, value in enumerate(row.months, 1)
        if not math.isnan(value)  # a month without data is left out
    }


def _trades(trades: Records, symbols: tuple[str, ...]) -> list[Mapping[str, Any]]:
    return [
        {
            "symbol": symbols[int(t["symbol"])],
            "side": Side(int(t["side"])).name,
            "opened_at": fmt.iso(int(t["opened_at"])),
            "closed_at": fmt.iso(int(t["closed_at"])),
            "exit_reason": Reason(int(t["exit_reason"])).name,
            "regime": REGIMES[int(t["regime"])] if t["regime"] >= 0 else None,
            **{name: float(t[name]) for name in TRADE_NUMBERS},
        }
        for t in trades
    ]
