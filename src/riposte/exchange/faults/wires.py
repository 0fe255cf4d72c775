"""Connections that end before their answer does."""

from __future__ import annotations

import socket
import struct

from aiohttp import web

from riposte.exchange.faults.actions import Lose


def hang_up(request: web.Request, lose: Lose) -> web.Response:
    """Close the connection; the response returned goes nowhere."""
    transport = request.transport
    if transport is not None:
        if lose.reset:
            linger = struct.pack("ii", 1, 0)
            transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, linger
            )
        transport.abort()
    return web.Response()


async def cut_off(
    request: web.Request, status: int, body: bytes, content_type: str, headers: dict[str, str]
) -> web.StreamResponse:
    """Send half of the body that the headers announce, and close."""
    response = web.StreamResponse(status=status, headers=headers)
    response.content_type, response.content_length = content_type, len(body)
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return response
