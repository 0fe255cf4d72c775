"""What must always hold."""

from __future__ import annotations

from riposte.exchange.state import State


def breaches(exchange: State) -> list[str]:
    """One sentence for each rule that does not hold now."""
    worth = sum(
        account.wallet_e8 - sum(p.cost_e8 for p in account.positions.values())
        for account in [*exchange.accounts.values(), exchange.house]
    )
    gap = worth + exchange.insurance_e8 + exchange.fees_e8 - exchange.deposits_e8
    return [f"money came from nowhere: {gap} e8"] if gap else []
