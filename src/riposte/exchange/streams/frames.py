"""WebSocket frames made by hand: one message is put into a frame once for all who receive it.

A server's frames are not masked (RFC 6455, section 5.1), so they are the same for everybody.
"""

from __future__ import annotations

from functools import lru_cache
from struct import Struct

TEXT, BINARY = 0x1, 0x2
_LAST = 0x80
_MIDDLE = Struct("!BBH").pack


def frame(payload: bytes, opcode: int = TEXT) -> bytes:
    """A whole message in one frame."""
    return _head(len(payload), opcode) + payload


def _head(length: int, opcode: int) -> bytes:
    if length < 126:
        return bytes((_LAST | opcode, length))
    if length < 1 << 16:
        return _MIDDLE(_LAST | opcode, 126, length)
    return bytes((_LAST | opcode, 127)) + length.to_bytes(8)


class Message:
    """One message of a stream; its frames are made when first asked for."""

    __slots__ = ("_combined", "_raw", "payload", "stream")

    def __init__(self, stream: str, payload: bytes) -> None:
        self.stream, self.payload = stream, payload
        self._raw = self._combined = b""

    @property
    def raw(self) -> bytes:
        """The frame for ``/ws``."""
        if not self._raw:
            self._raw = frame(self.payload)
        return self._raw

    @property
    def combined(self) -> bytes:
        """The frame for ``/stream``: the message and the name of its stream."""
        if not self._combined:
            start, payload = _start(self.stream), self.payload
            head = _head(len(start) + len(payload) + 1, TEXT)
            self._combined = b"".join((head, start, payload, b"}"))  # copied once, not thrice
        return self._combined


def combined(stream: str, payload: bytes) -> bytes:
    """A message as ``/stream`` wraps it."""
    return b"%b%b}" % (_start(stream), payload)


@lru_cache(maxsize=4_096)
def _start(stream: str) -> bytes:
    return b'{"stream":"%b","data":' % stream.encode()
