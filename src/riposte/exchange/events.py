"""What comes out of the core: facts in the order they happened, for streams, tape and journal.

Each event holds the values of its moment; the records it points at go on living. They are tuples
because there are several for each order, and nothing is made faster.
"""

from __future__ import annotations

from typing import NamedTuple

from riposte.exchange.records import (
    Account,
    AlgoOrder,
    Fill,
    Order,
    OrderSide,
    PositionSide,
)


class LevelChanged(NamedTuple):
    """The total quantity at one price of the book is now ``quantity`` (0: the level is gone)."""

    time_ms: int
    symbol: str
    side: OrderSide
    price_ticks: int
    quantity: int
    update_id: int
    """Strictly rising per symbol; the ``u`` of the depth stream is the last one it includes."""


class Traded(NamedTuple):
    """A public trade."""

    time_ms: int
    symbol: str
    trade_id: int
    price_ticks: int
    quantity: int
    buyer_is_maker: bool
    liquidation: bool = False


class OrderChanged(NamedTuple):
    """ORDER_TRADE_UPDATE: the values of an order at this moment."""

    time_ms: int
    account: Account
    order: Order
    execution: str
    """``x``: NEW, CANCELED, CALCULATED, EXPIRED, TRADE, AMENDMENT."""
    status: str
    price_ticks: int
    quantity: int
    executed: int
    executed_quote_e8: int
    fill: Fill | None = None


class AlgoChanged(NamedTuple):
    """ALGO_UPDATE: the values of a conditional order at this moment."""

    time_ms: int
    account: Account
    algo: AlgoOrder
    status: str
    child_id: int = 0
    child_executed: int = 0
    child_quote_e8: int = 0
    reject_reason: str = ""


class PositionState(NamedTuple):
    """One row of ``a.P`` in ACCOUNT_UPDATE."""

    symbol: str
    side: PositionSide
    quantity: int
    cost_e8: int
    realized_e8: int
    unrealized_e8: int
    isolated: bool
    isolated_wallet_e8: int
    fees_e8: int
    step_e8: int
    tick_e8: int


class AccountChanged(NamedTuple):
    """ACCOUNT_UPDATE: what changed, and why (``m``)."""

    time_ms: int
    account: Account
    reason: str
    """ORDER, FUNDING_FEE, DEPOSIT, WITHDRAW, MARGIN_TRANSFER, MARGIN_TYPE_CHANGE, INSURANCE_CLEAR,
    ADJUSTMENT …"""
    wallet_e8: int
    cross_wallet_e8: int
    balance_change_e8: int
    """Change but for realised profit and fees (``bc``)."""
    positions: tuple[PositionState, ...] = ()
    symbol: str = ""
    balance_listed: bool = True


class ConfigChanged(NamedTuple):
    """ACCOUNT_CONFIG_UPDATE: ``leverage`` of a symbol, or the multi-assets mode if no symbol."""

    time_ms: int
    account: Account
    symbol: str = ""
    leverage: int = 0
    multi_assets: bool = False


class MarginCalled(NamedTuple):
    """MARGIN_CALL: the positions whose margin runs out: (state, mark e8, maintenance e8)."""

    time_ms: int
    account: Account
    cross_wallet_e8: int
    positions: tuple[tuple[PositionState, int, int], ...]


class Marked(NamedTuple):
    """Mark and index price; ``markPriceUpdate``."""

    time_ms: int
    symbol: str
    mark_e8: int
    index_e8: int
    funding_e8: int
    """Estimated rate of the coming settlement, e8."""
    next_funding_ms: int


class FundingSettled(NamedTuple):
    """A funding settlement took place; public record of ``/fapi/v1/fundingRate``."""

    time_ms: int
    symbol: str
    rate_e8: int
    mark_e8: int


class Liquidated(NamedTuple):
    """``forceOrder``: a liquidation (or ADL) order of the exchange and its values."""

    time_ms: int
    order: Order
    status: str
    executed: int
    executed_quote_e8: int
    last_quantity: int


class ContractChanged(NamedTuple):
    """``contractInfo``: a contract's status, filters or brackets are others now."""

    time_ms: int
    symbol: str


Event = (
    LevelChanged
    | Traded
    | OrderChanged
    | AlgoChanged
    | AccountChanged
    | ConfigChanged
    | MarginCalled
    | Marked
    | FundingSettled
    | Liquidated
    | ContractChanged
)
