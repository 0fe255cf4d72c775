"""Carries out what ``deeds`` describes, on a running exchange."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import orjson
from aiohttp import WSCloseCode

from riposte.errors import InputError
from riposte.exchange.faults import deeds, kinds, market_acts
from riposte.exchange.faults.reading import record
from riposte.exchange.faults.whose import account_of, symbol_of
from riposte.exchange.feed import HouseTrade
from riposte.exchange.keys import ApiKey
from riposte.exchange.records import Account, AlgoOrder, Order
from riposte.exchange.requests import NewOrder
from riposte.exchange.streams.connection import Connection
from riposte.exchange.streams.frames import Message
from riposte.exchange.switches import Switches
from riposte.exchange.units import E8

if TYPE_CHECKING:
    from riposte.exchange.simulator import Simulator


def carry_out(sim: Simulator, act: kinds.Act, account: str = "") -> None:
    """Do it now; ``account`` is whose request it is done at, "" if at nobody's.

    Raises:
        InputError: if there is nothing to do it to.
        Refusal: if the exchange's rules forbid what its owner is made to do.
    """
    if account and getattr(act, "account", None) == "":
        act = replace(act, account=account)
    _DONE[type(act)](sim, act)
    sim.settle()


# the exchange as a whole


def _skew(sim: Simulator, act: deeds.Skew) -> None:
    sim.skew_ms = act.skew_ms


def _jump_clock(sim: Simulator, act: deeds.JumpClock) -> None:
    sim.clock.advance(act.by_ms)


def _maintain(sim: Simulator, act: deeds.Maintenance) -> None:
    sim.maintenance = act.on
    if act.on:
        for connection in list(sim.connections):
            connection.close(WSCloseCode.GOING_AWAY, "maintenance")


def _ban(sim: Simulator, act: deeds.Ban) -> None:
    sim.limiter.ban(act.address, sim.exchange.now_ms, act.length_ms)


def _limit(sim: Simulator, act: deeds.ChangeLimits) -> None:
    named = {
        name: value
        for name in ("weight_per_minute", "orders_per_minute", "orders_per_ten_seconds")
        if (value := getattr(act, name)) is not None
    }
    sim.limiter.limits = replace(sim.limiter.limits, **named)


def _switch(sim: Simulator, act: deeds.Switch) -> None:
    read = record(Switches, {act.switch: act.value}, "the switches")
    sim.exchange.switches = replace(sim.switches, **{act.switch: getattr(read, act.switch)})


def _drain(sim: Simulator, act: deeds.DrainInsurance) -> None:
    sim.exchange.drain_insurance(act.leave)


# accounts and keys


def _keys_of(sim: Simulator, act: deeds.RevokeKey | deeds.ChangeKey) -> list[ApiKey]:
    if act.key:
        if act.key not in sim.keys:
            raise InputError("there is no such API key")
        return [sim.keys[act.key]]
    account = account_of(sim, act.account)
    found = [key for key in sim.keys.values() if key.account is account]
    if not found:
        raise InputError(f"{account.name} has no API key")
    return found


def _revoke(sim: Simulator, act: deeds.RevokeKey) -> None:
    for key in _keys_of(sim, act):
        del sim.keys[key.key]


def _change_key(sim: Simulator, act: deeds.ChangeKey) -> None:
    for key in _keys_of(sim, act):
        for name in ("can_trade", "can_withdraw", "ip_restricted", "allowed_ips"):
            if (value := getattr(act, name)) is not None:
                setattr(key, name, value)


def _restrict(sim: Simulator, act: deeds.Restrict) -> None:
    sim.exchange.restrict(account_of(sim, act.account), act.how)


def _transfer(sim: Simulator, act: deeds.Transfer) -> None:
    sim.exchange.transfer(account_of(sim, act.account), act.amount)


def _liquidate(sim: Simulator, act: deeds.Liquidate) -> None:
    account = account_of(sim, act.account)
    if act.symbol:
        sim.exchange.contract(act.symbol)
    held = {p.contract.symbol for p in account.positions.values() if p.quantity}
    if not held or (act.symbol and act.symbol not in held):
        raise InputError(f"{account.name} has no position to liquidate")
    sim.exchange.liquidate(account, act.symbol)


def _deleverage(sim: Simulator, act: deeds.Deleverage) -> None:
    account = account_of(sim, act.account)
    contract = sim.exchange.contract(symbol_of(sim, act.symbol, account))
    position = account.positions.get((contract.symbol, act.position_side))
    if position is None or not position.quantity:
        raise InputError(f"{account.name} has no position of {contract.symbol} to close")
    steps = -(-abs(position.quantity) * act.part // E8)
    sim.exchange.auto_deleverage(account, contract.symbol, act.position_side, steps)


def _end_algos(sim: Simulator, act: deeds.EndAlgos) -> None:
    exchange, account = sim.exchange, account_of(sim, act.account)
    found: list[AlgoOrder] = [
        algo
        for algo in account.open_algos.values()
        if (act.symbol in ("", algo.contract.symbol))
        and act.algo_id in (0, algo.algo_id)
        and act.client_algo_id in ("", algo.client_algo_id)
    ]
    if not found:
        raise InputError(f"{account.name} has no such conditional order waiting")
    for algo in found:
        if act.how == "cancel":
            exchange.cancel_algo(account, algo.algo_id)
        elif act.how == "reject":
            exchange.reject_algo(account, algo.algo_id, act.reason)
        else:
            exchange.expire_algo(account, algo.algo_id, act.reason)


def _orders_of(account: Account, act: deeds.EndOrders | deeds.FillOrders) -> list[Order]:
    found = [
        order
        for order in account.open_orders.values()
        if (act.symbol in ("", order.contract.symbol))
        and act.order_id in (0, order.order_id)
        and act.client_order_id in ("", order.client_order_id)
    ]
    if not found:
        raise InputError(f"{account.name} has no such order resting")
    return found


def _end_orders(sim: Simulator, act: deeds.EndOrders) -> None:
    account = account_of(sim, act.account)
    for order in _orders_of(account, act):
        if act.how == "cancel":
            sim.exchange.cancel(account, order.contract.symbol, order.order_id)
        else:
            sim.exchange.expire_order(account, order.order_id, act.reason)


def _fill_orders(sim: Simulator, act: deeds.FillOrders) -> None:
    """Trades of the market up to each order's place in its queue, best prices first."""
    exchange = sim.exchange
    orders = _orders_of(account_of(sim, act.account), act)
    for order in sorted(orders, key=lambda order: -order.sign * order.price_ticks):
        if not order.open:
            continue
        wanted = -(-order.remaining * act.part // E8)
        steps = _ahead_of(sim, order) + wanted
        exchange.apply(
            HouseTrade(
                exchange.now_ms,
                order.contract.symbol,
                order.price_ticks,
                steps,
                buyer_is_maker=order.side == "BUY",
            )
        )


def _ahead_of(sim: Simulator, order: Order) -> int:
    ahead = 0
    for level in sim.exchange.books[order.contract.symbol].side(order.side):
        if level.ticks != order.price_ticks:
            ahead += level.total
            continue
        for place, resting in level.queue.items():
            if place == order.order_id:
                return ahead
            ahead += resting.quantity
    raise AssertionError(f"order {order.order_id} is open but not in the book")


def _place(sim: Simulator, act: deeds.PlaceOrder) -> None:
    account = account_of(sim, act.account)
    sim.exchange.place(
        account,
        NewOrder(
            symbol_of(sim, act.symbol, account),
            act.side,
            "LIMIT" if act.price else "MARKET",
            quantity_e8=act.quantity,
            price_e8=act.price,
            time_in_force="GTC" if act.price else "",
            position_side=act.position_side,
            reduce_only=act.reduce_only,
            client_order_id=act.client_order_id or _of_the_app(sim),
        ),
    )


def _of_the_app(sim: Simulator) -> str:
    return f"web_{sim.exchange.peek('order')}"


def _close_position(sim: Simulator, act: deeds.ClosePosition) -> None:
    account = account_of(sim, act.account)
    symbol = symbol_of(sim, act.symbol, account)
    held = [p for (name, _), p in account.positions.items() if name == symbol and p.quantity]
    if not held:
        raise InputError(f"{account.name} has no position of {symbol}")
    for position in held:
        sim.exchange.place(
            account,
            NewOrder(
                symbol,
                "SELL" if position.quantity > 0 else "BUY",
                "MARKET",
                quantity_e8=abs(position.quantity) * position.contract.step_e8,
                position_side=position.side,
                reduce_only=position.side == "BOTH",
                client_order_id=_of_the_app(sim),
            ),
        )


def _set_leverage(sim: Simulator, act: deeds.SetLeverage) -> None:
    account = account_of(sim, act.account)
    sim.exchange.set_leverage(account, symbol_of(sim, act.symbol, account), act.leverage)


def _set_margin_type(sim: Simulator, act: deeds.SetMarginType) -> None:
    account = account_of(sim, act.account)
    sim.exchange.set_isolated(account, symbol_of(sim, act.symbol, account), act.isolated)


def _set_position_mode(sim: Simulator, act: deeds.SetPositionMode) -> None:
    sim.exchange.set_hedge_mode(account_of(sim, act.account), act.hedge)


# connections


def _expire_listen_key(sim: Simulator, act: deeds.ExpireListenKey) -> None:
    account = account_of(sim, act.account)
    key = sim.listen_keys.close(account)
    if key is None:
        raise InputError(f"{account.name} has no listen key")
    sim.hub.end_key(key.text, account, sim.exchange.now_ms)


def _on_route(sim: Simulator, route: str) -> list[Connection]:
    return [one for one in sim.connections if route in ("", one.route)]


def _disconnect(sim: Simulator, act: deeds.Disconnect) -> None:
    for connection in _on_route(sim, act.route):
        if act.how == "close":
            connection.close(act.code, "fault")
        elif act.how == "cut":
            connection.drop()
        else:
            connection.deafen(act.length_ms)


def _say(sim: Simulator, act: deeds.Say) -> None:
    text = act.message.encode() if isinstance(act.message, str) else orjson.dumps(act.message)
    for connection in _on_route(sim, act.route):
        if not act.stream:
            connection.say(text)
        elif act.stream in connection.names or act.stream in connection.listen_keys:
            connection.receive(Message(act.stream, text), "")


_DONE = cast(
    dict[type, Callable[["Simulator", Any], None]],
    {
        deeds.Skew: _skew,
        deeds.JumpClock: _jump_clock,
        deeds.Maintenance: _maintain,
        deeds.Ban: _ban,
        deeds.ChangeLimits: _limit,
        deeds.Switch: _switch,
        deeds.DrainInsurance: _drain,
        deeds.RevokeKey: _revoke,
        deeds.ChangeKey: _change_key,
        deeds.Restrict: _restrict,
        deeds.Transfer: _transfer,
        deeds.Liquidate: _liquidate,
        deeds.Deleverage: _deleverage,
        deeds.EndAlgos: _end_algos,
        deeds.EndOrders: _end_orders,
        deeds.FillOrders: _fill_orders,
        deeds.PlaceOrder: _place,
        deeds.ClosePosition: _close_position,
        deeds.SetLeverage: _set_leverage,
        deeds.SetMarginType: _set_margin_type,
        deeds.SetPositionMode: _set_position_mode,
        deeds.ExpireListenKey: _expire_listen_key,
        deeds.Disconnect: _disconnect,
        deeds.Say: _say,
        **market_acts.DONE,
    },
)
