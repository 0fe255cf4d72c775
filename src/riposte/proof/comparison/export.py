"""A comparison as JSON for scripts: what the page shows, with every figure.

What is not defined is null. Times are ISO 8601, UTC; fractions are plain numbers; money is USDT.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import orjson

from riposte.market.interval import DAY_NS
from riposte.proof.comparison import words
from riposte.proof.comparison.common import period
from riposte.proof.comparison.results import Comparison, Entry, Pair, Selection
from riposte.proof.metrics import drawdown
from riposte.proof.report import format as fmt

SCHEMA = 1


def as_json(found: Comparison) -> bytes:
    """The comparison as one JSON object, UTF-8, without NaN or infinity."""
    return orjson.dumps(as_mapping(found), option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_INDENT_2)


def as_mapping(found: Comparison) -> Mapping[str, Any]:
    """The comparison as plain values."""
    common = found.common
    names = [entry.name for entry in found.entries]
    return {
        "schema": SCHEMA,
        "kind": "comparison",
        "verdict": words.verdict(found),
        "findings": words.findings(found),
        "created": found.created,
        "version": found.version,
        "real_data": found.real_data,
        "common": {
            "first_day": fmt.date(common.first_day * DAY_NS),
            "last_day": fmt.date(common.last_day * DAY_NS),
            "days": common.days,
            "symbols": common.symbols,
            "whole": common.whole,
            "limits": common.limits,
        },
        "leader": None if found.leader is None else names[found.leader],
        "days": [fmt.date(int(t) - 1) for t in found.time],
        "market": {"growth": found.market},
        "studies": [_entry(entry) for entry in found.entries],
        "pairs": [_pair(pair, names) for pair in found.pairs],
        "settings": [
            {
                "key": each.key,
                "values": dict(zip(names, each.values, strict=True)),
                "decides": each.decides,
            }
            for each in found.settings
        ],
        "selection": _selection(found.selection),
    }


def _entry(entry: Entry) -> Mapping[str, Any]:
    record = entry.record
    return {
        "name": entry.name,
        "title": record.title,
        "created": record.created,
        "version": record.version,
        "symbols": record.symbols,
        "interval": record.interval,
        "own_period": period(record),
        "starting_equity": record.starting_equity,
        "equity_at_the_beginning": entry.base,
        "trials": record.trials,
        "fingerprint": record.fingerprint,
        "measures": dict(entry.measures),
        "by_symbol": entry.by_symbol,
        "growth": entry.growth,
        "drawdown": drawdown(entry.growth, 1.0),
    }


def _pair(pair: Pair, names: list[str]) -> Mapping[str, Any]:
    return {
        "first": names[pair.first],
        "second": names[pair.second],
        "annual_return": {
            **dataclasses.asdict(pair.annual_return),
            "told_apart": pair.annual_return.told_apart,
        },
        "sharpe": {**dataclasses.asdict(pair.sharpe), "told_apart": pair.sharpe.told_apart},
        "correlation": pair.correlation,
        "overlap": dataclasses.asdict(pair.overlap),
    }


def _selection(chosen: Selection) -> Mapping[str, Any]:
    split = chosen.overfitting
    return {
        "trials": chosen.trials,
        "probabilistic_sharpe": chosen.probabilistic,
        "deflated_sharpe_among_the_compared": chosen.deflated_among,
        "deflated_sharpe": chosen.deflated,
        "expected_best_sharpe": chosen.expected_best,
        "overfitting": None
        if split is None
        else {
            "probability": split.probability,
            "probability_of_loss": split.probability_of_loss,
            "slope": split.slope,
            "blocks": split.blocks,
            "combinations": len(split.logits),
        },
    }
