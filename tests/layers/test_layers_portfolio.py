"""From market frames to the portfolio's rows: nothing from later, and live as in the back-test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riposte.errors import InputError
from riposte.layers.position.covariance import (
    Shrinkage,
    annual_volatilities,
    return_windows,
)
from riposte.layers.position.portfolio import PortfolioConfig, Weighting, portfolio_of
from riposte.market.assemble import assemble
from riposte.market.frame import MarketFrame, make_frame
from riposte.market.interval import DAY_NS, HOUR_NS, INTERVALS, MINUTE_NS, Interval
from riposte.market.portfolio import Portfolio
from riposte.market.timeframes import coarser
from riposte.sources.recorded import read_series

START = 19_800 * DAY_NS + 5 * HOUR_NS
WINDOW = 6 * DAY_NS
WEIGHTINGS: tuple[Weighting, ...] = ("equal", "inverse-volatility", "risk-parity", "hrp")
configs = st.builds(
    PortfolioConfig,
    st.sampled_from(WEIGHTINGS),
    st.just(WINDOW),
    st.sampled_from(["none", "identity"]),
)


def market(
    seed: int, interval: Interval, days: float = 12, symbols: int = 4
) -> tuple[MarketFrame, ...]:
    """Symbols with a common factor and their own sizes, listing dates and holes."""
    chance = np.random.default_rng(seed)
    bars = int(days * DAY_NS // interval.ns)
    common = chance.normal(size=bars)
    start = START // interval.ns * interval.ns
    frames = []
    for symbol in range(symbols):
        moves = (common + chance.normal(size=bars)) * np.exp(chance.normal(-6.0, 0.5))
        close = 100 * np.exp(np.cumsum(moves))
        there = chance.random(bars) > 0.02
        if symbol == 1:
            there[: bars // 3] = False
        if symbol == 2:
            there[bars // 2 : bars // 2 + bars // 8] = False
        frames.append(frame_of(f"{'DBCA'[symbol % 4]}{symbol}USDT", interval, start, close, there))
    return tuple(frames)


def frame_of(
    symbol: str, interval: Interval, start: int, close: np.ndarray, there: np.ndarray
) -> MarketFrame:
    rows = np.flatnonzero(there)
    prices = dict.fromkeys(("open", "high", "low", "close"), close[rows])
    return make_frame(
        symbol, interval, start + rows * interval.ns, {**prices, "volume": np.ones(len(rows))}
    )


def same_bits(one: Portfolio, other: Portfolio) -> bool:
    return all(
        getattr(one, name).tobytes() == getattr(other, name).tobytes()
        for name in ("since", "correlation", "weight")
    )


def rows(portfolio: Portfolio, part: slice) -> Portfolio:
    return Portfolio(portfolio.since[part], portfolio.correlation[part], portfolio.weight[part])


def known_by(frames: Sequence[MarketFrame], start_ns: int, time_ns: int) -> list[MarketFrame]:
    """What a process has in hand that keeps the bars that closed in ``[start_ns, time_ns]``."""
    out = []
    for frame in frames:
        inside = np.searchsorted(frame.close_time, [start_ns, time_ns + 1])
        out.append(frame.rows(*map(int, inside)))
    return out


# -- time ----------------------------------------------------------------------------------------


@given(
    seed=st.integers(0, 999),
    interval=st.sampled_from([INTERVALS[name] for name in ("15m", "1h", "4h")]),
    config=configs,
    cut=st.floats(0.3, 0.9),
)
def test_another_future_leaves_every_row_known_by_then_to_the_last_bit(
    seed: int, interval: Interval, config: PortfolioConfig, cut: float
) -> None:
    frames = market(seed, interval)
    end = max(int(frame.close_time[-1]) for frame in frames)
    time = START + int(cut * (end - START)) // MINUTE_NS * MINUTE_NS
    chance = np.random.default_rng(seed + 1)
    changed = []
    for frame in frames:
        later = frame.close_time > time
        close = np.where(later, frame["close"] * chance.uniform(0.2, 5, len(frame)), frame["close"])
        left = ~later | (chance.random(len(frame)) < 0.7)
        prices = dict.fromkeys(("open", "high", "low", "close"), close[left])
        columns = {**prices, "volume": np.ones(int(left.sum()))}
        changed.append(make_frame(frame.symbol, interval, frame.open_time[left], columns))
    before, after = portfolio_of(frames, config), portfolio_of(changed, config)
    known = slice(0, int((before.since <= time).sum()))
    assert same_bits(rows(before, known), rows(after, known))
    assert not same_bits(before, after), "the change must be one that shows"


@given(seed=st.integers(0, 999), config=configs, interval=st.sampled_from(["15m", "1h", "4h"]))
def test_a_daily_update_from_the_last_window_gives_the_row_of_the_whole_history(
    seed: int, config: PortfolioConfig, interval: str
) -> None:
    frames = market(seed, INTERVALS[interval])
    whole = portfolio_of(frames, config)
    for epoch in (0, 2, 6, len(whole.since) - 1):
        time = int(whole.since[epoch])
        seen = known_by(frames, time - WINDOW, time)
        if not any(map(len, seen)):
            continue
        update = portfolio_of(seen, config)
        assert same_bits(rows(update, slice(-1, None)), rows(whole, slice(epoch, epoch + 1)))


def test_the_bar_that_closes_at_midnight_is_known_at_midnight() -> None:
    frames = market(1, INTERVALS["1h"])
    config = PortfolioConfig(window_ns=WINDOW)
    midnight = int(frames[0].close_time[-1]) // DAY_NS * DAY_NS
    with_it = portfolio_of(known_by(frames, 0, midnight), config)
    without = portfolio_of(known_by(frames, 0, midnight - 1), config)
    assert with_it.since[-1] == midnight
    assert without.since[-1] == midnight - DAY_NS


def test_there_is_a_row_for_every_close_from_the_first_one_on() -> None:
    frames = market(2, INTERVALS["1h"])
    portfolio = portfolio_of(frames, PortfolioConfig(window_ns=WINDOW))
    assert (portfolio.since % DAY_NS == 0).all()
    assert (np.diff(portfolio.since) == DAY_NS).all()
    closes = np.unique(np.concatenate([frame.close_time for frame in frames]))
    holds = portfolio.since[portfolio.row_at(closes)]
    assert ((closes - holds >= 0) & (closes - holds < DAY_NS)).all()


# -- symbols -------------------------------------------------------------------------------------


@given(seed=st.integers(0, 999), order=st.permutations(range(4)), config=configs)
def test_the_order_of_the_frames_changes_not_a_bit(
    seed: int, order: list[int], config: PortfolioConfig
) -> None:
    frames = market(seed, INTERVALS["1h"])
    there = portfolio_of(frames, config)
    here = portfolio_of([frames[i] for i in order], config)
    turned = Portfolio(
        there.since, there.correlation[:, order][:, :, order], there.weight[:, order]
    )
    assert same_bits(here, turned)


def test_a_symbol_has_no_weight_and_no_correlation_until_half_a_window_is_known() -> None:
    hours = INTERVALS["1h"]
    chance = np.random.default_rng(3)
    start, bars = 19_800 * DAY_NS, 24 * 10
    close = 100 * np.exp(np.cumsum(chance.normal(0, 0.01, (2, bars)), axis=1))
    listed = np.arange(bars) >= 24
    frames = [
        frame_of("AUSDT", hours, start, close[0], np.ones(bars, bool)),
        frame_of("BUSDT", hours, start, close[1], listed),
    ]
    portfolio = portfolio_of(frames, PortfolioConfig(window_ns=WINDOW))
    assert (portfolio.weight[:4] == 0).all(), "71 returns of 144 are less than half"
    assert (portfolio.weight[4] == [1.0, 0.0]).all()
    assert np.isnan(portfolio.correlation[:5, 0, 1]).all()
    assert (portfolio.weight[5:] > 0).all()
    assert np.isfinite(portfolio.correlation[5:, 0, 1]).all()


def test_what_a_symbol_moves_in_a_year_is_the_deviation_of_its_returns_scaled() -> None:
    frame = market(4, INTERVALS["1h"], symbols=1)[0]
    windows = return_windows([frame], WINDOW)
    closes = pd.Series(frame["close"], pd.to_datetime(frame.close_time))
    returns = np.log(closes.asfreq("h")).diff()
    yearly = returns.rolling(144, min_periods=72).std() * np.sqrt(365 * 24)
    theirs = yearly.reindex(pd.to_datetime(windows.since)).to_numpy()
    found = annual_volatilities(windows)[:, 0]
    np.testing.assert_allclose(found[1:], theirs[1:], rtol=1e-8)
    assert np.isfinite(found[4:]).all()


# -- bars ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_short_bars_are_read_at_the_hours(weighting: Weighting) -> None:
    """Whole hours of them give the very rows that hourly bars give."""
    config = PortfolioConfig(weighting, WINDOW)
    frames = [frame.between(START, 2**62) for frame in market(5, INTERVALS["15m"], symbols=2)]
    closes = [frame_without_holes(frame) for frame in frames]
    hourly = [coarser(frame, INTERVALS["1h"]) for frame in closes]
    assert same_bits(portfolio_of(closes, config), portfolio_of(hourly, config))


def frame_without_holes(frame: MarketFrame) -> MarketFrame:
    step = frame.interval.ns
    first, last = int(frame.open_time[0]) // HOUR_NS * HOUR_NS, int(frame.open_time[-1])
    there = np.arange(first + HOUR_NS, last - last % HOUR_NS, step)
    close = frame["close"][np.searchsorted(frame.open_time, there)]
    return frame_of(frame.symbol, frame.interval, int(there[0]), close, np.ones(len(there), bool))


def test_a_correlation_that_late_trades_hide_from_short_bars_is_seen() -> None:
    """Epps (1979): the second symbol follows twenty minutes late."""
    minutes = INTERVALS["5m"]
    chance = np.random.default_rng(6)
    path = np.cumsum(chance.normal(0, 1e-3, 12 * 24 * 12))
    late = np.roll(path, 4)
    late[:4] = 0.0
    every = np.ones(len(path), bool)
    frames = [
        frame_of(name, minutes, 19_800 * DAY_NS, 100 * np.exp(x), every)
        for name, x in (("AUSDT", path), ("BUSDT", late))
    ]
    seen = portfolio_of(frames, PortfolioConfig(window_ns=WINDOW)).correlation[-1, 0, 1]
    bars = np.corrcoef(*(np.diff(np.log(frame["close"]))[-1728:] for frame in frames))[0, 1]
    assert bars < 0.1
    assert seen == pytest.approx(2 / 3, abs=0.1)


# -- refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("interval", "days"), [("1m", 1), ("1h", 1), ("4h", 4), ("1d", 29)])
def test_a_window_of_too_few_returns_is_refused_with_what_is_needed(
    interval: str, days: int
) -> None:
    frame = market(0, INTERVALS[interval], days=40 if interval == "1d" else 2, symbols=1)
    config = PortfolioConfig(window_ns=days * DAY_NS)
    with pytest.raises(InputError, match=r"portfolio.window = .* holds \d+ returns .* at least"):
        portfolio_of(frame, config)


def test_frames_that_are_not_one_each_of_one_interval_are_refused() -> None:
    hours, minutes = market(0, INTERVALS["1h"]), market(0, INTERVALS["15m"])
    config = PortfolioConfig(window_ns=WINDOW)
    with pytest.raises(ValueError, match="one frame for each symbol"):
        portfolio_of([hours[0], hours[0]], config)
    with pytest.raises(ValueError, match="frames of one interval"):
        portfolio_of([hours[0], minutes[1]], config)
    with pytest.raises(ValueError, match="frames of one interval"):
        portfolio_of([], config)
    with pytest.raises(ValueError, match="no bars"):
        portfolio_of([hours[0].rows(0, 0)], config)


@pytest.mark.parametrize(
    ("weights", "shrinkage", "said"),
    [
        ("hrp", "constant-correlation", "no tree"),
        ("kelly", "none", "'kelly' is not known: use one of equal"),
        ("equal", "lasso", "'lasso' is not known: use one of none"),
    ],
)
def test_weights_that_cannot_be_made_are_refused(
    weights: Weighting, shrinkage: Shrinkage, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        PortfolioConfig(weights, shrinkage=shrinkage)


# -- recorded markets ----------------------------------------------------------------------------

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT")
SOL = 2


def recorded(folder: Path, symbol: str, interval: str) -> MarketFrame:
    series = read_series(folder / "klines" / f"{symbol}-{interval}.parquet")
    return assemble(symbol, INTERVALS[interval], {"klines": series})


@pytest.fixture(scope="module")
def recorded_frames(market_data: Path) -> list[MarketFrame]:
    return [recorded(market_data, symbol, "1h") for symbol in SYMBOLS]


@pytest.fixture(scope="module")
def of_the_record(recorded_frames: list[MarketFrame]) -> Portfolio:
    return portfolio_of(recorded_frames, PortfolioConfig())


def ns(text: str) -> int:
    return int(np.datetime64(text, "ns").astype(np.int64))


def test_recorded_correlations_are_pandas_rolling_ones_on_every_day(
    recorded_frames: list[MarketFrame], of_the_record: Portfolio
) -> None:
    """Through later listings, and through the 72 h and 48 h that SOL misses."""
    closes = pd.DataFrame(
        {f.symbol: pd.Series(f["close"], pd.to_datetime(f.close_time)) for f in recorded_frames}
    )
    returns = np.log(closes.asfreq("h")).diff()
    days = pd.to_datetime(of_the_record.since)
    for i, one in enumerate(SYMBOLS):
        for j, other in enumerate(SYMBOLS[:i]):
            rolling = returns[one].rolling(720, min_periods=360).corr(returns[other])
            theirs = rolling.reindex(days).to_numpy()
            ours = of_the_record.correlation[:, i, j]
            np.testing.assert_allclose(ours[1:], theirs[1:], atol=1e-9, rtol=0)


def test_sol_takes_its_share_half_a_month_after_its_listing_and_keeps_it_through_its_gaps(
    of_the_record: Portfolio,
) -> None:
    weight, since = of_the_record.weight, of_the_record.since
    took = since[np.flatnonzero(weight[:, SOL] > 0)[0]]
    assert took == ns("2020-09-30"), "listed at 2020-09-14 07:00: 360 returns by the 29th, 08:00"
    before = of_the_record.row_at(np.array([took - 1]))[0]
    assert weight[before, SOL] == 0.0
    assert (weight[before, [0, 1, 3]] > 0.1).all()
    assert (weight[since >= took, SOL] > 0.05).all()
    gap = (since >= ns("2022-02-26")) & (since <= ns("2022-04-30"))
    assert np.isfinite(of_the_record.correlation[gap]).all()
    assert (weight[since < ns("2020-01-16")] == 0).all()
    assert weight[since >= ns("2020-01-17")].sum(axis=1) == pytest.approx(1.0)


def test_the_coins_move_so_much_alike_that_the_limit_of_the_portfolio_tier_binds(
    of_the_record: Portfolio,
) -> None:
    """Known from the record: bitcoin and ether hardly ever correlate less than 0.7."""
    beyond = of_the_record.correlation[20:, 0, 1] > 0.7
    assert 0.9 < beyond.mean() < 1.0


@pytest.mark.parametrize("symbol", ["BTCUSDT", "SOLUSDT"])
def test_five_minute_files_give_the_rows_of_the_hourly_ones(market_data: Path, symbol: str) -> None:
    config = PortfolioConfig(window_ns=10 * DAY_NS)
    fine = [recorded(market_data, each, "5m") for each in (symbol, "ETHUSDT")]
    whole = [coarser(frame, INTERVALS["1h"]) for frame in fine]
    hourly = [recorded(market_data, each, "1h") for each in (symbol, "ETHUSDT")]
    ours = portfolio_of(fine, config)
    assert np.isfinite(ours.correlation[:, 0, 1]).sum() > 10
    theirs = portfolio_of(hourly, config)
    complete = [
        epoch
        for epoch, time in enumerate(ours.since)
        if all(len(part) == 240 for part in known_by(whole, int(time) - 10 * DAY_NS + 1, int(time)))
    ]
    assert len(complete) > 3
    there = theirs.row_at(ours.since[complete])
    assert ours.correlation[complete].tobytes() == theirs.correlation[there].tobytes()
    assert ours.weight[complete].tobytes() == theirs.weight[there].tobytes()
