"""Margin calls, liquidation, the insurance fund, auto-deleveraging, and what bankruptcy means here.

A *scope* is an isolated position, or the whole of an account's cross positions. When its margin
balance falls to its maintenance margin ("Liquidation Protocols", Binance):

1. its open orders are cancelled;
2. each position meets the book as an immediate-or-cancel order of the exchange (client id
   ``autoclose-…``) up to its *bankruptcy price*, at which the scope's margin is gone;
3. what the book does not take, the insurance fund takes over at the bankruptcy price and hands to
   the house at the mark price; the fund pays the difference;
4. if the fund cannot pay it, holders of the other side are closed at the bankruptcy price instead,
   in the order of profit × leverage (``adl_autoclose``), and what is still left goes to the house;
5. the liquidation fee, as far as margin is left, goes to the fund;
6. **bankruptcy rule**: no scope loses more than its margin. What it owes beyond (a tick's rounding,
   a fee) is paid by the fund (INSURANCE_CLEAR), and by the house when the fund is empty; so neither
   a wallet nor the fund ever ends below 0.

Simplified: a position is closed whole, not bracket by bracket.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter

from riposte.exchange.contract import Contract
from riposte.exchange.events import Liquidated, MarginCalled
from riposte.exchange.ledger import cross_wallet_e8, position_of, settings_of
from riposte.exchange.margin import unrealized_e8, value_e8
from riposte.exchange.matching import fill, finish, house_fill, take
from riposte.exchange.records import Account, Order, OrderSide, Position
from riposte.exchange.state import State
from riposte.exchange.units import PPM, rounded_ratio

CALL_PPM = 800_000
"""A margin call is sent when maintenance reaches this part of the margin balance."""

CROSS = "cross"


def look_at_margins(state: State) -> None:
    """Call or liquidate every scope that holds a symbol whose mark price changed.

    An account that just traded is looked at as well: a fill far from the mark price may have cost
    it more than it has.
    """
    marked, state.marked = state.marked, set()
    traders, state.traders = state.traders, {}
    for account in traders:
        for scope, positions in _scopes(account):
            _look(state, account, scope, positions)
    for account in state.accounts.values() if marked else ():
        for scope, positions in _scopes(account):
            if any(position.contract.symbol in marked for position in positions):
                _look(state, account, scope, positions)


def _scopes(account: Account) -> list[tuple[str, list[Position]]]:
    """The account's scopes and what they hold, in the order of their names; cross always."""
    found: dict[str, list[Position]] = {CROSS: []}
    for position in account.positions.values():
        if position.quantity:
            found.setdefault(_scope(account, position), []).append(position)
    return sorted(found.items(), key=itemgetter(0)) if len(found) > 1 else list(found.items())


def _scope(account: Account, position: Position) -> str:
    contract = position.contract
    return contract.symbol if settings_of(account, contract).isolated else CROSS


def _positions(account: Account, scope: str) -> list[Position]:
    return [p for p in account.positions.values() if p.quantity and _scope(account, p) == scope]


def _balance_e8(state: State, account: Account, scope: str, positions: Sequence[Position]) -> int:
    balance = cross_wallet_e8(account) if scope == CROSS else 0
    for position in positions:
        balance += unrealized_e8(position, state.mark_e8)
        if scope != CROSS:
            balance += position.isolated_margin_e8
    return balance


def _look(state: State, account: Account, scope: str, positions: list[Position]) -> None:
    if scope != CROSS:  # in hedge mode each side of a symbol is isolated by itself
        for position in positions:
            _judge(state, account, f"{scope}:{position.side}", scope, [position])
    else:
        _judge(state, account, scope, scope, positions)


def _judge(
    state: State, account: Account, name: str, scope: str, positions: list[Position]
) -> None:
    balance = _balance_e8(state, account, scope, positions)
    maintenance = [p.contract.maintenance_e8(abs(value_e8(p, state.mark_e8))) for p in positions]
    needed = sum(maintenance)
    if not positions:
        if balance < 0:  # its last trade cost more than there was
            _cover(state, account, -balance)
            state.tell(account, "INSURANCE_CLEAR", balance_change_e8=-balance)
    elif needed and balance <= needed:
        liquidate(state, account, scope, positions)
        account.margin_called.discard(name)
    elif needed * PPM >= balance * CALL_PPM and needed:
        if name not in account.margin_called:
            account.margin_called.add(name)
            rows = tuple(
                (state.position_state(account, p), state.mark_e8[p.contract.symbol], m)
                for p, m in zip(positions, maintenance, strict=True)
            )
            state.emit(MarginCalled(state.now_ms, account, cross_wallet_e8(account), rows))
    else:
        account.margin_called.discard(name)


