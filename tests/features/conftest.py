"""Market frames for the laws of features: real ones, and a hard one made from a real one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from riposte.market.frame import COLUMNS, MarketFrame, make_frame
from riposte.market.interval import parse_interval
from riposte.sources.files import import_archive
from riposte.stores.frames import load_frame
from riposte.stores.lake import Lake

RATIOS = ("global_account_ratio", "top_account_ratio", "top_position_ratio", "taker_volume_ratio")


@pytest.fixture(scope="session")
def lake(market_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """The recorded BTC and ETH 1h bars with mark prices, funding and open interest."""
    store = Lake(tmp_path_factory.mktemp("lake"))
    import_archive(market_data, ["BTCUSDT", "ETHUSDT"], [parse_interval("1h")], store)
    return store


@pytest.fixture(scope="session")
def bitcoin(lake: Lake) -> MarketFrame:
    """BTCUSDT 1h as recorded, 2020 to 2025."""
    return load_frame(lake, "BTCUSDT", parse_interval("1h"))


@pytest.fixture(scope="session")
def ether(lake: Lake) -> MarketFrame:
    """ETHUSDT 1h as recorded, 2020 to 2025."""
    return load_frame(lake, "ETHUSDT", parse_interval("1h"))


def completed(frame: MarketFrame, seed: int = 7) -> dict[str, np.ndarray]:
    """The frame's columns, those that were not recorded invented, so that no feature stays all NaN."""
    chance = np.random.default_rng(seed)
    rows = len(frame)
    columns = {name: np.array(values) for name, values in frame.columns.items()}
    columns["trade_count"] = np.round(columns["volume"] * chance.uniform(3, 9, rows))
    columns["taker_buy_volume"] = columns["volume"] * chance.uniform(0.3, 0.7, rows)
    columns["index_price"] = columns["close"] * (1 + 1e-4 * chance.standard_normal(rows))
    columns["premium"] = 1e-4 * chance.standard_normal(rows)
    for name in RATIOS:
        columns[name] = np.exp(0.2 * chance.standard_normal(rows))
    for name in ("long_liquidations", "short_liquidations"):
        forced = chance.exponential(1.0, rows) * columns["volume"] * columns["close"] * 1e-4
        columns[name] = np.where(chance.random(rows) < 0.5, 0.0, forced)
    for name in COLUMNS:
        if "_notional_" in name:
            columns[name] = columns["volume"] * columns["close"] * chance.uniform(0.2, 0.9, rows)
    assert all(np.isfinite(columns[name]).any() for name in COLUMNS)
    return columns


@pytest.fixture(scope="session")
def complete(bitcoin: MarketFrame) -> MarketFrame:
    """2,600 bars of BTCUSDT with a value in every column and no gap."""
    part = bitcoin.rows(20_000, 22_600)
    return make_frame("BTCUSDT", part.interval, part.open_time, completed(part))


@pytest.fixture(scope="session")
def fine(bitcoin: MarketFrame) -> dict[str, MarketFrame]:
    """10,200 of the same bars taken for 1m, 5m and 15m bars."""
    part = bitcoin.rows(20_000, 30_200)
    columns = completed(part)
    frames = {}
    for name in ("1m", "5m", "15m"):
        interval = parse_interval(name)
        times = part.open_time[0] + np.arange(len(part)) * interval.ns
        frames[name] = make_frame("BTCUSDT", interval, times, columns)
    return frames


@pytest.fixture(scope="session")
def broken(complete: MarketFrame) -> MarketFrame:
    """The complete frame with two gaps, zero-volume bars, a long standstill and missing derivatives."""
    columns = {name: np.array(values) for name, values in complete.columns.items()}
    for first, last in ((300, 301), (500, 512), (1_700, 1_900)):
        still = slice(first, last)  # nobody trades: one price, no volume
        for name in ("open", "high", "low", "close"):
            columns[name][still] = columns["close"][first - 1]
        for name in ("volume", "quote_volume", "trade_count", "taker_buy_volume"):
            columns[name][still] = 0.0
        columns["long_liquidations"][still] = 0.0
        columns["short_liquidations"][still] = 0.0
    columns["open_interest"][:400] = np.nan
    columns["open_interest"][2_200:2_203] = np.nan
    columns["funding_rate"][1_500:1_510] = np.nan
    columns["funding_rate"][2_300:2_560] = 1e-4
    columns["premium"][2_000:2_001] = np.nan
    kept = np.ones(len(complete), dtype=np.bool_)
    kept[700:772] = False
    kept[1_000] = False
    return make_frame(
        "BTCUSDT",
        complete.interval,
        complete.open_time[kept],
        {name: values[kept] for name, values in columns.items()},
    )
