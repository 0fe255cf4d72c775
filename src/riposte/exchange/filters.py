"""What an order must satisfy before it may meet the book; each refusal by the exchange's code."""

from __future__ import annotations

import re

from riposte.exchange.contract import Contract
from riposte.exchange.records import Account, PositionSide
from riposte.exchange.refusals import Refusal
from riposte.exchange.requests import NewOrder
from riposte.exchange.units import PPM, show_trimmed

CONDITIONAL_TYPES = frozenset(
    {"STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"}
)
TIMES_IN_FORCE = frozenset({"GTC", "IOC", "FOK", "GTX", "GTD", "RPI"})
STP_MODES = frozenset({"NONE", "EXPIRE_MAKER", "EXPIRE_TAKER", "EXPIRE_BOTH"})
PRICE_MATCHES = frozenset(
    f"{side}{level}" for side in ("OPPONENT", "QUEUE") for level in ("", "_5", "_10", "_20")
)
LAST_GOOD_TILL_MS = 253_402_300_799_000
GOOD_TILL_AHEAD_MS = 600_000

_CLIENT_ID = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")


def check_client_id(client_id: str, *, name: str = "newClientOrderId") -> None:
    """Refuse an identifier outside ``^[.A-Z:/a-z0-9_-]{1,36}$``."""
    if len(client_id) > 36:
        raise Refusal(-4015)
    if _CLIENT_ID.fullmatch(client_id) is None:
        raise Refusal(-1100, name=name, allowed="^[\\.A-Z\\:/a-z0-9_-]{1,36}$")


def check_position_side(account: Account, side: PositionSide, *, reduce_only: bool) -> None:
    """The position side must fit the account's mode; hedge mode knows no reduce-only."""
    if account.hedge_mode == (side == "BOTH"):
        raise Refusal(-4061)
    if account.hedge_mode and reduce_only:
        raise Refusal(-1106, name="reduceonly")


def steps_of(contract: Contract, quantity_e8: int, *, market: bool) -> int:
    """The quantity in steps, or LOT_SIZE's and MARKET_LOT_SIZE's refusal."""
    if quantity_e8 <= 0:
        raise Refusal(-4003)
    steps, rest = divmod(quantity_e8, contract.step_e8)
    if not steps:
        raise Refusal(-4004)
    if rest:
        raise Refusal(-1111)
    if steps > (contract.max_market_steps if market else contract.max_steps):
        raise Refusal(-4005)
    return steps


def ticks_of(contract: Contract, price_e8: int) -> int:
    """The price in ticks, or PRICE_FILTER's refusal."""
    if price_e8 < 0:
        raise Refusal(-4001)
    ticks, rest = divmod(price_e8, contract.tick_e8)
    if not ticks:
        raise Refusal(-4013)
    if ticks > contract.max_price_ticks:
        raise Refusal(-4002)
    if rest or ticks % contract.price_grid:
        raise Refusal(-4014)
    return ticks


def check_distance(contract: Contract, buy: bool, ticks: int, mark_e8: int) -> None:
    """PERCENT_PRICE: not further beyond the mark price than the multiplier."""
    if not mark_e8:
        return
    price = ticks * contract.tick_e8
    if buy:
        limit = mark_e8 * contract.price_up_ppm // PPM
        if price > limit:
            raise Refusal(-4016, limit=show_trimmed(limit // contract.tick_e8 * contract.tick_e8))
    else:
        limit = -(-mark_e8 * contract.price_down_ppm // PPM)
        if price < limit:
            raise Refusal(
                -4024, limit=show_trimmed(-(-limit // contract.tick_e8) * contract.tick_e8)
            )


def check_grid(contract: Contract, steps: int) -> None:
    """The step size that is shown; reduce-only orders are exempt and don't come here."""
    if steps % contract.quantity_grid:
        raise Refusal(-1111)


def check_notional(contract: Contract, notional_e8: int) -> None:
    """MIN_NOTIONAL; reduce-only orders are exempt and don't come here."""
    if notional_e8 < contract.min_notional_e8:
        raise Refusal(-4164, notional=show_trimmed(contract.min_notional_e8))


def check_form(request: NewOrder, now_ms: int) -> None:
    """What can be said about an order without knowing contract or account."""
    if request.type in CONDITIONAL_TYPES:
        raise Refusal(-4120)
    if request.type not in ("LIMIT", "MARKET"):
        raise Refusal(-1116)
    if request.side not in ("BUY", "SELL"):
        raise Refusal(-1117)
    if request.close_position:
        raise Refusal(-1106, name="closePosition")
    if request.stp_mode not in STP_MODES:
        raise Refusal(-5039)
    if request.client_order_id:
        check_client_id(request.client_order_id)
    if request.type == "MARKET":
        _check_market_form(request)
    else:
        _check_limit_form(request, now_ms)


def _check_market_form(request: NewOrder) -> None:
    if request.time_in_force:
        raise Refusal(-1106, name="timeInForce")
    if request.price_e8:
        raise Refusal(-1106, name="price")
    if request.price_match != "NONE":
        raise Refusal(-5038)
    if request.good_till_ms:
        raise Refusal(-1106, name="goodTillDate")


def _check_limit_form(request: NewOrder, now_ms: int) -> None:
    if not request.time_in_force:
        raise Refusal(-1102, name="timeInForce")
    if request.time_in_force not in TIMES_IN_FORCE:
        raise Refusal(-1115)
    if request.price_match != "NONE":
        if request.price_match not in PRICE_MATCHES:
            raise Refusal(-5037)
        if request.price_e8:
            raise Refusal(-1106, name="price")
    elif not request.price_e8:
        raise Refusal(-1102, name="price")
    check_good_till(request.time_in_force, request.good_till_ms, now_ms)


def check_good_till(time_in_force: str, good_till_ms: int, now_ms: int) -> None:
    """GTD needs a date more than ten minutes ahead; nothing else has one."""
    if time_in_force == "GTD":
        if not good_till_ms:
            raise Refusal(-1102, name="goodTillDate")
        if not now_ms + GOOD_TILL_AHEAD_MS < good_till_ms < LAST_GOOD_TILL_MS:
            raise Refusal(-5040)
    elif good_till_ms:
        raise Refusal(-1106, name="goodTillDate")
