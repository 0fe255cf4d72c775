"""Could this be chance? What the study says of it: in sentences, tables and plain values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from riposte.market.frame import Floats
from riposte.proof.chance.results import Chance, Measured, NullTest
from riposte.proof.chance.standing import earns_on_noise, mean_interval, p_value, returns_of
from riposte.proof.report import chance_charts as charts
from riposte.proof.report import format as fmt
from riposte.proof.report.prepare import daily
from riposte.proof.report.tables import Cell, Row, Table
from riposte.proof.results import Study

_FEW = 30  # trades: fewer say little
_DRAWN = 5  # trades: the resamples of fewer have no shape
_QUANTILES = (0.05, 0.50, 0.95)
NAMES = {"walk": "Random walk", "labels": "Shuffled labels"}
_MEANS = {
    "walk": "The whole pipeline on driftless random walks: nothing can be learned, so costs aside nothing "
    "may be earned. A feature that saw the future would earn here too.",
    "labels": "The recorded market, but the outcomes that every fold learned from were exchanged in blocks "
    "inside its training window: what is left is the market's drift, the way of trading, and luck.",
}
SHOWS = (
    "Resampling asks how much of the result hangs on the order in which things came and on each having come "
    "once. It cannot tell an edge from a model that fitted these very weeks: each signal still stands before "
    "the bars it was given for, and is parted from them only where two blocks meet. Weeks of a kind that never "
    "came in the record come in no resample. Trades are compounded one after the other, with no limit to stop "
    "them; markets are run through the whole engine, limits and all."
)
NOTE = (
    "As configured the pipeline is nearly silent where nothing can be learned, and silence proves little: so each "
    "draw, and the real run, is also measured with the likelier side of every bar acted on, whatever the "
    "confidence; and each without fee, slippage and funding. p is how often chance does at least as well, the "
    "real run counted among the draws: with few draws it cannot be small."
)
HOW = "riposte walkforward --null walk,labels --seeds 20"


def section(study: Study) -> Mapping[str, Any]:
    """Everything the template shows."""
    chance = study.chance
    actual = _daily_growth(study)
    return {
        "lede": lede(chance),
        "shows": SHOWS,
        "note": NOTE,
        "fan": charts.market_fan(chance.market, actual) if _traded(chance) else None,
        "fan_note": (
            f"{fmt.count(len(chance.market.total_return))} markets of {fmt.count(chance.market.days)} days, "
            f"in blocks of {fmt.number(chance.market.mean_block_days, 0)} days on average. Shaded: the middle "
            "50 % and 90 % of them; line: as it was."
        ),
        "drawdowns": charts.drawdown_histogram(chance.trades)
        if chance.trades is not None and chance.trades.trades >= _DRAWN
        else None,
        "drawdown_note": _trade_note(chance),
        "resampled": _resampled(study),
        "nulls": [_null(test, chance.real) for test in chance.nulls],
        "missing": "" if chance.nulls else HOW,
    }


def _traded(chance: Chance) -> bool:
    return chance.trades is not None or bool((chance.market.trades > 0).any())


def _daily_growth(study: Study) -> Floats:
    rows = daily(study.system.time)
    grown: Floats = study.system.equity[rows] / study.starting_equity - 1.0
    return grown


def lede(chance: Chance) -> str:
    """The answer in two sentences."""
    if not _traded(chance):
        return "Nothing was traded, in the recorded market or in any that was put together anew."
    said = [
        f"In {fmt.percent(chance.market.loses, 0)} of {fmt.count(len(chance.market.total_return))} "
        "markets made of the same weeks in another order the account lost."
    ]
    if chance.trades is not None:
        said.append(
            f"In {fmt.percent(chance.trades.meets_limit)} of "
            f"{fmt.count(len(chance.trades.total_return))} resamples of the trades their fall met the "
            f"drawdown limit of {fmt.percent(chance.trades.drawdown_limit)}."
        )
        if chance.trades.trades < _FEW:
            said.append(
                f"{fmt.plural(chance.trades.trades, 'trade')} in all: too few for either to say much."
            )
    return " ".join(said)


def _trade_note(chance: Chance) -> str:
    luck = chance.trades
    if luck is None:
        return ""
    return (
        f"{fmt.count(len(luck.total_return))} resamples of {fmt.plural(luck.trades, 'trade')} in blocks of "
        f"{fmt.number(luck.mean_block, 1)} on average, a length that follows from their own dependence."
    )


def _resampled(study: Study) -> Table:
    luck, market = study.chance.trades, study.chance.market
    metrics = study.system.metrics

    def row(name: str, real: float, drawn: Floats, show: Callable[[float], str], note: str) -> Row:
        known = drawn[np.isfinite(drawn)]
        low_to_high = np.quantile(known, _QUANTILES) if len(known) else [np.nan] * 3
        return Row(name, tuple(Cell(show(float(v))) for v in (real, *low_to_high)), note)

    def signed(value: float) -> str:
        return fmt.percent(value, 2, signed=True)

    def share(value: float) -> str:
        return fmt.percent(value, 2)

    rows = [
        row("Net return", metrics["total_return"], market.total_return, signed, "resampled markets"),
        row("Sharpe", metrics["sharpe"], market.sharpe, fmt.number, "resampled markets"),
        row("Max drawdown", metrics["max_drawdown"], market.max_drawdown, share,
            "resampled markets"),
    ]  # fmt: skip
    if luck is not None:
        rows += [
            row("Net return", luck.actual_return, luck.total_return, signed, "resampled trades"),
            row("Max drawdown", luck.actual_drawdown, luck.max_drawdown, share,
                "resampled trades"),
            row("Longest losing streak", luck.actual_streak, luck.losing_streak, fmt.count,
                "resampled trades"),
        ]  # fmt: skip
    columns = ("As it was", "5 %", "Median", "95 %")
    return Table("What it could have been", "Measure", columns, tuple(rows))


def way(measured: Measured) -> str:
    """How a run was measured, in words."""
    acted = "Every bar" if measured.outspoken else f"From {fmt.percent(measured.threshold, 0)}"
    return f"{acted}, {'net' if measured.paid else 'no costs'}"


def verdict(test: NullTest, real: Sequence[Measured]) -> str:
    """What a null test says, and where the real result stands in it, net and where it always trades."""
    place = next(at for at, each in enumerate(real) if each.outspoken and each.paid)
    null, mine = returns_of(test, place), real[place].total_return
    said = (
        f"With every bar acted on, {fmt.plural(len(null), 'draw')} made "
        f"{fmt.percent(float(null.mean()), 2, signed=True)} net on average, the real signals "
        f"{fmt.percent(mine, 2, signed=True)}: p =\N{NO-BREAK SPACE}{fmt.number(p_value(mine, null))}."
    )
    if earns_on_noise(test):
        said += (
            " Something is earned where nothing can be: a feature sees the future, or money is booked "
            "that is not there. Trust no figure on this page."
        )
    return said


def _null(test: NullTest, real: Sequence[Measured]) -> Mapping[str, Any]:
    chart: Markup = charts.null_strips(test, real, way)
    return {
        "name": NAMES[test.kind],
        "means": _MEANS[test.kind],
        "verdict": verdict(test, real),
        "alarm": earns_on_noise(test),
        "chart": chart,
        "table": _null_table(test, real),
    }


def _null_table(test: NullTest, real: Sequence[Measured]) -> Table:
    rows = []
    for place, mine in enumerate(real):
        null = returns_of(test, place)
        spread = np.quantile(null, (0.05, 0.95))
        trades = float(np.mean([draw.measured[place].trades for draw in test.draws]))
        low, high = mean_interval(null)
        rows.append(
            Row(
                way(mine),
                (
                    Cell(fmt.percent(mine.total_return, 2, signed=True)),
                    Cell(fmt.percent(float(null.mean()), 2, signed=True)),
                    Cell(_between(low, high)),
                    Cell(_between(float(spread[0]), float(spread[1]))),
                    Cell(fmt.number(p_value(mine.total_return, null))),
                    Cell(fmt.count(mine.trades)),
                    Cell(fmt.count(trades)),
                ),
            )
        )
    columns = ("Real", "Draws, mean", "95 % interval of the mean", "5 to 95 % of draws", "p",
               "Trades", "Draws' trades")  # fmt: skip
    return Table(
        f"{NAMES[test.kind]}: the real run among the draws", "Acting", columns, tuple(rows)
    )


def _between(low: float, high: float) -> str:
    if not (np.isfinite(low) and np.isfinite(high)):
        return fmt.UNDEFINED
    return f"{fmt.percent(low, 1)} to {fmt.percent(high, 1)}"


def terminal_lines(study: Study) -> tuple[str, ...]:
    """The same for a terminal: one line for resampling, one for each null test."""
    chance = study.chance
    low, high = np.quantile(chance.market.total_return, (0.05, 0.95))
    lines = [f"Chance: the same weeks in other orders gave {_between(low, high)} net (5 to 95 %)"]
    if chance.trades is not None:
        lines[0] += f"; trades met the drawdown limit in {fmt.percent(chance.trades.meets_limit)}"
    lines[0] += "."
    lines += [f"{NAMES[test.kind]}: {verdict(test, chance.real)}" for test in chance.nulls]
    if not chance.nulls:
        lines.append(f"No null test drawn yet: {HOW}")
    return tuple(lines)


def as_values(chance: Chance) -> Mapping[str, Any]:
    """For the JSON: spreads of the resamples, every draw of the null tests."""
    trades, market = chance.trades, chance.market
    return {
        "trades": None
        if trades is None
        else {
            "resamples": len(trades.total_return),
            "trades": trades.trades,
            "mean_block": trades.mean_block,
            "total_return": _quantiles(trades.total_return, trades.actual_return),
            "max_drawdown": _quantiles(trades.max_drawdown, trades.actual_drawdown),
            "losing_streak": _quantiles(trades.losing_streak, trades.actual_streak),
            "drawdown_limit": trades.drawdown_limit,
            "meets_limit": trades.meets_limit,
        },
        "markets": {
            "resamples": len(market.total_return),
            "days": market.days,
            "mean_block_days": market.mean_block_days,
            "loses": market.loses,
            **{
                name: _quantiles(getattr(market, name))
                for name in ("total_return", "sharpe", "max_drawdown", "trades")
            },
        },
        "real": chance.real,
        "nulls": [
            {
                "kind": test.kind,
                "earns_on_noise": earns_on_noise(test),
                "p_values": [
                    p_value(mine.total_return, returns_of(test, place))
                    for place, mine in enumerate(chance.real)
                ],
                "draws": test.draws,
            }
            for test in chance.nulls
        ],
    }


def _quantiles(values: Floats, actual: float | None = None) -> Mapping[str, float]:
    known = values[np.isfinite(values)]
    found = {} if actual is None else {"actual": actual}
    for level in (0.01, 0.05, 0.25, 0.50, 0.75, 0.95, 0.99):
        found[f"{level:g}"] = float(np.quantile(known, level)) if len(known) else np.nan
    return found
