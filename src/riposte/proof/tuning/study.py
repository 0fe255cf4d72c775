"""The search itself: a study in a database, its trials, and what becomes of those whose process died.

Importing this needs Optuna (extra ``tune``).

Each trial is proposed by a tree-structured Parzen estimator (Bergstra et al. 2011) that is seeded for that
trial alone, so that a study that was interrupted goes on exactly as it would have gone on. A trial that
falls behind the median of its predecessors on the stages so far is pruned.
"""

from __future__ import annotations

import contextlib
import os
import socket
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from riposte.errors import InputError
from riposte.layers.signal.layer import SignalConfig
from riposte.layers.stack import StackConfig
from riposte.proof.tuning.space import Range, Values, proposed, values_of, with_values
from riposte.proof.tuning.stages import Stage, StageScore, excess, score_stage
from riposte.stores.study_storage import StudyStorage

DONE = (TrialState.COMPLETE, TrialState.PRUNED)
SHIPPED, CONFIGURED = "shipped", "configured"
_STARTUP = 10  # trials drawn at random before the estimator has something to go by
_BEFORE_PRUNING = 5


@dataclass(frozen=True, slots=True)
class Attempt:
    """A finished trial, as the trial log is told of it."""

    number: int
    values: Values
    scores: tuple[StageScore, ...]
    pruned: bool


@dataclass(frozen=True, slots=True)
class Search:
    """All that a worker needs; can be sent to another process.

    ``alone``: one process runs the trials one after the other, and their order decides what is tried.
    ``record`` is called with each attempt before the study holds it.
    """

    storage: StudyStorage
    name: str
    stages: tuple[Stage, ...]
    stack: StackConfig
    models: tuple[str, ...]
    record: Callable[[Attempt], None]
    alone: bool = True


class StoppedError(Exception):
    """The trial was given up because the search ends."""


class SeededSampler(optuna.samplers.BaseSampler):
    """Proposes each trial as if it were the first that this process is asked for."""

    def __init__(self, seed: int, *, alone: bool) -> None:
        self._seed = seed
        self._alone = alone
        self._of_trial: optuna.samplers.BaseSampler = self._fresh(0)

    def _fresh(self, number: int) -> optuna.samplers.BaseSampler:
        seed = (self._seed * 1_000_003 + number) % 2**32
        return optuna.samplers.TPESampler(seed=seed, n_startup_trials=_STARTUP)

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Seed by the trial: by how many were finished before, or by its number among several."""
        number = trial.number
        if self._alone:
            number = len(study.get_trials(deepcopy=False, states=DONE))
        self._of_trial = self._fresh(number)
        self._of_trial.before_trial(study, trial)

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, Any]:
        """See :class:`optuna.samplers.BaseSampler`."""
        return self._of_trial.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, Any]
    ) -> dict[str, Any]:
        """See :class:`optuna.samplers.BaseSampler`."""
        return self._of_trial.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: Any
    ) -> Any:
        """See :class:`optuna.samplers.BaseSampler`."""
        return self._of_trial.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """See :class:`optuna.samplers.BaseSampler`."""
        self._of_trial.after_trial(study, trial, state, values)


@dataclass(frozen=True, slots=True)
class Suggested:
    """Optuna's trial as a :class:`riposte.proof.tuning.space.Chooser`."""

    trial: optuna.Trial

    def option(self, name: str, options: tuple[str, ...]) -> str:
        """See :class:`riposte.proof.tuning.space.Chooser`."""
        return str(self.trial.suggest_categorical(name, options))

    def number(self, name: str, allowed: Range) -> float | int:
        """See :class:`riposte.proof.tuning.space.Chooser`."""
        low, high = allowed.low, allowed.high
        if allowed.whole:
            return self.trial.suggest_int(name, int(low), int(high), log=allowed.log)
        return self.trial.suggest_float(name, low, high, log=allowed.log)


