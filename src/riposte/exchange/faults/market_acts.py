"""Acts upon the market: contracts, prices, liquidity, funding, the feed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from riposte.errors import InputError
from riposte.exchange.contract import Bracket, Contract
from riposte.exchange.faults import deeds
from riposte.exchange.faults.held import SIDES, What, house_levels
from riposte.exchange.faults.whose import account_of, symbol_of
from riposte.exchange.feed import HouseQuotes, MarkPrice
from riposte.exchange.ledger import cross_wallet_e8, settings_of
from riposte.exchange.margin import liquidation_price_e8, unrealized_e8, value_e8
from riposte.exchange.records import Account, Position
from riposte.exchange.units import E8, PPM, rounded_ratio

if TYPE_CHECKING:
    from riposte.exchange.simulator import Simulator

_KEPT = (
    "price_grid",
    "quantity_grid",
    "funding_hours",
    "max_open_orders",
    "price_up_ppm",
    "price_down_ppm",
    "trigger_protect_ppm",
    "market_take_bound_ppm",
    "status",
)
"""Fields of a contract that an empty value leaves as they are."""


def _symbol(sim: Simulator, symbol: str) -> str:
    """The symbol meant; without one, that of the only account's position, else the first listed."""
    alone = len(sim.exchange.accounts) == 1
    return symbol_of(sim, symbol, account_of(sim, "") if alone else None)


def _change_contract(sim: Simulator, act: deeds.ChangeContract) -> None:
    contract = sim.exchange.contract(_symbol(sim, act.symbol))
    changes: dict[str, Any] = {name: value for name in _KEPT if (value := getattr(act, name))}
    changes |= {
        name: value
        for name in ("maker_ppm", "taker_ppm")
        if (value := getattr(act, name)) is not None
    }
    if act.min_notional is not None:
        changes["min_notional_e8"] = act.min_notional
    if act.brackets:
        changes["brackets"] = _brackets(act.brackets)
    if act.max_leverage:
        brackets = changes.get("brackets", contract.brackets)
        changes["brackets"] = tuple(
            replace(b, leverage=min(b.leverage, act.max_leverage)) for b in brackets
        )
    if not changes:
        raise InputError("nothing to change is named")
    sim.exchange.change_contract(replace(contract, **changes))


def _brackets(rows: tuple[deeds.BracketRow, ...]) -> tuple[Bracket, ...]:
    """Brackets whose maintenance margin has no jump where one begins."""
    made: list[Bracket] = []
    floor = amount = 0
    for number, row in enumerate(rows, 1):
        if row.cap <= floor or not 0 < row.rate_ppm < PPM or row.leverage < 1:
            raise InputError("brackets must rise in 'cap', with a 'rate_ppm' and a 'leverage'")
        if made:
            amount += floor * (row.rate_ppm - made[-1].rate_ppm) // PPM
        made.append(Bracket(number, floor, row.cap, row.rate_ppm, amount, row.leverage))
        floor = row.cap
    return tuple(made)


def _fund(sim: Simulator, act: deeds.SetFunding) -> None:
    exchange, symbol = sim.exchange, _symbol(sim, act.symbol)
    at_ms = exchange.next_funding_ms.get(symbol, 0)
    if act.in_ms:
        at_ms = exchange.now_ms + act.in_ms
    if at_ms <= exchange.now_ms:
        raise InputError(f"no settlement of {symbol} is set: say when with 'in_ms'")
    exchange.set_funding(symbol, act.rate, at_ms)


