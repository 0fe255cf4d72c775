"""Whatever a user has is told by what it is and imported; what is no market data is named and left."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from archive_files import made

from riposte.errors import DataError, InputError
from riposte.market.interval import HOUR_NS, INTERVALS
from riposte.market.series import make_series
from riposte.sources.anything import import_anything
from riposte.sources.archive.layout import DATASETS, ArchiveFile
from riposte.sources.exports import export_series
from riposte.stores.lake import Lake

HOUR = INTERVALS["1h"]
START = int(np.datetime64("2024-01-01", "ns").astype(np.int64))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


def freqtrade(path: Path, rows: int = 48, pace_h: int = 1, low: float = 1.0) -> None:
    """A file as freqtrade's download-data writes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    times = pl.Series("date", START // 10**6 + np.arange(rows) * pace_h * 3_600_000)
    values = {name: np.full(rows, low) for name in ("open", "high", "low", "close", "volume")}
    table = pl.DataFrame({"date": times.cast(pl.Datetime("ms", "UTC")), **values})
    table.write_ipc(path, compression="lz4")


def held(lake: Lake) -> dict[tuple[str, str, str], int]:
    return {(h.symbol, h.kind, str(h.interval or "")): h.rows for h in lake.holdings()}


def test_freqtrade_s_folder(tmp_path: Path, lake: Lake) -> None:
    folder = tmp_path / "user_data" / "data" / "binance" / "futures"
    freqtrade(folder / "BTC_USDT_USDT-1h-futures.feather")
    freqtrade(folder / "BTC_USDT_USDT-1h-mark.feather")
    freqtrade(folder / "BTC_USDT_USDT-8h-funding_rate.feather", rows=6, pace_h=8, low=1e-4)
    freqtrade(folder / "ETH_USDT_USDT-1h-futures.feather")
    (folder / "notes.csv").write_text("shopping,list\nmilk,2\n")
    summary = import_anything(tmp_path / "user_data", lake, None, [HOUR])
    assert held(lake) == {
        ("BTCUSDT", "klines", "1h"): 48,
        ("BTCUSDT", "mark", "1h"): 48,
        ("BTCUSDT", "funding", ""): 6,
        ("ETHUSDT", "klines", "1h"): 48,
    }
    assert len(summary.notes) == 1
    assert "notes.csv" in summary.notes[0]


def test_only_the_symbols_asked_for(tmp_path: Path, lake: Lake) -> None:
    freqtrade(tmp_path / "in" / "BTC_USDT_USDT-1h-futures.feather")
    freqtrade(tmp_path / "in" / "ETH_USDT_USDT-1h-futures.feather")
    import_anything(tmp_path / "in", lake, ["ETHUSDT"], [HOUR])
    assert set(held(lake)) == {("ETHUSDT", "klines", "1h")}


def test_zips_and_tables_side_by_side(tmp_path: Path, lake: Lake) -> None:
    folder = tmp_path / "mixed"
    freqtrade(folder / "ETH_USDT_USDT-1h-futures.feather")
    file = ArchiveFile(DATASETS["klines"], "BTCUSDT", HOUR, date(2024, 3, 1), date(2024, 3, 5))
    (folder / file.name).write_bytes(made(file))
    import_anything(folder, lake, None, [HOUR])
    assert held(lake) == {("BTCUSDT", "klines", "1h"): 24, ("ETHUSDT", "klines", "1h"): 48}


def test_one_zip(tmp_path: Path, lake: Lake) -> None:
    file = ArchiveFile(DATASETS["metrics"], "BTCUSDT", None, date(2024, 3, 1), date(2024, 3, 5))
    (tmp_path / file.name).write_bytes(made(file))
    import_anything(tmp_path / file.name, lake, None, [HOUR])
    assert set(held(lake)) == {("BTCUSDT", "open_interest", "5m"), ("BTCUSDT", "ratios", "5m")}


def test_one_file_that_says_nothing_of_itself(tmp_path: Path, lake: Lake) -> None:
    path = tmp_path / "mine.csv"
    rows = [f"{START // 10**6 + n * 3_600_000},1,2,0.5,1,7" for n in range(24)]
    path.write_text("time,open,high,low,close,volume\n" + "\n".join(rows))
    with pytest.raises(InputError, match="does not say its symbol"):
        import_anything(path, lake, None, [HOUR])
    import_anything(path, lake, ["SOLUSDT"], [HOUR], kind="klines", interval=HOUR)
    assert held(lake) == {("SOLUSDT", "klines", "1h"): 24}


def test_a_day_of_trades_comes_back_from_its_export(tmp_path: Path, lake: Lake) -> None:
    columns = {
        "trade_id": np.arange(50.0),
        "price": np.full(50, 100.0),
        "quantity": np.ones(50),
        "buyer_is_maker": np.zeros(50),
    }
    times = START + np.arange(50) // 2 * HOUR_NS // 4
    trades = make_series("trades", "BTCUSDT", None, times, columns)
    for form in ("parquet", "csv", "feather"):
        path = export_series(trades, tmp_path / form, form, "2024-01-01")  # type: ignore[arg-type]
        there = Lake(tmp_path / f"lake-{form}")
        import_anything(path.parent.parent, there, None, [HOUR])
        assert there.read("trades", "BTCUSDT", None)["trade_id"].tolist() == list(range(50))


@pytest.mark.parametrize("what", ["empty folder", "other zip"])
def test_nothing_to_import_is_said(tmp_path: Path, lake: Lake, what: str) -> None:
    if what == "empty folder":
        with pytest.raises(InputError, match="holds nothing to import"):
            import_anything(tmp_path, lake, None, [HOUR])
        return
    (tmp_path / "photos.zip").write_bytes(b"PK")
    with pytest.raises(DataError, match="is not named like a file of the exchange's archive"):
        import_anything(tmp_path / "photos.zip", lake, None, [HOUR])
