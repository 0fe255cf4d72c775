"""The same market with other units: prices ten times, coins three times what they were."""

from __future__ import annotations

from riposte.market.frame import COLUMNS, MarketFrame, make_frame

PRICE, COINS = 10.0, 3.0
PRICES = ("open", "high", "low", "close", "mark_price", "index_price", "best_bid", "best_ask")
POWERS = {"coins": 1, "coins per fraction": 1, "coins^2": 2}


def factor(name: str) -> float:
    """What the values of a column are multiplied with, by its unit."""
    unit = COLUMNS[name].unit
    if unit == "USDT":
        return PRICE if name in PRICES else PRICE * COINS
    return COINS ** POWERS.get(unit, 0)


def scaled(frame: MarketFrame) -> MarketFrame:
    """The frame in the other units."""
    columns = {name: values * factor(name) for name, values in frame.columns.items()}
    return make_frame(frame.symbol, frame.interval, frame.open_time, columns)
