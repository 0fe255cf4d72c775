"""How much of a result luck explains, in the few sentences that a terminal has room for."""

from __future__ import annotations

from riposte.proof.report import chance, luck
from riposte.proof.results import Study


def evidence(study: Study) -> tuple[str, ...]:
    """Honesty statistics, resampled markets and null tests, a sentence or two each."""
    return (*luck.terminal_lines(study), *chance.terminal_lines(study))
