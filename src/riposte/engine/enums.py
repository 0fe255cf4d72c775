"""The engine's closed vocabularies. Values are stored in records and ledgers: append, never renumber."""

from __future__ import annotations

from enum import IntEnum


class Side(IntEnum):
    """Direction of a position or an order."""

    SHORT = -1
    FLAT = 0
    LONG = 1


class TradingState(IntEnum):
    """What the account may do: everything, only reduce, or only close."""

    ACTIVE = 0
    REDUCING = 1
    HALTED = 2


class Halt(IntEnum):
    """Why the account is not ACTIVE."""

    NONE = 0
    DAILY_LOSS = 1
    LOSSES_IN_ROW = 2
    DRAWDOWN = 3
    VOLATILITY = 4
    REVIEW = 5
    OPERATOR = 6


class Intent(IntEnum):
    """What ``decide`` wants done for one symbol."""

    NOTHING = 0
    ENTER = 1
    ADD = 2
    REDUCE = 3
    EXIT = 4


class Reason(IntEnum):
    """Why a fill happened: the exit reason of a trade is that of its last fill."""

    NONE = 0
    SIGNAL = 1
    ADD = 2
    STOP = 3
    TRAILING_STOP = 4
    TARGET = 5
    PARTIAL_TARGET = 6
    TIME = 7
    REVERSAL = 8
    LIQUIDATION = 9
    DAILY_LOSS = 10
    DRAWDOWN = 11
    VOLATILITY = 12
    OPERATOR = 13
    END_OF_DATA = 14
    LIQUIDATION_NEAR = 15


class Rule(IntEnum):
    """The rule that refused an intent; recorded with its limit and the value that broke it."""

    NONE = 0
    BAD_NUMBER = 1
    STALE_DATA = 2
    PRICE_COLLAR = 3
    STATE = 4
    PAUSED = 5
    REVIEW = 6
    ACCURACY = 7
    TRADES_PER_DAY = 8
    ORDER_RATE = 9
    DUPLICATE = 10
    SELF_TRADE = 11
    LEVERAGE = 12
    MARGIN_FRACTION = 13
    RISK_PER_TRADE = 14
    LOSS_BUDGET = 15
    MAX_ORDER_NOTIONAL = 16
    MIN_NOTIONAL = 17
    NO_STOP = 18
    VOLATILITY = 19
    FREE_MARGIN = 20
    PARTICIPATION = 21
    OPPOSITE_POSITION = 22
    MAX_POSITIONS = 23
    HEAT = 24
    CORRELATION = 25
    PORTFOLIO_WEIGHT = 26
    POST_ONLY = 27
    LIQUIDATION_NEAR = 28
