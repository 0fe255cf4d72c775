"""``riposte explain``: the newest decision and its reasons."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import typer

from riposte.cli.display import out, percent, print_json, table
from riposte.cli.market import (
    features_of,
    stored_market,
)
from riposte.cli.options import (
    ConfigFiles,
    Given,
    IntervalName,
    Json,
    PresetName,
    SymbolList,
    Timerange,
)
from riposte.cli.research import ModelName
from riposte.errors import ModelError
from riposte.market.interval import format_duration
from riposte.market.series import format_time
from riposte.proof.dataset import prepare
from riposte.proof.silences import REASONS
from riposte.proof.single import (
    load_model,
)
from riposte.settings.convert import plan_of

DIRECTIONS = {-1: "SHORT", 0: "NEUTRAL", 1: "LONG"}


@dataclass(frozen=True, slots=True)
class Explained:
    """One decision and its reasons: SHAP values toward LONG minus SHORT, largest first.

    ``silent``: why it is no direction, where it is none. ``expected_return``: what the forecast expects
    of the price over its horizon, as a fraction; NaN without a forecast.
    """

    time: str
    direction: str
    confidence: float
    probabilities: tuple[float, ...]
    reasons: tuple[tuple[str, float], ...]
    silent: tuple[str, ...]
    expected_return: float


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(explain)


def explain(
    config: ConfigFiles = None,
    preset: PresetName = None,
    symbols: SymbolList = None,
    interval: IntervalName = None,
    timerange: Timerange = None,
    model: ModelName = "latest",
    top: Annotated[int, typer.Option(help="How many reasons to show.")] = 10,
    json: Json = False,
) -> None:
    """Explain the model's decision on the newest stored bar of each symbol."""
    settings = Given(config, preset, symbols, interval, timerange).load().settings
    market, plan = stored_market(settings), plan_of(settings)
    features = features_of(settings)
    stack = load_model(settings.model.folder / model, market.frames, features)
    wanted = stack.names
    found: dict[str, Explained] = {}
    for frame in market.frames:
        data = prepare(
            frame,
            plan.barriers,
            reading=plan.reading,
            round_trip_cost=plan.round_trip_cost,
            wanted=wanted,
            features=features,
        )
        if not data.usable[-1]:
            raise ModelError(f"{frame.symbol}: the newest bar has not enough history behind it")
        row = data.matrix.values[-1:]
        width = data.take_profit[-1:]
        said = stack.signals(
            row, width, data.stop_loss[-1:], plan.round_trip_cost, frame.close_time[-1:]
        )
        reasons = stack.contributions(row)[0]
        order = np.argsort(-np.abs(reasons))[:top]
        found[frame.symbol] = Explained(
            time=format_time(int(frame.close_time[-1])),
            direction=DIRECTIONS[int(said.direction[0])],
            confidence=float(said.confidence[0]),
            probabilities=tuple(float(p) for p in said.probabilities[0]),
            reasons=tuple((wanted[i], float(reasons[i])) for i in order),
            silent=tuple(
                words for flag, words in REASONS.items() if int(said.abstention[0]) & flag
            ),
            expected_return=float(stack.expected_return(row, width)[0]),
        )
    if json:
        print_json({symbol: dataclasses.asdict(each) for symbol, each in found.items()})
        return
    for symbol, each in found.items():
        out.print(
            f"[bold]{symbol}[/] at {each.time}: {each.direction}, confidence "
            f"{percent(each.confidence)} (acted on from {percent(plan.engine.rules.min_confidence)})"
        )
        if each.silent:
            out.print(f"Silent because: {', '.join(each.silent)}.")
        if stack.forecast is not None and stack.forecast_scores is not None:
            horizon = format_duration(stack.forecast.horizon_ns)
            out.print(
                f"The forecast expects {percent(each.expected_return, 2)} in {horizon}; on rows it had "
                f"not seen its skill over expecting nothing was "
                f"{percent(stack.forecast_scores.skill, 2)}."
            )
        rows = [(name, f"{value:+.4f}") for name, value in each.reasons]
        out.print(table("", ("feature", "toward LONG (+) or SHORT (−)"), rows))
