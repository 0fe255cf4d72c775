"""The protocol's open questions as switches: a client should be right in every position."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Switches:
    """How this exchange behaves where Binance's behaviour is unknown or changed with time."""

    order_answer: Literal["2026-07", "before"] = "2026-07"
    """Answers to POST, PUT and DELETE of an order carry no ``avgPrice`` and ``cumQuote`` since July
    2026; ``before`` brings them back."""
    countdown_cancels_algos: bool = False
    """Whether ``countdownCancelAll`` also cancels conditional orders."""
    unknown_parameters: Literal["ignore", "refuse"] = "ignore"
    """What an unknown parameter of an order does: nothing, or -1104."""
    wrong_route: Literal["silent", "serve"] = "silent"
    """A stream subscribed on the wrong route: acknowledged without data, or served."""
    legacy_routes: bool = True
    """Whether ``/ws`` and ``/stream`` without public/market/private still answer."""
    trade_stream: bool = True
    """Whether ``<symbol>@trade`` carries data."""
    timestamps: Literal["check", "ignore"] = "check"
    """Whether a request's ``timestamp`` must agree with the exchange's time; a client that stamps
    its requests by its own clock cannot agree with recorded time, nor with time that runs faster."""
