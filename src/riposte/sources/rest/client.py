"""Asking the exchange, within its limits: weights counted, 429 waited out, 418 obeyed.

Everything here is a read without a key, so a request that failed on the way may be made again.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from riposte.errors import DataError, ExchangeError, InputError
from riposte.market.interval import MILLISECOND_NS, MINUTE_NS, SECOND_NS
from riposte.market.series import format_time

WEIGHT_PER_MINUTE = 2400
_PATHS = {
    "fapiPublic": "/fapi/v1",
    "fapiPublicV2": "/fapi/v2",
    "fapiPublicV3": "/fapi/v3",
    "fapiData": "/futures/data",
}
# Requests per five minutes that the exchange allows beside the weights, together for those named.
_WINDOWED = {
    ("fapiData",): 1000,
    ("fapiPublicGetFundingRate", "fapiPublicGetFundingInfo"): 500,
}
_BANNED_UNTIL = re.compile(r"until (\d{13})")
_LONGEST_BAN_NS = 3 * 24 * 60 * MINUTE_NS
_LONGEST_WAIT_NS = 5 * MINUTE_NS
# Refusals of whoever asks, whatever is asked: a key, a firewall, an address, a country.
_CLOSED = (401, 403, 404, 407, 451)


@dataclass(slots=True)
class Client:
    """A connection to the exchange at ``url`` (empty: Binance itself). One thread at a time.

    ``clock`` gives ns UTC, ``sleep`` waits for seconds. ``share`` is the part of the exchange's limits
    that is used; the rest is left to whatever else runs from this address. ``tries``: how often a
    request is made before its failure is told.
    """

    url: str = ""
    clock: Callable[[], int] = time.time_ns
    sleep: Callable[[float], None] = time.sleep
    share: float = 0.8
    tries: int = 6
    timeout_s: float = 20.0
    _exchange: Any = None
    _used: int = 0
    _minute: int = -1
    _banned_until: int = 0
    _quiet_until: int = 0
    _windows: dict[tuple[str, ...], deque[int]] = field(default_factory=dict)

    def get(self, method: str, params: Mapping[str, object], weight: int = 1) -> Any:
        """The decoded answer of one of ccxt's implicit methods, such as ``fapiPublicGetKlines``.

        Raises:
            ExchangeError: if the exchange cannot be reached, goes on failing, shuts us out, has banned
                us, or asks to be left alone for longer than five minutes.
            InputError: if it does not know the symbol.
            DataError: if its answer is no JSON.
        """
        import ccxt

        exchange = self._connected()
        reason, hint = "", "run the same again later: what has arrived is kept"
        for attempt in range(self.tries):
            self._wait_for_room(method, weight)
            exchange.last_status, exchange.last_response_headers = 0, None
            try:
                answer = getattr(exchange, method)(dict(params))
            except ccxt.DDoSProtection as error:
                self._refused(exchange, str(error))
                self._stop_if_banned()
                reason = "it asks for fewer requests (429)"
                continue
            except ccxt.BadSymbol:
                symbol = params.get("symbol") or params.get("pair")
                raise InputError(f"the exchange does not know the symbol {symbol}") from None
            except (ccxt.NetworkError, ccxt.ExchangeError) as error:
                reason = _in_words(exchange.last_status, error)
                self._count(exchange.last_response_headers)
                refused = (
                    isinstance(error, ccxt.ExchangeError) and 400 <= exchange.last_status < 500
                )
                if exchange.last_status in _CLOSED:
                    hint = "check the address and whether it may be used from here (proxy, country)"
                if refused or exchange.last_status in _CLOSED:
                    break
            else:
                self._count(exchange.last_response_headers)
                if isinstance(answer, list | dict):
                    return answer
                raise DataError(f"the exchange answers {method} with something that is no JSON")
            if attempt + 1 < self.tries:
                self.sleep(0.5 * 2**attempt)
        raise ExchangeError(f"the exchange does not serve {method}: {reason}", hint=hint)

    def _connected(self) -> Any:
        if self._exchange is None:
            self._exchange = _exchange_at(self.url, self.timeout_s)
        return self._exchange

    def _stop_if_banned(self) -> None:
        if self.clock() < self._banned_until:
            raise ExchangeError(
                f"the exchange has banned this address until {format_time(self._banned_until)}",
                hint="no request is made until then; find out what else asks from this address",
            )

    def _wait_for_room(self, method: str, weight: int) -> None:
        """Wait until one more request fits into every limit."""
        self._stop_if_banned()
        now = self.clock()
        if now < self._quiet_until:
            if self._quiet_until - now > _LONGEST_WAIT_NS:
                raise ExchangeError(
                    f"the exchange asks for no requests until {format_time(self._quiet_until)}",
                    hint="run the same again then: what has arrived is kept",
                )
            self.sleep((self._quiet_until - now) / SECOND_NS)
            now = self.clock()
        if now // MINUTE_NS != self._minute:
            self._minute, self._used = now // MINUTE_NS, 0
        if self._used + weight > self.share * WEIGHT_PER_MINUTE:
            self.sleep((MINUTE_NS - now % MINUTE_NS) / SECOND_NS + 0.1)
            self._minute, self._used = self.clock() // MINUTE_NS, 0
        self._used += weight
        for names, most in _WINDOWED.items():
            if method.startswith(names):
                self._wait_for_window(names, int(most * self.share))

    def _wait_for_window(self, names: tuple[str, ...], most: int) -> None:
        made = self._windows.setdefault(names, deque(maxlen=most))
        if len(made) == most:
            free_at = made[0] + 5 * MINUTE_NS
            wait = free_at - self.clock()
            if wait > 0:
                self.sleep(wait / SECOND_NS)
        made.append(self.clock())

    def _count(self, headers: Mapping[str, str] | None) -> None:
        """Believe the exchange's own count where it is higher than ours."""
        told = {name.lower(): value for name, value in (headers or {}).items()}
        used = told.get("x-mbx-used-weight-1m", "")
        if used.isdigit():
            self._used = max(self._used, int(used))

    def _refused(self, exchange: Any, text: str) -> None:
        """Remember how long 429 asks for quiet, or how long 418 bans: the next request waits for it.

        A ban lasts from now at least as long as the header says, or two minutes: the time in its text
        is by the exchange's clock, which ours may be ahead of.
        """
        self._count(exchange.last_response_headers)
        headers = {k.lower(): v for k, v in (exchange.last_response_headers or {}).items()}
        told = headers.get("retry-after", "")
        stated = int(float(told) * SECOND_NS) if told.replace(".", "", 1).isdigit() else 0
        now = self.clock()
        if exchange.last_status != 418:
            self._quiet_until = now + (stated or MINUTE_NS)
            return
        match = _BANNED_UNTIL.search(text)
        until = int(match[1]) * MILLISECOND_NS if match else 0
        until = max(until, now + (stated or 2 * MINUTE_NS))
        self._banned_until = min(until, now + _LONGEST_BAN_NS)


