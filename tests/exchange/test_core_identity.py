"""Over any sequence of operations no money appears or vanishes, no book crosses, nobody owes."""

from __future__ import annotations

from decimal import Decimal

import pytest
from core_driver import Life, check_cheap, check_dear, new_exchange
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from riposte.exchange.invariants import gap_e8
from riposte.exchange.units import E8


def live(seed: int, steps: int, *, insurance: int = 50_000) -> Life:
    life = Life(seed, new_exchange(insurance_e8=insurance * E8))
    for number in range(steps):
        life.step()
        check_cheap(life.exchange)
        if number % 50 == 0:
            check_dear(life.exchange)
        life.exchange.take_events()
    check_dear(life.exchange)
    return life


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "insurance"), [(1, 50_000), (2, 50_000), (3, 500), (4, 0)])
def test_a_hundred_thousand_random_operations_conserve_money_to_the_last_digit(
    seed: int, insurance: int
) -> None:
    life = live(seed, 25_000, insurance=insurance)
    kinds = {row.kind for account in life.accounts for row in account.income}
    assert {"TRANSFER", "REALIZED_PNL", "COMMISSION", "FUNDING_FEE", "INSURANCE_CLEAR"} <= kinds
    ends = {algo.status for account in life.accounts for algo in account.algos.values()}
    assert {"CANCELED", "FINISHED", "REJECTED", "EXPIRED"} <= ends
    assert {-2019, -2021, -2022, -2027, -4164, -5021, -5022} <= set(life.refused)


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_an_account_kept_in_decimals_from_its_fills_agrees(seed: int) -> None:
    """An oracle that knows only fills, funding and transfers, by average entry prices."""
    life = live(seed, 3_000)
    for account in life.accounts:
        wallet = sum(
            (Decimal(row.amount_e8) for row in account.income if row.kind not in (
                "REALIZED_PNL", "COMMISSION")),
            Decimal(0),
        )  # fmt: skip
        held: dict[tuple[str, str], tuple[Decimal, Decimal, int]] = {}
        for fill in account.fills:
            contract = life.exchange.contracts[fill.symbol]
            key = (fill.symbol, fill.position_side)
            quantity, entry, cuts = held.get(key, (Decimal(0), Decimal(0), 0))
            price = Decimal(fill.price_ticks) * contract.tick_e8
            change = Decimal(fill.quantity) * contract.step_e8 / E8
            change = change if fill.side == "BUY" else -change
            closing = min(abs(change), abs(quantity)) if change * quantity < 0 else Decimal(0)
            realized = closing * (price - entry) * (1 if quantity > 0 else -1)
            wallet += realized - Decimal(fill.fee_e8)
            after = quantity + change
            if closing == 0:
                entry = (entry * abs(quantity) + price * abs(change)) / abs(after)
            elif after * quantity < 0:
                entry = price
            cuts += 1  # each cut of a cost is rounded to 1e-8 and carried on in what is left
            assert abs(realized - fill.realized_e8) <= cuts
            held[key] = after, entry, cuts if after else 0
        assert abs(wallet - account.wallet_e8) <= len(account.fills) + 1
        for (symbol, side), (quantity, entry, _) in held.items():
            position = account.positions[symbol, side]  # type: ignore[index]
            assert quantity * E8 == position.quantity * position.contract.step_e8
            assert abs(quantity * entry - position.cost_e8) <= len(account.fills) + 1


def test_the_same_seed_gives_the_same_journal_and_another_seed_another() -> None:
    heads = []
    for seed in (5, 5, 6):
        life = Life(seed)
        for _ in range(1_500):
            life.step()
        heads.append(life.exchange.journal.head)
    assert heads[0] == heads[1] != heads[2]


class ExchangeMachine(RuleBasedStateMachine):
    """Hypothesis chooses which operation comes next, and shrinks what breaks a rule."""

    @initialize(seed=st.integers(0, 10_000), insurance=st.sampled_from([0, 1_000, 100_000]))
    def open(self, seed: int, insurance: int) -> None:
        self.life = Life(seed, new_exchange(insurance_e8=insurance * E8), accounts=3)

    @rule(times=st.integers(1, 8))
    def live(self, times: int) -> None:
        for _ in range(times):
            self.life.step()

    @rule()
    def crash(self) -> None:
        self.life.crash()

    @rule(who=st.integers(0, 2))
    def liquidate(self, who: int) -> None:
        self.life.exchange.liquidate(self.life.accounts[who])

    @rule(who=st.integers(0, 2), symbol=st.sampled_from(["BTCUSDT", "SOLUSDT"]))
    def deleverage(self, who: int, symbol: str) -> None:
        account = self.life.accounts[who]
        side = "LONG" if account.hedge_mode else "BOTH"
        self.life.exchange.auto_deleverage(account, symbol, side)

    @invariant()
    def nothing_is_lost(self) -> None:
        if hasattr(self, "life"):
            assert gap_e8(self.life.exchange) == 0
            check_cheap(self.life.exchange)
            check_dear(self.life.exchange)


ExchangeMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=30)
TestExchangeMachine = ExchangeMachine.TestCase
