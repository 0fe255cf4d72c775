"""Margin, liquidation, funding and auto-deleveraging, each against a sum done by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from core_world import START, SYMBOL, World, e8

from riposte.exchange.events import AccountChanged, ConfigChanged, Liquidated, MarginCalled
from riposte.exchange.feed import FundingRate
from riposte.exchange.margin import break_even_e8, entry_price_e8, liquidation_price_e8
from riposte.exchange.units import E8


def test_a_market_order_costs_its_fee_and_binds_its_margin() -> None:
    world = World()
    account = world.account(10_000, leverage=10)
    world.order(account, "BUY", 0.5)
    # 0.5 × 50 000.1 = 25 000.05; taker fee 0.05 % = 12.500025; margin at the mark 25 000 / 10
    position, money = world.position(account), world.view(account)
    assert position.cost_e8 == e8(25_000.05)
    assert entry_price_e8(position) == e8(50_000.1)
    assert money.wallet == e8(10_000 - 12.500025)
    assert money.unrealized == e8(-0.05)
    assert money.initial_margin == e8(2_500)
    assert money.maintenance == e8(100)  # 25 000 × 0.4 %
    assert money.available == e8(10_000 - 12.500025 - 0.05 - 2_500)
    assert break_even_e8(position) == e8(50_025.10005)  # (25 000.05 + 12.500025) / 0.5


def test_profit_is_realised_by_the_average_entry_and_fees_by_the_role() -> None:
    world = World()
    account = world.account(10_000)
    world.order(account, "BUY", 0.1)  # at 50 000.1
    world.move(51_000)
    world.order(account, "BUY", 0.1)  # at 51 000.1
    rest = world.order(account, "SELL", 0.1, 52_000)
    world.move(52_100)
    assert rest.status == "FILLED"
    # average entry 50 500.1; 0.1 sold at 52 000 as maker
    assert rest.realized_e8 == e8(0.1 * (52_000 - 50_500.1))
    fees = 5_000.01 * 0.0005 + 5_100.01 * 0.0005 + 5_200 * 0.0002
    assert account.wallet_e8 == e8(10_000 + 149.99 - fees)
    assert entry_price_e8(world.position(account)) == e8(50_500.1)


def test_a_position_that_turns_realises_only_what_it_closes() -> None:
    world = World()
    account = world.account(10_000)
    world.order(account, "BUY", 0.2)
    world.move(49_000)
    world.order(account, "SELL", 0.5)  # at 48 999.9: closes 0.2, opens 0.3 short
    assert world.coins(account) == -0.3
    assert entry_price_e8(world.position(account)) == e8(48_999.9)
    realized = [row.amount_e8 for row in account.income if row.kind == "REALIZED_PNL"]
    assert realized == [e8(0.2 * (48_999.9 - 50_000.1))]


def test_open_orders_bind_the_larger_of_the_two_exposures() -> None:
    world = World()
    account = world.account(10_000, leverage=10)
    world.order(account, "BUY", 0.1, 49_000)
    assert world.view(account).open_order_margin == e8(490)
    world.order(account, "SELL", 0.05, 51_000)
    assert world.view(account).open_order_margin == e8(490)  # the sells bind less
    world.order(account, "SELL", 0.1, 51_000)
    assert world.view(account).open_order_margin == e8(765)  # 0.15 × 51 000 / 10


def test_an_order_that_only_closes_binds_nothing() -> None:
    world = World()
    account = world.account(10_000, leverage=10)
    world.order(account, "BUY", 0.1)
    before = world.view(account).available
    world.order(account, "SELL", 0.1, 51_000)
    assert world.view(account).available == before
    world.order(account, "SELL", 0.1, 51_000, reduce_only=True)
    assert world.view(account).available == before


def test_what_an_account_cannot_carry_is_refused() -> None:
    world = World()
    account = world.account(1_000, leverage=10)
    assert world.refused(world.order, account, "BUY", 0.2) == -2019  # needs 1 000 and a fee
    world.order(account, "BUY", 0.19)
    assert world.refused(world.order, account, "BUY", 0.1, 49_000) == -2019
    big = world.account(10**9, leverage=125)
    assert world.refused(world.order, big, "BUY", 1.1) == -2027  # 125x: up to 50 000


@pytest.mark.parametrize(("side", "sign"), [("BUY", 1), ("SELL", -1)])
def test_cross_margin_is_liquidated_exactly_at_its_liquidation_price(side: str, sign: int) -> None:
    world = World()
    account = world.account(2_000)
    world.order(account, side, 0.5)
    wallet, entry = account.wallet_e8 / E8, 50_000 + sign * 0.1
    # wallet + sign × 0.5 × (P − entry) = 0.004 × 0.5 × P
    by_hand = (sign * 0.5 * entry - wallet) / (sign * 0.5 - 0.002)
    price = liquidation_price_e8(account, world.position(account), world.exchange.mark_e8)
    assert price == pytest.approx(by_hand * E8, abs=2)
    world.mark((price + sign * E8 / 100) / E8)
    assert world.coins(account) == sign * 0.5
    world.mark((price - sign * E8 / 100) / E8)
    assert world.coins(account) == 0
    [forced] = [e for e in world.events if isinstance(e, Liquidated)]
    assert forced.order.client_order_id.startswith("autoclose-")
    assert forced.status == "FILLED"


def test_a_margin_call_comes_at_four_fifths_and_once() -> None:
    world = World()
    account = world.account(2_000)
    world.order(account, "BUY", 0.5)
    wallet = account.wallet_e8 / E8
    # 0.002 P / (wallet + 0.5 (P − 50 000.1)) = 0.8
    price = (0.5 * 50_000.1 - wallet) / (0.5 - 0.0025)
    world.mark(price + 1)
    assert not [e for e in world.events if isinstance(e, MarginCalled)]
    for change in (-1, -2, -1.5):
        world.mark(price + change)
    assert len([e for e in world.events if isinstance(e, MarginCalled)]) == 1
    world.mark(price + 500)  # it recovers
    world.mark(price - 1)
    assert len([e for e in world.events if isinstance(e, MarginCalled)]) == 2


def test_an_isolated_position_loses_its_margin_and_no_more() -> None:
    world = World(insurance=10**6)
    account = world.account(10_000, isolated=True, leverage=20)
    world.order(account, "BUY", 0.4)
    margin = world.position(account).isolated_margin_e8
    assert margin == e8(20_000.04 / 20)
    cross = account.wallet_e8 - margin
    world.move(40_000)  # far beyond bankruptcy
    assert world.coins(account) == 0
    assert account.wallet_e8 == cross
    assert world.exchange.insurance_e8 < e8(10**6)  # the fund paid for the gap


def test_what_a_close_costs_beyond_the_wallet_is_cleared_and_told() -> None:
    world = World(insurance=10**6)
    account = world.account(1_000, leverage=50)
    world.order(account, "BUY", 0.8)
    world.quote(48_000)  # the book gaps, the mark price stands: no liquidation, a dear close
    world.order(account, "SELL", 0.8, reduce_only=True)
    told = [e for e in world.events if isinstance(e, AccountChanged)]
    owed = -told[-2].wallet_e8
    assert (told[-2].reason, told[-1].reason) == ("ORDER", "INSURANCE_CLEAR")
    assert owed == e8(0.8 * (50_000.1 - 47_999.9) + 0.8 * (50_000.1 + 47_999.9) * 0.0005 - 1_000)
    assert (told[-1].wallet_e8, told[-1].balance_change_e8) == (0, owed)
    assert world.exchange.insurance_e8 == e8(10**6) - owed


def test_margin_moves_in_and_out_of_an_isolated_position() -> None:
    world = World()
    account = world.account(10_000, isolated=True, leverage=10)
    world.order(account, "BUY", 0.1)
    own = world.position(account)
    before = own.isolated_margin_e8
    adjust = world.exchange.adjust_isolated_margin
    adjust(account, SYMBOL, "BOTH", e8(100), add=True)
    assert own.isolated_margin_e8 == before + e8(100)
    assert world.refused(adjust, account, SYMBOL, "BOTH", e8(10_000), add=True) == -4050
    assert world.refused(adjust, account, SYMBOL, "BOTH", e8(101), add=False) == -4051
    adjust(account, SYMBOL, "BOTH", e8(99), add=False)
    world.order(account, "SELL", 0.05)
    assert own.isolated_margin_e8 == pytest.approx((before + e8(1)) / 2, abs=1)


def test_funding_moves_exactly_what_longs_owe_to_shorts() -> None:
    world = World()
    long, short = world.account(10_000), world.account(10_000)
    world.order(long, "BUY", 0.3)
    world.order(short, "SELL", 0.1)
    before = long.wallet_e8, short.wallet_e8
    settle = START + 3_600_000
    world.apply(FundingRate(world.now, SYMBOL, e8(0.0001), settle))
    world.mark(51_000)
    world.wait(settle - world.now - 1)
    assert (long.wallet_e8, short.wallet_e8) == before
    world.wait(1)
    assert long.wallet_e8 - before[0] == -e8(0.3 * 51_000 * 0.0001)
    assert short.wallet_e8 - before[1] == e8(0.1 * 51_000 * 0.0001)
    told = [e for e in world.events if isinstance(e, AccountChanged) and e.reason == "FUNDING_FEE"]
    assert len(told) == 2
    assert world.exchange.next_funding_ms[SYMBOL] == settle + 8 * 3_600_000


def test_bankruptcy_without_a_fund_deleverages_the_most_profitable_leverage() -> None:
    world = World(insurance=0)
    broke = world.account(1_000, leverage=20)
    calm, eager = world.account(50_000, leverage=5), world.account(50_000, leverage=20)
    world.order(broke, "BUY", 0.35)
    world.order(calm, "SELL", 0.3)
    world.order(eager, "SELL", 0.3)
    world.bare()  # nobody to sell to
    world.mark(46_000)
    assert world.coins(broke) == 0
    assert broke.wallet_e8 == 0
    assert world.coins(eager) == 0  # same profit, more leverage: first
    assert world.coins(calm) == -0.25
    assert [o.client_order_id for o in eager.orders.values()][-1] == "adl_autoclose"


def test_the_liquidation_fee_goes_to_the_fund() -> None:
    world = World(insurance=1_000)
    account = world.account(2_000)
    world.order(account, "BUY", 0.5)
    world.exchange.liquidate(account)
    world.check()
    # 0.5 × 50 000 × 1.25 % = 312.5
    assert world.exchange.insurance_e8 == e8(1_312.5)
    assert [r.amount_e8 for r in account.income if r.info == "liquidation fee"] == [-e8(312.5)]


def test_liquidation_takes_the_open_orders_first() -> None:
    world = World()
    account = world.account(3_000)
    world.order(account, "BUY", 0.5)
    rest = world.order(account, "BUY", 0.1, 47_700)
    world.mark(44_200)
    assert rest.status == "CANCELED"
    assert world.coins(account) == 0


def test_lower_brackets_lower_the_leverage_and_may_liquidate() -> None:
    world = World()
    account = world.account(1_000, leverage=20)
    world.order(account, "BUY", 0.35)
    contract = world.exchange.contracts[SYMBOL]
    harder = tuple(replace(b, rate_ppm=60_000, amount_e8=0, leverage=5) for b in contract.brackets)
    world.exchange.change_contract(replace(contract, brackets=harder))
    world.check()
    assert [e.leverage for e in world.events if isinstance(e, ConfigChanged)][-1] == 5
    assert account.settings[SYMBOL].leverage == 5
    assert world.coins(account) == 0  # 17 500 × 6 % is more than it has
    with pytest.raises(ValueError, match="can't change"):
        world.exchange.change_contract(replace(contract, tick_e8=e8(1)))


def test_fees_follow_the_contract_as_it_is_when_an_order_fills() -> None:
    world = World()
    account = world.account(10_000)
    world.order(account, "BUY", 0.1, 49_900)
    world.exchange.change_contract(replace(world.exchange.contracts[SYMBOL], maker_ppm=1_000))
    world.move(49_800)
    assert account.fills[0].fee_e8 == e8(4_990 * 0.001)


def test_leverage_changes_are_checked() -> None:
    world = World()
    account = world.account(1_000, leverage=20)
    world.order(account, "BUY", 0.35)  # 17 500: needs 875
    change = world.exchange.set_leverage
    assert world.refused(change, account, SYMBOL, 10) == -2028
    assert world.refused(change, account, SYMBOL, 126) == -4028
    change(account, SYMBOL, 100)
    assert world.view(account).initial_margin == e8(175)
    own = world.account(1_000, isolated=True, leverage=20)
    world.order(own, "BUY", 0.1)
    assert world.refused(change, own, SYMBOL, 10) == -4161


def test_profit_on_paper_can_be_traded_on_but_not_withdrawn() -> None:
    world = World()
    account = world.account(1_000, leverage=20)
    world.order(account, "BUY", 0.1)  # binds 250
    world.move(52_000)  # + 199.99
    money = world.view(account)
    assert money.available == account.wallet_e8 + e8(199.99) - e8(260)
    assert money.max_withdraw == account.wallet_e8 - e8(260)
    transfer = world.exchange.transfer
    assert world.refused(transfer, account, -money.max_withdraw - 1) == -2018
    transfer(account, -money.max_withdraw)
    world.check()
