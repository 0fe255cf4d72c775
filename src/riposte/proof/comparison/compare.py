"""A comparison from study records: the common ground, each study on it, every pair, what differs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from riposte.errors import InputError
from riposte.market.frame import Floats
from riposte.market.interval import DAY_NS
from riposte.proof.comparison.common import closes_by_day, common_ground
from riposte.proof.comparison.differences import differing_settings
from riposte.proof.comparison.measures import entry
from riposte.proof.comparison.pairs import pairs, resampled_days
from riposte.proof.comparison.results import Common, Comparison, Entry
from riposte.proof.comparison.selection import selection
from riposte.proof.metrics import sharpe_ratio
from riposte.proof.report.record import StudyRecord

SEED = 7  # of the bootstrap: equal studies give an equal comparison


def compare(records: Sequence[StudyRecord], *, created: str, version: str) -> Comparison:
    """Judge the studies on what they share; ``created`` is handed in, nothing here reads a clock.

    Raises:
        InputError: if the studies do not compare, in a sentence that says why.
        DataError: if the settings of one cannot be read.
    """
    twice = {r.name for r in records if sum(r.name == other.name for other in records) > 1}
    if twice:
        raise InputError(f"{', '.join(sorted(twice))} is named more than once")
    common = common_ground(records)
    entries = tuple(entry(record, common) for record in records)
    leader = _leader(entries)
    days = np.arange(common.first_day, common.last_day + 2) * DAY_NS
    return Comparison(
        entries=entries,
        common=common,
        time=days,
        market=_held(records[0], common),
        pairs=pairs(entries, common, resampled_days(common.days, seed=SEED)),
        settings=differing_settings(records),
        selection=selection(entries, leader),
        leader=leader,
        created=created,
        version=version,
    )


def _leader(entries: Sequence[Entry]) -> int | None:
    ratios = np.array([sharpe_ratio(each.returns) for each in entries])
    return int(np.nanargmax(ratios)) if np.isfinite(ratios).any() else None


def _held(record: StudyRecord, common: Common) -> Floats:
    """The common markets in equal parts, bought at the beginning and held without costs.

    Begins at the close of the day before, or at the first close where there is none.
    """
    growth = np.zeros(common.days + 1)
    for symbol in common.symbols:
        price = closes_by_day(record.closes[symbol], common.first_day - 1, common.last_day)
        known = np.isfinite(price)
        at = np.maximum.accumulate(np.where(known, np.arange(len(price)), np.argmax(known)))
        growth += price[at] / price[at[0]]
    return growth / len(common.symbols)
