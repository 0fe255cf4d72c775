"""Commands to the exchange, already read from the wire; the core checks them against its rules.

Prices and quantities are e8 integers as the client wrote them; the core refuses what is not on the
contract's tick or step. 0 means "not given" for a number, "" for a text.
"""

from __future__ import annotations

from dataclasses import dataclass

from riposte.exchange.records import OrderSide, PositionSide, WorkingType


@dataclass(frozen=True, slots=True)
class NewOrder:
    """``POST /fapi/v1/order``."""

    symbol: str
    side: OrderSide
    type: str
    """LIMIT or MARKET; a conditional type is refused (-4120)."""
    quantity_e8: int = 0
    price_e8: int = 0
    time_in_force: str = ""
    position_side: PositionSide = "BOTH"
    reduce_only: bool = False
    close_position: bool = False
    client_order_id: str = ""
    """"" lets the exchange make one."""
    price_match: str = "NONE"
    stp_mode: str = "EXPIRE_MAKER"
    good_till_ms: int = 0


@dataclass(frozen=True, slots=True)
class NewAlgo:
    """``POST /fapi/v1/algoOrder`` with ``algoType=CONDITIONAL``."""

    symbol: str
    side: OrderSide
    type: str
    trigger_price_e8: int = 0
    quantity_e8: int = 0
    price_e8: int = 0
    time_in_force: str = ""
    position_side: PositionSide = "BOTH"
    working_type: WorkingType = "CONTRACT_PRICE"
    price_match: str = "NONE"
    stp_mode: str = "EXPIRE_MAKER"
    close_position: bool = False
    price_protect: bool = False
    reduce_only: bool = False
    activate_price_e8: int = 0
    callback_ppm: int = 0
    client_algo_id: str = ""
    good_till_ms: int = 0


@dataclass(frozen=True, slots=True)
class Amendment:
    """``PUT /fapi/v1/order``: both price and quantity are needed, or a price match."""

    symbol: str
    side: OrderSide
    quantity_e8: int
    price_e8: int = 0
    order_id: int = 0
    client_order_id: str = ""
    price_match: str = "NONE"
    modify_id: int | None = None
    """The client's own number of this change, told again as it is."""
