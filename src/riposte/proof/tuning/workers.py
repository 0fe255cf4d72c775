"""Several processes that work on one study.

The parent hands out one trial at a time through a pipe of its own to each worker. A worker that is killed
closes its pipe, and its trial is handed out anew; a parent that is killed closes all of them, and the
workers end at the next stage. Nothing is shared that a killed process could leave locked.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

import optuna

from riposte.errors import RiposteError
from riposte.interrupts import interrupts_held
from riposte.proof.tuning.study import (
    Search,
    finished,
    missing,
    opened_study,
    release_dead,
    run_trial,
)

_PATIENCE_S = 10.0  # for a stage that is being fitted when the search ends
_LOOK_S = 0.5


@dataclass(slots=True)
class Worker:
    """A process, our end of its pipe, and whether it is on a trial."""

    process: BaseProcess
    pipe: Connection
    busy: bool = field(default=True)  # until it says that it is ready


def run_search(
    search: Search,
    wanted: int,
    workers: int,
    *,
    over: Callable[[], bool] = lambda: False,
    progress: Callable[[int, int], None] = lambda _done, _wanted: None,
) -> None:
    """Run trials until the study has ``wanted`` finished ones, or ``over`` says that none shall begin.

    Raises:
        RiposteError: what a worker could not do, or if all workers were killed.
    """
    with opened_study(search) as study:
        if workers <= 1:
            while missing(study, wanted) and not over():
                progress(finished(study), wanted)
                run_trial(study, search, lambda: False)
        elif missing(study, wanted) and not over():
            staff = [_hired(search) for _ in range(workers)]
            try:
                _lead(study, staff, wanted, over, progress)
            finally:
                _dismiss(staff)
                release_dead(study)
        progress(finished(study), wanted)


def _lead(
    study: optuna.Study,
    staff: list[Worker],
    wanted: int,
    over: Callable[[], bool],
    progress: Callable[[int, int], None],
) -> None:
    at_work = list(staff)
    while True:
        progress(finished(study), wanted)
        left = missing(study, wanted)
        begun = sum(worker.busy for worker in at_work)
        for worker in at_work:
            # A worker that is not ready yet counts as busy: it can only begin fewer than we allow.
            if not worker.busy and begun < left and not over():
                with contextlib.suppress(ConnectionError):  # it died: its pipe will say so
                    worker.pipe.send("trial")
                worker.busy = True
                begun += 1
        if not begun:
            return
        for worker in _heard(at_work):
            try:
                said = worker.pipe.recv()
            except (EOFError, ConnectionError):
                worker.process.join()
                at_work.remove(worker)
                release_dead(study)
                continue
            if isinstance(said, BaseException):
                raise said
            worker.busy = False
        if not at_work:
            raise RiposteError(
                f"all {len(staff)} worker processes were ended from outside (out of memory?)",
                hint="run the same command again: it goes on where this ended; fewer --workers need less",
            )


def _heard(staff: list[Worker]) -> list[Worker]:
    by_pipe = {id(worker.pipe): worker for worker in staff}
    return [by_pipe[id(pipe)] for pipe in wait([each.pipe for each in staff], timeout=_LOOK_S)]


def _hired(search: Search) -> Worker:
    # Fresh processes: a fork of one that has already trained would inherit OpenMP's locks and hang.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(search, theirs), daemon=True)
    with interrupts_held():
        process.start()
    theirs.close()
    return Worker(process, ours)


def _dismiss(staff: list[Worker]) -> None:
    """End all workers; one that does not come to the end of its stage is terminated."""
    for worker in staff:
        worker.pipe.close()
    for worker in staff:
        worker.process.join(_PATIENCE_S)
        if worker.process.is_alive():
            worker.process.terminate()
            worker.process.join()


def _work(search: Search, pipe: Connection) -> None:
    """The life of a worker. A closed pipe ends it; an interrupt is the parent's business."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with opened_study(search) as study:
            pipe.send("ready")
            while True:
                pipe.recv()
                run_trial(study, search, pipe.poll)
                pipe.send("ready")
    except (EOFError, ConnectionError):
        return
    except Exception as error:  # noqa: BLE001  the parent raises it
        with contextlib.suppress(ConnectionError):
            pipe.send(error)
