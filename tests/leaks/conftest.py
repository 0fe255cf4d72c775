"""The recorded BTC hours as series, frame and study data: the honest pipeline that leaks are planted in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from honest_pipeline import BARRIERS, EMBARGO_NS, HOUR

from riposte.features.provision import common_features
from riposte.layers.contract import TrainingSet
from riposte.market.frame import MarketFrame
from riposte.market.interval import parse_interval
from riposte.market.series import Series
from riposte.proof.dataset import SymbolData, prepare, training_set
from riposte.proof.splits import Fold, walk_forward
from riposte.sources.files import import_archive
from riposte.stores.frames import chosen_holdings, load_frame
from riposte.stores.lake import Lake

START = int(np.datetime64("2022-06-01", "ns").astype(np.int64))
STOP = int(np.datetime64("2023-03-01", "ns").astype(np.int64))


@pytest.fixture(scope="session")
def lake(market_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    store = Lake(tmp_path_factory.mktemp("leaks"))
    import_archive(market_data, ["BTCUSDT"], [HOUR], store)
    return store


@pytest.fixture(scope="session")
def series(lake: Lake) -> dict[str, Series]:
    """All that was recorded of BTCUSDT for bars of one hour, by kind."""
    held = chosen_holdings(lake, "BTCUSDT", HOUR)
    return {k: lake.read(k, "BTCUSDT", each.interval) for k, each in held.items()}


@pytest.fixture(scope="session")
def recorded(lake: Lake) -> MarketFrame:
    """The whole recorded frame of BTCUSDT."""
    return load_frame(lake, "BTCUSDT", HOUR)


@pytest.fixture(scope="session")
def frame(recorded: MarketFrame) -> MarketFrame:
    """Nine months of it."""
    return recorded.between(START, STOP)


@pytest.fixture(scope="session")
def data(frame: MarketFrame) -> SymbolData:
    wanted = common_features([frame])
    return prepare(frame, BARRIERS, reading="symmetric", round_trip_cost=0.0014, wanted=wanted)


@pytest.fixture(scope="session")
def fold() -> Fold:
    return walk_forward(START, STOP)[0]


@pytest.fixture(scope="session")
def rows(data: SymbolData, fold: Fold) -> TrainingSet:
    return training_set([data], fold, EMBARGO_NS)[0]


def five_minutes(market_data: Path, folder: Path) -> dict[str, Series]:
    """The recorded five-minute candles of BTCUSDT."""
    store = Lake(folder)
    interval = parse_interval("5m")
    import_archive(market_data, ["BTCUSDT"], [interval], store)
    klines = store.read("klines", "BTCUSDT", interval)
    return {"klines": klines}


@pytest.fixture(scope="session")
def candles_5m(market_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Series:
    return five_minutes(market_data, tmp_path_factory.mktemp("fine"))["klines"]
