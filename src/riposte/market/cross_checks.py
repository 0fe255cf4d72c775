"""Recorded streams checked against one another: trades, candles, the book, best bid and ask, clocks.

What one record says about itself is :mod:`riposte.market.checks`; here two that should tell the
same story are compared. Findings are sentences; nothing is corrected.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from riposte.errors import InputError
from riposte.market.book import Mask
from riposte.market.checks import Finding, Severity
from riposte.market.frame import Floats, Times
from riposte.market.interval import HOUR_NS, SECOND_NS, Interval
from riposte.market.replay import BookHistory, DepthChanges
from riposte.market.series import Series, format_time
from riposte.market.trades import candles, holes

MILLISECOND_NS = 1_000_000
_VOLUME_TOLERANCE = 1e-6  # relative: the exchange rounds sums, and adds them in another order
_CLOCK_QUANTILE = 0.01
_CLOCK_BLOCKS = 10


def trades_against_candles(
    trades: Series, klines: Series, *, covered: tuple[int, int] | None = None
) -> tuple[Finding, ...]:
    """Whether candles are those of the trades, in the bars that the trades cover whole.

    Prices and trade counts must be equal, volumes within 1e-6; a bar with trades must be there, and
    a bar with volume must have trades. ``covered`` as in :func:`riposte.market.trades.candles`.

    Raises:
        InputError: if they are of two symbols, or the candles have no interval.
    """
    if klines.interval is None or klines.symbol != trades.symbol:
        raise InputError(f"{klines.title} cannot be compared with {trades.title}")
    made = candles(trades, klines.interval, covered=covered)
    if len(made) == 0:
        return ()
    _, here, there = np.intersect1d(made.event_time, klines.event_time, return_indices=True)
    findings: list[Finding] = []
    for what, names in _COMPARED.items():
        wrong = np.zeros(len(here), dtype=np.bool_)
        for name in names:
            if name in klines.columns:
                wrong |= ~_equal(made[name][here], klines[name][there], what)
        if wrong.any():
            rows = klines.event_time[there][wrong]
            text = f"bars whose {what} are not those of the trades"
            findings.append(_finding("error", f"trade-{what}", klines, text, rows))
    last = int(klines.event_time[-1]) + 1 if len(klines) else None
    expected = made.between(int(klines.event_time[0]) if len(klines) else None, last)
    absent = np.setdiff1d(expected.event_time, klines.event_time)
    if len(absent):
        text = "bars that are missing although there were trades"
        findings.append(_finding("error", "trade-bar-missing", klines, text, absent))
    start, stop = int(made.event_time[0]), int(made.event_time[-1]) + klines.interval.ns
    inside = klines.between(start, stop)
    traded = inside.event_time[inside["volume"] > 0]
    every = candles(trades, klines.interval, partial=True)
    alone = np.setdiff1d(traded, every.event_time)
    if len(alone):
        text = "bars with volume in which no trade is recorded"
        findings.append(_finding("warning", "trade-none", klines, text, alone))
    return tuple(findings)


_COMPARED = {
    "prices": ("open", "high", "low", "close"),
    "volumes": ("volume", "quote_volume", "taker_buy_volume"),
    "counts": ("trade_count",),
}


def _equal(ours: Floats, theirs: Floats, what: str) -> Mask:
    """Equal, within the tolerance of volumes; a value that candles lack contradicts nothing."""
    tolerance = _VOLUME_TOLERANCE if what == "volumes" else 1e-12
    return np.isclose(ours, theirs, rtol=tolerance, atol=0.0) | np.isnan(theirs)


def check_trades(trades: Series) -> tuple[Finding, ...]:
    """Order, gaps and values of trades, also of a series put together without ``make_series``."""
    times, number = trades.event_time, trades["trade_id"]
    findings: list[Finding] = []
    if len(times) == 0:
        return (_whole("error", "empty", trades, "holds no rows"),)
    steps = np.diff(number)
    repeated = np.flatnonzero(steps == 0) + 1
    if len(repeated):
        text = "trades recorded twice"
        findings.append(_finding("error", "trade-repeated", trades, text, times[repeated]))
    backward = np.flatnonzero((steps < 0) | (np.diff(times) < 0)) + 1
    if len(backward):
        text = "trades out of order"
        findings.append(_finding("error", "trade-order", trades, text, times[backward]))
    wrong = np.flatnonzero(~((trades["price"] > 0) & (trades["quantity"] > 0)))
    if len(wrong):
        text = "trades without a price or a quantity above 0"
        findings.append(_finding("error", "trade-value", trades, text, times[wrong]))
    gaps = np.flatnonzero(steps > 1) + 1
    if len(gaps):
        lost = int((steps[gaps - 1] - 1).sum())
        long = len(holes(trades))
        text = f"gaps in the trade numbers ({lost} missing, {long} of the gaps over 1s)"
        severity: Severity = "warning" if long else "note"
        findings.append(_finding(severity, "trade-gap", trades, text, times[gaps]))
    return tuple(findings)


@dataclass(frozen=True, slots=True)
class ClockDrift:
    """How far our clock is from the exchange's, as the fastest messages show it (ns).

    ``offset_ns`` is a low quantile of received minus sent: our clock less the exchange's, plus the
    shortest way of a message. Negative is certain: a message cannot arrive before it is sent, our
    clock is behind by at least that much. ``lowest_ns`` and ``highest_ns`` are the same figure over
    tenths of the record: how far apart they are is how much one clock moved against the other.
    """

    offset_ns: int
    lowest_ns: int
    highest_ns: int
    findings: tuple[Finding, ...]

    @property
    def moved_ns(self) -> int:
        return self.highest_ns - self.lowest_ns


def clock_drift(
    sent_time: Times, received_time: Times, *, symbol: str, stream: str, late_ns: int = SECOND_NS
) -> ClockDrift:
    """The drift between the exchange's clock (``sent_time``) and ours, ns UTC, in order of arrival.

    A clock behind by more than a millisecond, messages later than ``late_ns`` (a slow way or a
    clock ahead: the two cannot be told apart) and a clock that moved by over 10 ms are findings.

    Raises:
        InputError: if there are no times, or not as many of one as of the other.
    """
    if len(sent_time) == 0 or len(sent_time) != len(received_time):
        raise InputError(
            f"{symbol} {stream}: {len(sent_time)} times of sending and {len(received_time)} of arrival"
        )
    way = received_time - sent_time
    offset = _low(way)
    parts = [_low(part) for part in np.array_split(way, min(_CLOCK_BLOCKS, len(way)))]
    drift = ClockDrift(offset, min(parts), max(parts), ())
    found: list[tuple[Severity, str, str]] = []
    if offset < -MILLISECOND_NS:
        text = f"the local clock is behind the exchange's by at least {_milliseconds(-offset)}"
        found.append(("warning", "clock-behind", text))
    if offset > late_ns:
        text = f"messages come {_milliseconds(offset)} late, or the local clock is ahead"
        found.append(("warning", "clock-ahead", text))
    if drift.moved_ns > 10 * MILLISECOND_NS:
        text = f"the local clock moved by {_milliseconds(drift.moved_ns)} against the exchange's"
        found.append(("note", "clock-moved", text))
    findings = tuple(
        Finding(
            severity,
            code,
            symbol,
            stream,
            None,
            f"{symbol} {stream}: {text}",
            count=len(way),
        )
        for severity, code, text in found
    )
    return ClockDrift(offset, drift.lowest_ns, drift.highest_ns, findings)


def _low(values: Times) -> int:
    return int(np.quantile(values, _CLOCK_QUANTILE, method="inverted_cdf"))


def _milliseconds(ns: int) -> str:
    return f"{ns / MILLISECOND_NS:.1f} ms"


def sequence_breaks(changes: DepthChanges) -> tuple[Finding, ...]:
    """Whether each recorded change follows the one before (``pu`` == previous ``u``)."""
    rows = np.flatnonzero(~changes.is_snapshot)
    final, previous = changes.final_id[rows], changes.previous_id[rows]
    findings = []
    backward = rows[1:][np.diff(final) <= 0]
    if len(backward):
        text = "changes that are repeated or out of order"
        findings.append(_change_finding("sequence-order", changes, text, backward))
    lost = rows[1:][(previous[1:] != final[:-1]) & (np.diff(final) > 0)]
    if len(lost):
        text = "changes before which others are missing"
        findings.append(_change_finding("sequence-break", changes, text, lost))
    if not changes.is_snapshot.any():
        findings.append(_whole("error", "no-snapshot", changes, "there is no snapshot to start at"))
    return tuple(findings)


def check_history(changes: DepthChanges, history: BookHistory) -> tuple[Finding, ...]:
    """What the rebuilt book itself says: crossed prices, impossible levels, messages left over."""
    findings = []
    crossed = history.message[history.crossed]
    if len(crossed):
        text = "messages after which the rebuilt book is crossed"
        findings.append(_change_finding("crossed-book", changes, text, crossed, "error"))
    if len(history.unsound):
        text = "messages with an impossible price or quantity"
        findings.append(
            _change_finding("impossible-level", changes, text, history.unsound, "error")
        )
    if len(history.never_taken):
        text = "messages that no snapshot came for"
        findings.append(_change_finding("never-taken", changes, text, history.never_taken))
    return tuple(findings)


@dataclass(frozen=True, slots=True)
class Agreement:
    """How many updates two streams have in common, and in how many they differ."""

    compared: int
    different: int
    findings: tuple[Finding, ...]


def book_against_ticker(history: BookHistory, ticker: Series) -> Agreement:
    """The rebuilt book and the recorded best bid and ask at the same update: all four must be equal.

    Raises:
        InputError: if the series is not a ``book_ticker`` of the same symbol.
    """
    _refuse_other(ticker, history.symbol)
    order = np.argsort(history.update_id, kind="stable")  # a change overtaken by its snapshot
    keys, last = _last_of_each(history.update_id[order])
    rows = order[last]
    _, here, there = np.intersect1d(keys, ticker["update_id"], return_indices=True)
    rows = rows[here]
    wrong = np.zeros(len(rows), dtype=np.bool_)
    for side, values in (("bid", history.bids), ("ask", history.asks)):
        wrong |= values[rows, 0, 0] != ticker[f"{side}_price"][there]
        wrong |= values[rows, 0, 1] != ticker[f"{side}_quantity"][there]
    findings: tuple[Finding, ...] = ()
    if len(rows) == 0:
        text = "no update is in both the depth changes and the best bid and ask"
        findings = (_whole("warning", "ticker-apart", ticker, text),)
    elif wrong.any():
        text = f"updates (of {len(rows)}) at which the rebuilt book differs"
        times = ticker.event_time[there][wrong]
        findings = (_finding("error", "book-ticker", ticker, text, times),)
    return Agreement(len(rows), int(wrong.sum()), findings)


def check_ticker(ticker: Series) -> tuple[Finding, ...]:
    """Order and values of best bids and asks, also of a series put together without ``make_series``."""
    times = ticker.event_time
    backward = (np.diff(ticker["update_id"]) <= 0) | (np.diff(times) < 0)
    crossed = ticker["bid_price"] >= ticker["ask_price"]
    wrong = ~crossed & ~((ticker["bid_price"] > 0) & (ticker["ask_price"] > 0))
    cases = (
        (
            "ticker-order",
            np.append(False, backward)[: len(times)],
            "updates repeated or out of order",
        ),
        ("ticker-crossed", crossed, "best bids at or above the best ask"),
        ("ticker-value", wrong, "best bids or asks without a price above 0"),
    )
    return tuple(
        _finding("error", code, ticker, text, times[rows])
        for code, rows, text in cases
        if rows.any()
    )


def _last_of_each(keys: Times) -> tuple[Times, Times]:
    """The distinct values of sorted keys, and the last row of each."""
    last = np.flatnonzero(np.append(np.diff(keys) != 0, True))[: len(keys)]
    return keys[last], last


def trades_against_ticker(
    trades: Series, ticker: Series, *, slack_ns: int = 10 * MILLISECOND_NS
) -> Agreement:
    """Whether trades were made between the lowest bid and the highest ask around them.

    Around is from the state ``slack_ns`` before a trade to that as long after it. Trades before the
    first state or after the last are not judged. A seller takes the bid and a buyer the ask: where
    over a hundredth of the trades tell otherwise, who was the maker is recorded the wrong way round.

    Raises:
        InputError: if the series are not trades and ``book_ticker`` of one symbol.
    """
    _refuse_other(ticker, trades.symbol)
    quoted = ticker.event_time
    low = np.searchsorted(quoted, trades.event_time - slack_ns, side="right") - 1
    high = np.searchsorted(quoted, trades.event_time + slack_ns, side="right")
    judged = np.flatnonzero((low >= 0) & (high > low) & (trades.event_time <= quoted[-1]))
    if len(judged) == 0:
        text = "no trade lies in the time of the best bid and ask"
        return Agreement(0, 0, (_whole("warning", "ticker-apart", trades, text),))
    pairs = np.column_stack([low[judged], high[judged]]).ravel()
    bid, ask = ticker["bid_price"], ticker["ask_price"]
    price = trades["price"][judged]
    lowest_bid, highest_bid = _over(np.minimum, bid, pairs), _over(np.maximum, bid, pairs)
    lowest_ask, highest_ask = _over(np.minimum, ask, pairs), _over(np.maximum, ask, pairs)
    outside = (price < lowest_bid) | (price > highest_ask)
    sold = trades["buyer_is_maker"][judged] != 0
    other_side = np.where(sold, price > highest_bid, price < lowest_ask)
    findings = []
    if outside.any():
        text = f"trades (of {len(judged)}) outside the best bid and ask around them"
        times = trades.event_time[judged][outside]
        findings.append(_finding("warning", "trade-outside", trades, text, times))
    if other_side.mean() > 0.01:
        text = f"trades (of {len(judged)}) on the other side than who was the maker says"
        times = trades.event_time[judged][other_side]
        findings.append(_finding("error", "trade-side", trades, text, times))
    return Agreement(len(judged), int(outside.sum()), tuple(findings))


def _over(function: np.ufunc, values: Floats, pairs: Times) -> Floats:
    """The function over ``values[a:b]`` for each pair (a, b) in a row."""
    padded = np.append(values, values[-1])
    return np.asarray(function.reduceat(padded, pairs)[::2], dtype=np.float64)


def frozen_bands(depth: Series, longest_ns: int = 2 * HOUR_NS) -> tuple[Finding, ...]:
    """Bands of the recorded depth that did not change for ``longest_ns`` while others did.

    A side of a busy book changes with every snapshot; a value that stays for hours is not measured
    any more (the exchange's archive froze its inner ask bands so on 2026-09-03). Where most of the
    time all bands stand still together, nothing is said of a single one.
    """
    times = depth.event_time
    if len(times) < 2:
        return ()
    still = {name: np.diff(values) == 0 for name, values in depth.columns.items()}
    moving = np.append(0, np.cumsum(~np.logical_and.reduce(list(still.values()))))
    findings = []
    for name, same in still.items():
        edges = np.diff(np.concatenate([[False], same, [False]]).astype(np.int8)).nonzero()[0]
        starts, stops = edges[::2], edges[1::2]
        length = times[stops] - times[starts]
        others = moving[stops] - moving[starts]
        frozen = (length >= longest_ns) & (2 * others > stops - starts)
        if frozen.any():
            hours = int(length[frozen].max()) / HOUR_NS
            text = f"stretches in which {name} stands still (the longest {hours:.1f} hours)"
            at = times[starts[frozen]]
            findings.append(_finding("warning", "frozen-band", depth, text, at))
    return tuple(findings)


def _refuse_other(ticker: Series, symbol: str) -> None:
    if ticker.kind != "book_ticker" or ticker.symbol != symbol:
        raise InputError(f"{ticker.title} is not the best bid and ask of {symbol}")


def _whole(severity: Severity, code: str, about: Series | DepthChanges, what: str) -> Finding:
    kind, interval = _kind_of(about)
    return Finding(severity, code, about.symbol, kind, interval, f"{about.title}: {what}")


def _finding(
    severity: Severity, code: str, about: Series | DepthChanges, what: str, times: Times
) -> Finding:
    """A finding about the rows at ``times``: how many, what, and where the first of them is."""
    first = int(times[0])
    where = f"at {format_time(first)}" if len(times) == 1 else f"first at {format_time(first)}"
    kind, interval = _kind_of(about)
    message = f"{about.title}: {what}: {len(times)}, {where}"
    return Finding(severity, code, about.symbol, kind, interval, message, first, len(times))


def _change_finding(
    code: str, changes: DepthChanges, what: str, rows: Times, severity: Severity = "warning"
) -> Finding:
    return _finding(severity, code, changes, what, changes.event_time[rows])


def _kind_of(about: Series | DepthChanges) -> tuple[str, Interval | None]:
    if isinstance(about, DepthChanges):
        return "depth_changes", None
    return about.kind, about.interval
