"""What several studies share, and the refusal to compare those that share too little."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from riposte.errors import InputError
from riposte.market.frame import Floats, Times
from riposte.market.interval import DAY_NS
from riposte.proof.comparison.results import Common
from riposte.proof.report import format as fmt
from riposte.proof.report.record import Closes, StudyRecord

LEAST_DAYS = 30  # fewer daily returns than this say nothing about a difference
MOST_STUDIES = 8  # more lines than this cannot be told apart by eye
_SAME_PRICE = 1e-9  # relative


def day_of(time: Times) -> NDArray[np.int64]:
    """UTC days since 1970; a bar that closes at 00:00 belongs to the day it ends."""
    days: NDArray[np.int64] = (time - 1) // DAY_NS
    return days


def common_ground(records: Sequence[StudyRecord]) -> Common:
    """The days and the markets that all studies have.

    Raises:
        InputError: if they are too few or too many, share no market or hardly any time, or if what
            they call the same market is not the same.
    """
    if not 2 <= len(records) <= MOST_STUDIES:
        raise InputError(
            f"a comparison takes 2 to {MOST_STUDIES} studies, and {len(records)} were given"
        )
    _refuse_two_worlds(records)
    symbols = tuple(s for s in records[0].symbols if all(s in r.symbols for r in records))
    if not symbols:
        told = _grouped(records, lambda r: ", ".join(r.symbols), "traded")
        raise InputError(f"these studies share no market: {told}")
    spans = [days_covered(record) for record in records]
    first, last = max(s[0] for s in spans), min(s[1] for s in spans)
    if last - first + 1 < LEAST_DAYS:
        told = _grouped(records, period, "from")
        raise InputError(
            f"these studies share {max(0, last - first + 1)} days, and fewer than {LEAST_DAYS} "
            f"say nothing: {told}"
        )
    for one, other in itertools.combinations(records, 2):
        _refuse_other_prices(one, other, symbols, first, last)
    whole = all(s == (first, last) for s in spans)
    return Common(first, last, symbols, whole, _limits(records, symbols, first, last, whole=whole))


def period(record: StudyRecord) -> str:
    """``2024-01-01 to 2024-12-31``: the days a study covers."""
    return f"{fmt.date(record.start)} to {fmt.date(record.end - 1)}"


def days_covered(record: StudyRecord) -> tuple[int, int]:
    """First and last day of a study; the bar it sets out from is before them."""
    return record.start // DAY_NS, int(day_of(record.system.time[-1:])[0])


def closes_by_day(closes: Closes, first: int, last: int) -> Floats:
    """Closes of the days ``first`` to ``last``; NaN where there was none."""
    out = np.full(last - first + 1, np.nan)
    day = day_of(closes.time)
    inside = (day >= first) & (day <= last)
    out[day[inside] - first] = closes.price[inside]
    return out


def _refuse_two_worlds(records: Sequence[StudyRecord]) -> None:
    recorded = [r.name for r in records if r.real_data]
    made_up = [r.name for r in records if not r.real_data]
    if recorded and made_up:
        raise InputError(
            f"recorded and synthetic markets cannot be compared: {', '.join(recorded)} "
            f"{'is' if len(recorded) == 1 else 'are'} of recorded data, {', '.join(made_up)} of made-up data"
        )


def _refuse_other_prices(
    one: StudyRecord, other: StudyRecord, symbols: Sequence[str], first: int, last: int
) -> None:
    for symbol in symbols:
        a = closes_by_day(one.closes[symbol], first, last)
        b = closes_by_day(other.closes[symbol], first, last)
        both = np.isfinite(a) & np.isfinite(b)
        unlike = int((np.abs(a - b)[both] > _SAME_PRICE * np.abs(a[both])).sum())
        if unlike:
            raise InputError(
                f"{one.name} and {other.name} call two different markets {symbol}: "
                f"{unlike} of {int(both.sum())} daily closes are not the same"
            )


def _limits(
    records: Sequence[StudyRecord],
    symbols: tuple[str, ...],
    first: int,
    last: int,
    *,
    whole: bool,
) -> tuple[str, ...]:
    """What is left out and what is not alike, one sentence each."""
    said = []
    if not whole:
        days = f"{fmt.date(first * DAY_NS)} to {fmt.date(last * DAY_NS)}"
        own = _grouped(records, period, "from")
        said.append(
            f"Only the common period counts, {days}: {own}. Figures are those of the ends of its days "
            "and of the trades closed in it, and differ from each study's own report."
        )
    if any(set(r.symbols) != set(symbols) for r in records):
        own = _grouped(records, lambda r: ", ".join(r.symbols), "traded")
        said.append(
            f"They traded different markets: {own}. The accounts compare as accounts; market by market, "
            f"only {', '.join(symbols)} compares."
        )
    if len({r.starting_equity for r in records}) > 1:
        own = _grouped(records, lambda r: fmt.money(r.starting_equity), "had")
        said.append(
            f"They started with different money: {own}. Amounts are therefore shares of the equity with "
            "which each began the common period; exchange minimums still weigh more on a small account."
        )
    return tuple(said)


def _grouped(records: Sequence[StudyRecord], told: Callable[[StudyRecord], str], verb: str) -> str:
    """``a, b had 10,000 USDT; c had 5,000 USDT``: those that say the same together."""
    groups: dict[str, list[str]] = {}
    for record in records:
        groups.setdefault(told(record), []).append(record.name)
    return "; ".join(f"{', '.join(names)} {verb} {what}" for what, names in groups.items())
