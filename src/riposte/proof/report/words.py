"""What the study says in sentences: the verdict, what stands behind it, and what to be wary of."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from riposte.engine.enums import Halt
from riposte.layers.contract import Abstention
from riposte.proof.report import format as fmt
from riposte.proof.report.prepare import CostSplit, HaltSpan
from riposte.proof.results import Outcome, Study, Summarised
from riposte.proof.silences import REASONS

DISCLAIMER = (
    "This is research software and not investment advice. Past results, simulated ones above all, "
    "say little about future ones; perpetual futures can lose more than all the money put up for a position."
)
SYNTHETIC = (
    "A computer made these prices. They are not the history of any market, and no figure on this "
    "page says anything about real trading."
)

FEW_TRADES = (
    30  # below this a share of trades is known to no better than about 18 points either way
)


def _value(metrics: Mapping[str, float], name: str) -> float:
    return metrics.get(name, math.nan)


def gained(fraction: float, *, decimals: int = 1) -> str:
    """``lost 1.3 %``, ``made 4.0 %``, ``broke even``."""
    if not math.isfinite(fraction):
        return "has no result"
    shown = fmt.percent(abs(fraction), decimals)
    if not shown.strip(f"0.{fmt.SPACE}%"):
        return "broke even"
    return f"{'made' if fraction > 0 else 'lost'} {shown}"


def verdict(study: Summarised) -> str:
    """One sentence: the result, over how long, and how many targets were met."""
    metrics = study.system.metrics
    length = fmt.span(study.start, study.end)
    met = sum(target.met for target in study.targets)
    targets = f"{met} of {len(study.targets)} targets met"
    where = "" if study.real_data else " of synthetic data"
    if _value(metrics, "trades") == 0:
        return f"Never traded in {length}{where}; {targets}."
    result = gained(_value(metrics, "total_return"))
    return f"{result[0].upper()}{result[1:]} net of costs over {length}{where}; {targets}."


def findings(study: Study, costs: CostSplit) -> tuple[str, ...]:
    """What a reader should know next, in order of weight; one sentence each."""
    found = [_chance(study), _few(study), _beside(study), _costs(study, costs), _model(study)]
    return tuple(sentence for sentence in found if sentence)


def _chance(study: Study) -> str:
    bounds = study.intervals.get("total_return")
    if bounds is None or not all(map(math.isfinite, bounds)):
        return ""
    low, high = bounds
    text = f"By chance alone the net return could have been anywhere from {fmt.interval(bounds, fraction=True)} (95 % interval)"
    if low > 0:
        return f"{text}: all of it above zero."
    if high < 0:
        return f"{text}: all of it below zero."
    return f"{text}: zero is inside, so neither an edge nor the lack of one is shown."


def _few(study: Study) -> str:
    trades = int(_value(study.system.metrics, "trades"))
    if not 0 < trades < FEW_TRADES:
        return ""
    return (
        f"All of it rests on {fmt.plural(trades, 'trade')}: too few for win rate, profit factor or the "
        "targets to say much."
    )


def _beside(study: Study) -> str:
    if not study.baselines:
        return ""
    parts = [
        f"{_lower(each.name)} {gained(_value(each.metrics, 'total_return'))}"
        for each in study.baselines
    ]
    mine = _value(study.system.metrics, "sharpe")
    if math.isnan(mine):
        return f"Beside it, {_joined(parts)}."
    beaten = sum(mine > _value(each.metrics, "sharpe") for each in study.baselines)
    return (
        f"Beside it, {_joined(parts)}; by Sharpe ratio it beats "
        f"{beaten} of {len(study.baselines)} baselines."
    )


def _costs(study: Study, costs: CostSplit) -> str:
    paid = costs.fees + costs.funding + costs.slippage
    if _value(study.system.metrics, "trades") == 0 or not math.isfinite(paid):
        return ""
    return (
        f"Costs took {fmt.money(paid)}, {fmt.percent(paid / study.starting_equity)} of the starting equity; "
        f"before them the same trades {_result(costs.before)}."
    )


def _result(usdt: float) -> str:
    return f"{'made' if usdt >= 0 else 'lost'} {fmt.money(abs(usdt))}"


def _model(study: Study) -> str:
    scored = [
        f for f in study.folds if math.isfinite(f.log_loss) and math.isfinite(f.base_log_loss)
    ]
    if not scored:
        return ""
    better = sum(f.log_loss < f.base_log_loss for f in scored)
    gain = float(np.mean([1.0 - f.log_loss / f.base_log_loss for f in scored]))
    return (
        f"The signal's probabilities beat always quoting the training frequencies in {better} of "
        f"{fmt.plural(len(scored), 'fold')} (log loss {fmt.percent(abs(gain))} "
        f"{'better' if gain >= 0 else 'worse'} on average)."
    )


def restricted(study: Study, spans: tuple[HaltSpan, ...]) -> str:
    """How much of the time the limits kept the account from trading, and why."""
    if not spans:
        return "No risk limit stopped trading."
    steps = len(study.run.state)
    share = float(np.mean(study.run.state != 0)) if steps else math.nan
    by_reason = {
        halt: sum(span.halt is halt for span in spans)
        for halt in Halt
        if any(span.halt is halt for span in spans)
    }
    reasons = _joined(
        [f"{_lower(fmt.plain(h.name))} {n}{fmt.SPACE}{fmt.TIMES}" for h, n in by_reason.items()]
    )
    return f"Trading was restricted {fmt.percent(share)} of the time: {reasons}."


def gaps(study: Study) -> str:
    """What the stops lost that the open jumped over: the part of a loss that no stop can bound."""
    lost = study.run.trades["gap"]
    jumped = lost[lost > 0.0]
    if len(jumped) == 0:
        return (
            "No stop was jumped by an open: each was filled at its price, less spread and impact."
        )
    was = "was" if len(jumped) == 1 else "were"
    return (
        f"{fmt.plural(len(jumped), 'stop')} {was} jumped by an open and lost {fmt.money(float(jumped.sum()))} beyond their price, "
        f"{fmt.money(float(jumped.max()))} at worst. That part of a loss no stop can bound; it is in "
        "every figure here."
    )


def honesty(study: Study) -> tuple[tuple[str, str], ...]:
    """Notes on how far the figures may be trusted: a heading and a sentence or two each."""
    folds = len(study.folds)
    alone = study.never_resumed
    months = ""
    if study.folds:
        first = study.folds[0]
        months = (
            f" Each of {fmt.plural(folds, 'fold')} was trained on "
            f"{fmt.span(first.train_start, first.train_end)} and tested on the "
            f"{fmt.span(first.test_start, first.test_end)} after; training rows whose outcome reached "
            "into the test were thrown away."
        )
    return (
        (
            "Out of sample",
            "No row that is traded here was seen by the model that traded it." + months,
        ),
        (
            "Never seen",
            f"Nothing after {fmt.moment(study.end)} UTC was read. Whatever lies beyond is still unseen "
            "and can judge this result once.",
        ),
        (
            "Trials",
            f"{fmt.plural(study.trials, 'variant')} of this study "
            f"{'was' if study.trials == 1 else 'were'} evaluated on this data. The more variants, the likelier "
            "that the best of them was luck: read the threshold ladder as a question of robustness, "
            "never as a menu.",
        ),
        (
            "A person resumes",
            "A drawdown shut-down or a review needs a person to lift it, and the curve above follows the "
            f"settings in when that happens. If nobody did, the system {_rest(alone)}.",
        ),
        (
            "Inside a bar",
            "A bar does not tell in which order its prices came. The adverse path is taken first: a stop "
            "and a target touched in one bar count as stopped, and a target that is only touched, not "
            "traded through, is not filled.",
        ),
    )


def _rest(alone: Outcome) -> str:
    metrics = alone.metrics
    return (
        f"{gained(_value(metrics, 'total_return'))} in {fmt.count(_value(metrics, 'trades'))} trades, "
        f"with a largest drawdown of {fmt.percent(_value(metrics, 'max_drawdown'))}"
    )


def _joined(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def promises(study: Study) -> str:
    """What was promised about abstention, and what came of it."""
    counted, said = study.silences, []
    if study.promised_coverage > 0.0 and counted.resolved:
        said.append(
            f"Promised: of the bars that reach a barrier, {fmt.percent(study.promised_coverage)} have "
            f"the side that came in their conformal set. Measured over "
            f"{fmt.plural(counted.resolved, 'bar')}: {fmt.percent(counted.coverage)}."
        )
    if study.promised_unlike > 0.0 and counted.rows:
        unlike = counted.reasons[REASONS[Abstention.UNLIKE_TRAINING]] / counted.rows
        moved = ": the market moved away from its past" if unlike > study.promised_unlike else ""
        said.append(
            f"Promised: at most {fmt.percent(study.promised_unlike)} of ordinary bars are refused as "
            f"unlike the training. Measured: {fmt.percent(unlike)}{moved}."
        )
    said.append(
        f"{fmt.plural(counted.directed, 'bar')} of {fmt.count(counted.rows)} kept a direction, before "
        "the confidence rule. A bar may have several reasons."
    )
    return fmt.typographic(" ".join(said))