def begin(search: Search, deciding: Mapping[str, str], first: Mapping[str, SignalConfig]) -> None:
    """Make the study, or see that the one of that name is the same search, and put the ``first``
    configurations, by origin, at the head of its queue where it has not tried them.

    ``deciding``: everything besides the searched values that decides a score, by name.

    Raises:
        InputError: naming what is different.
        StorageError: if the storage cannot be used.
    """
    with search.storage.alone(), opened_study(search) as study:
        if not study.user_attrs:
            study.set_user_attr("deciding", dict(deciding))
        _refuse_other(search.name, study.user_attrs["deciding"], deciding)
        release_dead(study)
        live = (*DONE, TrialState.WAITING, TrialState.RUNNING)
        there = {t.user_attrs.get("origin") for t in study.get_trials(states=live)}
        for origin, config in first.items():
            if origin not in there:
                study.enqueue_trial(dict(values_of(config)), user_attrs={"origin": origin})


def _refuse_other(name: str, begun: Mapping[str, str], now: Mapping[str, str]) -> None:
    other = [key for key in sorted({*begun, *now}) if begun.get(key) != now.get(key)]
    if other:
        words = "; ".join(
            f"{key} was {begun.get(key, 'absent')} and is now {now.get(key, 'absent')}"
            for key in other[:4]
        )
        more = f"; and {len(other) - 4} more" if len(other) > 4 else ""
        raise InputError(
            f"study {name!r} was begun on something else: {words}{more}",
            hint="choose another --study, or go back to what it was begun on",
        )


@contextlib.contextmanager
def opened_study(search: Search) -> Iterator[optuna.Study]:
    """The study, with the search's sampler and pruner.

    Raises:
        StorageError: if the storage cannot be used.
    """
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    with search.storage.opened() as storage:
        yield optuna.create_study(
            study_name=search.name,
            storage=storage,
            sampler=SeededSampler(search.stack.seed, alone=search.alone),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=_BEFORE_PRUNING),
            load_if_exists=True,
        )


def finished(study: optuna.Study) -> int:
    """How many trials were completed or pruned."""
    return len(study.get_trials(deepcopy=False, states=DONE))


def missing(study: optuna.Study, wanted: int) -> int:
    """How many trials have to be begun for ``wanted`` finished ones, and for those that others are
    held against."""
    short = wanted - finished(study)
    if short > 0:
        return short
    return len(study.get_trials(deepcopy=False, states=(TrialState.WAITING,)))


def run_trial(study: optuna.Study, search: Search, stop: Callable[[], bool]) -> None:
    """Propose and judge one trial; it is given up where ``stop`` says so between two stages.

    Raises:
        RiposteError: what a fit or the trial log says; the trial then counts as failed.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study.optimize(lambda trial: _judge(trial, search, stop), n_trials=1, catch=(StoppedError,))


def _judge(trial: optuna.Trial, search: Search, stop: Callable[[], bool]) -> float:
    trial.set_user_attr("process", _own_process())
    values = proposed(search.stack.signal, search.models, Suggested(trial))
    config = with_values(search.stack.signal, values)
    compared = (
        trial.user_attrs.get("origin") is not None
    )  # others are held against it: never pruned
    scores: list[StageScore] = []
    pruned = False
    for stage in search.stages:
        if stop():
            raise StoppedError
        scores.append(score_stage(stage, config, search.stack))
        trial.report(excess(scores), stage.index)
        left = len(search.stages) - len(scores)
        if left and not compared and trial.should_prune():
            pruned = True
            break
    trial.set_user_attr("weeks", [week for score in scores for week in score.weeks])
    # Before the study knows of it: an attempt that was seen is counted, whatever happens next.
    search.record(Attempt(trial.number, values, tuple(scores), pruned))
    if pruned:
        raise optuna.TrialPruned
    return excess(scores)


def _own_process() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def release_dead(study: optuna.Study) -> int:
    """Give up the running trials whose process on this machine is no more; how many there were.

    One that others are held against is put at the head of the queue again. Those of other machines are
    given up when their heartbeat has been silent long enough.
    """
    released = 0
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        host, _, process = str(trial.user_attrs.get("process", ":")).rpartition(":")
        if host == socket.gethostname() and not _alive(int(process)):
            study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
            if "origin" in trial.user_attrs:
                values = trial.system_attrs["fixed_params"]
                study.enqueue_trial(values, user_attrs={"origin": trial.user_attrs["origin"]})
            released += 1
    return released


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
