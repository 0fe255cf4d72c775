"""Hand-computed margin: rounding, brackets, liquidation and bankruptcy, averages, the exchange's real tables.

A liquidation price P is where margin and profit meet maintenance, in the bracket of the notional at P:

    long   margin + q (P - entry) = rate q P - amount   =>   P = (q entry - margin - amount) / (q (1 - rate))
    short  margin + q (entry - P) = rate q P - amount   =>   P = (q entry + margin + amount) / (q (1 + rate))
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scenario import PLAIN

from riposte.engine.accounting import (
    apply_fill,
    exposure,
    settle_funding,
    unrealised,
    used_margin,
    value_account,
)
from riposte.engine.margin import (
    against,
    bankruptcy_price,
    bracket_of,
    ceil_to,
    floor_to,
    liquidation_price,
    maintenance_margin,
)
from riposte.engine.records import instrument_records, new_account, new_positions
from riposte.market.instrument import INSTRUMENTS, Instrument
from riposte.sources.files import read_brackets

EXACT = {"rel": 1e-12, "abs": 0.0}
# The shipped table of BTCUSDT, continued by hand: amount = amount before + floor x (rate - rate before)
#   floor        rate     amount
#   0            0.004              0
#   50,000       0.005             50 =           0 +      50,000 x 0.001
#   600,000      0.0065           950 =          50 +     600,000 x 0.0015
#   3,000,000    0.010         11,450 =         950 +   3,000,000 x 0.0035
#   12,000,000   0.020        131,450 =      11,450 +  12,000,000 x 0.010
#   50,000,000   0.025        381,450 =     131,450 +  50,000,000 x 0.005
#   65,000,000   0.050      2,006,450 =     381,450 +  65,000,000 x 0.025
#   150,000,000  0.100      9,506,450 =   2,006,450 + 150,000,000 x 0.050
#   320,000,000  0.125     17,506,450 =   9,506,450 + 320,000,000 x 0.025
#   400,000,000  0.150     27,506,450 =  17,506,450 + 400,000,000 x 0.025
#   530,000,000  0.250     80,506,450 =  27,506,450 + 530,000,000 x 0.100
#   800,000,000  0.500    280,506,450 =  80,506,450 + 800,000,000 x 0.250
BTC = instrument_records([INSTRUMENTS["BTCUSDT"]])[0]
# The cautious table: amounts 0, 50, 300, 2,300, 22,300, 222,300, ...
SOL = instrument_records([INSTRUMENTS["SOLUSDT"]])[0]


@pytest.mark.parametrize(
    ("value", "size", "down", "up"),
    [
        (7.0, 3.0, 6.0, 9.0),
        (6.0, 3.0, 6.0, 6.0),
        (1.26, 0.5, 1.0, 1.5),
        (0.3, 0.1, 0.3, 0.3),  # 0.3 / 0.1 is a little under 3 in binary
        (0.1 + 0.2, 0.1, 0.3, 0.3),  # and this a little over
        (0.29, 0.1, 0.2, 0.3),
        (7.3, 0.0, 7.3, 7.3),  # no grid
    ],
)
def test_rounding_to_a_grid(value: float, size: float, down: float, up: float) -> None:
    assert floor_to(value, size) == pytest.approx(down, **EXACT)
    assert ceil_to(value, size) == pytest.approx(up, **EXACT)


def test_a_price_is_rounded_against_whoever_trades_at_it() -> None:
    assert against(1, 100.26, 0.5) == 100.5  # a buyer pays more
    assert against(-1, 100.26, 0.5) == 100.0  # a seller gets less


@pytest.mark.parametrize(
    ("notional", "bracket", "maintenance"),
    [
        (0.0, 0, 0.0),
        (49_999.0, 0, 199.996),
        (50_000.0, 1, 200.0),  # the floor belongs to the bracket: 50,000 x 0.005 - 50
        (600_000.0, 2, 2_950.0),  # 600,000 x 0.0065 - 950
        (3_000_000.0, 3, 18_550.0),  # 3,000,000 x 0.010 - 11,450
        (149_999_999.0, 6, 5_493_549.95),  # 149,999,999 x 0.050 - 2,006,450
        (1e9, 11, 219_493_550.0),  # 1e9 x 0.5 - 280,506,450
    ],
)
def test_maintenance_of_the_shipped_table(
    notional: float, bracket: int, maintenance: float
) -> None:
    assert bracket_of(BTC, notional) == bracket
    assert maintenance_margin(BTC, notional) == pytest.approx(maintenance, rel=1e-9)


# (table, signed coins, entry, isolated margin, liquidation price)
LIQUIDATIONS = [
    # one long in each bracket of BTCUSDT, 5x up to 300 million
    (BTC, 0.4, 1e5, 8e3, (40_000 - 8_000 - 0) / (0.4 * 0.996)),  # 80,321.29 -> 32,129: bracket 0
    (BTC, 4.0, 1e5, 8e4, (400_000 - 80_000 - 50) / (4 * 0.995)),  # 321,558: bracket 1
    (BTC, 20.0, 1e5, 4e5, (2_000_000 - 400_000 - 950) / (20 * 0.9935)),  # 1.61 million: 2
    (BTC, 80.0, 1e5, 1.6e6, (8_000_000 - 1_600_000 - 11_450) / (80 * 0.99)),  # 6.45 million: 3
    (BTC, 300.0, 1e5, 6e6, (30_000_000 - 6_000_000 - 131_450) / (300 * 0.98)),  # 24.4 million: 4
    # entered at 70 million (bracket 6), liquidated at 57.0 million: bracket 5
    (BTC, 700.0, 1e5, 1.4e7, (70_000_000 - 14_000_000 - 381_450) / (700 * 0.975)),
    (BTC, 1e3, 1e5, 2e7, (100_000_000 - 20_000_000 - 2_006_450) / (1e3 * 0.95)),  # 82.1 million: 6
    (BTC, 3e3, 1e5, 6e7, (300_000_000 - 60_000_000 - 9_506_450) / (3e3 * 0.9)),  # 256 million: 7
    (BTC, 4e3, 1e5, 1e8, (400_000_000 - 100_000_000 - 17_506_450) / (4e3 * 0.875)),  # 323: 8
    (BTC, 5e3, 1e5, 5e7, (500_000_000 - 50_000_000 - 27_506_450) / (5e3 * 0.85)),  # 497: 9
    (BTC, 8e3, 1e5, 2e8, (800_000_000 - 200_000_000 - 80_506_450) / (8e3 * 0.75)),  # 693: 10
    (BTC, 2e4, 1e5, 1e9, (2_000_000_000 - 1_000_000_000 - 280_506_450) / (2e4 * 0.5)),  # 1,439: 11
    # shorts, whose notional grows on the way there
    (BTC, -0.4, 1e5, 8e3, (40_000 + 8_000 + 0) / (0.4 * 1.004)),  # 47,809: bracket 0
    (BTC, -0.45, 1e5, 9e3, (45_000 + 9_000 + 50) / (0.45 * 1.005)),  # entered in 0, out in 1
    (BTC, -5.5, 1e5, 1.1e5, (550_000 + 110_000 + 950) / (5.5 * 1.0065)),  # in 1, out in 2
    (BTC, -600.0, 1e5, 1.2e7, (60_000_000 + 12_000_000 + 2_006_450) / (600 * 1.05)),  # 5, 6
    (BTC, -7e3, 1e5, 3.5e8, (700_000_000 + 350_000_000 + 280_506_450) / (7e3 * 1.5)),  # 10, 11
    # SOLUSDT by the cautious table
    (SOL, 60.0, 150.0, 1_800.0, (9_000 - 1_800 - 0) / (60 * 0.99)),  # 7,273: bracket 0
    (SOL, 80.0, 150.0, 2_400.0, (12_000 - 2_400 - 0) / (80 * 0.99)),  # in 1 at 12,000, out in 0
    (SOL, -400.0, 150.0, 12_000.0, (60_000 + 12_000 + 300) / (400 * 1.02)),  # 70,882: bracket 2
    (SOL, -60e3, 0.2, 2_400.0, (12_000 + 2_400 + 50) / (60e3 * 1.015)),  # a coin of 20 cents: 1
]


@pytest.mark.parametrize(("table", "quantity", "entry", "margin", "price"), LIQUIDATIONS)
def test_liquidation_stands_where_margin_and_profit_meet_maintenance(
    table: Any, quantity: float, entry: float, margin: float, price: float
) -> None:
    found = liquidation_price(table, quantity, entry, margin)
    assert found == pytest.approx(price, **EXACT)
    left = margin + quantity * (found - entry)
    assert left == pytest.approx(maintenance_margin(table, abs(quantity) * found), rel=1e-9)


@pytest.mark.parametrize("margin", [1_000.0, 1_500.0])
def test_a_long_paid_for_in_full_is_never_liquidated(margin: float) -> None:
    assert liquidation_price(SOL, 10.0, 100.0, margin) == 0.0


@pytest.mark.parametrize(
    ("quantity", "entry", "margin", "price"),
    [
        (100.0, 100.0, 2_000.0, 80.0),  # 2,000 / 100 below
        (-100.0, 100.0, 2_000.0, 120.0),
        (1e5, 0.5, 1e4, 0.4),
        (3.0, 100.0, 50.0, 100.0 - 50.0 / 3.0),
        (10.0, 100.0, 1_500.0, 0.0),  # more margin than it can lose
    ],
)
def test_bankruptcy_stands_where_the_margin_is_used_up(
    quantity: float, entry: float, margin: float, price: float
) -> None:
    assert bankruptcy_price(quantity, entry, margin) == pytest.approx(price, **EXACT)


@pytest.mark.parametrize("symbol", ["BTCUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT"])
@pytest.mark.parametrize("side", [1, -1])
def test_recorded_brackets_liquidate_where_margin_and_profit_meet_maintenance(
    market_data: Path, symbol: str, side: int
) -> None:
    table = read_brackets(market_data / "leverage_brackets.json")[symbol]
    record = instrument_records([Instrument(symbol, brackets=table)])[0]
    for floor, cap in zip(table[:, 0], [*table[1:, 0], 2.0 * table[-1, 0]], strict=True):
        notional = (floor + cap) / 2.0
        leverage = min(5.0, table[table[:, 0] <= notional][-1, 3])
        quantity, margin = side * notional / 250.0, notional / leverage
        price = liquidation_price(record, quantity, 250.0, margin)
        if price == 0.0:  # leverage 1: a long of it never is
            assert leverage == 1.0
            assert side == 1
            continue
        left = margin + quantity * (price - 250.0)
        at_price = abs(quantity) * price
        held = table[table[:, 0] <= at_price][-1]
        assert left == pytest.approx(at_price * held[1] - held[2], rel=1e-6)


PLAIN_RECORD = instrument_records([PLAIN])[0]


def bought_and_sold(
    *fills: tuple[int, float, float, float, float, float],
) -> tuple[Any, Any, float]:
    """(account, position, last realised) after fills of (side, quantity, price, fee, slippage, leverage)."""
    account, positions = new_account(10_000.0), new_positions(1)
    realised = 0.0
    for fill in fills:
        realised = apply_fill(account, positions[0], PLAIN_RECORD, *fill)
    return account, positions[0], realised


def test_an_add_averages_the_price_by_quantity_and_brings_its_own_margin() -> None:
    _, position, realised = bought_and_sold(
        (1, 3.0, 100.0, 1.0, 0.3, 5.0), (1, 1.0, 120.0, 0.5, 0.2, 2.0)
    )
    assert position["entry_price"] == 105.0  # (3 x 100 + 1 x 120) / 4
    assert position["margin"] == 120.0  # 300 / 5 + 120 / 2
    assert (position["quantity"], position["max_quantity"]) == (4.0, 4.0)
    assert (position["leverage"], position["entry_notional"]) == (2.0, 420.0)
    assert (position["fees"], position["slippage"]) == (1.5, 0.5)
    assert realised == 0.0
    # (420 - 120) / (4 x 0.995)
    assert position["liquidation_price"] == pytest.approx(300.0 / 3.98, **EXACT)


@pytest.mark.parametrize(("side", "profit"), [(1, 20.0), (-1, -20.0)])
def test_a_part_sold_takes_its_share_of_the_margin_with_it(side: int, profit: float) -> None:
    account, position, realised = bought_and_sold(
        (side, 4.0, 100.0, 2.0, 0.5, 5.0), (-side, 1.0, 120.0, 0.25, 0.125, 5.0)
    )
    assert realised == profit  # (120 - 100) x 1
    assert position["quantity"] == 3.0 * side
    assert position["margin"] == 60.0  # 80 x 3 / 4
    assert position["entry_price"] == 100.0
    assert (position["exit_quantity"], position["exit_notional"]) == (1.0, 120.0)
    assert position["max_quantity"] == 4.0
    assert position["realised"] == account["realised"] == profit
    assert position["fees"] == account["fees"] == 2.25
    assert position["slippage"] == account["slippage"] == 0.625
    assert account["wallet"] == 10_000.0 + profit - 2.25


def test_more_than_is_held_closes_what_is_held_and_no_more() -> None:
    account, position, realised = bought_and_sold(
        (1, 2.0, 100.0, 0.0, 0.0, 5.0), (-1, 5.0, 110.0, 0.0, 0.0, 5.0)
    )
    assert realised == 20.0  # of 2 coins
    assert (position["quantity"], position["margin"], position["liquidation_price"]) == (0, 0, 0)
    assert (position["exit_quantity"], position["exit_notional"]) == (2.0, 220.0)
    assert account["wallet"] == 10_020.0


@pytest.mark.parametrize("coins", [1.0, 1_000.0])
@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize(("share", "is_dust"), [(0.9e-9, True), (1.5e-9, False)])
def test_less_than_a_billionth_of_a_position_is_dust(
    coins: float, side: int, share: float, is_dust: bool
) -> None:
    left = coins * share
    _, position, _ = bought_and_sold(
        (side, coins, 100.0, 0.0, 0.0, 5.0), (-side, coins - left, 100.0, 0.0, 0.0, 5.0)
    )
    assert position["quantity"] == pytest.approx(0.0 if is_dust else side * left, rel=1e-3)


def test_half_a_short_coin_sold_back_in_part_is_still_short() -> None:
    _, position, realised = bought_and_sold(
        (-1, 0.5, 100.0, 0.0, 0.0, 5.0), (1, 0.125, 92.0, 0.0, 0.0, 5.0)
    )
    assert (position["quantity"], realised) == (-0.375, 1.0)


def test_funding_of_a_short_at_several_settlements() -> None:
    account, position, _ = bought_and_sold((-1, 8.0, 100.0, 0.0, 0.0, 5.0))
    # 8 coins at mark 125 are 1,000: receives 0.01 %, pays 0.02 %, then at mark 250 receives 0.1 %
    paid = [
        settle_funding(account, position, rate, mark)
        for rate, mark in ((0.0001, 125.0), (-0.0002, 125.0), (0.001, 250.0))
    ]
    assert paid == pytest.approx([-0.1, 0.2, -2.0])
    assert position["funding"] == pytest.approx(-1.9)
    assert account["funding"] == pytest.approx(-1.9)
    assert account["wallet"] == pytest.approx(10_001.9)


def test_an_account_is_valued_at_the_marks_of_what_it_holds() -> None:
    account, positions = new_account(10_000.0), new_positions(3)
    apply_fill(account, positions[0], PLAIN_RECORD, 1, 10.0, 100.0, 4.0, 0.0, 5.0)
    apply_fill(account, positions[2], PLAIN_RECORD, -1, 0.5, 200.0, 0.0, 0.0, 2.0)
    positions["mark"] = 110.0, 55.0, 180.0  # the second is held by nobody
    # 10 x 10 up and 0.5 x 20 up, 4 of fees: 10,000 + 110 - 4
    assert value_account(account, positions) == 10_106.0
    assert (account["unrealised"], account["equity"]) == (110.0, 10_106.0)
    assert account["peak_equity"] == 10_106.0
    assert exposure(positions) == 1_190.0  # 10 x 110 + 0.5 x 180
    assert used_margin(positions) == 250.0  # 1,000 / 5 + 100 / 2
    assert [unrealised(p) for p in positions] == [100.0, 0.0, 10.0]
    positions["mark"] = 90.0, np.nan, 180.0
    assert value_account(account, positions) == 9_906.0  # 100 down, 10 up
    assert account["peak_equity"] == 10_106.0


def test_a_mark_of_a_symbol_not_held_counts_for_nothing_not_even_when_unknown() -> None:
    account, positions = new_account(10_000.0), new_positions(1)
    positions["mark"] = np.nan
    assert value_account(account, positions) == 10_000.0
    assert exposure(positions) == 0.0


def test_a_table_too_long_or_empty_is_refused_by_name() -> None:
    empty = dataclasses.replace(PLAIN, symbol="NOBRACKETS", brackets=np.zeros((0, 4)))
    with pytest.raises(ValueError, match="NOBRACKETS: 0 brackets"):
        instrument_records([PLAIN, empty])
    long = dataclasses.replace(PLAIN, symbol="TOOMANY", brackets=np.ones((17, 4)))
    with pytest.raises(ValueError, match="TOOMANY: 17 brackets, room for 1 to 16"):
        instrument_records([long])
    full = np.arange(64.0).reshape(16, 4)
    record = instrument_records([dataclasses.replace(PLAIN, brackets=full)])[0]
    assert record["bracket_count"] == 16
    assert np.array_equal(record["brackets"], full)
