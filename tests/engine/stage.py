"""An account on a clock: hand-made states moved bar by bar through the engine's one step."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scenario import FREE, PLAIN, START, STEADY, WIDE, bars_of, config, signals_of, strangers

from riposte.engine.accounting import apply_fill, value_account
from riposte.engine.enums import Intent, Reason, Rule
from riposte.engine.parameters import Costs, EntryOrder, Execution, MarginMode, PositionRules
from riposte.engine.records import BAR, INTENT, instrument_records, new_account, new_positions
from riposte.engine.run import new_log, terms_of
from riposte.engine.step import step
from riposte.market.instrument import Instrument
from riposte.market.interval import HOUR_NS

CALM = (100.0, 100.0, 100.0, 100.0)
ABSENT = None
CROSS = Execution(margin_mode=MarginMode.CROSS)


class Stage:
    """10,000 USDT at START before ``symbols`` flat symbols at 100, hourly bars, 5x, nothing costs anything."""

    def __init__(
        self,
        symbols: int = 1,
        *,
        equity: float = 10_000.0,
        instrument: Instrument = PLAIN,
        rules: PositionRules = STEADY,
        costs: Costs = FREE,
        execution: Execution | None = None,
        **limits: Any,
    ) -> None:
        wide = dataclasses.replace(WIDE, **limits)
        self.terms = terms_of(config(wide, costs, rules, execution=execution))
        self.instruments = instrument_records([instrument] * symbols)
        self.account, self.positions = new_account(equity), new_positions(symbols)
        self.account["day"] = START // (24 * HOUR_NS)
        self.positions["last_time"] = START
        self.positions["last_close"] = self.positions["mark"] = 100.0
        self.pending, self.log = np.zeros(symbols, INTENT), new_log(64)
        self.portfolio = strangers(symbols)
        self.symbols, self.time = symbols, START

    def order(self, symbol: int = 0, **fields: Any) -> Any:
        """An approved order to buy 10 coins by a limit of 98, decided just now and good for three hours."""
        order = self.pending[symbol]
        values = {
            "kind": Intent.ENTER, "approved": 1, "side": 1, "reason": Reason.SIGNAL, "regime": -1,
            "model_id": -1, "order": EntryOrder.LIMIT, "quantity": 10.0, "limit_price": 98.0,
            "reference_price": 100.0, "take_profit": 0.2, "stop_loss": 0.1, "leverage": 5.0,
            "confidence": 0.75, "horizon_ns": 500 * HOUR_NS, "decided_at": self.time,
            "arrives_at": self.time, "expires_at": self.time + 3 * HOUR_NS,
        } | fields  # fmt: skip
        for name, value in values.items():
            order[name] = value
        return order

    def hold(self, symbol: int, coins: float, stop: float, target: float, **fields: Any) -> Any:
        """A position of ``coins`` (signed) from 100 at 5x that never expires."""
        position = self.positions[symbol]
        fill = (1 if coins > 0 else -1, abs(coins), 100.0, 0.0, 0.0, 5.0)
        apply_fill(self.account, position, self.instruments[symbol], *fill)
        values = {
            "stop_price": stop, "target_price": target, "risk_per_coin": abs(100.0 - stop),
            "best_price": 100.0, "worst_price": 100.0, "first_quantity": abs(coins), "mark": 100.0,
            "expires_at": START + 1_000 * HOUR_NS, "equity_before": 10_000.0, "opened_at": START,
        } | fields  # fmt: skip
        for name, value in values.items():
            position[name] = value
        value_account(self.account, self.positions)
        return position

    def bar(
        self,
        *prices: Sequence[float] | None,
        finer: Sequence[Sequence[Sequence[float] | None]] = (),
        signals: Mapping[int, Mapping[str, Any]] | None = None,
        finer_fields: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> list[tuple[int, Reason, float, float]]:
        """One hour: (symbol, reason, coins, price) of its fills. ``finer``: rows of bars inside it."""
        self.time += HOUR_NS
        bars = _bars(prices, fields)
        inner = np.zeros((len(finer), self.symbols), BAR)
        for i, row in enumerate(finer):
            inner[i] = _bars(row, finer_fields or {})
        before = self.log.counts[1]
        step(
            self.account, self.positions, self.pending, bars, inner, np.zeros(self.symbols, BAR),
            signals_of(self.symbols, signals or {}), self.instruments, self.portfolio,
            self.portfolio, self.terms,
            HOUR_NS, self.time, self.log,
        )  # fmt: skip
        rows = self.log.fills[before : self.log.counts[1]]
        return [(int(r["symbol"]), Reason(r["reason"]), float(r["quantity"]), float(r["price"])) for r in rows]  # fmt: skip

    def refusals(self) -> list[tuple[int, Rule, float, float]]:
        rows = self.log.refusals[: self.log.counts[2]]
        return [(int(r["symbol"]), Rule(r["rule"]), float(r["limit"]), float(r["value"])) for r in rows]  # fmt: skip


def _bars(prices: Sequence[Sequence[float] | None], fields: Mapping[str, Any]) -> Any:
    bars = bars_of([p or CALM for p in prices], **fields)
    for bar, p in zip(bars, prices, strict=True):
        if p is None:
            bar["present"] = 0
    return bars
