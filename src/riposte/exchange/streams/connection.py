"""One WebSocket connection: what it listens to, and its way out."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import WSCloseCode, web

from riposte.exchange.bars import DAY_MS
from riposte.exchange.clock import NEVER_MS
from riposte.exchange.streams.faulty import StreamAction
from riposte.exchange.streams.frames import BINARY, TEXT, Message, combined, frame
from riposte.exchange.streams.names import Route, StreamName, parse_stream

if TYPE_CHECKING:
    from riposte.exchange.simulator import Simulator


@dataclass(frozen=True, slots=True)
class Rules:
    """The exchange's rules for connections ("Connect", Binance USD-M WebSocket market streams)."""

    life_ms: int = DAY_MS
    """By the exchange's time."""
    ping_s: float = 180.0
    pong_s: float = 600.0
    """Without a pong for so long the connection is closed; by the wall clock, as it is about wires."""
    messages_per_second: int = 10
    streams: int = 1_024
    backlog_bytes: int = 16 << 20
    """What may wait for a client that does not read."""


class Connection:
    """A client's socket on one route; receives the messages of what it subscribed to."""

    def __init__(
        self,
        sim: Simulator,
        route: Route,
        socket: web.WebSocketResponse,
        transport: asyncio.Transport,
        rules: Rules,
        *,
        is_combined: bool,
    ) -> None:
        self.sim, self.route, self.rules = sim, route, rules
        self.is_combined = is_combined
        self.opened_ms = sim.exchange.now_ms
        self.names: dict[str, StreamName | None] = {}
        """What was subscribed, in order; None: acknowledged, but nothing comes."""
        self.listen_keys: dict[str, None] = {}
        self.deaf_until_ms = 0
        self.pinged_s = self.ponged_s = time.monotonic()
        """When it was last pinged, and last answered; by the wall clock."""
        self._socket, self._transport = socket, transport
        self._loop = asyncio.get_running_loop()
        self._out: list[bytes] = []
        self._late: list[bytes] = []
        self._tasks: set[asyncio.Task[object]] = set()

    # subscriptions

    def subscribe(self, text: str) -> None:
        """Listen to a stream, or to an account by its listen key."""
        if text in self.names or text in self.listen_keys:
            return
        account = self.sim.listen_keys.find(text, self.sim.exchange.now_ms)
        if account is not None and self.route in ("private", "legacy"):
            self.listen_keys[text] = None
            self.sim.hub.listen_to_account(text, self)
            return
        name = parse_stream(text, self.sim.exchange.contracts)
        if name is not None and not self._served(name):
            name = None
        self.names[text] = name
        if name is not None:
            self.sim.hub.listen(name, self)

    def _served(self, name: StreamName) -> bool:
        return self.sim.switches.wrong_route == "serve" or name.served_on(self.route)

    def unsubscribe(self, text: str) -> None:
        """Listen no more."""
        if self.names.pop(text, None) is not None:
            self.sim.hub.leave(text, self)
        if text in self.listen_keys:
            del self.listen_keys[text]
            self.sim.hub.leave_account(text, self)

    def leave_all(self) -> None:
        """The connection is gone."""
        for text in (*self.names, *self.listen_keys):
            self.unsubscribe(text)

    # the way out

    def receive(self, message: Message, account: str) -> None:
        """Send a message, unless a fault has it otherwise."""
        faults = self.sim.faults
        if faults is not None and faults.streaming:
            now = self.sim.exchange.now_ms
            if now < self.deaf_until_ms:
                return
            action = faults.on_message(self.route, message.stream, account, message.payload, now)
            if action is not None:
                self._spoil(message, action)
                return
        self._put(message.combined if self.is_combined else message.raw)

    def say(self, text: bytes) -> None:
        """Send an answer to a request."""
        if self.sim.exchange.now_ms >= self.deaf_until_ms:
            self._put(frame(text))

    def _put(self, data: bytes) -> None:
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(data)
        if self._late:
            self._out += self._late
            self._late = []

    def _flush(self) -> None:
        """Write all that gathered in this turn of the loop, at once."""
        out, self._out = self._out, []
        if not out or self._transport.is_closing():
            return
        self._transport.write(b"".join(out) if len(out) > 1 else out[0])
        if self._transport.get_write_buffer_size() > self.rules.backlog_bytes:
            self.close(WSCloseCode.POLICY_VIOLATION, "too slow")

    def _spoil(self, message: Message, action: StreamAction) -> None:
        whole = message.combined if self.is_combined else message.raw
        payload = message.payload
        if self.is_combined:
            payload = combined(message.stream, payload)
        match action.kind:
            case "drop":
                pass
            case "duplicate":
                self._put(whole)
                self._put(whole)
            case "reorder":
                self._late.append(whole)
            case "stall":
                self.deafen(action.length_ms)
            case "close":
                self.close(action.code, "fault")
            case "truncate":
                self._put(frame(payload[: len(payload) // 2]))
            case "binary":
                self._put(frame(payload, BINARY))
            case "huge":
                self._put(frame(b'"' + b"x" * max(0, action.size - 2) + b'"', TEXT))
            case "replace":
                self._put(frame(action.text.encode()))

    def deafen(self, length_ms: int) -> None:
        """Say nothing for a while (0: for ever), as a dead peer does whose socket is still open."""
        now = self.sim.exchange.now_ms
        self.deaf_until_ms = now + length_ms if length_ms else NEVER_MS

    @property
    def deaf(self) -> bool:
        """Whether it says nothing now, not even pong."""
        return self.sim.exchange.now_ms < self.deaf_until_ms

    async def ping(self, now_ms: int, now_s: float) -> None:
        """Ask whether the client is still there."""
        self.pinged_s = now_s
        if not self._socket.closed:
            await self._socket.ping(str(now_ms).encode())

    def close(self, code: int, reason: str = "") -> None:
        """Close after what has been said so far; a client that reads nothing is cut off."""
        self._flush()
        if self._transport.get_write_buffer_size() > self.rules.backlog_bytes:
            self._transport.abort()
            return
        task: asyncio.Task[object] = self._loop.create_task(
            self._socket.close(code=code, message=reason.encode())
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def closed(self) -> None:
        """Wait until a closing that was begun has ended, so that its last frame gets out."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def drop(self) -> None:
        """Cut the wire without a word."""
        self._transport.abort()
