"""The market frame of a recorded order-book session: candles, trades and the book, bar by bar.

::

    frame = level2_frame(read_level2(folder), parse_interval("1s"))

Everything is by the exchange's clock, and a bar is given when the record reaches
:data:`riposte.market.book_bars.SETTLE_NS` beyond its close: until then its last trade may still be on
its way.
"""

from __future__ import annotations

import numpy as np

from riposte.errors import DataError
from riposte.market.assemble import assemble
from riposte.market.book_bars import SETTLE_NS, book_bars
from riposte.market.frame import Floats, MarketFrame, Times
from riposte.market.interval import Interval
from riposte.market.replay import replay
from riposte.market.series import Series, make_series
from riposte.market.trade_bars import trade_bars
from riposte.market.trades import candles
from riposte.sources.level2 import Level2


def level2_frame(level2: Level2, interval: Interval, *, settle_ns: int = SETTLE_NS) -> MarketFrame:
    """Every bar that the record covers whole, with the columns of candles, trades and the book.

    A bar without trades stands at the price before it with volume 0, as the exchange's own candles
    do. Where trades are missing bars are left out; where the book was lost its columns are NaN.
    Mark and index price are those of the record, where it has them.

    Raises:
        DataError: if not one whole bar is covered, or trades have impossible prices.
    """
    history = replay(level2.depth)
    trades = level2.trades.series
    if len(history) == 0 or len(trades) == 0:
        raise DataError(f"{level2.symbol}: the record holds no book or no trades")
    # More trades of the first one's millisecond may lie before the record.
    start = int(max(history.event_time[0], trades.event_time[0] + 1))
    covered = (start, int(history.event_time.max()) - settle_ns)
    flow = trade_bars(trades, interval, covered=covered)
    if len(flow) == 0:
        raise DataError(
            f"{level2.symbol}: the record is too short for one whole bar of {interval}",
            hint="use shorter bars, down to 1s",
        )
    series = {"klines": _every_bar(trades, interval, covered, flow.open_time)}
    for kind, stream in (("mark", level2.mark), ("index", level2.index)):
        if stream is not None:
            series[kind] = stream.series
    book = book_bars(level2.depth, interval, history=history, settle_ns=settle_ns)
    return assemble(level2.symbol, interval, series, (flow, book))


def _every_bar(
    trades: Series, interval: Interval, covered: tuple[int, int], open_time: Times
) -> Series:
    """Candles for all those bars: where nothing was traded, at the price of the trade before."""
    made = candles(trades, interval, covered=covered)
    before = np.searchsorted(trades.event_time, open_time) - 1
    price = trades["price"][before]
    columns: dict[str, Floats] = {
        name: price.copy() if name in ("open", "high", "low", "close") else np.zeros(len(open_time))
        for name in made.columns
    }
    row = np.searchsorted(open_time, made.event_time)
    for name, values in made.columns.items():
        columns[name][row] = values
    return make_series("klines", trades.symbol, interval, open_time, columns)
