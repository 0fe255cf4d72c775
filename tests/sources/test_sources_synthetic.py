"""The synthetic market: the stylised facts are there, and the random walk has none to learn from."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from riposte.errors import InputError
from riposte.market.assemble import assemble
from riposte.market.checks import check
from riposte.market.frame import Floats, MarketFrame
from riposte.market.interval import DAY_NS, HOUR_NS, INTERVALS, Interval
from riposte.market.series import Series
from riposte.sources.synthetic import MarketKind, synthetic_market

START = 18_262 * DAY_NS  # 2020-01-01
HOUR = INTERVALS["1h"]
YEARS = 5
BARS = YEARS * 8760


def frames_of(
    kind: MarketKind, seed: int, interval: Interval = HOUR, bars: int = BARS
) -> dict[str, MarketFrame]:
    market = synthetic_market(["BTCUSDT", "SOLUSDT"], interval, START, bars, seed, kind=kind)
    return {symbol: assemble(symbol, interval, series) for symbol, series in market.items()}


@pytest.fixture(scope="module")
def real() -> MarketFrame:
    return frames_of("realistic", 11)["BTCUSDT"]


@pytest.fixture(scope="module")
def walk() -> MarketFrame:
    return frames_of("random-walk", 11)["BTCUSDT"]


def returns_of(frame: MarketFrame) -> Floats:
    return np.diff(np.log(frame["close"]))


def kurtosis(values: Floats) -> float:
    centred = values - values.mean()
    return float((centred**4).mean() / (centred**2).mean() ** 2)


def correlation(one: Floats, other: Floats) -> float:
    both = np.isfinite(one) & np.isfinite(other)
    return float(np.corrcoef(one[both], other[both])[0, 1])


def memory(values: Floats, lag: int) -> float:
    return correlation(values[:-lag], values[lag:])


def digest(market: dict[str, dict[str, Series]]) -> str:
    total = hashlib.sha256()
    for symbol, by_kind in market.items():
        for kind, series in by_kind.items():
            total.update(f"{symbol} {kind}".encode() + series.event_time.tobytes())
            for values in series.columns.values():
                total.update(values.tobytes())
    return total.hexdigest()


# The same and different


@pytest.mark.parametrize("kind", ["realistic", "random-walk"])
def test_the_same_seed_gives_the_same_bytes_and_another_gives_others(kind: MarketKind) -> None:
    def made(seed: int) -> str:
        return digest(synthetic_market(["BTCUSDT", "ETHUSDT"], HOUR, START, 500, seed, kind=kind))

    assert made(1) == made(1)
    assert made(1) != made(2)


def test_a_seed_changes_the_symbol_s_own_chance_and_not_only_the_common_one() -> None:
    def own(seed: int) -> Floats:
        candles = synthetic_market(["SOLUSDT"], HOUR, START, 2000, seed)["SOLUSDT"]["klines"]
        return np.log(candles["trade_count"] / candles["quote_volume"])

    assert abs(correlation(own(1), own(2))) < 0.1


def test_a_symbol_does_not_depend_on_its_company() -> None:
    alone = synthetic_market(["SOLUSDT"], HOUR, START, 500, 1)
    together = synthetic_market(["BTCUSDT", "SOLUSDT", "XYZUSDT"], HOUR, START, 500, 1)
    assert digest(alone) == digest({"SOLUSDT": together["SOLUSDT"]})


@pytest.mark.parametrize("name", ["1m", "5m", "15m", "1h", "4h", "12h", "1d"])
@pytest.mark.parametrize("kind", ["realistic", "random-walk"])
def test_every_interval_gives_sound_series(name: str, kind: MarketKind) -> None:
    interval = INTERVALS[name]
    market = synthetic_market(["BTCUSDT", "NEWUSDT"], interval, START + 1, 1500, 3, kind=kind)
    for symbol, by_kind in market.items():
        for series in by_kind.values():
            errors = [f for f in check(series) if f.severity == "error" or f.code == "gap"]
            assert errors == []
        candles = by_kind["klines"]
        assert candles.event_time[0] >= START
        assert (candles.event_time % interval.ns == 0).all()
        frame = assemble(symbol, interval, by_kind)
        for column in ("funding_charge", "open_interest", "mark_price", "index_price", "premium"):
            assert frame.has(column), column


def test_bars_are_consistent(real: MarketFrame) -> None:
    opened, high, low, close = (real[name] for name in ("open", "high", "low", "close"))
    assert (high >= np.maximum(opened, close)).all()
    assert (low <= np.minimum(opened, close)).all()
    assert (opened[1:] == close[:-1]).all()
    assert (real["taker_buy_volume"] <= real["volume"]).all()
    assert (real["taker_buy_volume"] >= 0).all()
    between = real["quote_volume"] / real["volume"]
    assert ((between > low * 0.999) & (between < high * 1.001)).all()


@pytest.mark.parametrize(
    ("symbols", "bars", "kind"),
    [([], 9, "realistic"), (["BTCUSDT"], 1, "realistic"), (["BTCUSDT"], 9, "sideways")],
)
def test_a_market_that_makes_no_sense_is_refused(symbols: list[str], bars: int, kind: str) -> None:
    with pytest.raises(InputError):
        synthetic_market(symbols, HOUR, START, bars, 1, kind=kind)  # type: ignore[arg-type]


# The stylised facts of the realistic market


def test_returns_are_fat_tailed_and_hardly_correlated(real: MarketFrame) -> None:
    returns = returns_of(real)
    assert kurtosis(returns) > 8
    assert 0.4 < returns.std() * np.sqrt(8760) < 1.2
    for lag in (1, 2, 3, 24):
        assert abs(memory(returns, lag)) < 0.04


def test_volatility_clusters_and_its_memory_fades_slowly(real: MarketFrame) -> None:
    size = np.abs(returns_of(real))
    faded = [memory(size, lag) for lag in (1, 24, 120, 480)]
    assert faded == sorted(faded, reverse=True)
    assert faded[0] > 0.25
    assert faded[2] > 0.05


def test_falls_raise_the_coming_volatility_more_than_rises() -> None:
    leverage = [
        memory_of_falls(returns_of(frames_of("realistic", seed)["BTCUSDT"])) for seed in range(4)
    ]
    assert np.mean(leverage) < -0.01


def memory_of_falls(returns: Floats) -> float:
    coming = np.lib.stride_tricks.sliding_window_view(np.abs(returns[1:]), 12).mean(axis=1)
    return correlation(np.clip(returns[: len(coming)], -0.03, 0.03), coming)


def test_volume_and_trades_go_with_the_size_of_the_move_and_taker_flow_with_its_sign(
    real: MarketFrame,
) -> None:
    move = np.log(real["close"] / real["open"])
    assert correlation(np.abs(move), np.log(real["volume"])) > 0.3
    assert correlation(np.log(real["trade_count"]), np.log(real["quote_volume"])) > 0.8
    share = real["taker_buy_volume"] / real["volume"]
    assert correlation(np.sign(move), share) > 0.5


def test_hours_and_weekends_differ(real: MarketFrame) -> None:
    hour = real.open_time % DAY_NS // HOUR_NS
    weekday = (real.open_time // DAY_NS + 4) % 7
    volume = real["quote_volume"]
    assert np.median(volume[hour == 15]) > 1.3 * np.median(volume[hour == 3])
    weekend = (weekday == 0) | (weekday == 6)
    assert np.median(volume[weekend]) < 0.9 * np.median(volume[~weekend])


def test_open_interest_builds_up_in_rises_and_is_flushed_in_violent_hours(
    real: MarketFrame,
) -> None:
    interest = np.log(real["open_interest"])
    day = 24
    grown = interest[day + 1 :] - interest[1:-day]
    moved = np.log(real["close"][day:-1] / real["close"][: -day - 1])
    assert correlation(grown, moved) > 0.1
    change = np.diff(interest)[1:]  # the change over the bar before: it is published late
    size = np.abs(np.log(real["close"] / real["open"]))[1:-1]
    assert correlation(np.clip(-change, 0, None), size) > 0.15
    violent = size > np.quantile(size, 0.999)
    assert np.nanmean(change[violent]) < -0.01
    assert np.nanmin(real["open_interest"]) / np.nanmedian(real["open_interest"]) > 0.3
    assert np.nanmax(real["open_interest"]) / np.nanmedian(real["open_interest"]) < 4


def test_funding_follows_momentum_every_eight_hours(real: MarketFrame) -> None:
    paid = np.flatnonzero(np.nan_to_num(real["hours_since_funding"], nan=-1.0) == 0.0)
    assert (np.diff(paid) == 8).all()
    paid = paid[paid > 48]
    past = np.log(real["close"][paid] / real["close"][paid - 24])
    charge = real["funding_charge"][paid]
    assert correlation(past, charge) > 0.4
    assert charge.mean() > 0
    assert 0.02 < (charge < 0).mean() < 0.4
    assert np.isclose(charge, 1e-4).mean() > 0.3, "the exchange's clamp holds most rates at 0.01 %"
    assert np.abs(charge).max() <= 0.003


def test_mark_and_index_stay_near_the_last_price(real: MarketFrame) -> None:
    assert np.abs(real["mark_price"] / real["close"] - 1).max() < 0.005
    assert np.allclose(real["close"] / real["index_price"] - 1, real["premium"], atol=1e-9)


@pytest.mark.parametrize("kind", ["realistic", "random-walk"])
def test_symbols_move_together_but_not_as_one(kind: MarketKind) -> None:
    frames = frames_of(kind, 3)
    together = correlation(returns_of(frames["BTCUSDT"]), returns_of(frames["SOLUSDT"]))
    assert 0.4 < together < 0.9


def test_interest_does_not_drift_with_the_length_of_the_bar() -> None:
    frame = frames_of("realistic", 2, INTERVALS["5m"], 50_000)["BTCUSDT"]
    share = frame["open_interest"] / np.nanmedian(frame["open_interest"])
    assert np.nanmin(share) > 0.3
    assert np.nanmax(share) < 3.0


# The random walk


def test_the_walk_has_thin_tails_and_constant_volatility(walk: MarketFrame) -> None:
    returns = returns_of(walk)
    assert abs(kurtosis(returns) - 3) < 0.15
    for lag in (1, 24, 120):
        assert abs(memory(np.abs(returns), lag)) < 0.02
        assert abs(memory(returns, lag)) < 0.02
    years = returns[: BARS // 10 * 10 - 10].reshape(10, -1).std(axis=1)
    assert years.max() / years.min() < 1.1


def test_the_walk_is_a_martingale() -> None:
    """The mean simple return over many seeds lies within 3 standard errors of nothing."""
    simple = np.concatenate(
        [
            np.expm1(returns_of(frame))
            for s in range(8)
            for frame in frames_of("random-walk", s).values()
        ]
    )
    assert abs(simple.mean()) < 3 * simple.std() / np.sqrt(
        len(simple) / 2
    )  # two symbols, one factor


def test_nothing_in_a_row_of_the_walk_says_anything_about_the_next_return() -> None:
    coming, known = [], []
    for seed in range(4):
        frame = frames_of("random-walk", seed)["BTCUSDT"]
        move = np.log(frame["close"] / frame["open"])
        known.append(
            np.column_stack(
                [
                    move,
                    np.log(frame["high"] / frame["close"]),
                    np.log(frame["close"] / frame["low"]),
                    np.log(frame["volume"]),
                    frame["taker_buy_volume"] / frame["volume"],
                    np.append(np.nan, np.diff(np.log(frame["open_interest"]))),
                    frame["funding_rate"],
                    frame["premium"],
                    np.log(frame["mark_price"] / frame["close"]),
                ]
            )[:-1]
        )
        coming.append(move[1:])
    rows, target = np.vstack(known), np.concatenate(coming)
    whole = np.isfinite(rows).all(axis=1)
    rows = (rows[whole] - rows[whole].mean(axis=0)) / rows[whole].std(axis=0)
    target = target[whole] / target.std()
    tests = np.abs(rows.T @ target) / np.sqrt(len(target))  # each about N(0, 1) if it says nothing
    assert tests.max() < 3.5
    fit = np.linalg.lstsq(rows, target, rcond=None)[0]
    explained = 1 - ((target - rows @ fit) ** 2).mean() / (target**2).mean()
    assert explained < 3e-4
    # The same test finds what there is: the flow of a bar goes with the move of that bar.
    assert abs(rows[:, 4] @ rows[:, 0]) / np.sqrt(len(target)) > 50


@pytest.mark.parametrize("name", ["5m", "1h"])
def test_the_highs_and_lows_of_the_walk_are_those_of_the_continuous_path(name: str) -> None:
    """The reflection principle: the chance to touch a level is twice that to end beyond it."""
    interval = INTERVALS[name]
    frame = frames_of("random-walk", 5, interval, 80_000)["BTCUSDT"]
    opened, close = np.log(frame["open"]), np.log(frame["close"])
    sigma = (close - opened).std()
    for touched in (np.log(frame["high"]) - opened, opened - np.log(frame["low"])):
        assert touched.mean() / sigma == pytest.approx(np.sqrt(2 / np.pi), rel=0.015)
        for level, chance in ((0.5, 0.6171), (1.0, 0.3173), (2.0, 0.0455)):
            assert (touched > level * sigma).mean() == pytest.approx(chance, rel=0.05)


@pytest.mark.parametrize(("target", "stop"), [(0.015, 0.005), (0.01, 0.01), (0.004, 0.012)])
def test_a_barrier_trade_on_the_walk_is_a_fair_game(target: float, stop: float) -> None:
    """Filled at its barriers, stop first where a bar holds both, a long trade earns nothing on
    average and never more: highs and lows are those of the continuous path."""
    results = []
    for seed in range(3):
        frame = frames_of("random-walk", seed, INTERVALS["5m"], 60_000)["BTCUSDT"]
        results.append(_barrier_results(frame, target, stop))
    earned = np.concatenate(results)
    error = earned.std() / np.sqrt(len(earned))
    assert len(earned) > 500
    assert earned.mean() < 3 * error
    assert earned.mean() > -3 * error - 0.03 * (target + stop)  # the pessimism of two touches


def _barrier_results(frame: MarketFrame, target: float, stop: float) -> Floats:
    opened, high, low = frame["open"], frame["high"], frame["low"]
    results, row = [], 0
    while row < len(frame) - 1:
        entry = opened[row]
        stopped = np.flatnonzero(low[row : row + 2000] <= entry * (1 - stop))
        reached = np.flatnonzero(high[row : row + 2000] >= entry * (1 + target))
        first_stop = stopped[0] if len(stopped) else 10**9
        first_target = reached[0] if len(reached) else 10**9
        if min(first_stop, first_target) == 10**9:
            break
        results.append(-stop if first_stop <= first_target else target)
        row += int(min(first_stop, first_target)) + 1
    return np.array(results)
