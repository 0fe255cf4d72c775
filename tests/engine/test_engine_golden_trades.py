"""Hand-computed trades: what several fills leave on record, what counts as won, and when losses pause."""

from __future__ import annotations

import pytest
from pit import FEES, LATER, TRADES, Pit
from scenario import START

from riposte.engine.enums import Reason


def test_a_trade_in_three_fills_leaves_one_record() -> None:
    pit = Pit(FEES)
    pit.open()  # 10 at 100: fee 1.00
    pit.position["adds"] = 1
    pit.position["best_price"], pit.position["worst_price"] = 112.0, 95.0
    first = pit.close(4.0, 110.0, Reason.PARTIAL_TARGET)  # fee 0.22, profit 40
    assert (first["side"], first["maker"], first["realised"]) == (-1, 1, pytest.approx(40.0))
    assert pit.log.counts[TRADES] == 0
    pit.position["funding"], pit.position["slippage"], pit.position["gap"] = 0.5, 0.75, 0.25
    pit.position["partial_prices"][:2] = 110.0, 112.0
    pit.close(6.0, 115.0, Reason.TARGET)  # fee 0.345, profit 90
    (trade,) = pit.log.trades[: pit.log.counts[TRADES]]
    assert (trade["symbol"], trade["side"], trade["exit_reason"]) == (1, 1, Reason.TARGET)
    assert (trade["regime"], trade["model_id"], trade["confidence"]) == (4, 7, 0.75)
    assert (trade["opened_at"], trade["closed_at"]) == (START, LATER)
    assert trade["entry_price"] == pytest.approx(100.0)
    assert trade["exit_price"] == pytest.approx(113.0)  # (4 x 110 + 6 x 115) / 10
    assert (trade["quantity"], trade["adds"]) == (pytest.approx(10.0), 1)
    assert trade["realised"] == pytest.approx(130.0)
    assert trade["fees"] == pytest.approx(1.565)
    assert (trade["funding"], trade["slippage"], trade["gap"]) == (0.5, 0.75, 0.25)
    assert trade["net"] == pytest.approx(127.935)  # 130 - 1.565 - 0.5
    assert trade["net_fraction"] == pytest.approx(0.0127935)
    assert (trade["best_price"], trade["worst_price"]) == (115.0, 95.0)
    p = pit.position
    assert [p["stop_price"], p["target_price"], *p["partial_prices"]] == [0.0] * 6
    assert (pit.account["trades"], pit.account["wins"], pit.account["losses_in_row"]) == (1, 1, 0)


@pytest.mark.parametrize(
    ("side", "price", "best", "worst"),
    [
        (1, 93.0, 100.0, 93.0),
        (1, 108.0, 108.0, 100.0),
        (-1, 108.0, 100.0, 108.0),
        (-1, 93.0, 93.0, 100.0),
    ],
)
def test_the_price_of_leaving_is_one_of_the_prices_a_trade_has_seen(
    side: int, price: float, best: float, worst: float
) -> None:
    pit = Pit()
    pit.order(side=side)
    pit.open()
    fill = pit.close(10.0, price, Reason.TIME)
    assert fill["side"] == -side
    trade = pit.log.trades[0]
    assert trade["side"] == side
    assert (trade["best_price"], trade["worst_price"]) == (best, worst)
    assert trade["net"] == pytest.approx(10.0 * side * (price - 100.0))


def test_a_trade_is_won_net_of_its_costs_and_a_draw_is_lost() -> None:
    pit = Pit(FEES, pause_after_losses=2, pause_ns=77)
    pit.account["losses_in_row"] = 1

    def trade(profit_price: float, time: int) -> None:
        pit.order()
        pit.open()
        pit.close(10.0, profit_price, Reason.TARGET, time)

    trade(100.1, 1_000)  # 1 of profit, 1.5005 of fees: the second loss in a row, and a pause
    assert (pit.account["wins"], pit.account["losses_in_row"]) == (0, 2)
    assert pit.account["paused_until"] == 1_077
    trade(90.0, 2_000)  # the third: no new pause
    assert (pit.account["losses_in_row"], pit.account["paused_until"]) == (3, 1_077)
    trade(90.0, 3_000)  # the fourth
    assert (pit.account["losses_in_row"], pit.account["paused_until"]) == (4, 3_077)
    trade(101.0, 4_000)  # 10 of profit
    assert (pit.account["wins"], pit.account["losses_in_row"], pit.account["trades"]) == (1, 0, 4)
    assert pit.account["paused_until"] == 3_077  # a win is no pause


def test_every_loss_can_be_a_pause() -> None:
    pit = Pit(pause_after_losses=1, pause_ns=77)
    pit.open()
    pit.close(10.0, 90.0, Reason.STOP, 1_000)
    assert pit.account["paused_until"] == 1_077


def test_exactly_nothing_won_is_a_loss() -> None:
    pit = Pit()
    pit.open()
    pit.close(10.0, 100.0, Reason.TIME)
    assert (pit.account["trades"], pit.account["wins"], pit.account["losses_in_row"]) == (1, 0, 1)
    assert pit.account["paused_until"] == 0  # pauses are off
    pit = Pit(pause_after_losses=1, pause_ns=77)
    pit.open()
    pit.close(10.0, 100.0, Reason.TIME, 1_000)
    assert pit.account["paused_until"] == 1_077


def test_a_quarter_won_is_a_win() -> None:
    pit = Pit(pause_after_losses=1)
    pit.open()
    pit.close(10.0, 100.025, Reason.TIME)
    assert (pit.account["wins"], pit.account["losses_in_row"]) == (1, 0)
    assert pit.account["paused_until"] == 0