def _jump_price(sim: Simulator, act: deeds.JumpPrice) -> None:
    exchange, symbol = sim.exchange, _symbol(sim, act.symbol)
    contract = exchange.contract(symbol)
    before = exchange.last_ticks.get(symbol, 0) * contract.tick_e8 or exchange.mark_e8[symbol]
    wanted = act.to or _moved(before, act.by_percent)
    ticks = rounded_ratio(wanted, 1, contract.tick_e8)
    if not 0 < ticks <= contract.max_price_ticks:
        raise InputError(f"a price of {symbol} can't go there")
    if act.hold_ms:
        _hold(sim, symbol, "market", act.hold_ms)
    if act.book:
        _shift(sim, contract, ticks - before // contract.tick_e8)
    if act.last:
        exchange.print_trade(symbol, ticks, 1)
    if act.mark:
        mark, index = exchange.mark_e8[symbol], exchange.index_e8[symbol]
        if act.to:
            mark, index = act.to, rounded_ratio(index, act.to, mark)
        else:
            mark, index = _moved(mark, act.by_percent), _moved(index, act.by_percent)
        exchange.apply(MarkPrice(exchange.now_ms, symbol, mark, index))


def _moved(price_e8: int, percent_e8: int) -> int:
    return rounded_ratio(price_e8, 100 * E8 + percent_e8, 100 * E8)


def _shift(sim: Simulator, contract: Contract, by: int) -> None:
    """Move the feed's quotes; the side that makes way first, so that they don't meet."""
    exchange = sim.exchange
    book = exchange.books[contract.symbol]
    moved = {
        side: tuple((ticks + by, n) for ticks, n in house_levels(book, side) if ticks + by > 0)
        for side in SIDES
    }
    for side in SIDES if by < 0 else reversed(SIDES):
        exchange.apply(HouseQuotes(exchange.now_ms, contract.symbol, side, moved[side], whole=True))


def _squeeze(sim: Simulator, act: deeds.Squeeze) -> None:
    exchange, account = sim.exchange, account_of(sim, act.account)
    symbol = symbol_of(sim, act.symbol, account)
    position = next(
        (p for (name, _), p in account.positions.items() if name == symbol and p.quantity), None
    )
    if position is None:
        raise InputError(f"{account.name} has no position of {symbol}")
    mark, end = exchange.mark_e8[symbol], liquidation_price_e8(account, position, exchange.mark_e8)
    if not end or (end - mark) * position.quantity >= 0:
        raise InputError(f"no price brings the position of {account.name} to its margin's end")
    safe = mark
    while abs(end - safe) > 1:
        middle = (safe + end) // 2
        if _used_up(sim, account, position, middle, act.ratio):
            end = middle
        else:
            safe = middle
    index = rounded_ratio(exchange.index_e8[symbol], end, mark)
    if act.hold_ms:
        _hold(sim, symbol, "mark", act.hold_ms)
    exchange.apply(MarkPrice(exchange.now_ms, symbol, end, index))


def _used_up(
    sim: Simulator, account: Account, position: Position, price_e8: int, ratio_e8: int
) -> bool:
    """Whether at a mark price maintenance is so much of what the position's scope has."""
    symbol, contracts = position.contract.symbol, sim.exchange.contracts
    marks = {**sim.exchange.mark_e8, symbol: price_e8}
    if settings_of(account, contracts[symbol]).isolated:
        scope, own = [position], position.isolated_margin_e8
    else:
        held = [p for p in account.positions.values() if p.quantity]
        scope = [p for p in held if not settings_of(account, p.contract).isolated]
        own = cross_wallet_e8(account)
    balance = own + sum(unrealized_e8(p, marks) for p in scope)
    needed = sum(p.contract.maintenance_e8(abs(value_e8(p, marks))) for p in scope)
    return needed * E8 >= balance * ratio_e8


def _thin(sim: Simulator, act: deeds.ThinBook) -> None:
    exchange, symbol = sim.exchange, _symbol(sim, act.symbol)
    left = act.leave // exchange.contract(symbol).step_e8
    if act.hold_ms:
        _hold(sim, symbol, "market", act.hold_ms)
    kept = []
    for ticks, steps in house_levels(exchange.books[symbol], act.side):
        taken = min(steps, left)
        left -= taken
        if taken:
            kept.append((ticks, taken))
    exchange.apply(HouseQuotes(exchange.now_ms, symbol, act.side, tuple(kept), whole=True))


def _hold_feed(sim: Simulator, act: deeds.HoldFeed) -> None:
    _hold(sim, _symbol(sim, act.symbol), act.what, act.length_ms)


def _hold(sim: Simulator, symbol: str, what: What, length_ms: int) -> None:
    assert sim.faults is not None, "acts are carried out by the plan"
    sim.faults.hold(sim.exchange.books[symbol], symbol, what, sim.exchange.now_ms + length_ms)


DONE: dict[type, Callable[[Simulator, Any], None]] = {
    deeds.ChangeContract: _change_contract,
    deeds.SetFunding: _fund,
    deeds.JumpPrice: _jump_price,
    deeds.Squeeze: _squeeze,
    deeds.ThinBook: _thin,
    deeds.HoldFeed: _hold_feed,
}
