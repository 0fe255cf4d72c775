"""What is stored stays readable: numbers of the vocabularies, defaults, layouts, state files, a run's inputs."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

import numpy as np
import pytest
from scenario import PLAIN, START, WIDE, bars_of, config, inputs_of, signals_of

from riposte.engine.enums import Halt, Intent, Reason, Rule, Side, TradingState
from riposte.engine.parameters import (
    NEVER,
    Costs,
    EngineConfig,
    EntryOrder,
    Execution,
    Limits,
    MarginMode,
    Operator,
    PositionRules,
    Sizing,
    TargetOrder,
    as_record,
)
from riposte.engine.records import (
    ACCOUNT,
    BAR,
    BRACKETS,
    FILL,
    FILLS,
    INSTRUMENT,
    INTENT,
    POSITION,
    REFUSAL,
    REFUSALS,
    RING,
    SIGNAL,
    TRADE,
    TRADES,
    layout,
    new_account,
    new_positions,
)
from riposte.engine.run import MarketInputs, new_log, run
from riposte.engine.state import looser, state_from_bytes, state_to_bytes, tighten
from riposte.errors import StorageError
from riposte.market.interval import HOUR_NS

# Ledgers and state files hold these numbers: a new name may be appended, none may be renumbered.
STORED: dict[Any, str] = {
    Side: "SHORT=-1 FLAT=0 LONG=1",
    TradingState: "ACTIVE=0 REDUCING=1 HALTED=2",
    Halt: "NONE=0 DAILY_LOSS=1 LOSSES_IN_ROW=2 DRAWDOWN=3 VOLATILITY=4 REVIEW=5 OPERATOR=6",
    Intent: "NOTHING=0 ENTER=1 ADD=2 REDUCE=3 EXIT=4",
    Reason: "NONE=0 SIGNAL=1 ADD=2 STOP=3 TRAILING_STOP=4 TARGET=5 PARTIAL_TARGET=6 TIME=7 REVERSAL=8 "
    "LIQUIDATION=9 DAILY_LOSS=10 DRAWDOWN=11 VOLATILITY=12 OPERATOR=13 END_OF_DATA=14 "
    "LIQUIDATION_NEAR=15",
    Rule: "NONE=0 BAD_NUMBER=1 STALE_DATA=2 PRICE_COLLAR=3 STATE=4 PAUSED=5 REVIEW=6 ACCURACY=7 "
    "TRADES_PER_DAY=8 ORDER_RATE=9 DUPLICATE=10 SELF_TRADE=11 LEVERAGE=12 MARGIN_FRACTION=13 "
    "RISK_PER_TRADE=14 LOSS_BUDGET=15 MAX_ORDER_NOTIONAL=16 MIN_NOTIONAL=17 NO_STOP=18 VOLATILITY=19 "
    "FREE_MARGIN=20 PARTICIPATION=21 OPPOSITE_POSITION=22 MAX_POSITIONS=23 HEAT=24 "
    "CORRELATION=25 PORTFOLIO_WEIGHT=26 POST_ONLY=27 LIQUIDATION_NEAR=28",
    Sizing: "FIXED_FRACTION=0 FRACTIONAL_KELLY=1 VOLATILITY_TARGET=2 CONFIDENCE=3",
    TargetOrder: "LIMIT=0 MARKET=1",
    EntryOrder: "MARKET=0 LIMIT=1 POST_ONLY=2",
    MarginMode: "ISOLATED=0 CROSS=1",
}


@pytest.mark.parametrize("vocabulary", STORED, ids=lambda v: v.__name__)
def test_a_stored_number_keeps_its_name(vocabulary: Any) -> None:
    now = {member.name: int(member) for member in vocabulary}
    before = dict(pair.split("=") for pair in STORED[vocabulary].split())
    assert {name: now[name] for name in before} == {name: int(n) for name, n in before.items()}


def test_the_defaults_are_the_documented_ones() -> None:
    assert Costs() == Costs(
        multiplier=1.0, impact=0.5, participation=0.10, funding=True, target_order=TargetOrder.LIMIT
    )
    assert PositionRules() == PositionRules(
        sizing=Sizing.CONFIDENCE, min_confidence=0.65, kelly_fraction=0.5, fixed_fraction=0.01,
        volatility_target=0.15, partial_at=(0.5,), partial_share=(0.5,), breakeven_after_partial=True,
        trail_after=1.0, trail_distance=1.0, trail_atr=0.0, add_after=0.0, add_share=0.5, max_adds=1, time_exit=True,
        exit_on_reversal=True,
    )  # fmt: skip
    assert (Operator().resumes_after_ns, NEVER) == (-1, -1)
    assert Execution() == Execution(
        margin_mode=MarginMode.ISOLATED, entry_order=EntryOrder.MARKET, entry_offset=0.0,
        entry_patience=1, reprice=True, cross_after=False, latency_ns=0,
    )  # fmt: skip
    assert EngineConfig() == EngineConfig(
        Limits(), Costs(), PositionRules(), Operator(), 10_000.0, Execution()
    )


def test_parameters_become_a_record_by_their_annotation_and_not_by_their_value() -> None:
    record = as_record(PositionRules(fixed_fraction=1, exit_on_reversal=False))
    assert record["fixed_fraction"].dtype == np.float64
    assert record["max_adds"].dtype == np.int64
    assert record["exit_on_reversal"].dtype == np.int8
    assert (record["fixed_fraction"], record["exit_on_reversal"], record["time_exit"]) == (
        1.0,
        0,
        1,
    )
    assert record["sizing"] == int(Sizing.CONFIDENCE)


@pytest.mark.parametrize(
    "dtype", [INSTRUMENT, BAR, SIGNAL, ACCOUNT, POSITION, INTENT, FILL, TRADE, REFUSAL]
)
def test_a_layout_leaves_no_byte_without_a_name(dtype: Any) -> None:
    assert sum(np.dtype(dtype[name]).itemsize for name in dtype.names) == dtype.itemsize
    assert dtype.itemsize % 8 == 0
    assert dtype.isalignedstruct


def test_fields_stand_by_falling_size_and_the_rest_is_reserved() -> None:
    mixed = layout([("flag", "i1"), ("price", "f8"), ("symbol", "i4"), ("other", "i1")])
    assert mixed.names == ("price", "symbol", "flag", "other", "reserved")
    assert mixed["reserved"].shape == (2,)  # 8 + 4 + 1 + 1 are 14 of 16
    assert layout([("price", "f8")]).names == ("price",)


def test_rooms_of_the_records() -> None:
    assert (RING, BRACKETS) == (128, 16)
    assert INSTRUMENT["brackets"].shape == (16, 4)
    for name in ("hits", "returns", "order_times"):
        assert ACCOUNT[name].shape == (128,)
    assert (TRADES, FILLS, REFUSALS) == (0, 1, 2)
    log = new_log(5)
    assert [len(rows) for rows in (log.trades, log.fills, log.refusals)] == [5, 10, 10]
    assert log.counts.tolist() == [0, 0, 0]


def test_a_new_account_knows_nothing_yet() -> None:
    account = new_account(500.0)
    for name in ("deposits", "wallet", "equity", "peak_equity", "day_start_equity"):
        assert account[name] == 500.0
    assert (account["day"], account["model_id"], account["halt"], account["state"]) == (
        -1,
        -1,
        0,
        0,
    )
    assert np.isnan(account["sharpe"])
    positions = new_positions(3)
    assert len(positions) == 3
    assert set(positions["regime"].tolist()) == set(positions["model_id"].tolist()) == {-1}
    assert not positions["quantity"].any()


def state() -> tuple[Any, Any, Any]:
    account, positions, pending = new_account(5.0), new_positions(2), np.zeros(2, INTENT)
    account["wallet"], positions["mark"], pending["quantity"] = 7.0, (3.0, 4.0), (8.0, 9.0)
    return account, positions, pending


def test_a_state_comes_back_as_it_was() -> None:
    account, positions, pending = state_from_bytes(state_to_bytes(*state()))
    assert account["wallet"] == 7.0
    assert positions["mark"].tolist() == [3.0, 4.0]
    assert pending["quantity"].tolist() == [8.0, 9.0]
    positions["mark"] = 5.0  # and can be written to


def test_a_state_file_is_laid_out_as_announced() -> None:
    stored = state_to_bytes(*state())
    assert stored[:8] == b"RIPOSTE1"
    # magic, a hash of the layout, one of the body, the count of symbols, the records
    assert (
        len(stored)
        == 8 + 32 + 32 + 4 + ACCOUNT.itemsize + 2 * POSITION.itemsize + 2 * INTENT.itemsize
    )
    assert int.from_bytes(stored[72:76], "little") == 2
    assert state_from_bytes(
        state_to_bytes(new_account(1.0), new_positions(300), np.zeros(300, INTENT))
    )


@pytest.mark.parametrize(
    ("at", "why"), [(0, "another version"), (7, "another version"), (8, "another version"), (39, "another version"),
                    (40, "damaged"), (71, "damaged"), (72, "damaged"), (76, "damaged"), (-1, "damaged")],
)  # fmt: skip
def test_a_changed_byte_is_named_for_what_it_is(at: int, why: str) -> None:
    stored = bytearray(state_to_bytes(*state()))
    stored[at] ^= 1
    with pytest.raises(StorageError, match=why):
        state_from_bytes(bytes(stored))


@pytest.mark.parametrize("change", [1, -1])
@pytest.mark.parametrize("at", [8, 39])
def test_another_layout_is_another_version_whichever_sorts_first(at: int, change: int) -> None:
    stored = bytearray(state_to_bytes(*state()))
    stored[at] = (stored[at] + change) % 256
    with pytest.raises(StorageError, match="another version"):
        state_from_bytes(bytes(stored))


@pytest.mark.parametrize("count", [1, 3])
def test_a_count_that_the_records_do_not_have_is_damage_though_the_checksum_is_right(
    count: int,
) -> None:
    stored = state_to_bytes(*state())
    body = count.to_bytes(4, "little") + stored[76:]
    with pytest.raises(StorageError, match="damaged"):
        state_from_bytes(stored[:40] + hashlib.sha256(body).digest() + body)


def test_the_count_ends_where_the_records_begin() -> None:
    account, positions, pending = state()
    account["deposits"] = account["wallet"] = 0.1  # no byte of it is 0
    assert len(state_from_bytes(state_to_bytes(account, positions, pending))[1]) == 2


def test_bytes_too_many_are_damage_too() -> None:
    with pytest.raises(StorageError, match="damaged"):
        state_from_bytes(state_to_bytes(*state()) + b"\0")


# every limit: a value on the looser side of its default, and one on the stricter
LOOSER: dict[str, tuple[Any, Any]] = {
    "margin_fraction": (0.09, 0.07), "max_leverage": (6.0, 4.0), "risk_fraction": (0.02, 0.005),
    "max_positions": (11, 9), "heat_fraction": (0.3, 0.1), "daily_loss": (0.03, 0.01),
    "trades_per_day": (16, 14), "losses_in_row": (9, 7), "max_drawdown": (0.06, 0.04),
    "volatility_ratio": (4.0, 2.0), "min_sharpe": (0.4, 0.6), "sharpe_active_days": (11, 9),
    "sharpe_days": (31, 29), "min_accuracy": (0.4, 0.6), "accuracy_signals": (49, 51),
    "price_collar": (0.06, 0.04), "max_order_notional": (2e5, 5e4), "orders_per_minute": (31, 29),
    "stale_ns": (3 * HOUR_NS, HOUR_NS), "pause_ns": (HOUR_NS, 100 * HOUR_NS),
    "max_correlation": (0.8, 0.6), "liquidation_distance": (0.1, 0.2), "base_leverage": (4.0, 2.0),
    "ladder_trades": (49, 51), "ladder_win_rate": (0.5, 0.6), "ladder_sharpe": (1.7, 1.9),
    "ladder_drawdown": (0.2, 0.1),
}  # fmt: skip


@pytest.mark.parametrize("name", LOOSER)
def test_each_limit_has_a_looser_side(name: str) -> None:
    loose, strict = LOOSER[name]
    assert looser(Limits(), dataclasses.replace(Limits(), **{name: loose})) == (name,)
    stricter = dataclasses.replace(Limits(), **{name: strict})
    assert looser(Limits(), stricter) == ()
    assert tighten(Limits(), stricter) is stricter
    assert looser(Limits(), Limits()) == ()


def test_every_limit_stands_in_that_table() -> None:
    switches = {"pause_after_losses"}
    assert {f.name for f in dataclasses.fields(Limits)} == set(LOOSER) | switches


@pytest.mark.parametrize("name", ["pause_after_losses", "sharpe_days", "accuracy_signals"])
def test_off_is_the_loosest_whatever_the_direction(name: str) -> None:
    on, off = (dataclasses.replace(Limits(), **{name: n}) for n in (5, 0))
    assert looser(on, off) == (name,)
    assert looser(off, on) == ()
    assert looser(off, off) == ()


def test_nothing_allowed_is_the_strictest_where_nothing_is_not_off() -> None:
    assert looser(Limits(), dataclasses.replace(Limits(), max_leverage=0.0)) == ()


def test_several_loosened_limits_are_all_named() -> None:
    loose = dataclasses.replace(Limits(), max_leverage=9.0, daily_loss=0.5, trades_per_day=1)
    assert looser(Limits(), loose) == ("max_leverage", "daily_loss")


def market(steps: int) -> MarketInputs:
    return inputs_of(bars_of([(100.0, 101.0, 99.0, 100.0)] * steps), signals_of(steps, {}))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"time": np.arange(2)}, "bars .3, 1. and signals .3, 1., not .2, 1."),
        ({"signals": np.zeros((2, 1), SIGNAL)}, "signals .2, 1."),
        ({"bars": np.zeros((4, 1), BAR)}, "bars .4, 1."),
        ({"bars": np.zeros((2, 1), BAR)}, "bars .2, 1."),
        ({"signals": np.zeros((4, 1), SIGNAL)}, "signals .4, 1."),
        ({"bars": np.zeros((3, 1), SIGNAL)}, "dtypes"),
        ({"signals": np.zeros((3, 1), BAR)}, "dtypes"),
        ({"instruments": (PLAIN, PLAIN)}, "one instrument per symbol"),
        ({"instruments": ()}, "one instrument per symbol"),
    ],
)
def test_inputs_that_do_not_fit_together_are_refused(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        dataclasses.replace(market(3), **changes)


def test_nothing_to_run_is_said() -> None:
    no_bars = dataclasses.replace(market(1), time=np.zeros(0, np.int64), bars=np.zeros((0, 1), BAR), signals=np.zeros((0, 1), SIGNAL))  # fmt: skip
    no_symbols = MarketInputs((), (), HOUR_NS, np.zeros(1, np.int64), np.zeros((1, 0), BAR), np.zeros((1, 0), SIGNAL))  # fmt: skip
    for inputs in (no_bars, no_symbols):
        with pytest.raises(ValueError, match="nothing to run"):
            run(inputs, config())


def test_a_run_that_does_nothing_leaves_a_flat_curve() -> None:
    result = run(market(3), config())
    assert result.equity.tolist() == [10_000.0] * 3
    assert result.exposure.tolist() == [0.0] * 3
    assert (result.state.tolist(), result.halt.tolist()) == ([0] * 3, [0] * 3)
    assert [len(rows) for rows in (result.trades, result.fills, result.refusals)] == [0, 0, 0]
    assert len(result.positions) == 1


@pytest.mark.parametrize("quietly", [True, False])
@pytest.mark.parametrize("symbols", [1, 3])
def test_the_records_grow_as_they_must_and_keep_what_they_hold(
    quietly: bool, symbols: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from riposte.engine import run as module

    steps = 40
    bars = np.repeat(bars_of([(100.0, 104.0, 98.5, 100.0)] * steps)[:, None], symbols, 1)
    said = {"direction": 1, "stop_loss": 0.01, "take_profit": 0.02, "model_id": -1}
    signals = np.repeat(signals_of(steps, dict.fromkeys(range(steps), said))[:, None], symbols, 1)
    # only the first symbol trades: the others are refused, every bar, for a target of nothing
    signals["take_profit"][:, 1:] = 0.0
    time = START + HOUR_NS * np.arange(1, steps + 1, dtype=np.int64)
    names = tuple("ABC"[:symbols])
    inputs = MarketInputs(names, (PLAIN,) * symbols, HOUR_NS, time, bars, signals)
    limits = dataclasses.replace(WIDE, max_order_notional=100.0)
    large = run(inputs, config(limits), quietly=quietly)
    monkeypatch.setattr(module, "_FIRST_ROOM", 1)
    small = run(inputs, config(limits), quietly=quietly)
    assert len(large.trades) == steps - 1  # each entry is stopped out in its own bar
    assert len(large.fills) == 2 * (steps - 1)
    assert len(large.refusals) == (symbols - 1) * steps
    for name in ("trades", "fills", "refusals", "positions", "equity"):
        assert getattr(small, name).tobytes() == getattr(large, name).tobytes()


def test_the_last_bars_close_finds_room_for_every_trade(monkeypatch: pytest.MonkeyPatch) -> None:
    from riposte.engine import run as module

    monkeypatch.setattr(module, "_FIRST_ROOM", 1)
    symbols = 9
    bars = np.repeat(bars_of([(100.0,) * 4] * 3)[:, None], symbols, 1)
    said = {0: {"direction": 1, "stop_loss": 0.1, "take_profit": 0.2}}
    signals = np.repeat(signals_of(3, said)[:, None], symbols, 1)
    time = START + HOUR_NS * np.arange(1, 4, dtype=np.int64)
    inputs = MarketInputs(tuple("ABCDEFGHI"), (PLAIN,) * symbols, HOUR_NS, time, bars, signals)
    result = run(inputs, config(dataclasses.replace(WIDE, max_order_notional=100.0)))
    assert result.trades["symbol"].tolist() == list(range(symbols))
