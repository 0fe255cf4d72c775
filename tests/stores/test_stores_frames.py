"""Frames from a store: the right series are chosen and read far enough back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from riposte.errors import DataError
from riposte.market.frame import COLUMNS
from riposte.market.interval import DAY_NS, HOUR_NS, INTERVALS, MINUTE_NS
from riposte.sources.synthetic import synthetic_market
from riposte.stores.frames import chosen_holdings, frame_version, load_frame
from riposte.stores.lake import Lake

START = 19_000 * DAY_NS
BARS = 12 * 24 * 45  # 45 days of 5m bars


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = Lake(tmp_path_factory.mktemp("lake"))
    for series in synthetic_market(["BTCUSDT"], INTERVALS["5m"], START, BARS, 1)[
        "BTCUSDT"
    ].values():
        lake.write(series)
    return lake


@pytest.mark.parametrize("name", ["5m", "15m", "1h", "4h"])
@pytest.mark.parametrize("offset", [0, 7 * MINUTE_NS, 6 * HOUR_NS + 1])
def test_a_part_of_a_frame_equals_that_part_of_the_whole(
    lake: Lake, name: str, offset: int
) -> None:
    interval = INTERVALS[name]
    start, stop = START + 10 * DAY_NS + offset, START + 20 * DAY_NS + offset
    whole = load_frame(lake, "BTCUSDT", interval).between(start, stop)
    part = load_frame(lake, "BTCUSDT", interval, start, stop)
    assert part.open_time.tolist() == whole.open_time.tolist()
    for column in COLUMNS:
        assert part[column].tobytes() == whole[column].tobytes(), column


def test_candles_come_from_the_coarsest_that_fit(lake: Lake, tmp_path: Path) -> None:
    both = Lake(tmp_path)
    for name in ("1m", "15m"):
        market = synthetic_market(["BTCUSDT"], INTERVALS[name], START, 3000, 1)["BTCUSDT"]
        both.write(market["klines"])
        both.write(market["mark"])

    def chosen(kind: str, name: str) -> str:
        return str(chosen_holdings(both, "BTCUSDT", INTERVALS[name])[kind].interval)

    assert chosen("klines", "1h") == "15m"
    assert chosen("klines", "15m") == "15m"
    assert chosen("klines", "5m") == "1m"
    assert chosen("mark", "1h") == "15m"
    assert chosen("mark", "5m") == "1m"


def test_a_symbol_or_interval_that_is_not_there_is_named(lake: Lake) -> None:
    with pytest.raises(DataError, match=r"no stored candles make 1m bars \(stored intervals: 5m\)"):
        load_frame(lake, "BTCUSDT", INTERVALS["1m"])
    with pytest.raises(DataError, match=r"ETHUSDT.*stored intervals: none"):
        load_frame(lake, "ETHUSDT", INTERVALS["1h"])
    with pytest.raises(DataError, match="no bars in that time range, candles are stored from 2022"):
        load_frame(lake, "BTCUSDT", INTERVALS["1h"], 0, DAY_NS)


def test_the_version_of_a_frame_follows_every_series_it_is_made_of(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    hour = INTERVALS["1h"]
    versions = set()
    for series in synthetic_market(["BTCUSDT"], hour, START, 100, 1)["BTCUSDT"].values():
        lake.write(series)
        versions.add(frame_version(lake, "BTCUSDT", hour))
    assert len(versions) == 6
    assert frame_version(lake, "BTCUSDT", hour) in versions
    assert frame_version(lake, "BTCUSDT", INTERVALS["4h"]) not in versions


def test_without_funding_or_interest_the_columns_are_missing(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    market = synthetic_market(["BTCUSDT"], INTERVALS["1h"], START, 100, 1)["BTCUSDT"]
    lake.write(market["klines"])
    frame = load_frame(lake, "BTCUSDT", INTERVALS["1h"])
    assert len(frame) == 100
    for name in ("funding_rate", "funding_charge", "open_interest", "mark_price"):
        assert np.isnan(frame[name]).all()
