"""Ctrl-C is held back while processes start, whichever thread the system gives it to."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from riposte.interrupts import interrupts_held


@pytest.fixture
def another_thread() -> Iterator[None]:
    """One that takes signals too, as those of numerical libraries do."""
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    yield
    done.set()
    thread.join()


@pytest.mark.usefixtures("another_thread")
def test_it_comes_through_at_the_end_and_not_before() -> None:
    reached = False
    with pytest.raises(KeyboardInterrupt), interrupts_held():  # noqa: PT012 - what comes at its end
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(50):
            time.sleep(0.002)  # time for the signal and for this thread to look
        reached = True
    assert reached


@pytest.mark.usefixtures("another_thread")
def test_afterwards_it_works_as_before() -> None:
    handler = signal.getsignal(signal.SIGINT)
    with interrupts_held():
        pass
    assert signal.getsignal(signal.SIGINT) is handler
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, set())
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012 - it comes when it comes
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1)


def test_an_error_inside_is_not_lost() -> None:
    with pytest.raises(ValueError, match="inside"), interrupts_held():
        raise ValueError("inside")
