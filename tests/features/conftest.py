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
BOOK = tuple(
    name
    for name in COLUMNS
    if name.startswith(("best_", "mean_", "order_flow", "book_", "middle_"))
    or name.endswith(("_5", "_10", "_slope", "_added", "_removed", "_additions", "_removals"))
)


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
    columns |= invented_trades(columns, chance) | invented_book(columns, chance)
    assert all(np.isfinite(columns[name]).any() for name in COLUMNS)
    return columns


def invented_trades(
    columns: dict[str, np.ndarray], chance: np.random.Generator
) -> dict[str, np.ndarray]:
    """Columns of trades that could be: parts add up, the largest order is one of them."""
    rows = len(columns["close"])
    buy, sell = columns["taker_buy_volume"], columns["volume"] - columns["taker_buy_volume"]
    count = np.maximum(columns["trade_count"], 4.0)
    orders = np.ceil(count * chance.uniform(0.3, 0.9, rows))
    largest = columns["volume"] * chance.uniform(0.05, 0.5, rows)
    ticks = np.round(orders * chance.uniform(0.1, 0.5, rows))
    return {
        "buy_volume": buy * chance.uniform(0.99, 1.0, rows),  # the candle's rounding apart
        "sell_volume": sell,
        "buy_count": np.round(count * chance.uniform(0.3, 0.7, rows)),
        "sell_count": np.round(count * chance.uniform(0.3, 0.7, rows)),
        "taker_orders": orders,
        "largest_order": largest,
        "order_size_squares": columns["volume"] ** 2 / orders * chance.uniform(1, 20, rows),
        "large_buy_volume": np.where(chance.random(rows) < 0.3, 0.0, buy * chance.random(rows)),
        "large_sell_volume": np.where(chance.random(rows) < 0.3, 0.0, sell * chance.random(rows)),
        "price_path": np.log(columns["high"] / columns["low"]) * chance.uniform(1, 9, rows),
        "upticks": ticks,
        "downticks": np.round(ticks * chance.uniform(0.5, 2, rows)),
    }


def invented_book(
    columns: dict[str, np.ndarray], chance: np.random.Generator
) -> dict[str, np.ndarray]:
    """Columns of the book that could be: not crossed, more coins in more levels."""
    rows = len(columns["close"])
    spread = 1e-4 * chance.lognormal(0, 0.3, rows)
    usual = columns["volume"].mean() * 0.01
    flow = usual * chance.standard_normal(rows)
    made = {
        "best_bid": columns["close"] * (1 - 0.5 * spread),
        "best_ask": columns["close"] * (1 + 0.5 * spread),
        "mean_spread": spread * chance.lognormal(0, 0.2, rows),
        "mean_imbalance": np.tanh(chance.standard_normal(rows)),
        "order_flow": flow,
        "order_flow_size": np.abs(flow) * chance.uniform(1, 4, rows),
        "book_updates": np.round(chance.uniform(500, 900, rows)),
        "middle_changes": np.round(chance.uniform(0, 90, rows)),
    }
    for side in ("bid", "ask"):
        best = usual * chance.lognormal(0, 0.5, rows)
        made[f"best_{side}_quantity"] = best
        made[f"{side}_depth_5"] = best * chance.uniform(1.5, 4, rows)
        made[f"{side}_depth_10"] = made[f"{side}_depth_5"] * chance.uniform(1.2, 2, rows)
        made[f"{side}_distance_10"] = spread * chance.uniform(1, 9, rows)
        made[f"{side}_slope"] = made[f"{side}_depth_10"] / made[f"{side}_distance_10"]
        for what in ("added", "removed"):
            made[f"{side}_{what}"] = usual * chance.lognormal(5, 0.5, rows)
        for what in ("additions", "removals"):
            made[f"{side}_{what}"] = np.round(chance.uniform(100, 900, rows))
    return made


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
        for name in ("buy_volume", "sell_volume", "buy_count", "sell_count", "taker_orders"):
            columns[name][still] = 0.0
        for name in ("largest_order", "order_size_squares", "large_buy_volume", "price_path"):
            columns[name][still] = 0.0
        for name in ("large_sell_volume", "upticks", "downticks", "middle_changes"):
            columns[name][still] = 0.0
        columns["long_liquidations"][still] = 0.0
        columns["short_liquidations"][still] = 0.0
    columns["open_interest"][:400] = np.nan
    columns["open_interest"][2_200:2_203] = np.nan
    columns["funding_rate"][1_500:1_510] = np.nan
    columns["funding_rate"][2_300:2_560] = 1e-4
    columns["premium"][2_000:2_001] = np.nan
    for name in (*BOOK, "large_buy_volume"):
        columns[name][600:640] = np.nan  # the book was lost
    columns["order_flow"][1_200:1_220] = 0.0
    columns["order_flow_size"][1_200:1_220] = 0.0
    kept = np.ones(len(complete), dtype=np.bool_)
    kept[700:772] = False
    kept[1_000] = False
    return make_frame(
        "BTCUSDT",
        complete.interval,
        complete.open_time[kept],
        {name: values[kept] for name, values in columns.items()},
    )
