"""A local server that answers market-data requests like the exchange, from a market that is a formula."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from riposte.market.interval import INTERVALS
from riposte.sources.labels import LABELS_START_NS

MS = 1_000_000
CHANGE = LABELS_START_NS // MS


def bar(open_ms: int, step_ms: int) -> list[Any]:
    """One candle as the exchange writes it: numbers as texts."""
    n = open_ms // step_ms
    opened, closed = 100 + n % 7, 100 + (n + 1) % 7
    return [
        open_ms, str(opened), str(max(opened, closed) + 1), str(min(opened, closed) - 1), str(closed),
        f"{n % 11 + 1}.5", open_ms + step_ms - 1, f"{(n % 11 + 1) * 100}.25", n % 50 + 1,
        f"{n % 11}.25", "1.0", "0",
    ]  # fmt: skip


def interest(end_ms: int) -> str:
    return f"{80_000 + end_ms // 300_000 % 997}.125"


def rate(second_ms: int) -> str:
    return f"0.0000{second_ms // 3_600_000 % 89:02d}00"


@dataclass
class Exchange:
    """What it knows, what it does wrong, and what it was asked.

    ``now_ms`` bounds what has happened; bars run from ``listed_ms``. ``faults`` are answered first, one
    each request: a status, ``"cut"``, ``"html"``, or ``"slow"``.
    """

    now_ms: int
    listed_ms: int = 0
    faults: list[int | str] = field(default_factory=list)
    retry_after: str = "1"
    ban_until_ms: int = 0
    used_weight: int = 1
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    trades: list[dict[str, Any]] = field(default_factory=list)

    def answer(self, path: str, query: dict[str, str]) -> Any:
        name = path.rsplit("/", 1)[-1]
        if query.get("symbol") == "NOPEUSDT":
            return 400, {"code": -1121, "msg": "Invalid symbol."}
        if name.endswith("lines"):
            return 200, self._bars(query)
        if path.startswith("/futures/data/"):
            return self._periods(name, query)
        match name:
            case "fundingRate":
                return 200, self._funding(query)
            case "aggTrades":
                return 200, self._trades(query)
            case "time":
                return 200, {"serverTime": self.now_ms}
            case "openInterest":
                return 200, {
                    "symbol": query["symbol"],
                    "openInterest": "10659.509",
                    "time": self.now_ms,
                }
            case "premiumIndex":
                return 200, {
                    "symbol": query["symbol"], "markPrice": "11793.63", "indexPrice": "11781.80",
                    "estimatedSettlePrice": "11781.16", "lastFundingRate": "0.00038246",
                    "interestRate": "0.00010000", "nextFundingTime": self.now_ms + 5000,
                    "time": self.now_ms,
                }  # fmt: skip
            case "fundingInfo":
                return 200, [
                    {"symbol": "SOLUSDT", "adjustedFundingRateCap": "0.02",
                     "adjustedFundingRateFloor": "-0.02", "fundingIntervalHours": 4}
                ]  # fmt: skip
        return 404, {"code": -1, "msg": "unknown"}

    def _bars(self, query: dict[str, str]) -> list[Any]:
        step = INTERVALS[query["interval"]].ns // MS
        first = max(int(query["startTime"]), self.listed_ms)
        first = -(-first // step) * step
        last = min(int(query.get("endTime", self.now_ms)), self.now_ms)
        opens = range(first, last + 1, step)[: int(query["limit"])]
        return [bar(open_ms, step) for open_ms in opens]  # the running bar among them

    def _periods(self, name: str, query: dict[str, str]) -> Any:
        step = INTERVALS[query["period"]].ns // MS
        start, end = int(query["startTime"]), int(query["endTime"])
        if start < self.now_ms - 30 * 86_400_000:
            return 400, {"code": -1130, "msg": "parameter 'startTime' is invalid."}
        ends = range(-(-(start - step) // step) * step, min(end + step, self.now_ms) + 1, step)
        rows = []
        for when in ends:
            label = when if when <= CHANGE else when - step
            if start <= label <= end:
                value = interest(when)
                rows.append(
                    {"symbol": query["symbol"], "sumOpenInterest": value,
                     "sumOpenInterestValue": "1", "timestamp": label}
                    if name == "openInterestHist"
                    else {"symbol": query["symbol"], "longShortRatio": value, "buySellRatio": value,
                          "longAccount": "0.5", "timestamp": label}
                )  # fmt: skip
        return 200, rows[: int(query["limit"])]

    def _funding(self, query: dict[str, str]) -> list[Any]:
        step = 4 * 3_600_000
        start, end = int(query["startTime"]), min(int(query["endTime"]), self.now_ms)
        times = range((start - 7) // step * step, end + 1, step)
        rows = [
            {
                "symbol": query["symbol"],
                "fundingTime": t + 7,
                "fundingRate": rate(t),
                "markPrice": "1",
            }
            for t in times
            if start <= t + 7 <= end
        ]
        return rows[: int(query["limit"])]

    def _trades(self, query: dict[str, str]) -> list[Any]:
        limit = int(query["limit"])
        if "fromId" in query:
            return [t for t in self.trades if t["a"] >= int(query["fromId"])][:limit]
        start, end = int(query["startTime"]), int(query["endTime"])
        assert end - start <= 3_600_000
        return [t for t in self.trades if start <= t["T"] <= end][:limit]


def _handler(exchange: Exchange) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = dict(parse_qsl(parts.query))
            exchange.asked.append((parts.path, query))
            fault = exchange.faults.pop(0) if exchange.faults else None
            if fault == "html":
                self._send(200, b"<html>maintenance</html>")
            elif fault == "cut":
                self._send(200, b"[[1,2", length=1000)
            elif isinstance(fault, int):
                ban = f"Way too many requests; IP banned until {exchange.ban_until_ms}."
                body = {"code": -1003, "msg": ban if fault == 418 else "Too many requests"}
                self._send(fault, json.dumps(body).encode())
            else:
                status, body = exchange.answer(parts.path, query)
                self._send(status, json.dumps(body).encode())

        def _send(self, status: int, body: bytes, length: int | None = None) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(length or len(body)))
            self.send_header("X-MBX-USED-WEIGHT-1M", str(exchange.used_weight))
            if status in (418, 429):
                self.send_header("Retry-After", exchange.retry_after)
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = length is not None

    return Handler


@contextmanager
def serving(exchange: Exchange) -> Iterator[str]:
    """The address of a server of the exchange, for as long as the block runs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(exchange))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
