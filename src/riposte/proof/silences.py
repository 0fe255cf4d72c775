"""How often the layers said nothing, why, and whether what was promised about it held. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from riposte.layers.abstention.rule import Silence
from riposte.layers.contract import Abstention, Signals
from riposte.proof.results import Silences

REASONS = {
    Abstention.DOES_NOT_PAY: "would not pay after costs",
    Abstention.UNCERTAIN: "sides not told apart",
    Abstention.UNLIKE_TRAINING: "unlike the training",
    Abstention.EXPIRED: "model expired",
}


def silences(
    said: Signals, label: NDArray[np.int8], known: NDArray[np.bool_], silence: Silence
) -> Silences:
    """Counts over rows (n,) spoken about; ``label`` is what came where it is ``known``."""
    resolved = known & (label != 0)
    covered = 0
    if silence.sides is not None:
        target = label[resolved].astype(np.int64) + 1
        covered = int(silence.sides.covered(said.probabilities[resolved], target).sum())
    return Silences(
        rows=len(said),
        reasons={
            words: int((said.abstention & flag != 0).sum()) for flag, words in REASONS.items()
        },
        directed=int((said.direction != 0).sum()),
        resolved=int(resolved.sum()) if silence.sides is not None else 0,
        covered=covered,
    )


def total(parts: Iterable[Silences]) -> Silences:
    """The counts of all parts together."""
    each = tuple(parts)
    return Silences(
        rows=sum(part.rows for part in each),
        reasons={
            words: sum(part.reasons.get(words, 0) for part in each) for words in REASONS.values()
        },
        directed=sum(part.directed for part in each),
        resolved=sum(part.resolved for part in each),
        covered=sum(part.covered for part in each),
    )
