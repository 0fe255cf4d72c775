"""Shuffled labels: outcomes leave their rows, and keep how they follow one another."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from riposte.layers.contract import TrainingSet
from riposte.market.interval import DAY_NS, HOUR_NS
from riposte.proof.chance.shuffle import LabelShuffle, shuffled

START = 1_672_531_200_000_000_000
MOVED = ("label", "long_return", "short_return", "weight")


def rows(days: int = 180, symbols: int = 2, seed: int = 1) -> TrainingSet:
    """Hourly rows whose labels hold on for two days, alike for all symbols in four cases of five."""
    rng = np.random.default_rng(seed)
    hours = days * 24
    held = np.repeat(rng.choice([-1, 0, 1], hours // 48 + 1), 48)[:hours]
    columns: dict[str, list[np.ndarray]] = {}
    for symbol in range(symbols):
        label = np.where(rng.random(hours) < 0.8, held, rng.choice([-1, 0, 1], hours))
        time = START + np.arange(hours) * HOUR_NS
        for name, values in {
            "features": rng.normal(size=(hours, 3)),
            "time": time,
            "symbol": np.full(hours, symbol),
            "label": label.astype(np.int8),
            "label_end": time + DAY_NS,
            "weight": 1.0 + np.arange(hours) + symbol / 2.0,
            "regime_label": rng.integers(0, 7, hours).astype(np.int8),
            "regime_end": time + DAY_NS,
            "long_return": label * 0.01,
            "short_return": label * -0.01,
            "take_profit": np.full(hours, 0.01),
            "stop_loss": np.full(hours, 0.01),
        }.items():
            columns.setdefault(name, []).append(values)
    joined = {name: np.concatenate(parts) for name, parts in columns.items()}
    order = np.lexsort((joined["symbol"], joined["time"]))
    return TrainingSet(**{n: v[order] for n, v in joined.items()}, names=("a", "b", "c"))


SHUFFLE = LabelShuffle.of(3, DAY_NS)


def test_outcomes_move_as_one_and_all_else_stays() -> None:
    before = rows()
    after = shuffled(before, SHUFFLE, 0)
    for field in dataclasses.fields(before):
        if field.name in MOVED:
            continue
        value = getattr(before, field.name)
        assert value is getattr(after, field.name), field.name
    assert (after.long_return == after.label * 0.01).all()
    assert (after.short_return == after.label * -0.01).all()
    for symbol in (0, 1):  # the weight names the row that an outcome came from
        mine = before.symbol == symbol
        assert sorted(after.weight[mine]) == sorted(before.weight[mine])
    came = after.weight.astype(int) - 1
    source = before.label.reshape(-1, 2)[came, before.symbol]
    assert (after.label == source).all()


def test_no_outcome_keeps_its_row_and_the_hour_of_the_day_stays() -> None:
    before = rows()
    after = shuffled(before, SHUFFLE, 0)
    assert (after.weight != before.weight).all()
    came, went = after.weight.astype(int) - 1, before.weight.astype(int) - 1
    assert (came % 24 == went % 24).all()


def test_outcomes_follow_one_another_and_hang_together_as_before() -> None:
    before = rows()
    after = shuffled(before, SHUFFLE, 0)

    def alike(set_: TrainingSet) -> tuple[float, float]:
        by_symbol = set_.label.reshape(-1, 2)
        following = np.corrcoef(by_symbol[1:, 0], by_symbol[:-1, 0])[0, 1]
        return float(following), float(np.corrcoef(by_symbol.T)[0, 1])

    assert alike(after) == pytest.approx(alike(before), abs=0.03)
    own = np.corrcoef(after.label, before.label)[0, 1]
    assert abs(own) < 0.15


def test_each_fold_and_seed_is_exchanged_in_its_own_way_and_always_the_same() -> None:
    before = rows(60)
    labels = {
        (seed, fold): shuffled(before, LabelShuffle.of(seed, DAY_NS), fold).weight.tobytes()
        for seed in (1, 2)
        for fold in (0, 1)
    }
    assert len(set(labels.values())) == 4
    again = shuffled(before, LabelShuffle.of(2, DAY_NS), 1).weight.tobytes()
    assert again == labels[2, 1]


@pytest.mark.parametrize("days", [1, 3, 12])
def test_a_short_window_is_cut_in_half(days: int) -> None:
    before = rows(days, symbols=1)
    after = shuffled(before, SHUFFLE, 0)
    assert sorted(after.weight) == sorted(before.weight)
    assert (after.weight != before.weight).mean() > 0.9


def test_blocks_are_whole_days_and_far_longer_than_a_label_lives() -> None:
    assert LabelShuffle.of(1, HOUR_NS).block_ns == 10 * DAY_NS
    assert LabelShuffle.of(1, 3 * DAY_NS).block_ns == 30 * DAY_NS
