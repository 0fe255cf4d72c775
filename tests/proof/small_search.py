"""A search that is quick: one symbol, a few features, small models."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from small_study import market, plan

from riposte.errors import StorageError
from riposte.features.provision import BUILT_IN, Computed
from riposte.layers.signal.layer import SignalConfig
from riposte.layers.stack import StackConfig
from riposte.market.frame import MarketFrame
from riposte.proof.plan import StudyPlan
from riposte.proof.tuning.stages import Stage, stages_of
from riposte.proof.tuning.study import SHIPPED, Attempt, Search, begin
from riposte.stores.study_storage import StudyStorage

DECIDING = {"data": "a", "barriers.horizon": "24h"}
NAMES = sorted(BUILT_IN.specs)[::40]
FEATURES = Computed({name: BUILT_IN.specs[name] for name in NAMES})
MODELS = ("blend", "lightgbm", "stack")


@dataclass(frozen=True)
class Told:
    """Writes what it is told into a file; several processes may."""

    path: Path

    def __call__(self, attempt: Attempt) -> None:
        with self.path.open("a") as file:
            file.write(f"{attempt.number} {os.getpid()}\n")


@dataclass(frozen=True)
class Refusing(Told):
    """Cannot take anything."""

    def __call__(self, attempt: Attempt) -> None:
        raise StorageError("the trial log is full", hint="free some space")


@dataclass(frozen=True)
class StuckAtFirst(Told):
    """Never comes to an end with the first trial."""

    def __call__(self, attempt: Attempt) -> None:
        Told.__call__(self, attempt)
        if attempt.number == 0:
            time.sleep(300)


@dataclass(frozen=True)
class ToldByTwo(Told):
    """Lets nobody go on before two processes have told it of something."""

    def __call__(self, attempt: Attempt) -> None:
        Told.__call__(self, attempt)
        until = time.monotonic() + 60
        while len(self.processes()) < 2 and time.monotonic() < until:
            time.sleep(0.05)

    def processes(self) -> set[str]:
        return {line.split()[1] for line in self.path.read_text().splitlines()}


def small_plan() -> StudyPlan:
    return replace(
        plan(), stack=StackConfig(signal=SignalConfig(members=("lightgbm",)), least_rows=60)
    )


@cache
def frames() -> tuple[MarketFrame, ...]:
    return market(3, months=3)[:1]


def stages(of: Sequence[MarketFrame]) -> tuple[Stage, ...]:
    return stages_of(of, small_plan(), 3, FEATURES)


@cache
def usual_stages() -> tuple[Stage, ...]:
    return stages(frames())


def search(
    folder: Path,
    name: str = "s",
    record: Callable[[Attempt], None] | None = None,
    *,
    begun: bool = True,
    alone: bool = True,
) -> Search:
    made = Search(
        StudyStorage(f"sqlite:///{folder / 'tune.db'}"),
        name,
        usual_stages(),
        small_plan().stack,
        MODELS,
        record or Told(folder / "told"),
        alone,
    )
    if begun:
        begin(made, DECIDING, {SHIPPED: made.stack.signal})
    return made