def _exchange_at(url: str, timeout_s: float) -> Any:
    """ccxt's exchange, pointed at ``url`` where one is given."""
    import ccxt

    class Usdm(ccxt.binanceusdm):  # type: ignore[misc]
        """Remembers the status of the last answer, and knows the errors on any host."""

        last_status = 0

        def on_rest_response(self, code: int, *rest: Any) -> Any:
            self.last_status = code
            return super().on_rest_response(code, *rest)

        def get_exceptions_by_url(self, url: str, kind: str) -> Any:
            found = super().get_exceptions_by_url(url, kind)
            return found or self.exceptions.get("linear", {}).get(kind, {})

    exchange = Usdm(
        {
            "enableRateLimit": False,  # it is done here, by the exchange's own count
            "requests_trust_env": True,  # a proxy that the environment names
            "timeout": int(timeout_s * 1000),
            "options": {"fetchCurrencies": False},
        }
    )
    if url:
        for name, path in _PATHS.items():
            exchange.urls["api"][name] = url.rstrip("/") + path
    return exchange


def _in_words(status: int, error: Exception) -> str:
    import ccxt

    if isinstance(error, ccxt.RequestTimeout):
        return "it does not answer in time"
    if status >= 400:
        return f"it answers {status}: {str(error)[:200]}"
    return "no connection"
