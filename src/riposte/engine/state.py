"""The account's state as bytes, and limits that can only be tightened while running (SPEC K5).

Bytes are the records as they lie in memory behind a header that names the layout, so a state written
by another layout is refused instead of misread.
"""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

import numpy as np

from riposte.engine.parameters import Limits
from riposte.engine.records import ACCOUNT, INTENT, POSITION, Records
from riposte.errors import InputError, StorageError

_MAGIC = b"RIPOSTE1"
# Of these a larger number is the stricter one; of all other limits a smaller one is.
_STRICTER_WHEN_LARGER = {
    "min_sharpe",
    "min_accuracy",
    "pause_ns",
    "accuracy_signals",
    "liquidation_distance",
    "ladder_trades",
    "ladder_win_rate",
    "ladder_sharpe",
}
# Here 0 means off, so 0 is the loosest value whatever the direction.
_ZERO_IS_OFF = {"pause_after_losses", "sharpe_days", "accuracy_signals"}


def _layout() -> bytes:
    text = "|".join(str(np.dtype(t).descr) for t in (ACCOUNT, POSITION, INTENT))
    return hashlib.sha256(text.encode()).digest()


def state_to_bytes(account: Any, positions: Records, pending: Records) -> bytes:
    """Account, positions and waiting intents as bytes; equal states give equal bytes."""
    body = np.asarray(account).tobytes() + positions.tobytes() + pending.tobytes()
    count = len(positions).to_bytes(4, "little")
    digest = hashlib.sha256(count + body).digest()
    return _MAGIC + _layout() + digest + count + body


def state_from_bytes(data: bytes) -> tuple[Any, Records, Records]:
    """(account, positions, pending) as they were written.

    Raises:
        StorageError: if the bytes are cut, changed, or of another layout.
    """
    header = len(_MAGIC) + 64
    if data[: len(_MAGIC)] != _MAGIC or data[len(_MAGIC) : len(_MAGIC) + 32] != _layout():
        raise StorageError("the stored account state is of another version of the engine")
    body = data[header + 4 :]
    count = int.from_bytes(data[header : header + 4], "little")
    sizes = [ACCOUNT.itemsize, count * POSITION.itemsize, count * INTENT.itemsize]
    digest = hashlib.sha256(data[header:]).digest()
    if len(body) != sum(sizes) or digest != data[header - 32 : header]:
        raise StorageError("the stored account state is damaged: its checksum does not match")
    account = np.frombuffer(body[: sizes[0]], ACCOUNT).copy()[0]
    positions = np.frombuffer(body[sizes[0] : sizes[0] + sizes[1]], POSITION).copy()
    pending = np.frombuffer(body[sizes[0] + sizes[1] :], INTENT).copy()
    return account, positions, pending


def looser(current: Limits, proposed: Limits) -> tuple[str, ...]:
    """Names of the limits that ``proposed`` would loosen against ``current``."""
    names = []
    for field in dataclasses.fields(Limits):
        now, then = getattr(current, field.name), getattr(proposed, field.name)
        if field.name in _ZERO_IS_OFF and 0 in (now, then):
            is_looser = then == 0 and now != 0
        elif field.name in _STRICTER_WHEN_LARGER:
            is_looser = then < now
        else:
            is_looser = then > now
        if is_looser:
            names.append(field.name)
    return tuple(names)


def tighten(current: Limits, proposed: Limits) -> Limits:
    """``proposed``, if it loosens nothing.

    Raises:
        InputError: naming the limits that would be loosened; that takes a restart.
    """
    names = looser(current, proposed)
    if names:
        raise InputError(
            f"limits can only be tightened while running; {', '.join(names)} would be loosened",
            hint="change the configuration and restart",
        )
    return proposed
