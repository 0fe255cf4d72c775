"""Ctrl-C while worker processes start."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Hold an interrupt back while processes are started; it comes through at the end.

    A new process inherits the hold, so a Ctrl-C that reaches the whole group while the child still
    imports its modules does not end it with a traceback. The child is the parent's to end.

    The mask alone would not do: it is this thread's, and a signal that another thread takes interrupts
    this one all the same, perhaps between a child's start and the note that it is ours.
    """
    held = {signal.SIGINT}
    taken: list[int] = []
    before = signal.pthread_sigmask(signal.SIG_BLOCK, held)
    in_main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT)
    noted = in_main and callable(handler)
    if noted:
        signal.signal(signal.SIGINT, lambda number, _frame: taken.append(number))
    try:
        yield
    finally:
        if noted:
            signal.signal(signal.SIGINT, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if taken:
            signal.raise_signal(signal.SIGINT)
