"""SPEC section 12, features: the ratio to the ``ta`` package and to pandas-ta, on the indicators shared.

Both sides compute the same indicators on the same candles in the same run. The figures that count are
printed and in the extra info; nothing is asserted about time.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from riposte.features.catalogue import catalogue
from riposte.features.matrix import feature_values
from test_bench_features import market

Indicators = dict[str, Callable[[], object]]


def of_ta(t: Any) -> Indicators:
    """Our feature, and the same indicator of the ``ta`` package on a table of candles."""
    import ta

    m, d, w, v = ta.momentum, ta.trend, ta.volatility, ta.volume
    return {
        "rsi": lambda: m.rsi(t.close, 14),
        "stochastic_rsi": lambda: m.stochrsi(t.close, 14),
        "stochastic_k": lambda: m.stoch_signal(t.high, t.low, t.close, 14, 3),
        "williams_r": lambda: m.williams_r(t.high, t.low, t.close, 14),
        "ultimate_oscillator": lambda: m.ultimate_oscillator(t.high, t.low, t.close),
        "awesome_oscillator": lambda: m.awesome_oscillator(t.high, t.low),
        "macd": lambda: d.macd(t.close),
        "macd_histogram": lambda: d.macd_diff(t.close),
        "trix": lambda: d.trix(t.close, 15),
        "adx": lambda: d.adx(t.high, t.low, t.close, 14),
        "aroon": lambda: d.aroon_up(t.high, t.low, 25) - d.aroon_down(t.high, t.low, 25),
        "cci": lambda: d.cci(t.high, t.low, t.close, 20),
        "bollinger_position": lambda: w.bollinger_pband(t.close),
        "bollinger_width": lambda: w.bollinger_wband(t.close),
        "average_true_range": lambda: w.average_true_range(t.high, t.low, t.close, 14),
        "channel_position_24h": lambda: w.donchian_channel_pband(t.high, t.low, t.close, 1440),
        "chaikin_money_flow": lambda: v.chaikin_money_flow(t.high, t.low, t.close, t.volume),
        "money_flow_index": lambda: v.money_flow_index(t.high, t.low, t.close, t.volume),
        "vwap_distance_24h": lambda: v.volume_weighted_average_price(
            t.high, t.low, t.close, t.volume, 1440
        ),
    }


def of_pandas_ta(t: Any) -> Indicators:
    """The same of pandas-ta (its maintained form, pandas-ta-classic), its own code, not TA-Lib's."""
    import pandas_ta_classic as p

    own = {"talib": False}
    return {
        "rsi": lambda: p.rsi(t.close, 14, **own),
        "stochastic_k": lambda: p.stoch(t.high, t.low, t.close, 14, 3, 3),
        "williams_r": lambda: p.willr(t.high, t.low, t.close, 14, **own),
        "ultimate_oscillator": lambda: p.uo(t.high, t.low, t.close, **own),
        "awesome_oscillator": lambda: p.ao(t.high, t.low),
        "macd": lambda: p.macd(t.close, **own),
        "trix": lambda: p.trix(t.close, 15),
        "adx": lambda: p.adx(t.high, t.low, t.close, 14),
        "aroon": lambda: p.aroon(t.high, t.low, 25, **own),
        "cci": lambda: p.cci(t.high, t.low, t.close, 20, **own),
        "bollinger_width": lambda: p.bbands(t.close, 20, **own),
        "average_true_range": lambda: p.natr(t.high, t.low, t.close, 14, **own),
        "chaikin_money_flow": lambda: p.cmf(t.high, t.low, t.close, t.volume),
        "money_flow_index": lambda: p.mfi(t.high, t.low, t.close, t.volume, **own),
        "channel_position_24h": lambda: p.donchian(t.high, t.low, 1440, 1440),
        "return_skewness_7d": lambda: p.skew(t.close, 10080),
        "price_zscore_7d": lambda: p.zscore(t.close, 10080),
    }


PEERS = {"ta": of_ta, "pandas_ta_classic": of_pandas_ta}


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


@pytest.mark.parametrize("peer", PEERS)
def test_against(peer: str, benchmark: Any) -> None:
    pd = pytest.importorskip("pandas")
    pytest.importorskip(peer)
    frame = market(50_000)
    table = pd.DataFrame({n: frame[n] for n in ("open", "high", "low", "close", "volume")})
    table.index = pd.to_datetime(frame.open_time)
    theirs: dict[str, float] = {}
    ours: dict[str, float] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warm = PEERS[peer](table.head(12_000))
        for name, indicator in PEERS[peer](table).items():
            warm[name]()
            theirs[name] = min(seconds(indicator) for _ in range(2))
    for name in theirs:
        spec = catalogue()[name]
        feature_values(spec, frame)
        ours[name] = min(seconds(lambda spec=spec: feature_values(spec, frame)) for _ in range(5))
    benchmark.pedantic(lambda: [feature_values(catalogue()[n], frame) for n in ours], rounds=3)
    ratios = {name: theirs[name] / ours[name] for name in ours}
    total = sum(theirs.values()) / sum(ours.values())
    benchmark.extra_info["times_faster"] = total
    benchmark.extra_info["by_indicator"] = {name: round(ratio, 1) for name, ratio in ratios.items()}
    print(
        f"\n{peer} {sum(theirs.values()):.3f} s, riposte {sum(ours.values()):.3f} s for "
        f"{len(ours)} indicators: {total:.1f} times faster, median indicator "
        f"{np.median(list(ratios.values())):.1f} times"
    )
