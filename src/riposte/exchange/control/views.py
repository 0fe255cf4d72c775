"""What is really there, in the protocol's own words where it has some."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Any

from riposte.exchange.book import HalfBook
from riposte.exchange.clock import Clock, RunningClock
from riposte.exchange.contract import Contract
from riposte.exchange.faults.catalogue import Row
from riposte.exchange.faults.plan import FaultPlan
from riposte.exchange.faults.script import shown_act, shown_rule
from riposte.exchange.margin import view
from riposte.exchange.records import Account
from riposte.exchange.simulator import Simulator
from riposte.exchange.units import show_e8
from riposte.exchange.wire import account as account_wire
from riposte.exchange.wire import orders as order_wire

Json = dict[str, Any]


def status(sim: Simulator) -> Json:
    """The exchange at a glance."""
    exchange, plan = sim.exchange, sim.faults
    return {
        "now_ms": exchange.now_ms,
        "server_ms": sim.server_ms(),
        "clock": clock(sim.clock),
        "market_ended": sim.feed_ended,
        "maintenance": sim.maintenance,
        "switches": asdict(sim.switches),
        "limits": asdict(sim.limiter.limits),
        "symbols": {name: _market(sim, each) for name, each in exchange.contracts.items()},
        "accounts": list(exchange.accounts),
        "connections": dict(Counter(one.route for one in sim.connections)),
        "insurance": show_e8(exchange.insurance_e8),
        "fees": show_e8(exchange.fees_e8),
        "faults": _counts(plan) if plan is not None else {},
        "journal": {"count": exchange.journal.count, "head": exchange.journal.head},
    }


def clock(shown: Clock) -> Json:
    """How time passes."""
    if isinstance(shown, RunningClock):
        return {"kind": "running", "speed": shown.speed}
    return {"kind": "stepped"}


def _market(sim: Simulator, contract: Contract) -> Json:
    exchange, symbol = sim.exchange, contract.symbol
    book = exchange.books[symbol]
    bid, ask = book.best_bid(), book.best_ask()
    return {
        "status": contract.status,
        "mark": show_e8(exchange.mark_e8.get(symbol, 0)),
        "last": contract.price(exchange.last_ticks.get(symbol, 0)),
        "bid": contract.price(bid[0]) if bid else None,
        "ask": contract.price(ask[0]) if ask else None,
        "funding_rate": show_e8(exchange.funding_e8.get(symbol, 0)),
        "next_funding_ms": exchange.next_funding_ms.get(symbol, 0),
    }


def _counts(plan: FaultPlan) -> Json:
    return {
        "rules": len(plan.rules),
        "acts": len(plan.acts),
        "held": len(plan.held),
        "injections": plan.injections,
    }


def account(sim: Simulator, shown: Account) -> Json:
    """An account without a signature: money, positions, and what is open."""
    exchange = sim.exchange
    money = view(shown, exchange.mark_e8)
    held = [p for p in shown.positions.values() if p.quantity]
    return {
        "name": shown.name,
        "wallet": show_e8(money.wallet),
        "margin_balance": show_e8(money.margin_balance),
        "maintenance_margin": show_e8(money.maintenance),
        "available": show_e8(money.available),
        "hedge_mode": shown.hedge_mode,
        "restricted": shown.restricted,
        "positions": [account_wire.position_v2(exchange, shown, p) for p in held],
        "open_orders": [order_wire.order_query(o) for o in shown.open_orders.values()],
        "open_algos": [order_wire.algo_query(a) for a in shown.open_algos.values()],
        "orders": len(shown.orders),
        "fills": len(shown.fills),
    }


def book(sim: Simulator, contract: Contract, limit: int) -> Json:
    """The order book, whose each level also tells how much of it is the market's own."""
    shown = sim.exchange.books[contract.symbol]

    def side(half: HalfBook) -> list[list[str]]:
        rows: list[list[str]] = []
        for level in half:
            if len(rows) == limit:
                break
            steps = level.total, level.house
            rows.append([contract.price(level.ticks), *map(contract.quantity, steps)])
        return rows

    return {
        "symbol": contract.symbol,
        "last_update_id": shown.last_update_id,
        "bids": side(shown.bids),
        "asks": side(shown.asks),
    }


def faults(plan: FaultPlan) -> Json:
    """Everything that is planned."""
    return {
        "rules": [
            {**shown_rule(rule), "seen": counter.seen, "taken": counter.taken}
            for rule, counter in plan.rules
        ],
        "acts": [
            {"name": each.name, "at_ms": each.at_ms, **shown_act(each.act)} for each in plan.acts
        ],
        "held": [
            {"symbol": each.symbol, "what": each.what, "until_ms": each.until_ms}
            for each in plan.held
        ],
        "injections": plan.injections,
    }


def row(shown: Row) -> Json:
    """A row of the catalogue."""
    how = {"always": shown.always} if shown.always else {}
    how |= {"client": shown.client} if shown.client else {}
    return {"class": shown.kind, "name": shown.name, "injectable": shown.injectable, **how}
