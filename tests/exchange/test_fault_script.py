"""Scripts of faults: read strictly, refused in a sentence, and written again as they were."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from riposte.errors import InputError
from riposte.exchange.faults.catalogue import catalogue, script_of
from riposte.exchange.faults.script import load, read, shown_act, shown_rule

NOW = 1_700_000_000_000
WHOLE = """
seed = 7

[[rules]]
name = "lost answer"
when = { method = "POST", path = "/fapi/v1/order", nth = 1, after_ms = 500, until_ms = 9000 }
do = { kind = "lose", after = true }

[[rules]]
when = { account = "*", event = "ORDER_TRADE_UPDATE", probability = 0.25 }
do = { kind = "stall", length_ms = 3000 }

[[rules]]
when = { method = "DELETE" }
do = { kind = "act", act = { kind = "transfer", amount = "-0.5" }, after = true }

[[acts]]
after_ms = 60_000
kind = "jump-price"
by_percent = -2.5

[[acts]]
name = "at a date"
at_ms = 1700000001000
kind = "change-contract"
brackets = [{ cap = 1000, rate_ppm = 4000, leverage = 50 }]
"""


def test_a_script_is_read_whole() -> None:
    script = read(tomllib.loads(WHOLE), NOW)
    assert script.seed == 7
    first = script.rules[0]
    assert (first.turns.from_ms, first.turns.to_ms) == (NOW + 500, NOW + 9_000)
    assert [(act.name, act.at_ms) for act in script.acts] == [
        ("jump-price", NOW + 60_000),
        ("at a date", 1_700_000_001_000),
    ]


def test_what_is_shown_can_be_read_again() -> None:
    scripts = [read(tomllib.loads(WHOLE), NOW)]
    scripts += [script_of(name, NOW) for name, row in catalogue().items() if row.injectable]
    for script in scripts:
        rules = [shown_rule(rule) for rule in script.rules]
        acts = [{"name": a.name, "at_ms": a.at_ms, **shown_act(a.act)} for a in script.acts]
        again = read({"rules": rules, "acts": acts}, 0)
        assert again.rules == script.rules
        assert again.acts == script.acts


def ruled(do: Any, when: Any = None) -> Any:
    return {"rules": [{"do": do, "when": when or {}}]}


def acted(**act: Any) -> Any:
    return {"acts": [act]}


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ([], "the script must be a table, not a list"),
        ({"rule": []}, "did you mean 'rules'"),
        ({"seed": "x"}, "seed must be a whole number"),
        ({"rules": {}}, "rules must be a list"),
        ({"rules": [{"when": {}}]}, "rules[0] needs 'do'"),
        ({"rules": [{"do": {"kind": "lose"}, "name": 5}]}, "name must be a text"),
        (ruled({}), "needs 'kind'"),
        (ruled({"kind": "loose"}), "did you mean 'lose'"),
        (ruled({"kind": "delay"}), "needs 'length_ms'"),
        (ruled({"kind": "delay", "length_ms": -1}), "at least 0"),
        (ruled({"kind": "delay", "length_ms": "5"}), "must be a whole number"),
        (ruled({"kind": "delay", "length_ms": 5, "clock": "moon"}), "one of wall, exchange"),
        (ruled({"kind": "answer"}), "exactly one of 'says', 'code' and 'body'"),
        (ruled({"kind": "answer", "says": "unavailible"}), "did you mean 'unavailable'"),
        (ruled({"kind": "answer", "code": -9999}), "has no text here"),
        (ruled({"kind": "answer", "code": -1102}), "needs these 'fields': name"),
        (ruled({"kind": "close", "code": 1005}), "can't be closed with code 1005"),
        (ruled({"kind": "act"}), "act must be a table"),
        (ruled({"kind": "act", "act": {"kind": "bann"}}), "did you mean 'ban'"),
        (ruled({"kind": "lose"}, {"event": "x"}), "knows no 'event'"),
        (ruled({"kind": "drop"}, {"method": "GET"}), "knows no 'method'"),
        (ruled({"kind": "lose"}, {"method": "get"}), "method must be one of"),
        (ruled({"kind": "lose"}, {"probability": 2}), "between 0 and 1"),
        (ruled({"kind": "lose"}, {"nth": True}), "nth must be a whole number"),
        (ruled({"kind": "lose"}, {"from_ms": 5, "after_ms": 5}), "either 'after_ms' or 'from_ms'"),
        (ruled({"kind": "lose"}, {"from_ms": 5, "to_ms": 5}), "the end must be after"),
        (acted(kind="ban", after_ms=1, at_ms=1), "either 'after_ms' or 'at_ms'"),
        (acted(kind="ban", after_ms=-1), "after_ms must be a whole number"),
        (acted(kind="transfer", amount="much"), "amount must be a number"),
        (acted(kind="transfer", amount=0.123456789), "at most 8 decimals"),
        (acted(kind="deleverage", part=0), "part must be above 0"),
        (acted(kind="jump-price"), "one of 'by_percent' and 'to'"),
        (acted(kind="jump-price", by_percent=-100), "can't fall to nothing"),
        (acted(kind="maintenance", on=1), "on must be true or false"),
        (acted(kind="change-key", allowed_ips="x"), "allowed_ips must be a list"),
        (acted(kind="change-contract", brackets=[{"cap": 1}]), "brackets[0] needs 'rate_ppm'"),
    ],
)
def test_what_means_nothing_is_refused_in_a_sentence(document: Any, said: str) -> None:
    with pytest.raises(InputError) as caught:
        read(document, NOW)
    assert said in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"seed = ", "is no TOML"),
        (b"\xff\xfe", "is no TOML"),
        (b"seed = 'x'", "seed must be"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_used(tmp_path: Path, raw: bytes | None, said: str) -> None:
    path = tmp_path / "bad.toml"
    if raw is not None:
        path.write_bytes(raw)
    with pytest.raises(InputError) as caught:
        load(path, NOW)
    assert said in caught.value.message
    assert str(path) in caught.value.message
