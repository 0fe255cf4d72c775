"""Every indicator of the price and volume families against the same formula in pandas or TA-Lib.

What is merely a call of TA-Lib is compared with pandas, and what we compute ourselves with TA-Lib where it
has it: a library equal to itself would prove nothing. A new feature of these families fails here until it
has an oracle or a stated reason for having none.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import talib

from riposte.features.catalogue import FeatureSpec, catalogue
from riposte.features.matrix import feature_values
from riposte.market.frame import MarketFrame, make_frame
from riposte.market.interval import parse_interval

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import pandas as pd

Table = pd.DataFrame
Oracle = Callable[..., "pd.Series"]
GROUPS = {"momentum", "trend", "oscillators", "volatility", "volume", "candles", "regime"}
NO_ORACLE: dict[str, str] = {}  # function: why no other library can say it


def log_returns(d: Table, window: int = 1) -> pd.Series:
    return np.log(d.close / d.close.shift(window))


def mean(x: pd.Series, bars: int) -> pd.Series:
    return x.rolling(bars).mean()


def std(x: pd.Series, bars: int) -> pd.Series:
    return x.rolling(bars).std(ddof=0)


def total(x: pd.Series, bars: int) -> pd.Series:
    return x.rolling(bars).sum()


def zscore(x: pd.Series, bars: int) -> pd.Series:
    return (x - mean(x, bars)) / std(x, bars)


def ema(x: pd.Series, bars: int) -> pd.Series:
    return x.ewm(span=bars, adjust=False).mean()


def wilder(x: pd.Series, bars: int) -> pd.Series:
    return x.ewm(alpha=1 / bars, adjust=False).mean()


def true_range(d: Table) -> pd.Series:
    before = d.close.shift(1)
    return np.maximum(d.high, before) - np.minimum(d.low, before)


def typical(d: Table) -> pd.Series:
    return (d.high + d.low + d.close) / 3


def channel(d: Table, bars: int) -> tuple[pd.Series, pd.Series]:
    return d.low.rolling(bars).min(), d.high.rolling(bars).max()


def in_channel(d: Table, window: int) -> pd.Series:
    low, high = channel(d, window)
    return (d.close - low) / (high - low)


def strength(d: Table, bars: int) -> pd.Series:
    moves = d.close.diff()
    up, down = wilder(moves.clip(lower=0), bars), wilder(-moves.clip(upper=0), bars)
    return up / (up + down)


def directional(d: Table) -> tuple[pd.Series, pd.Series]:
    up, down = d.high.diff(), -d.low.diff()
    plus = up.where((up > down) & (up > 0), 0.0)
    minus = down.where((down > up) & (down > 0), 0.0)
    average = wilder(true_range(d), 14)
    return wilder(plus, 14) / average, wilder(minus, 14) / average


def adx(d: Table) -> pd.Series:
    plus, minus = directional(d)
    return wilder((plus - minus).abs() / (plus + minus), 14)


def aroon(d: Table) -> pd.Series:
    # The latest of equal extremes counts, as TA-Lib has it.
    since_high = 25 - d.high.rolling(26).apply(lambda w: 25 - np.argmax(w[::-1]), raw=True)
    since_low = 25 - d.low.rolling(26).apply(lambda w: 25 - np.argmin(w[::-1]), raw=True)
    return (since_low - since_high) / 25


def cci(d: Table) -> pd.Series:
    p = typical(d)
    deviation = p.rolling(20).apply(lambda w: np.abs(w - w.mean()).mean(), raw=True)
    return (p - mean(p, 20)) / (1.5 * deviation)


def rogers_satchell(d: Table) -> pd.Series:
    up = np.log(d.high / d.close) * np.log(d.high / d.open)
    return up + np.log(d.low / d.close) * np.log(d.low / d.open)


def yang_zhang(d: Table, window: int) -> pd.Series:
    k = 0.34 / (1.34 + (window + 1) / (window - 1))
    overnight = np.log(d.open / d.close.shift(1)).rolling(window).var()
    daytime = np.log(d.close / d.open).rolling(window).var()
    return np.sqrt(overnight + k * daytime + (1 - k) * mean(rogers_satchell(d), window))


def breakout(d: Table, window: int) -> pd.Series:
    low, high = (bound.shift(1) for bound in channel(d, window))
    outside = (d.close - high).clip(lower=0) - (low - d.close).clip(lower=0)
    return outside / std(d.close, window)


def profile_position(d: Table, window: int) -> pd.Series:
    """The day in hours: each piece of it at its own average price."""
    bars = max(1, window // 24)
    price = total(typical(d) * d.volume, bars) / total(d.volume, bars)
    volume = total(d.volume, bars)
    below = sum(
        volume.shift(k * bars) * (price.shift(k * bars) < d.close) for k in range(window // bars)
    )
    return below / total(d.volume, window)


def ultimate(d: Table) -> pd.Series:
    pressure = d.close - np.minimum(d.low, d.close.shift(1))
    b = {n: total(pressure, n) / total(true_range(d), n) for n in (7, 14, 28)}
    return (4 * b[7] + 2 * b[14] + b[28]) / 7


def money_flow(d: Table) -> pd.Series:
    p = typical(d)
    flow, change = p * d.volume, p.diff()
    up, down = total(flow.where(change > 0, 0.0), 14), total(flow.where(change < 0, 0.0), 14)
    return up / (up + down)


def amihud(d: Table, window: int) -> pd.Series:
    return total(log_returns(d).abs(), window) / total(d.close * d.volume, window)


def midpoint(d: Table, bars: int) -> pd.Series:
    low, high = channel(d, bars)
    return (low + high) / 2


def trix(d: Table) -> pd.Series:
    triple = ema(ema(ema(d.close, 15), 15), 15)
    return triple / triple.shift(1) - 1


def macd(d: Table) -> pd.Series:
    return ema(d.close, 12) - ema(d.close, 26)


def jumps(d: Table, window: int) -> pd.Series:
    size = log_returns(d).abs()
    pairs = total(size * size.shift(1), window - 1) * window / (window - 1)
    return 1 - np.pi / 2 * pairs / total(size**2, window)


def reversal(d: Table, fast: int, slow: int) -> pd.Series:
    recent, before = log_returns(d, fast), log_returns(d, slow).shift(fast)
    return -recent * before / (mean(log_returns(d) ** 2, slow) * np.sqrt(fast * slow))


def neighbours(x: pd.Series, window: int) -> pd.Series:
    return x.rolling(window).corr(x.shift(1))


def term(x: pd.Series, fast: int, slow: int) -> pd.Series:
    return np.log(mean(x, fast) / mean(x, slow))


def fast_k(d: Table) -> pd.Series:
    return mean(in_channel(d, 14), 3)


def body(d: Table) -> pd.Series:
    return d.high - d.low


def upper(d: Table) -> pd.Series:
    return (d.high - np.maximum(d.open, d.close)) / body(d)


def lower(d: Table) -> pd.Series:
    return (np.minimum(d.open, d.close) - d.low) / body(d)


# By function of the catalogue; windows in bars by name.
PANDAS: dict[str, Oracle] = {
    "return_1bar": log_returns,
    "log_return": log_returns,
    "price_change": log_returns,
    "return_per_risk": lambda d, window: (
        total(log_returns(d), window) / (std(log_returns(d), window) * np.sqrt(window))
    ),
    "return_acceleration": lambda d, window: (
        log_returns(d, window) - log_returns(d, window).shift(window)
    ),
    "efficiency_ratio": lambda d, window: (
        log_returns(d, window).abs() / total(log_returns(d).abs(), window)
    ),
    "up_share": lambda d, window: mean(np.sign(d.close.diff()), window),
    "drawdown": lambda d, window: np.log(d.close / d.high.rolling(window).max()),
    "run_up": lambda d, window: np.log(d.close / d.low.rolling(window).min()),
    "channel_position": in_channel,
    "best_return": lambda d, window: log_returns(d).rolling(window).max(),
    "worst_return": lambda d, window: log_returns(d).rolling(window).min(),
    "moving_average_distance": lambda d, window: np.log(d.close / mean(d.close, window)),
    "moving_average_slope": lambda d, window: np.log(
        mean(d.close, window) / mean(d.close, window).shift(window)
    ),
    "moving_average_cross_4h_24h": lambda d, fast, slow: term(d.close, fast, slow),
    "moving_average_cross_24h_7d": lambda d, fast, slow: term(d.close, fast, slow),
    "trend_agreement": lambda d, short, middle, long: (
        sum(np.sign(d.close - mean(d.close, w)) for w in (short, middle, long)) / 3
    ),
    "trend_straightness": lambda d, window: (
        np.log(d.close).rolling(window).corr(pd.Series(np.arange(len(d), dtype=float)))
    ),
    "macd": lambda d: macd(d) / d.close,
    "macd_histogram": lambda d: (macd(d) - ema(macd(d), 9)) / d.close,
    "adx": adx,
    "directional_movement": lambda d: directional(d)[0] - directional(d)[1],
    "aroon": aroon,
    "trix": trix,
    "conversion_base_distance": lambda d: (midpoint(d, 9) - midpoint(d, 26)) / d.close,
    "breakout": breakout,
    "rsi": lambda d: strength(d, 14),
    "rsi_fast": lambda d: strength(d, 6),
    "stochastic_rsi": lambda d: (
        (strength(d, 14) - strength(d, 14).rolling(14).min())
        / (strength(d, 14).rolling(14).max() - strength(d, 14).rolling(14).min())
    ),
    "stochastic_k": fast_k,
    "stochastic_k_less_d": lambda d: fast_k(d) - mean(fast_k(d), 3),
    "williams_r": lambda d: in_channel(d, 14) - 1,
    "cci": cci,
    "ultimate_oscillator": ultimate,
    "awesome_oscillator": lambda d: (
        mean((d.high + d.low) / 2, 5) / mean((d.high + d.low) / 2, 34) - 1
    ),
    "bollinger_position": lambda d: 0.5 + zscore(d.close, 20) / 4,
    "bollinger_width": lambda d: 4 * std(d.close, 20) / mean(d.close, 20),
    "price_zscore": lambda d, window: zscore(d.close, window),
    "volatility": lambda d, window: std(log_returns(d), window),
    "parkinson_volatility": lambda d, window: np.sqrt(
        mean(np.log(d.high / d.low) ** 2, window) / (4 * np.log(2))
    ),
    "garman_klass_volatility": lambda d, window: np.sqrt(
        mean(
            0.5 * np.log(d.high / d.low) ** 2 - (2 * np.log(2) - 1) * np.log(d.close / d.open) ** 2,
            window,
        )
    ),
    "rogers_satchell_volatility": lambda d, window: np.sqrt(mean(rogers_satchell(d), window)),
    "yang_zhang_volatility": yang_zhang,
    "average_true_range": lambda d: wilder(true_range(d), 14) / d.close,
    "range_expansion": lambda d, window: np.log(true_range(d) / mean(true_range(d), window)),
    "volatility_term_4h_24h": lambda d, fast, slow: np.log(
        std(log_returns(d), fast) / std(log_returns(d), slow)
    ),
    "volatility_term_24h_7d": lambda d, fast, slow: np.log(
        std(log_returns(d), fast) / std(log_returns(d), slow)
    ),
    "volatility_of_volatility": lambda d, inner, outer: (
        std(std(log_returns(d), inner), outer) / mean(std(log_returns(d), inner), outer)
    ),
    "volatility_zscore": lambda d, inner, outer: zscore(std(log_returns(d), inner), outer),
    "downside_share": lambda d, window: (
        total(log_returns(d).clip(upper=0) ** 2, window) / total(log_returns(d) ** 2, window)
    ),
    "jump_share": jumps,
    # pandas corrects both for the sample's size; the features are the population's.
    "return_skewness": lambda d, window: (
        log_returns(d).rolling(window).skew() * (window - 2) / np.sqrt(window * (window - 1))
    ),
    "return_kurtosis": lambda d, window: (
        (log_returns(d).rolling(window).kurt() * (window - 2) * (window - 3) / (window - 1) - 6)
        / (window + 1)
    ),
    "volume_zscore": lambda d, window: zscore(d.volume, window),
    "volume_term_4h_24h": lambda d, fast, slow: term(d.volume, fast, slow),
    "volume_term_24h_7d": lambda d, fast, slow: term(d.volume, fast, slow),
    "volume_acceleration": lambda d, window: (
        np.log(total(d.volume, window) / total(d.volume, window).shift(window))
        - np.log(total(d.volume, window) / total(d.volume, window).shift(window)).shift(window)
    ),
    "volume_against_usual": lambda d, window: np.log(d.volume / mean(d.volume, window)),
    "vwap_distance": lambda d, window: np.log(
        d.close / (total(typical(d) * d.volume, window) / total(d.volume, window))
    ),
    "vwap_gap": lambda d, window: np.log(
        d.close / (total(d.quote_volume, window) / total(d.volume, window))
    ),
    "volume_profile_position": profile_position,
    "on_balance_volume": lambda d, window: (
        total(np.sign(d.close.diff()) * d.volume, window) / total(d.volume, window)
    ),
    "force": lambda d, window: (
        total(log_returns(d) * d.volume, window)
        / total(d.volume, window)
        / np.sqrt(mean(log_returns(d) ** 2, window))
    ),
    "chaikin_money_flow": lambda d: (
        total(d.volume * (2 * d.close - d.low - d.high) / (d.high - d.low), 20)
        / total(d.volume, 20)
    ),
    "money_flow_index": money_flow,
    "volume_volatility_correlation": lambda d, window: (
        log_returns(d).abs().rolling(window).corr(d.volume)
    ),
    "volume_return_correlation": lambda d, window: log_returns(d).rolling(window).corr(d.volume),
    "illiquidity": lambda d, fast, slow: np.log(amihud(d, fast) / amihud(d, slow)),
    "candle_body": lambda d: (d.close - d.open) / body(d),
    "upper_wick": upper,
    "lower_wick": lower,
    "wick_balance": lambda d, window: mean(lower(d) - upper(d), window),
    "bar_range": lambda d: np.log(d.high / d.low),
    "opening_gap": lambda d: np.log(d.open / d.close.shift(1)),
    "autocorrelation": lambda d, window: neighbours(log_returns(d), window),
    "volatility_clustering": lambda d, window: neighbours(log_returns(d).abs(), window),
    "variance_ratio": lambda d, window: (
        std(log_returns(d, 4), window) ** 2 / (4 * std(log_returns(d), window) ** 2)
    ),
    "hurst_exponent": lambda d, window: (
        np.log(std(log_returns(d, 16), window) / std(log_returns(d, 2), window)) / np.log(8)
    ),
    "choppiness": lambda d: (
        np.log(total(true_range(d), 14) / (channel(d, 14)[1] - channel(d, 14)[0])) / np.log(14)
    ),
    "squeeze": lambda d: np.log(2 * std(d.close, 20) / (1.5 * mean(true_range(d), 20))),
    "reversal": reversal,
}


def bands_width(d: Table) -> np.ndarray:
    above, middle, below = talib.BBANDS(d.close, 20, 2, 2)
    return ((above - below) / middle).to_numpy()


# Ours by our own loops, theirs by TA-Lib's.
TALIB: dict[str, Callable[[Table], np.ndarray]] = {
    "moving_average_distance_24h": lambda d: np.log(d.close / talib.SMA(d.close, 24)).to_numpy(),
    "channel_position_24h": lambda d: (
        ((d.close - talib.MIN(d.low, 24)) / (talib.MAX(d.high, 24) - talib.MIN(d.low, 24))).to_numpy()
    ),
    "williams_r": lambda d: (talib.WILLR(d.high, d.low, d.close, 14) / 100).to_numpy(),
    "stochastic_k": lambda d: (
        (talib.STOCH(d.high, d.low, d.close, 14, 3, 0, 3, 0)[0] / 100).to_numpy()
    ),
    "ultimate_oscillator": lambda d: (talib.ULTOSC(d.high, d.low, d.close) / 100).to_numpy(),
    "bollinger_width": bands_width,
    "drawdown_7d": lambda d: np.log(d.close / talib.MAX(d.high, 168)).to_numpy(),
    "run_up_7d": lambda d: np.log(d.close / talib.MIN(d.low, 168)).to_numpy(),
    "conversion_base_distance": lambda d: (
        ((talib.MIDPRICE(d.high, d.low, 9) - talib.MIDPRICE(d.high, d.low, 26)) / d.close).to_numpy()
    ),
    "awesome_oscillator": lambda d: (
        (talib.SMA(talib.MEDPRICE(d.high, d.low), 5) / talib.SMA(talib.MEDPRICE(d.high, d.low), 34)
         - 1).to_numpy()
    ),
    "log_return_24h": lambda d: np.log(talib.ROCR(d.close, 24)).to_numpy(),
}  # fmt: skip


@pytest.fixture(scope="module")
def year(complete: MarketFrame) -> MarketFrame:
    """Recorded BTCUSDT 1h candles, every bar with volume and range; what was not recorded invented."""
    return complete.rows(0, min(len(complete), 8_000))


@pytest.fixture(scope="module")
def table(year: MarketFrame) -> Iterator[Table]:
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        warnings.simplefilter("ignore")
        yield pd.DataFrame(
            {
                n: np.array(year[n])
                for n in ("open", "high", "low", "close", "volume", "quote_volume")
            }
        )


COVERED = sorted(n for n, s in catalogue().items() if s.function.__name__ in PANDAS)


def test_every_feature_of_these_families_has_an_oracle_or_a_reason() -> None:
    functions = {s.function.__name__ for s in catalogue().values() if s.group in GROUPS}
    assert functions - set(PANDAS) == set(NO_ORACLE)
    assert set(PANDAS) <= {s.function.__name__ for s in catalogue().values()}
    assert set(TALIB) <= set(catalogue())


def compare(spec: FeatureSpec, year: MarketFrame, expected: np.ndarray) -> None:
    ours = feature_values(spec, year)
    both = np.isfinite(ours) & np.isfinite(expected)
    both[:1_000] = False  # averages without an end have forgotten their start by then
    assert both.sum() > 1_000
    # pandas adds the new row and takes the old one away, which costs it digits where windows are long.
    scale = np.abs(expected[both]).max()
    np.testing.assert_allclose(ours[both], expected[both], rtol=1e-7, atol=1e-7 * scale)
    assert np.median(np.abs(ours[both] - expected[both])) < 1e-10 * scale


@pytest.mark.parametrize("name", COVERED)
def test_it_equals_the_formula_in_pandas(name: str, year: MarketFrame, table: Table) -> None:
    spec = catalogue()[name]
    if not spec.suits(year.interval):  # windows of minutes: the same candles, taken for minutes
        minute = parse_interval("1m")
        times = np.arange(len(year), dtype=np.int64) * minute.ns
        columns = {column: np.array(year[column]) for column in year.columns}
        year = make_frame(year.symbol, minute, times, columns)
    windows = {each: year.interval.bars(ns) for each, ns in spec.windows.items()}
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        warnings.simplefilter("ignore")
        expected = PANDAS[spec.function.__name__](table, **windows)
    compare(spec, year, np.asarray(expected, dtype=np.float64))


@pytest.mark.parametrize("name", TALIB)
def test_it_equals_ta_lib(name: str, year: MarketFrame, table: Table) -> None:
    compare(catalogue()[name], year, TALIB[name](table))
