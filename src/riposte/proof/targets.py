"""The targets of the brief (SPEC V7), judged on out-of-sample results net of all costs. Never tuned to."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from riposte.proof.results import Target


@dataclass(frozen=True, slots=True)
class _Wish:
    phase: str
    name: str
    measure: str
    bound: float
    above: bool
    percent: bool


_WISHES = (
    _Wish("Phase 1", "Sharpe", "sharpe", 0.8, above=True, percent=False),
    _Wish("Phase 1", "Max drawdown", "max_drawdown", 0.08, above=False, percent=True),
    _Wish("Phase 1", "Win rate", "win_rate", 0.52, above=True, percent=True),
    _Wish("Phase 2", "Sharpe", "sharpe", 1.2, above=True, percent=False),
    _Wish("Phase 2", "Max drawdown", "max_drawdown", 0.06, above=False, percent=True),
    _Wish("Phase 2", "Win rate", "win_rate", 0.58, above=True, percent=True),
    _Wish("Goal", "Sharpe", "sharpe", 1.8, above=True, percent=False),
    _Wish("Goal", "Profit factor", "profit_factor", 1.8, above=True, percent=False),
    _Wish("Goal", "Accuracy", "accuracy", 0.58, above=True, percent=True),
)


def _text(value: float, *, percent: bool) -> str:
    if not math.isfinite(value):
        return "–"
    return f"{value:.1%}" if percent else f"{value:.2f}"


def judge(measures: Mapping[str, float]) -> tuple[Target, ...]:
    """Every target with what was measured; a value that is not defined misses its target."""
    judged = []
    for wish in _WISHES:
        value = measures[wish.measure]
        met = value > wish.bound if wish.above else value < wish.bound
        bound = f"{wish.bound:.0%}" if wish.percent else f"{wish.bound:g}"
        judged.append(
            Target(
                phase=wish.phase,
                name=wish.name,
                wanted=f"{'>' if wish.above else '<'} {bound}",
                value=value,
                met=bool(math.isfinite(value) and met),
                text=_text(value, percent=wish.percent),
            )
        )
    return tuple(judged)
