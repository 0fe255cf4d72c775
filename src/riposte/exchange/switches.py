"""The protocol's open questions as switches: a client should be right in every position."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args, get_type_hints

from riposte.errors import InputError, nearest


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


def switches_of(settings: Iterable[str]) -> Switches:
    """Switches as ``name=value`` sets them; the rest as they are.

    Raises:
        InputError: if there is no such switch, or it has no such position.
    """
    kinds = get_type_hints(Switches)
    chosen: dict[str, Any] = {}
    for setting in settings:
        name, _, value = setting.partition("=")
        if name not in kinds:
            names = [field.name for field in fields(Switches)]
            raise InputError(
                f"there is no switch {name!r}: use one of {', '.join(names)}{nearest(name, names)}"
            )
        positions = {str(each): each for each in get_args(kinds[name])} or {
            "true": True,
            "false": False,
        }
        if value not in positions:
            raise InputError(
                f"switch {name} cannot be {value!r}: write {name}={f' or {name}='.join(positions)}"
            )
        chosen[name] = positions[value]
    return Switches(**chosen)
