"""Ctrl-C while worker processes start."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Hold an interrupt back while processes are started; it comes through at the end.

    A new process inherits the hold, so a Ctrl-C that reaches the whole group while the child still
    imports its modules does not end it with a traceback. The child is the parent's to end.
    """
    held = {signal.SIGINT}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, held)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
