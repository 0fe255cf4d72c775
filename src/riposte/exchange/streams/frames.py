"""WebSocket frames made by hand: one message is put into a frame once for all who receive it.

A server's frames are not masked (RFC 6455, section 5.1), so they are the same for everybody.
"""

from __future__ import annotations

TEXT, BINARY = 0x1, 0x2
_LAST = 0x80


def frame(payload: bytes, opcode: int = TEXT) -> bytes:
    """A whole message in one frame."""
    length = len(payload)
    if length < 126:
        head = bytes((_LAST | opcode, length))
    elif length < 1 << 16:
        head = bytes((_LAST | opcode, 126)) + length.to_bytes(2)
    else:
        head = bytes((_LAST | opcode, 127)) + length.to_bytes(8)
    return head + payload


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
            self._combined = frame(combined(self.stream, self.payload))
        return self._combined


def combined(stream: str, payload: bytes) -> bytes:
    """A message as ``/stream`` wraps it."""
    return b'{"stream":"%b","data":%b}' % (stream.encode(), payload)
