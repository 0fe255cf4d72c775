"""A synthetic market: seeded, for when there is no recorded one, and for tests that need a truth.

``realistic`` has what makes real perpetual futures hard and learnable: a hidden regime (range, up,
down, turbulent, quiet) that switches at random and gives drift and volatility; volatility on two
time scales that answers to its own shocks and more to falls than to rises; jumps; hours and
weekends; one factor common to all symbols; volume and taker flow that go with the moves; open
interest that builds up in trends and is flushed in cascades of liquidations, which push the price
further; a premium that follows momentum, and from it funding by the exchange's formula.

``random-walk`` has none of it in the price: returns are independent, of constant volatility, and the
price is a martingale. Volume, open interest and funding still answer to what the price *did*, so
every input of a model is there and nothing of it says anything about what comes next. The highs and
lows are those of the continuous path (Brownian bridges between the steps), so that a barrier inside
a bar is touched as often as it should be and an order that rests there is a fair game.

The stylised facts are those of R. Cont, "Empirical properties of asset returns" (2001).
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from riposte.compiled import compiled
from riposte.errors import InputError
from riposte.market.frame import Floats, Times
from riposte.market.instrument import instrument_for
from riposte.market.interval import DAY_NS, HOUR_NS, MINUTE_NS, Interval
from riposte.market.series import Series, make_series
from riposte.sources.synthetic_paths import YEAR_HOURS, paths

MarketKind = Literal["realistic", "random-walk"]

_FUNDING_NS = 8 * HOUR_NS
_OPEN_INTEREST_NS = 5 * MINUTE_NS  # the exchange records it no finer

# The regimes: range, up, down, turbulent, quiet.
_DRIFT_PER_HOUR = np.array([0.0, 0.0004, -0.0005, 0.0, 0.0])
_VOLATILITY = np.array([0.8, 1.0, 1.2, 1.9, 0.55])
_MEAN_HOURS = np.array([72.0, 120.0, 96.0, 20.0, 48.0])
_NEXT_REGIME = np.array(
    [
        [0.00, 0.35, 0.25, 0.10, 0.30],
        [0.40, 0.00, 0.15, 0.25, 0.20],
        [0.40, 0.20, 0.00, 0.30, 0.10],
        [0.35, 0.30, 0.35, 0.00, 0.00],
        [0.45, 0.30, 0.20, 0.05, 0.00],
    ]
)
_FACTOR_VOLATILITY = 0.42  # a year's, of the common factor in its usual state


@dataclass(frozen=True, slots=True)
class Character:
    """What tells one symbol from another.

    ``beta`` to the common factor, ``own_volatility`` a year's beside it, first price in USDT,
    usual turnover of an hour and open interest in USDT, usual size of a trade in USDT.
    """

    beta: float
    own_volatility: float
    first_price: float
    hourly_turnover: float
    open_interest: float
    trade_size: float


_CHARACTERS = {
    "BTCUSDT": Character(1.0, 0.15, 30_000.0, 5.0e8, 4.0e9, 4_000.0),
    "ETHUSDT": Character(1.2, 0.28, 2_000.0, 2.5e8, 2.0e9, 2_500.0),
    "BNBUSDT": Character(1.0, 0.35, 300.0, 3.0e7, 4.0e8, 1_200.0),
    "SOLUSDT": Character(1.4, 0.60, 60.0, 6.0e7, 6.0e8, 1_000.0),
}


def synthetic_market(
    symbols: Sequence[str],
    interval: Interval,
    start_ns: int,
    bars: int,
    seed: int,
    *,
    kind: MarketKind = "realistic",
) -> dict[str, dict[str, Series]]:
    """Series by symbol and kind, ready for :func:`riposte.market.assemble.assemble`.

    Per symbol: klines (all columns), mark, index, premium, funding and open interest. The first bar
    opens at ``start_ns`` rounded up to the interval. A symbol's history does not depend on which
    other symbols are asked for; the same arguments give the same bytes.

    Raises:
        InputError: if there are no bars or no symbols, or the kind of market is not known.
    """
    if bars < 2 or not symbols:
        raise InputError(f"a synthetic market needs symbols and at least 2 bars, not {bars}")
    if kind not in ("realistic", "random-walk"):
        raise InputError(f"market {kind!r} is not known: use realistic or random-walk")
    first = -(-start_ns // interval.ns) * interval.ns
    open_time = first + np.arange(bars, dtype=np.int64) * interval.ns
    clock = _Clock.of(interval, open_time)
    chance = np.random.default_rng(np.random.SeedSequence([seed, 0]))
    common = _common_factor(clock, chance, kind)
    return {
        symbol: _symbol_series(
            symbol,
            interval,
            open_time,
            clock,
            common,
            np.random.default_rng(np.random.SeedSequence([seed, zlib.crc32(symbol.encode())])),
            kind,
        )
        for symbol in symbols
    }


@dataclass(frozen=True, slots=True)
class _Clock:
    """Time as the simulation counts it: hours per bar, steps per bar, and the season of each bar."""

    hours: float
    steps: int
    bars: int
    season: Floats

    @staticmethod
    def of(interval: Interval, open_time: Times) -> _Clock:
        hour = (open_time % DAY_NS) / HOUR_NS
        weekend = (open_time // DAY_NS + 4) % 7  # 1970-01-01 was a Thursday; 0 is Sunday
        season = 1.0 + 0.30 * np.cos(2 * np.pi * (hour - 15.0) / 24.0)
        season *= np.where((weekend == 0) | (weekend == 6), 0.75, 1.0)
        steps = int(np.clip(interval.ns // (5 * MINUTE_NS), 4, 12))
        return _Clock(interval.ns / HOUR_NS, steps, len(open_time), season / season.mean())


@dataclass(frozen=True, slots=True)
class _Factor:
    """What all symbols share: the factor's return per step (bars, steps), and per bar how volatile
    the market is against its usual state, and the drift that the regime gives."""

    returns: Floats
    volatility: Floats
    drift: Floats


def _common_factor(clock: _Clock, chance: np.random.Generator, kind: MarketKind) -> _Factor:
    shape = (clock.bars, clock.steps)
    normals = chance.standard_normal(shape)
    step_sigma = _FACTOR_VOLATILITY * np.sqrt(clock.hours / clock.steps / YEAR_HOURS)
    if kind == "random-walk":
        return _Factor(normals * step_sigma, np.ones(clock.bars), np.zeros(clock.bars))
    slow, fast = chance.standard_normal((2, clock.bars))
    switch, towards, jump = chance.random((3, clock.bars))
    jump_size = chance.laplace(0.0, 0.010, clock.bars)
    volatility, drift, jumped = _regimes_and_volatility(
        normals, slow, fast, switch, towards, jump, jump_size, clock.hours, np.sqrt(clock.season)
    )
    returns = normals * (step_sigma * volatility)[:, None]
    returns[:, clock.steps // 2] += jumped
    return _Factor(returns, volatility, drift)


@compiled
def _regimes_and_volatility(
    normals: Floats,
    slow: Floats,
    fast: Floats,
    switch: Floats,
    towards: Floats,
    jump: Floats,
    jump_size: Floats,
    hours: float,
    season: Floats,
) -> tuple[Floats, Floats, Floats]:
    """Volatility multiple, drift per bar and jump per bar, bar by bar."""
    bars, steps = normals.shape
    volatility = np.empty(bars)
    drift = np.empty(bars)
    jumped = np.zeros(bars)
    regime = 0
    keep_slow = np.exp(-hours / 480.0)
    keep_fast = np.exp(-hours / 12.0)
    wide_slow = 0.50 * np.sqrt(1.0 - keep_slow**2)
    wide_fast = 0.38 * np.sqrt(1.0 - keep_fast**2)
    log_slow = 0.0
    log_fast = 0.0
    for t in range(bars):
        if switch[t] < 1.0 - np.exp(-hours / _MEAN_HOURS[regime]):
            total = 0.0
            for to in range(5):
                total += _NEXT_REGIME[regime, to]
                if towards[t] < total:
                    regime = to
                    break
        level = _VOLATILITY[regime] * np.exp(log_slow + log_fast) * season[t]
        volatility[t] = min(max(level, 0.15), 8.0)
        drift[t] = _DRIFT_PER_HOUR[regime] * hours
        if jump[t] < 0.006 * hours * volatility[t]:
            jumped[t] = jump_size[t]
        shock = normals[t].sum() / np.sqrt(steps)
        # Large moves of either sign raise the coming volatility, falls more than rises.
        answer = 0.55 * (shock * shock - 1.0) / np.sqrt(2.0) - 0.35 * shock + 0.76 * fast[t]
        log_fast = keep_fast * log_fast + wide_fast * answer
        log_slow = keep_slow * log_slow + wide_slow * slow[t]
    return volatility, drift, jumped


def _symbol_series(
    symbol: str,
    interval: Interval,
    open_time: Times,
    clock: _Clock,
    common: _Factor,
    chance: np.random.Generator,
    kind: MarketKind,
) -> dict[str, Series]:
    nature = _CHARACTERS.get(symbol) or _character(symbol)
    tick = instrument_for(symbol).tick_size
    shape = (clock.bars, clock.steps)
    scale = np.sqrt(clock.hours / clock.steps / YEAR_HOURS)
    own = (
        chance.standard_normal(shape) * (nature.own_volatility * scale * common.volatility)[:, None]
    )
    usual = np.hypot(nature.beta * _FACTOR_VOLATILITY, nature.own_volatility)
    sigma = usual * scale * common.volatility
    free = kind == "realistic"
    bars = paths(
        nature.beta * common.returns + own,
        nature.beta * common.drift,
        sigma,
        np.log(chance.random((2, *shape))),
        chance.standard_normal((clock.bars, 5)),
        chance.random((clock.bars, 2)),
        clock.hours,
        clock.season * np.sqrt(common.volatility),
        free,
    )
    path = np.round(nature.first_price * np.exp(bars[:4]) / tick) * tick
    path = np.maximum(path, tick)
    close = path[3]
    volume = nature.hourly_turnover * clock.hours * bars[4] / path.mean(axis=0)
    share = bars[5]
    trades = np.maximum(np.round(volume * close / nature.trade_size * bars[6]), 1.0)
    interest = nature.open_interest / nature.first_price * np.exp(bars[7])
    premium = bars[8]
    close_time = open_time + interval.ns
    candles = {
        "open": path[0],
        "high": path[1],
        "low": path[2],
        "close": close,
        "volume": np.round(volume, 3),
        "quote_volume": volume * path.mean(axis=0),
        "trade_count": trades,
        "taker_buy_volume": np.round(volume * share, 3),
    }
    settled, rates = _settlements(close_time, premium, interval)
    every = max(1, _OPEN_INTEREST_NS // interval.ns)
    stamped = np.flatnonzero((close_time // interval.ns) % every == 0)
    spacing = interval if every == 1 else Interval("5m", _OPEN_INTEREST_NS)
    return {
        "klines": make_series("klines", symbol, interval, open_time, candles),
        "mark": make_series("mark", symbol, interval, close_time, {"mark_price": close * bars[9]}),
        "index": make_series(
            "index", symbol, interval, close_time, {"index_price": close / (1.0 + premium)}
        ),
        "premium": make_series("premium", symbol, interval, close_time, {"premium": premium}),
        "funding": make_series("funding", symbol, None, settled, {"funding_rate": rates}),
        "open_interest": make_series(
            "open_interest",
            symbol,
            spacing,
            close_time[stamped],
            {"open_interest": np.round(interest[stamped], 3)},
        ),
    }


def _character(symbol: str) -> Character:
    """A character for a symbol without one, from its name."""
    draw = np.random.default_rng(zlib.crc32(symbol.encode())).random(3)
    return Character(
        0.8 + 0.8 * draw[0], 0.3 + 0.5 * draw[1], 10.0 ** (1 + 1.5 * draw[2]), 1.0e7, 1.0e8, 800.0
    )


def _settlements(close_time: Times, premium: Floats, interval: Interval) -> tuple[Times, Floats]:
    """Funding every 8 hours from the premium of the closed bars before: the exchange's formula,
    rate = premium + clamp(0.01 % - premium, +-0.05 %), within +-0.3 %."""
    first = -(-int(close_time[0]) // _FUNDING_NS) * _FUNDING_NS
    times = np.arange(first, int(close_time[-1]) + 1, _FUNDING_NS, dtype=np.int64)
    total = np.concatenate([[0.0], np.cumsum(premium)])
    stop = np.searchsorted(close_time, times, side="right")
    window = max(_FUNDING_NS, interval.ns)
    start = np.searchsorted(close_time, times - window, side="right")
    average = (total[stop] - total[start]) / (stop - start)
    rates = average + np.clip(0.0001 - average, -0.0005, 0.0005)
    return times, np.round(np.clip(rates, -0.003, 0.003), 8)
