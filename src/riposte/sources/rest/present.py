"""The market as it is now: the coming funding, open interest, and how our clock stands to theirs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

from riposte.errors import DataError
from riposte.sources.rest.client import Client

_MS = 1_000_000
USUAL_FUNDING_HOURS = 8


@dataclass(frozen=True, slots=True)
class FundingNow:
    """What would be settled if it were time, and when it will be; prices in USDT, times ns UTC."""

    symbol: str
    estimated_rate: float
    next_time_ns: int
    mark_price: float
    index_price: float
    time_ns: int


@dataclass(frozen=True, slots=True)
class OpenInterestNow:
    """Open interest in coins, and the moment it was counted (ns UTC)."""

    symbol: str
    open_interest: float
    time_ns: int


def funding_now(client: Client, symbol: str) -> FundingNow:
    """The current estimate of a symbol's funding and its next settlement."""
    answer = _object(client.get("fapiPublicGetPremiumIndex", {"symbol": symbol}))
    return FundingNow(
        symbol,
        _number(answer, "lastFundingRate"),
        int(_number(answer, "nextFundingTime")) * _MS,
        _number(answer, "markPrice"),
        _number(answer, "indexPrice"),
        int(_number(answer, "time")) * _MS,
    )


def open_interest_now(client: Client, symbol: str) -> OpenInterestNow:
    """The open interest of a symbol at this moment."""
    answer = _object(client.get("fapiPublicGetOpenInterest", {"symbol": symbol}))
    return OpenInterestNow(
        symbol, _number(answer, "openInterest"), int(_number(answer, "time")) * _MS
    )


def funding_hours(client: Client) -> dict[str, int]:
    """Hours between settlements of the symbols that differ from the usual eight.

    The exchange lists only those it has changed; :data:`USUAL_FUNDING_HOURS` holds for the others.
    """
    answer = client.get("fapiPublicGetFundingInfo", {})
    named = isinstance(answer, list) and all(
        isinstance(row, dict) and isinstance(row.get("symbol"), str) for row in answer
    )
    if not named:
        raise DataError(
            "the exchange answers fundingInfo with something that is no table of symbols"
        )
    return {row["symbol"]: int(_number(row, "fundingIntervalHours")) for row in answer}


def server_time(client: Client) -> int:
    """The exchange's clock, ns UTC."""
    return int(_number(_object(client.get("fapiPublicGetTime", {})), "serverTime")) * _MS


def clock_offset(client: Client, clock: Callable[[], int], rounds: int = 5) -> int:
    """How far our clock is behind the exchange's, ns (negative: ahead); the median of some rounds.

    The exchange is taken to read its clock half-way between question and answer.
    """
    offsets = []
    for _ in range(rounds):
        asked = clock()
        theirs = server_time(client)
        offsets.append(theirs - (asked + clock()) // 2)
    return int(median(offsets))


def _object(answer: Any) -> dict[str, Any]:
    if not isinstance(answer, dict):
        raise DataError("the exchange answers with something that is no object")
    return answer


def _number(answer: dict[str, Any], name: str) -> float:
    try:
        number = float(answer[name])
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"the exchange answers without {name!r} as a number") from error
    if not math.isfinite(number):
        raise DataError(f"the exchange answers {name!r} with {number}, which is no number")
    return number
