"""How a study stands: its trials by score, each beside the shipped defaults."""

from __future__ import annotations

from dataclasses import dataclass

import optuna
from optuna.trial import TrialState

from riposte.errors import ModelError
from riposte.proof.tuning.compare import Difference, difference
from riposte.proof.tuning.space import Values
from riposte.proof.tuning.study import DONE, SHIPPED


@dataclass(frozen=True, slots=True)
class Judged:
    """A completed trial: ``excess`` log loss over the frequencies, nats per row; ``weeks`` sums of it."""

    number: int
    values: Values
    excess: float
    weeks: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """Completed trials, best first; how many were finished, and pruned; the total weight of the rows."""

    judged: tuple[Judged, ...]
    shipped: Judged
    finished: int
    pruned: int
    weight: float

    def best(self, count: int | None) -> tuple[Judged, ...]:
        """The best ``count`` trials, or all."""
        return self.judged[:count]

    def against_shipped(self, trial: Judged) -> Difference:
        """The trial compared with the shipped defaults, week by week."""
        return difference(trial.weeks, self.shipped.weeks, self.weight)


def standing(study: optuna.Study, weight: float) -> Standing:
    """Read the study; ``weight`` is that of all rows it judges on.

    Raises:
        ModelError: if the shipped defaults were not judged yet.
    """
    done = study.get_trials(deepcopy=False, states=DONE)
    completed = [trial for trial in done if trial.state == TrialState.COMPLETE]
    judged = {
        trial.number: Judged(
            trial.number,
            dict(trial.params),
            float(trial.value or 0.0),
            tuple(trial.user_attrs["weeks"]),
        )
        for trial in sorted(completed, key=lambda each: (each.value, each.number))
    }
    shipped = [t.number for t in completed if t.user_attrs.get("origin") == SHIPPED]
    if not shipped:
        raise ModelError(
            "the study has not judged the shipped defaults yet: there is nothing to compare with",
            hint="run the same command again, with more time",
        )
    return Standing(
        judged=tuple(judged.values()),
        shipped=judged[shipped[0]],
        finished=len(done),
        pruned=len(done) - len(completed),
        weight=weight,
    )
