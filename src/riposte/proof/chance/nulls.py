"""Null tests: the whole pipeline, from features to the account, where there is nothing to be found.

* ``walk``: the market is a driftless random walk. Whoever earns on it, costs aside, has seen the
  future or books money that is not there. This is the test that catches a leak.
* ``labels``: the market is the recorded one, but the outcomes that every fold learns from were
  exchanged in blocks inside its training window. What is earned then comes of the market's drift, of
  the way of trading and of luck, and not of anything that was learned: the spread beside which the
  real result is to be judged.

A leak is not seen by the second: a model that was taught noise makes nothing even of a feature that
knows the future. There it is the real run that stands out, as it also would with a true edge.

How a draw is measured: :mod:`riposte.proof.chance.measure`. Inside a bar the engine takes the adverse
path first, so that even without costs the game is a little worse than fair.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import orjson

from riposte.errors import DataError
from riposte.features.provision import BUILT_IN, Computed, MatrixSource
from riposte.market.frame import MarketFrame
from riposte.market.instrument import Instrument
from riposte.proof.chance.measure import measured, outspoken
from riposte.proof.chance.noise import random_walks
from riposte.proof.chance.results import KINDS, Measured, NullDraw, NullKind
from riposte.proof.chance.shuffle import LabelShuffle
from riposte.proof.plan import StudyPlan
from riposte.proof.unseen import walk

Progress = Callable[[str, int, int], None]


def draw_nulls(
    kind: NullKind,
    numbers: Iterable[int],
    frames: Sequence[MarketFrame],
    instruments: Sequence[Instrument],
    plan: StudyPlan,
    *,
    workers: int = 1,
    progress: Progress | None = None,
    features: MatrixSource = BUILT_IN,
) -> Iterator[NullDraw]:
    """The pipeline of ``plan`` once for each number, one after the other, folds on all workers.

    A draw depends on the plan, its number and, for ``labels``, on the frames; not on which others are
    drawn. Made as it is asked for, so that whoever keeps each loses at most one when interrupted.
    """
    for number in numbers:
        seed = int(np.random.SeedSequence([plan.seed, number]).generate_state(1)[0])
        market = frames
        if kind == "walk":
            market = random_walks(frames, seed)
            # Computed anew: a cache would only fill up with markets that are never seen again.
            seen = walk(
                market,
                instruments,
                plan,
                workers=workers,
                progress=progress,
                features=Computed(features.specs),
            )
        else:
            seen = walk(
                frames,
                instruments,
                plan,
                workers=workers,
                progress=progress,
                features=features,
                shuffle=LabelShuffle.of(seed, plan.barriers.horizon_ns),
            )
        everywhere = outspoken(seen.inputs, market, seen.signals)
        yield NullDraw(kind, number, measured(seen.inputs, everywhere, plan.engine))


def draw_as_json(draw: NullDraw) -> bytes:
    """A draw as one JSON object; a Sharpe ratio that is not defined is null."""
    return orjson.dumps(draw, option=orjson.OPT_INDENT_2)


def draw_from_json(text: bytes) -> NullDraw:
    """The draw that :func:`draw_as_json` wrote.

    Raises:
        DataError: if it is no such draw.
    """
    try:
        record = orjson.loads(text)
        if record["kind"] not in KINDS:
            raise ValueError(record["kind"])  # noqa: TRY301  one message for all that can be wrong
        return NullDraw(
            record["kind"], int(record["number"]), tuple(map(_measured, record["measured"]))
        )
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"no draw of a null test: {error}") from error


def _measured(record: dict[str, Any]) -> Measured:
    sharpe = record["sharpe"]
    return Measured(**{**record, "sharpe": np.nan if sharpe is None else sharpe})
