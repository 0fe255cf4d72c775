"""An account before one symbol, moved fill by fill through the fill model."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from scenario import FREE, PLAIN, START, WIDE, bars_of, config, strangers

from riposte.engine.accounting import value_account
from riposte.engine.enums import Intent, Reason, Rule
from riposte.engine.fills import (
    close_at_market,
    close_quantity,
    open_position,
)
from riposte.engine.parameters import Costs, EntryOrder, PositionRules
from riposte.engine.records import INTENT, instrument_records, new_account, new_positions
from riposte.engine.run import new_log, terms_of
from riposte.market.interval import HOUR_NS

EXACT = {"rel": 1e-12, "abs": 1e-12}
FEES = dataclasses.replace(PLAIN, taker_fee=0.001, maker_fee=0.0005)
CALM = (100.0, 100.0, 100.0, 100.0)
LATER = START + 3 * HOUR_NS
TRADES, FILLS, REFUSALS = 0, 1, 2


class Pit:
    """An account of 10,000 USDT before a flat symbol, and an approved order for 10 coins at 100."""

    def __init__(
        self,
        instrument: Any = PLAIN,
        costs: Costs = FREE,
        rules: PositionRules | None = None,
        **limits: Any,
    ) -> None:
        settings = config(dataclasses.replace(WIDE, **limits), costs)
        if rules is not None:
            settings = dataclasses.replace(settings, rules=rules)
        self.terms = terms_of(settings)
        self.instruments = instrument_records([PLAIN, instrument])
        self.account, self.positions = new_account(10_000.0), new_positions(2)
        self.pending, self.log = np.zeros(2, INTENT), new_log(8)
        self.order()

    @property
    def position(self) -> Any:
        return self.positions[1]

    def order(self, **fields: Any) -> None:
        values = {
            "kind": Intent.ENTER, "approved": 1, "side": 1, "reason": Reason.SIGNAL, "regime": 4,
            "model_id": 7, "quantity": 10.0, "reference_price": 100.0, "take_profit": 0.2,
            "stop_loss": 0.1, "leverage": 5.0, "confidence": 0.75, "horizon_ns": 6 * HOUR_NS,
            "decided_at": START, "filled": 0.0, "order": EntryOrder.MARKET, "limit_price": 0.0, "resting": 0,
        } | fields  # fmt: skip
        for name, value in values.items():
            self.pending[1][name] = value

    def open(self, bar: Any = CALM, time: int = START, maker: int = 0, **fields: Any) -> Any:
        """The fill, or None; the order's refusal is then on record."""
        before = self.log.counts[FILLS]
        open_position(
            self.account, self.positions, self.pending, 1, bars_of([bar], **fields)[0],
            self.instruments, strangers(2), self.terms, maker, time, self.log,
        )  # fmt: skip
        value_account(self.account, self.positions)
        return self.log.fills[before] if self.log.counts[FILLS] > before else None

    def refusal(self) -> tuple[Rule, float, float]:
        assert self.log.counts[REFUSALS] == 1
        row = self.log.refusals[0]
        assert (row["time"], row["symbol"]) == (START, 1)
        return Rule(row["rule"]), row["limit"], row["value"]

    def close(self, quantity: float, price: float, reason: Reason, time: int = LATER) -> Any:
        """Sold or bought back as a maker at ``price``; the fill."""
        fee = self.instruments[1]["maker_fee"]
        close_quantity(
            self.account, self.position, self.instruments[1], self.terms, 1, quantity, price, price,
            fee, reason, 1, 0.0, time, self.log,
        )  # fmt: skip
        return self.log.fills[self.log.counts[FILLS] - 1]

    def leave(self, quantity: float, reference: float, **fields: Any) -> Any:
        """Left at market around ``reference``; the fill."""
        close_at_market(
            self.account, self.position, self.instruments[1], self.terms, 1,
            bars_of([CALM], **fields)[0], quantity, reference, 0.0, Reason.STOP, LATER, self.log,
        )  # fmt: skip
        return self.log.fills[self.log.counts[FILLS] - 1]