def liquidate(state: State, account: Account, scope: str, positions: list[Position]) -> None:
    """Close a scope; afterwards its margin is at least 0."""
    account.liquidating = True
    symbols = {p.contract.symbol for p in positions}
    for order in list(account.open_orders.values()):
        symbol = order.contract.symbol
        if symbol in symbols or (
            scope == CROSS and not settings_of(account, order.contract).isolated
        ):
            finish(state, order, "CANCELED", "CANCELED", "liquidation")
    for position in positions:
        if position.quantity:
            _close(state, account, scope, position)
    if scope == CROSS:
        _cover(state, account, -cross_wallet_e8(account))
    account.liquidating = False


def _close(state: State, account: Account, scope: str, position: Position) -> None:
    contract = position.contract
    cross_before = cross_wallet_e8(account)
    order = _order_of_the_exchange(
        state, account, position, "autoclose-", _bankruptcy_ticks(state, account, scope, position)
    )
    closed_e8 = abs(value_e8(position, state.mark_e8))
    account.orders[order.order_id] = order
    state.tell_order(order, "NEW")
    take(state, contract, order.side, order.price_ticks, order.remaining, order)
    if order.remaining:
        _take_over(state, order)
    if scope != CROSS:
        _cover(state, account, cross_before - cross_wallet_e8(account))
        margin_left = cross_wallet_e8(account) - cross_before
    else:
        held = [p for p in account.positions.values() if p.quantity]
        margin_left = _balance_e8(
            state, account, CROSS, [p for p in held if _scope(account, p) == CROSS]
        )
    fee = min(rounded_ratio(closed_e8, contract.liquidation_fee_ppm, PPM), max(0, margin_left))
    if fee:
        state.pay(account, "INSURANCE_CLEAR", -fee, symbol=contract.symbol, info="liquidation fee")
        state.insurance_e8 += fee
    state.touch(account, position)
    state.emit(told(state, order))


