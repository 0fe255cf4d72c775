"""What a comparison says in sentences: who leads, whether that can be told from chance, what differs."""

from __future__ import annotations

import math

from riposte.market.interval import DAY_NS
from riposte.proof.comparison.results import Comparison, Estimate, Pair
from riposte.proof.metrics import sharpe_ratio
from riposte.proof.report import format as fmt
from riposte.proof.report.words import gained

MARKED = (
    "A mark says which study has the best value of a row, not that the difference means anything: that is "
    "asked above for return and Sharpe ratio, and for nothing else."
)
_SHOWN_KEYS = 4


def verdict(found: Comparison) -> str:
    """One sentence: who leads by Sharpe ratio, and whether chance alone explains the lead."""
    where = "" if found.real_data else " of synthetic data"
    length = fmt.span(found.common.first_day * DAY_NS, (found.common.last_day + 1) * DAY_NS)
    if found.leader is None:
        return f"None of the {len(found.entries)} studies moved in the {length}{where} they share."
    best = found.entries[found.leader]
    others = [at for at in range(len(found.entries)) if at != found.leader]
    apart = sum(lead(found, at).told_apart for at in others)
    lost = all(float(entry.growth[-1]) < 1.0 for entry in found.entries)
    start = f"{'Both' if len(others) == 1 else 'All'} lost money. " if lost else ""
    start += f"Highest Sharpe ratio: {best.name}, {fmt.number(sharpe_ratio(best.returns))}"
    if len(others) == 1:
        other = fmt.number(sharpe_ratio(found.entries[others[0]].returns))
        could = "could hardly" if apart else "could"
        return f"{start} against {other} over {length}{where}; chance alone {could} explain the difference."
    start = f"{start} over {length}{where}; chance alone could"
    if apart == 0:
        return f"{start} explain its lead over each of the other {len(others)}."
    if apart == len(others):
        return f"{start} hardly explain its lead over any of the other {len(others)}."
    return f"{start} explain its lead over {len(others) - apart} of the other {len(others)}."


def lead(found: Comparison, other: int) -> Estimate:
    """By how much the leader's Sharpe ratio is above that of another study."""
    if found.leader is None:
        return Estimate(math.nan, math.nan, math.nan)
    pair, sign = found.pair(found.leader, other)
    each = pair.sharpe
    return each if sign > 0 else Estimate(-each.value, -each.high, -each.low)


def findings(found: Comparison) -> tuple[str, ...]:
    """What a reader should know next, in order of weight; one sentence each."""
    said = [*found.common.limits, *_same_runs(found), _results(found), _settings(found)]
    if len(found.entries) == 2:
        said.append(alike(found, found.pairs[0]))
    return tuple(sentence for sentence in said if sentence)


def _same_runs(found: Comparison) -> list[str]:
    return [
        f"{a.name} and {b.name} are the same run to the last trade: what differs in their settings "
        "decided nothing."
        for a, b in ((found.entries[p.first], found.entries[p.second]) for p in found.pairs)
        if a.record.fingerprint == b.record.fingerprint
    ]


def _results(found: Comparison) -> str:
    parts = [f"{e.name} {gained(float(e.growth[-1]) - 1.0)}" for e in found.entries]
    held = gained(float(found.market[-1]) - 1.0)
    return f"Net of costs {', '.join(parts)}. The coins themselves, held without costs or funding, {held}."


def _settings(found: Comparison) -> str:
    keys = [each.key for each in found.settings if each.decides]
    if not keys:
        return "No setting that decides figures differs."
    named = ", ".join(keys[:_SHOWN_KEYS])
    more = f" and {len(keys) - _SHOWN_KEYS} more" if len(keys) > _SHOWN_KEYS else ""
    verb = (
        "setting that decides figures differs"
        if len(keys) == 1
        else "settings that decide figures differ"
    )
    return f"{len(keys)} {verb}: {named}{more}."


def alike(found: Comparison, pair: Pair) -> str:
    """How alike two studies behaved."""
    a, b = found.entries[pair.first].name, found.entries[pair.second].name
    same = pair.overlap
    if not math.isfinite(same.together):
        return f"Neither {a} nor {b} held a position."
    return (
        f"Where at least one of {a} and {b} held a market, both were on the same side "
        f"{fmt.percent(same.together)} of the time; their daily returns correlate "
        f"{fmt.number(pair.correlation)}."
    )


def differences(found: Comparison) -> str:
    """How to read the intervals."""
    number = len(found.pairs)
    apart = sum(pair.sharpe.told_apart for pair in found.pairs)
    several = (
        f" With {number} pairs at 95 % each, some interval misses zero by chance in up to "
        f"{fmt.percent(1.0 - 0.95**number, 0)} of such comparisons."
        if number > 1
        else ""
    )
    told = (
        f"the two are {'' if apart else 'not '}told apart"
        if number == 1
        else f"{apart or 'none'} of {number} pairs {'is' if apart == 1 else 'are'} told apart"
    )
    return fmt.typographic(
        f"Paired by day: both are drawn on the same resampled days (stationary bootstrap, "
        f"{fmt.plural(found.common.days, 'day')}, blocks of 10 days on average), so that what the market did "
        f"to both cancels out. The line is the 95 % interval; where it holds zero, chance alone could explain "
        f"the difference. By Sharpe ratio {told}.{several}"
    )


def choosing(found: Comparison) -> tuple[tuple[str, str], ...]:
    """How far the choice of the best may be trusted: a heading and a few sentences each."""
    number, chosen = len(found.entries), found.selection
    said = [
        (
            "Trials",
            f"At least {fmt.plural(chosen.trials, 'variant')} were evaluated on this history, by the largest "
            f"count among the {number} studies. "
            + (
                f"The best of so many worthless ones would be expected to show a Sharpe ratio of about "
                f"{fmt.number(chosen.expected_best)} by chance alone."
                if math.isfinite(chosen.expected_best)
                else ""
            ),
        )
    ]
    if found.leader is not None:
        said.append(("Deflated Sharpe ratio", _deflated(found)))
    said.append(("Overfitting", _overfitting(found)))
    said.append(
        (
            "What would settle it",
            "Days that no study has seen. Choose one configuration before they come, write down why, and "
            "judge it once.",
        )
    )
    return tuple((name, fmt.typographic(text.strip())) for name, text in said)


def _deflated(found: Comparison) -> str:
    chosen = found.selection
    best = found.entries[found.leader or 0].name
    verdict = "stands" if chosen.deflated > 0.95 else "does not stand"
    return (
        f"Taken alone, {best} has a true Sharpe ratio above zero with a probability of "
        f"{fmt.percent(chosen.probabilistic)}; as the best of these {len(found.entries)}, of "
        f"{fmt.percent(chosen.deflated_among)}; as the best of all {chosen.trials} variants, of "
        f"{fmt.percent(chosen.deflated)}. At 95 % its edge {verdict} (Bailey and López de Prado 2014)."
    )


def _overfitting(found: Comparison) -> str:
    split = found.selection.overfitting
    if split is None:
        return "The common days are too few to be split into past and future."
    several = (
        " With two studies this asks only whether the better of the past stayed the better."
        if split.configurations == 2
        else ""
    )
    return (
        f"Of {fmt.count(len(split.logits))} ways to halve the days into past and future, the study that was best "
        f"in the past was below the median of the future in {fmt.percent(split.probability)} (probability of "
        f"back-test overfitting; a choice by lot has 50 %). It lost money in the future in "
        f"{fmt.percent(split.probability_of_loss)}.{several}"
    )
