"""What makes a model stay silent, fitted with it and travelling in its artefact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riposte.errors import InputError, ModelError
from riposte.layers.abstention.conformal import SideSets
from riposte.layers.abstention.novelty import Novelty
from riposte.layers.contract import Abstention
from riposte.market.frame import Floats, Times
from riposte.market.interval import DAY_NS

NO_END = int(
    np.iinfo(np.int64).max
)  # a model that never expires, or a threshold of time never reached


@dataclass(frozen=True, slots=True)
class AbstentionConfig:
    """When to stay silent.

    ``unlike``: the share of ordinary new rows that may be refused as unlike the training; 0 refuses
    none. ``coverage``: how often the conformal set of sides is to hold the one that comes; 0 asks for no
    sets. ``life_ns``: how long after its last training row a model may open positions.
    """

    unlike: float = 0.01
    coverage: float = 0.90
    life_ns: int = 45 * DAY_NS

    def __post_init__(self) -> None:
        if not 0.0 <= self.unlike < 1.0:
            raise InputError(f"unlike must be at least 0 and below 1, not {self.unlike:g}")
        if not 0.0 <= self.coverage < 1.0:
            raise InputError(f"coverage must be at least 0 and below 1, not {self.coverage:g}")
        if self.life_ns <= 0:
            raise InputError(f"a model's life must be above 0, not {self.life_ns} ns")


@dataclass(frozen=True, slots=True)
class Silence:
    """The fitted rule. ``expires``: from this decision time on (ns UTC) the model opens nothing."""

    novelty: Novelty | None
    sides: SideSets | None
    expires: int

    def reasons(self, features: Floats, probabilities: Floats, time: Times) -> NDArray[np.uint8]:
        """The :class:`Abstention` flags of rows (n, k) decided at ``time`` (n,), ns UTC."""
        flags = np.zeros(len(features), np.uint8)
        if self.novelty is not None:
            flags[self.novelty.score(features) > 1.0] |= np.uint8(Abstention.UNLIKE_TRAINING)
        if self.sides is not None:
            flags[self.sides.uncertain(probabilities)] |= np.uint8(Abstention.UNCERTAIN)
        flags[time >= self.expires] |= np.uint8(Abstention.EXPIRED)
        return flags

    def as_json(self) -> dict[str, Any]:
        """The rule as plain JSON values."""
        return {
            "novelty": None if self.novelty is None else self.novelty.as_json(),
            "sides": None if self.sides is None else self.sides.as_json(),
            "expires": self.expires,
        }

    @classmethod
    def from_json(cls, values: Any) -> Silence:
        """The rule of :meth:`as_json`; raises ModelError if it is not that."""
        try:
            novelty, sides = values["novelty"], values["sides"]
            return cls(
                None if novelty is None else Novelty.from_json(novelty),
                None if sides is None else SideSets.from_json(sides),
                int(values["expires"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"the model's rule of abstention cannot be read: {error!r}") from None