def _bankruptcy_ticks(state: State, account: Account, scope: str, position: Position) -> int:
    """The price at which the scope's margin is gone, on a tick that leaves nothing owed.

    A cross account's balance is shared among its positions by their value.
    """
    contract = position.contract
    value = value_e8(position, state.mark_e8)
    if scope == CROSS:
        positions = _positions(account, CROSS)
        balance = _balance_e8(state, account, CROSS, positions)
        total = sum(abs(value_e8(p, state.mark_e8)) for p in positions)
        margin = rounded_ratio(balance, abs(value), total) if total else balance
        worth = value - margin
    else:
        worth = position.cost_e8 - position.isolated_margin_e8
    # ``worth`` is the signed value of the position at which nothing is left of the margin.
    per_tick = abs(position.quantity) * contract.unit_e8
    if position.quantity > 0:
        return max(1, -(-worth // per_tick))
    return max(1, -worth // per_tick)


def _order_of_the_exchange(
    state: State, account: Account, position: Position, prefix: str, ticks: int, steps: int = 0
) -> Order:
    side: OrderSide = "SELL" if position.quantity > 0 else "BUY"
    number = state.number("order")
    unique = f"{prefix}{state.now_ms}{number:03d}" if prefix.endswith("-") else prefix
    return Order(
        number,
        unique,
        account,
        position.contract,
        side,
        position.side,
        "LIQUIDATION",
        "IOC",
        ticks,
        steps or abs(position.quantity),
        state.now_ms,
        state.now_ms,
        "LIQUIDATION",
    )


def _take_over(state: State, order: Order) -> None:
    """The fund takes what is left at the bankruptcy price, or the other side is deleveraged."""
    contract, account = order.contract, order.account
    position = position_of(account, contract, order.position_side)
    steps = order.remaining
    notional = contract.notional_e8(order.price_ticks, steps)
    at_mark = contract.value_e8(state.mark_e8.get(contract.symbol, 0), steps)
    loss = notional - at_mark if position.quantity > 0 else at_mark - notional
    if loss <= state.insurance_e8:
        order.status = "NEW_INSURANCE"
        state.tell_order(order, "CALCULATED")
        _hand_to_house(state, order, steps)
        if loss > 0:
            state.insurance_e8 -= loss
            state.house.wallet_e8 += loss
        return
    order.status = "NEW_ADL"
    state.tell_order(order, "CALCULATED")
    deleverage(state, order)
    if order.remaining:
        _hand_to_house(state, order, order.remaining)


def _hand_to_house(state: State, order: Order, steps: int) -> None:
    notional = order.contract.notional_e8(order.price_ticks, steps)
    house_fill(state, order.contract, -order.sign, steps, notional)
    fill(state, order, order.price_ticks, steps, notional, state.number("trade"), maker=False)


def ranking(state: State, contract: Contract, sign: int) -> list[tuple[Account, Position]]:
    """Holders of one side (+1 long), first to be deleveraged first: profit × leverage."""

    def score(holder: tuple[Account, Position]) -> tuple[int, int]:
        account, position = holder
        profit = unrealized_e8(position, state.mark_e8) * PPM
        entry = abs(position.cost_e8) or 1
        leverage = settings_of(account, contract).leverage
        ratio = profit * leverage // entry if profit > 0 else profit // (entry * leverage)
        return -ratio, account.number

    holders = [
        (account, position)
        for account in state.accounts.values()
        for position in account.positions.values()
        if position.contract.symbol == contract.symbol and position.quantity * sign > 0
    ]
    return sorted(holders, key=score)


def deleverage(state: State, order: Order) -> None:
    """Close holders of the other side against ``order`` at its price, in their ranking."""
    contract = order.contract
    for account, position in ranking(state, contract, order.sign):
        if not order.remaining:
            return
        if account is order.account:
            continue
        steps = min(order.remaining, abs(position.quantity))
        other = _order_of_the_exchange(
            state, account, position, "adl_autoclose", order.price_ticks, steps
        )
        account.orders[other.order_id] = other
        state.tell_order(other, "NEW")
        trade_id = state.number("trade")
        notional = contract.notional_e8(order.price_ticks, steps)
        fill(state, order, order.price_ticks, steps, notional, trade_id, maker=False)
        fill(state, other, order.price_ticks, steps, notional, trade_id, maker=True)
        state.emit(told(state, other))


def _cover(state: State, account: Account, owed_e8: int) -> None:
    """The bankruptcy rule: the fund pays what a scope owes beyond its margin."""
    if owed_e8 <= 0:
        return
    from_fund = min(owed_e8, state.insurance_e8)
    state.insurance_e8 -= from_fund
    state.house.wallet_e8 -= owed_e8 - from_fund
    state.pay(account, "INSURANCE_CLEAR", owed_e8, info="bankruptcy")


def told(state: State, order: Order) -> Liquidated:
    """The public ``forceOrder`` of an order of the exchange."""
    last = order.account.fills[-1].quantity if order.executed else 0
    return Liquidated(
        state.now_ms, order, order.status, order.executed, order.executed_quote_e8, last
    )


def operator_liquidate(state: State, account: Account, symbol: str) -> None:
    """Liquidate as if the margin were gone: one symbol's scope, or everything."""
    scopes = {
        _scope(account, p)
        for p in account.positions.values()
        if p.quantity and symbol in ("", p.contract.symbol)
    }
    for scope in sorted(scopes):
        liquidate(state, account, scope, _positions(account, scope))


def operator_deleverage(
    state: State, account: Account, symbol: str, position_side: str, steps: int
) -> None:
    """Close a holder by ADL at the mark price, against the house."""
    contract = state.contract(symbol)
    position = position_of(account, contract, position_side)  # type: ignore[arg-type]
    if not position.quantity:
        return
    ticks = max(1, state.mark_e8[symbol] // contract.tick_e8)
    order = _order_of_the_exchange(
        state,
        account,
        position,
        "adl_autoclose",
        ticks,
        min(steps or abs(position.quantity), abs(position.quantity)),
    )
    account.orders[order.order_id] = order
    state.tell_order(order, "NEW")
    _hand_to_house(state, order, order.remaining)
    state.emit(told(state, order))
