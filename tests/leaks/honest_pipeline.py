"""What the honest pipeline is made with, and its frame made again from other series."""

from __future__ import annotations

from riposte.market.assemble import assemble
from riposte.market.barriers import Barriers
from riposte.market.frame import MarketFrame
from riposte.market.interval import DAY_NS, HOUR_NS, parse_interval
from riposte.market.series import Series

HOUR = parse_interval("1h")
BARRIERS = Barriers(1.0, 0.5, 24 * HOUR_NS, "volatility", 7 * DAY_NS)
EMBARGO_NS = HOUR_NS


def reassembled(series: dict[str, Series], frame: MarketFrame) -> MarketFrame:
    """The frame of other series, over the same months."""
    made = assemble(frame.symbol, frame.interval, series)
    return made.between(int(frame.open_time[0]), int(frame.close_time[-1]))
