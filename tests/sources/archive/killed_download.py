"""Downloads killed at random moments, then run again: ``killed_download.py URL FOLDER TRIALS``.

Each trial is a child of this process, which itself never starts a thread, so that a fork is safe and
a kill may come in the first millisecond.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from datetime import date
from pathlib import Path

from riposte.market.interval import INTERVALS
from riposte.sources.archive.download import download
from riposte.sources.archive.layout import DATASETS
from riposte.sources.archive.plan import Wanted
from riposte.sources.archive.transfer import Transfer
from riposte.stores.lake import Lake


def run(url: str, folder: Path) -> None:
    stretches = [
        Wanted(
            DATASETS["klines"], "BTCUSDT", INTERVALS["1h"], date(2024, 3, 25), date(2024, 5, 20)
        ),
        Wanted(DATASETS["metrics"], "BTCUSDT", None, date(2024, 4, 29), date(2024, 5, 3)),
    ]
    download(
        stretches,
        Lake(folder / "lake"),
        Transfer(url, folder / "arriving", first_wait_s=0.01),
        date(2024, 5, 20),
        connections=4,
    )


def child(url: str, folder: Path) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            run(url, folder)
        except BaseException as error:  # noqa: BLE001  the parent reads it
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    return pid


def main() -> int:
    url, root, trials = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    chance = random.Random(7)
    started = time.monotonic()
    _, status = os.waitpid(child(url, root / "whole"), 0)
    longest = time.monotonic() - started
    if status:
        return 1
    for trial in range(trials):
        folder = root / str(trial)
        pid = child(url, folder)
        time.sleep(chance.uniform(0.02, 0.9) * longest)
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        print(trial, os.waitstatus_to_exitcode(status), flush=True)
        _, status = os.waitpid(child(url, folder), 0)
        if status:
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
