"""When could a value have been known? Frames against the series they are made of, stamps against trade.

:func:`frame_known` compares a market frame with the recorded series: a row may show what was published
by its close and nothing later. It does not use the code that assembles frames.

:func:`stamps_known` does not trust the series' own times. A mark price follows the trade price of its
moment, taker volumes are those of the candles, and open interest moves when there is trade: if a series
fits the candles one step *later* than it is stamped, its stamps are early, and whoever believes them
knows the future. So is caught a value stamped with the start of the period whose end it describes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from riposte.market.frame import COLUMNS, Floats, MarketFrame, Times
from riposte.market.interval import SECOND_NS, format_duration
from riposte.market.series import Series, format_time
from riposte.proof.leak_checks import Leak, Mask

_CARRIED = ("open_interest", "ratios", "depth", "mark", "index", "premium")
_REACH = 400  # published values looked through, before and after, for the one a row shows
_SHOWN_ROWS = 2_000  # rows with another value than expected that are looked into
_BARS_AHEAD = 100
_STEPS = 3
_LEAST_PAIRS = 200


def frame_known(frame: MarketFrame, series: Mapping[str, Series]) -> tuple[Leak, ...]:
    """Values that the frame shows before they were published, or that nobody ever published.

    ``series`` by kind, as given to :func:`riposte.market.assemble.assemble`. A value is published at
    its event time plus the delay of its column, a candle at its close, a sum at the close of its bar.
    A value older than it could be is no leak. One finding for each column.
    """
    found: list[Leak] = []
    if "klines" in series:
        expected = _candles(frame, series["klines"])
        for name, values in expected.items():
            found += _of_other_bars(frame, name, frame[name], values)
    for kind in _CARRIED:
        if kind in series:
            for name in series[kind].columns.keys() & frame.columns.keys():
                times = series[kind].event_time + COLUMNS[name].delay_ns
                found += _published(frame, name, times, series[kind][name])
    if "funding" in series:
        funding = series["funding"]
        settled = funding.event_time // SECOND_NS * SECOND_NS
        rate = funding["funding_rate"]
        delay = COLUMNS["funding_rate"].delay_ns
        found += _published(frame, "funding_rate", settled + delay, rate)
        charged = _in_bars(frame, settled, rate)
        found += _of_other_bars(frame, "funding_charge", frame["funding_charge"], charged)
        found += _settlement_age(frame, settled)
    if "liquidations" in series:
        forced = series["liquidations"]
        for name in forced.columns:
            happened = _in_bars(frame, forced.event_time, forced[name])
            found += _of_other_bars(frame, name, frame[name], happened)
    return tuple(found)


def _published(frame: MarketFrame, name: str, known_time: Times, values: Floats) -> Iterator[Leak]:
    """A column that shows the last published value."""
    finite = np.isfinite(values)
    known_time, values = known_time[finite], values[finite]
    close, shown = frame.close_time, frame[name]
    last = np.searchsorted(known_time, close, side="right") - 1
    expected = np.where(last >= 0, values[np.maximum(last, 0)], np.nan) if len(values) else np.nan
    odd = np.flatnonzero(np.isfinite(shown) & (shown != expected))
    early, unknown = [], []
    for row in odd[:: max(1, len(odd) // _SHOWN_ROWS)]:
        after = values[last[row] + 1 : last[row] + 1 + _REACH] == shown[row]
        before = values[max(0, last[row] + 1 - _REACH) : last[row] + 1] == shown[row]
        if after.any():
            at = int(known_time[last[row] + 1 + int(np.argmax(after))])
            early.append((int(row), at - int(close[row])))
        elif not before.any():
            unknown.append(int(row))
    if early:
        row, by = early[0]
        yield Leak(
            "known",
            name,
            f"{frame.symbol} {frame.interval}: {name} at {format_time(close[row])} is the value "
            f"published {format_duration(by)} later; so it is in {len(early):,} of the "
            f"{min(len(odd), _SHOWN_ROWS):,} rows that were looked into",
            int(close[row]),
        )
    if unknown:
        row = unknown[0]
        yield Leak(
            "known",
            name,
            f"{frame.symbol} {frame.interval}: {name} at {format_time(close[row])} is "
            f"{shown[row]:g}, which was never published: was it made of the values before and after? "
            f"So it is in {len(unknown):,} rows",
            int(close[row]),
        )


def _of_other_bars(
    frame: MarketFrame, name: str, shown: Floats, expected: Floats
) -> Iterator[Leak]:
    """A column that describes its own bar: is it that of a later one?"""
    odd = np.flatnonzero(np.isfinite(shown) & ~_equal(shown, expected))
    for ahead in range(1, min(_BARS_AHEAD, len(frame))):
        rows = odd[odd < len(frame) - ahead]
        if len(rows) == 0:
            break
        later = _equal(shown[rows], expected[rows + ahead]) & (expected[rows + ahead] != 0)
        if later.mean() > 0.5:
            row = int(rows[np.argmax(later)])
            by = int(frame.close_time[row + ahead] - frame.close_time[row])
            yield Leak(
                "known",
                name,
                f"{frame.symbol} {frame.interval}: {name} at {format_time(frame.close_time[row])} is "
                f"that of the bar that closes {format_duration(by)} later; so it is in "
                f"{int(later.sum()):,} rows",
                int(frame.close_time[row]),
            )
            return
    wrong = odd[np.isfinite(expected[odd])]
    if len(wrong):
        row = int(wrong[0])
        yield Leak(
            "known",
            name,
            f"{frame.symbol} {frame.interval}: {name} at {format_time(frame.close_time[row])} is "
            f"{shown[row]:g} where its bar has {expected[row]:g}: was it made of more than the bar? "
            f"So it is in {len(wrong):,} rows",
            int(frame.close_time[row]),
        )


def _equal(one: Floats, other: Floats) -> Mask:
    return np.isclose(one, other, rtol=1e-9, atol=0.0)


def _candles(frame: MarketFrame, klines: Series) -> dict[str, Floats]:
    """Each column of the candles over the bars of the frame, from the parts that open in them."""
    first = np.searchsorted(klines.event_time, frame.open_time)
    stop = np.searchsorted(klines.event_time, frame.close_time)
    inside = np.flatnonzero(stop > first)
    pairs = np.column_stack([first[inside], stop[inside]]).ravel()
    out = {}
    for name, values in klines.columns.items():
        filled = np.append(values, np.nan)
        expected = np.full(len(frame), np.nan)
        gather = COLUMNS[name].gather
        if len(inside) and gather == "first":
            expected[inside] = values[first[inside]]
        elif len(inside) and gather == "last":
            expected[inside] = values[stop[inside] - 1]
        elif len(inside):
            over = {"highest": np.maximum, "lowest": np.minimum}.get(gather, np.add)
            expected[inside] = over.reduceat(filled, pairs)[::2]
        out[name] = expected
    return out


def _in_bars(frame: MarketFrame, times: Times, values: Floats) -> Floats:
    """The sum of the values in ``(open_time, close_time]`` of each row."""
    total = np.concatenate([[0.0], np.cumsum(np.nan_to_num(values))])
    first = np.searchsorted(times, frame.open_time, side="right")
    last = np.searchsorted(times, frame.close_time, side="right")
    sums: Floats = total[last] - total[first]
    sums[np.abs(sums) < 1e-15] = 0.0
    one = last - first == 1  # to the bit where there is one
    sums[one] = values[first[one]]
    return sums


def _settlement_age(frame: MarketFrame, settled: Times) -> Iterator[Leak]:
    shown = frame["hours_since_funding"]
    last = np.searchsorted(settled, frame.close_time, side="right") - 1
    true = (frame.close_time - settled[np.maximum(last, 0)]) / 3.6e12
    early = np.flatnonzero(np.isfinite(shown) & ((shown < true - 1e-9) | (last < 0)))
    if len(early):
        time = int(frame.close_time[early[0]])
        yield Leak(
            "known",
            "hours_since_funding",
            f"{frame.symbol} {frame.interval}: hours_since_funding at {format_time(time)} knows of a "
            f"settlement that was still to come; so it does in {len(early):,} rows",
            time,
        )


# -- stamps ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Evidence:
    """How badly a series fits the candles when its stamps are moved by each number of steps."""

    what: str
    column: str
    misfit: NDArray[np.float64]  # of steps -_STEPS .. _STEPS; NaN where there are too few pairs
    clear: float  # how far below the misfit at 0 another one must be


def stamps_known(series: Mapping[str, Series]) -> tuple[Leak, ...]:
    """Series whose times are earlier than what they describe, by the evidence of the candles.

    Needs ``klines`` at the spacing of the other series or finer, and some hundred values of each.
    Series that are late are no leak, and none is reported.
    """
    klines = series.get("klines")
    if klines is None or klines.interval is None:
        return ()
    found = []
    for kind in ("mark", "index", "ratios", "open_interest"):
        each = series.get(kind)
        if each is None or each.interval is None or each.interval.ns % klines.interval.ns:
            continue
        for evidence in _evidence(each, klines):
            here = evidence.misfit[_STEPS]
            if np.isnan(here) or np.isnan(evidence.misfit[_STEPS + 1 :]).all():
                continue
            best = int(np.nanargmin(evidence.misfit)) - _STEPS
            if best > 0 and evidence.misfit[best + _STEPS] < here - evidence.clear:
                early = format_duration(best * each.interval.ns)
                found.append(
                    Leak(
                        "stamps",
                        evidence.column,
                        f"{each.title}: {evidence.what} fits the candles {early} after its stamps: "
                        f"the stamps are {early} early, and a value is taken for known before it was",
                        int(each.event_time[0]),
                    )
                )
    return tuple(found)


def _evidence(series: Series, klines: Series) -> Iterator[_Evidence]:
    assert series.interval is not None
    steps = [step * series.interval.ns for step in range(-_STEPS, _STEPS + 1)]
    for name in ("mark_price", "index_price"):
        if name in series.columns:
            misfit = [_price_misfit(series, series[name], klines, by) for by in steps]
            here = misfit[_STEPS]
            yield _Evidence("the price", name, np.array(misfit), 0.5 * here)
    if "taker_volume_ratio" in series.columns and "taker_buy_volume" in klines.columns:
        misfit = [_taker_misfit(series, klines, by) for by in steps]
        yield _Evidence(
            "the taker volume", "taker_volume_ratio", np.array(misfit), 0.5 * misfit[_STEPS]
        )
    if "open_interest" in series.columns:
        misfit = [-_activity(series, klines, by) for by in steps]
        yield _Evidence("the change of open interest", "open_interest", np.array(misfit), 0.04)


def _price_misfit(series: Series, values: Floats, klines: Series, by: int) -> float:
    """Median distance of the values from the closes ``by`` ns later."""
    assert klines.interval is not None
    closes = klines.event_time + klines.interval.ns
    rows, there = _matched(series.event_time + by, closes)
    distance = np.abs(np.log(values[rows] / klines["close"][there]))
    return _median(distance)


def _taker_misfit(series: Series, klines: Series, by: int) -> float:
    """Median distance of the taker ratio from that of the candles of the period ending ``by`` later."""
    bought, rows = _period_sum(series, klines, klines["taker_buy_volume"], by)
    volume, _ = _period_sum(series, klines, klines["volume"], by)
    ratio = series["taker_volume_ratio"][rows]
    usable = (bought > 0) & (volume > bought) & (ratio > 0)
    told = np.log(bought[usable] / (volume - bought)[usable])
    return _median(np.abs(np.log(ratio[usable]) - told))


def _activity(series: Series, klines: Series, by: int) -> float:
    """Rank correlation of the size of the change with the volume of the period ending ``by`` later."""
    assert series.interval is not None
    volume, rows = _period_sum(series, klines, klines["volume"], by)
    inside = rows > 0
    rows, volume = rows[inside], volume[inside]
    values, times = series["open_interest"], series.event_time
    with np.errstate(divide="ignore", invalid="ignore"):
        change = np.abs(np.log(values[rows] / values[rows - 1]))
    usable = np.isfinite(change) & (times[rows] - times[rows - 1] == series.interval.ns)
    if usable.sum() < _LEAST_PAIRS:
        return float("nan")
    ranks = [rankdata(each[usable]) for each in (change, volume)]
    if min(np.ptp(each) for each in ranks) == 0:
        return float("nan")
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _period_sum(
    series: Series, klines: Series, values: Floats, by: int
) -> tuple[Floats, NDArray[np.int64]]:
    """The candles' values summed over each period that ends ``by`` after a stamp, where all are there."""
    assert series.interval is not None
    assert klines.interval is not None
    parts = series.interval.ns // klines.interval.ns
    closes = klines.event_time + klines.interval.ns
    rows, last = _matched(series.event_time + by, closes)
    whole = last >= parts - 1
    rows, last = rows[whole], last[whole]
    first = last - parts + 1
    whole = closes[last] - closes[first] == (parts - 1) * klines.interval.ns
    total = np.concatenate([[0.0], np.cumsum(values)])
    return total[last[whole] + 1] - total[first[whole]], rows[whole]


def _matched(times: Times, closes: Times) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows of ``times`` that are one of the closes, and which."""
    place = np.minimum(np.searchsorted(closes, times), len(closes) - 1)
    rows = np.flatnonzero(closes[place] == times)
    return rows, place[rows]


def _median(distance: Floats) -> float:
    finite = distance[np.isfinite(distance)]
    return float(np.median(finite)) if len(finite) >= _LEAST_PAIRS else float("nan")
