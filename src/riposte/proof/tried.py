"""Everything a study tried on its market, told to the honesty statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from riposte.engine.run import RunResult
from riposte.proof.honesty import Honesty, honesty
from riposte.proof.metrics import daily_returns
from riposte.proof.results import LadderRung, Outcome


def judge(
    runs: Mapping[str, RunResult],
    rule: Outcome,
    ladder: Sequence[LadderRung],
    what_ifs: Sequence[Outcome],
    trials: int,
    logged: Sequence[float],
    start_equity: float,
) -> Honesty:
    """The system, which is the first of ``runs``, among all that was tried.

    ``runs``, by name, and the ``rule`` of the open interest are what a reader could choose between; the
    cost what-ifs and the ``logged`` yearly Sharpe ratios of earlier runs are no choices, but they are
    trials. Chance (the random entries) and holding are neither.
    """
    choices = {name: daily_returns(r.time, r.equity, start_equity) for name, r in runs.items()}
    own = next(iter(choices.values()))
    choices["open interest alone"] = daily_returns(rule.time, rule.equity, start_equity)
    sharpes = {
        "thresholds": [rung.metrics["sharpe"] for rung in ladder],
        "cost what-ifs": [each.metrics["sharpe"] for each in what_ifs],
        "open interest alone": [rule.metrics["sharpe"]],
        "logged runs": list(logged),
    }
    return honesty(own, trials=trials, sharpes=sharpes, choices=choices)
