"""How whoever needs features gets them: computed now, or from a cache of what was computed before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from riposte.features.catalogue import FeatureSpec, catalogue, names
from riposte.features.matrix import FeatureMatrix, build_matrix
from riposte.market.frame import COLUMNS, MarketFrame


class MatrixSource(Protocol):
    """Gives the matrix of a frame; ``specs`` are all features it knows, by name."""

    @property
    def specs(self) -> Mapping[str, FeatureSpec]: ...

    def __call__(self, frame: MarketFrame, wanted: Sequence[str]) -> FeatureMatrix: ...


@dataclass(frozen=True, slots=True)
class Computed:
    """Computes everything anew, from ``known`` features (None: the built-in catalogue)."""

    known: Mapping[str, FeatureSpec] | None = None

    @property
    def specs(self) -> Mapping[str, FeatureSpec]:
        """All features it knows."""
        return catalogue() if self.known is None else self.known

    def __call__(self, frame: MarketFrame, wanted: Sequence[str]) -> FeatureMatrix:
        """:func:`riposte.features.matrix.build_matrix` over ``specs``."""
        return build_matrix(frame, wanted, self.specs)


BUILT_IN = Computed()


def common_features(
    frames: Sequence[MarketFrame], features: MatrixSource = BUILT_IN
) -> tuple[str, ...]:
    """The default set of features for which at least one of the frames has the data."""
    columns = [name for name in COLUMNS if any(frame.has(name) for frame in frames)]
    return names(frames[0].interval, columns, features.specs)
