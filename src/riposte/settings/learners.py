"""Settings of the learners: bounds here, defaults where the learners themselves have theirs.

A table such as ``[model.lightgbm]`` sets what it names; the rest stays as the learner is shipped.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from riposte.layers.contract import Learner

Share = Annotated[float, Field(gt=0.0, le=1.0)]


class TreeSettings(BaseModel):
    """What all boosted trees have; the fields mean what they mean in ``LightGBMLearner``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rounds: Annotated[int, Field(ge=1, le=10_000)]
    learning_rate: Share
    depth: Annotated[int, Field(ge=1, le=16)]
    bins: Annotated[int, Field(ge=2, le=1023)]
    feature_fraction: Share
    row_fraction: Share
    l2: Annotated[float, Field(ge=0.0, le=1e6)]


class XGBoostSettings(TreeSettings):
    """XGBoost's own besides."""

    least_weight: Annotated[float, Field(ge=0.0, le=1e6)]


class LightGBMSettings(XGBoostSettings):
    """LightGBM's own besides."""

    leaves: Annotated[int, Field(ge=2, le=4096)]
    least_rows: Annotated[int, Field(ge=1, le=1_000_000)]


def shipped(kind: type[TreeSettings], learner: Learner) -> dict[str, Any]:
    """What ``kind`` has settings for, as the learner has it."""
    return {name: getattr(learner, name) for name in kind.model_fields}


def over(kind: type[TreeSettings], learner: Learner) -> BeforeValidator:
    """Fills a table that sets only some values with those of the learner."""
    values = shipped(kind, learner)
    return BeforeValidator(
        lambda given: {**values, **given} if isinstance(given, Mapping) else given
    )


def learner_with(learner: Any, settings: TreeSettings) -> Any:
    """The learner with these settings in the place of its own."""
    return dataclasses.replace(learner, **settings.model_dump())
