"""Reading sound files: formats, names, units, and the whole folder into a store."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from riposte.errors import DataError, InputError
from riposte.market.instrument import Instrument, brackets_from_rates
from riposte.market.interval import HOUR_NS, INTERVALS
from riposte.market.series import Change, Series
from riposte.sources.files import archive_symbols, import_archive, read_brackets
from riposte.sources.recorded import read_checked, read_series
from riposte.stores.frames import load_frame
from riposte.stores.lake import Lake

HOUR = INTERVALS["1h"]
START_MS = 1_704_067_200_000  # 2024-01-01 00:00 UTC
ROWS = 30


def candles(rows: int = ROWS) -> pl.DataFrame:
    close = 100.0 + np.arange(rows)
    return pl.DataFrame(
        {
            "open_time": START_MS + np.arange(rows, dtype=np.int64) * 3_600_000,
            "open": close - 0.5,
            "high": close + 1.0,
            "low": close - 1.0,
            "close": close,
            "volume": np.full(rows, 2.0),
        }
    )


def exchange_rows(rows: int = ROWS) -> pl.DataFrame:
    """The exchange's twelve columns."""
    return candles(rows).with_columns(
        close_time=pl.col("open_time") + 3_599_999,
        quote_asset_volume=pl.lit(200.0),
        count=pl.lit(17),
        taker_buy_volume=pl.lit(1.25),
        taker_buy_quote_volume=pl.lit(125.0),
        ignore=pl.lit(0),
    )


def assert_are_the_candles(series: Series) -> None:
    assert (series.kind, series.symbol, series.interval) == ("klines", "BTCUSDT", HOUR)
    assert series.event_time.tolist() == [
        START_MS * 10**6 + hour * HOUR_NS for hour in range(len(series))
    ]
    assert len(series) == ROWS
    assert series["close"].tolist() == [100.0 + hour for hour in range(ROWS)]
    assert series["high"][0] == 101.0


def test_parquet_with_a_name_that_tells_all(tmp_path: Path) -> None:
    path = tmp_path / "BTCUSDT-1h.parquet"
    candles().write_parquet(path)
    assert_are_the_candles(read_series(path))


def test_csv_with_a_header(tmp_path: Path) -> None:
    path = tmp_path / "BTCUSDT-1h.csv"
    candles().write_csv(path)
    assert_are_the_candles(read_series(path))


def test_csv_of_six_columns_without_a_header(tmp_path: Path) -> None:
    path = tmp_path / "BTCUSDT-1h.csv"
    candles().write_csv(path, include_header=False)
    assert_are_the_candles(read_series(path))


@pytest.mark.parametrize("header", [True, False], ids=["header", "no-header"])
def test_the_exchange_s_own_csv(tmp_path: Path, header: bool) -> None:
    path = tmp_path / "BTCUSDT-1h-2024-01.csv"
    exchange_rows().write_csv(path, include_header=header)
    series = read_series(path)
    assert_are_the_candles(series)
    assert series["quote_volume"][3] == 200.0
    assert series["trade_count"][3] == 17.0
    assert series["taker_buy_volume"][3] == 1.25


@pytest.mark.parametrize("form", ["%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M"])
def test_csv_with_written_dates(tmp_path: Path, form: str) -> None:
    path = tmp_path / "BTCUSDT-1h.csv"
    dates = pl.from_epoch("open_time", time_unit="ms").dt.strftime(form)
    candles().with_columns(date=dates).drop("open_time").write_csv(path)
    assert_are_the_candles(read_series(path))


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_freqtrade_s_feather(tmp_path: Path, unit: str) -> None:
    pd = pytest.importorskip("pandas")
    table = {name: candles()[name].to_numpy() for name in candles().columns[1:]}
    dates = pd.to_datetime(candles()["open_time"].to_numpy(), unit="ms", utc=True).as_unit(unit)
    frame = pd.DataFrame({"date": dates, **table})
    path = tmp_path / "BTC_USDT_USDT-1h-futures.feather"
    frame.to_feather(path, compression="lz4", compression_level=9)
    assert_are_the_candles(read_series(path))
    frame.to_feather(tmp_path / "BTC_USDT_USDT-1h-mark.feather")
    mark = read_series(tmp_path / "BTC_USDT_USDT-1h-mark.feather")
    assert (mark.kind, mark.symbol) == ("mark", "BTCUSDT")
    assert mark["mark_price"].tolist() == table["close"].tolist()
    assert mark.event_time[0] == START_MS * 10**6 + HOUR_NS, "a mark price holds at the bar's end"
    rates = frame.assign(open=1e-4)
    rates.to_feather(tmp_path / "BTC_USDT_USDT-8h-funding_rate.feather")
    funding = read_series(tmp_path / "BTC_USDT_USDT-8h-funding_rate.feather")
    assert (funding.kind, funding.interval) == ("funding", None)
    assert funding["funding_rate"].tolist() == [1e-4] * ROWS
    assert funding.event_time[0] == START_MS * 10**6


def test_what_the_name_does_not_say_can_be_given(tmp_path: Path) -> None:
    path = tmp_path / "download.parquet"
    candles().write_parquet(path)
    with pytest.raises(
        InputError, match=r"does not say its symbol: name it like BTCUSDT-1h\.parquet"
    ):
        read_series(path)
    assert_are_the_candles(read_series(path, symbol="BTC/USDT:USDT"))  # the step tells the interval


def test_times_in_seconds_are_read_where_that_is_said(tmp_path: Path) -> None:
    path = tmp_path / "BTCUSDT-1h.parquet"
    candles().with_columns(pl.col("open_time") // 1000).write_parquet(path)
    assert_are_the_candles(read_series(path, unit="s"))


def test_the_archive_s_metrics_hold_interest_and_ratios(tmp_path: Path) -> None:
    path = tmp_path / "BTCUSDT-metrics-2024-01-01.csv"
    path.write_text(
        "create_time,symbol,sum_open_interest,sum_open_interest_value,"
        "count_toptrader_long_short_ratio,sum_toptrader_long_short_ratio,"
        "count_long_short_ratio,sum_taker_long_short_vol_ratio\n"
        "2024-01-01 00:05:00,BTCUSDT,100.5,4.2e6,1.1,1.2,1.3,0.9\n"
        "2024-01-01 00:10:00,BTCUSDT,101.5,4.3e6,1.1,1.2,1.3,\n"
    )
    interest = read_series(path)
    assert (interest.kind, str(interest.interval)) == ("open_interest", "5m")
    assert interest["open_interest"].tolist() == [100.5, 101.5]
    ratios = read_series(path, kind="ratios")
    assert ratios["top_position_ratio"].tolist() == [1.2, 1.2]
    assert np.isnan(ratios["taker_volume_ratio"][1])


def test_repair_sorts_and_keeps_one_of_each_with_a_finding(tmp_path: Path) -> None:
    path = tmp_path / "BTCUSDT-1h.parquet"
    table = candles()
    pl.concat([table[20:], table[:20], table[5:8]]).write_parquet(path)
    with pytest.raises(DataError, match="rows earlier than the row before"):
        read_series(path)
    reading = read_checked(path, repair=True)
    assert_are_the_candles(reading.series)
    assert [finding.code for finding in reading.findings] == ["repaired"]
    assert "3 repeated rows left out" in reading.findings[0].message


def test_repair_does_not_choose_between_two_truths(tmp_path: Path) -> None:
    path = tmp_path / "BTCUSDT-1h.parquet"
    table = candles()
    pl.concat([table, table[5:6].with_columns(volume=9.0)]).write_parquet(path)
    with pytest.raises(DataError, match="times that appear twice with different values: 1, at"):
        read_series(path, repair=True)


# The folder


@pytest.fixture
def folder(tmp_path: Path, market_data: Path) -> Path:
    """A part of the recorded folder: two symbols, the whole layout."""
    root = tmp_path / "data"
    for kind, pattern in (
        ("klines", "*-1h.parquet"),
        ("klines", "*-5m.parquet"),
        ("mark", "*-1h.parquet"),
        ("funding", "*.parquet"),
        ("open_interest", "*.parquet"),
    ):
        (root / kind).mkdir(parents=True, exist_ok=True)
        for symbol in ("BTCUSDT", "SOLUSDT"):
            for path in (market_data / kind).glob(symbol + pattern):
                shutil.copy(path, root / kind / path.name)
    return root


def test_the_whole_folder_is_imported_once(folder: Path, tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    seen: list[tuple[int, int, str]] = []
    summary = import_archive(
        folder,
        ["BTCUSDT", "SOLUSDT"],
        [HOUR, INTERVALS["5m"]],
        lake,
        lambda done, total, name: seen.append((done, total, name)),
    )
    assert len(summary.imported) == 10
    assert summary.rows_changed == sum(each.rows for each in summary.imported)
    assert summary.notes == ()
    assert [done for done, _, _ in seen] == list(range(11))
    assert seen[-1] == (10, 10, "")
    assert {finding.severity for finding in summary.findings} <= {"warning", "note"}
    gaps = [f for f in summary.findings if f.code == "gap" and f.symbol == "SOLUSDT"]
    assert "120 rows missing, the longest 3.0 days" in gaps[0].message
    assert not [f for f in summary.findings if f.code == "disagreement"]
    frame = load_frame(lake, "SOLUSDT", HOUR)
    assert len(frame) == 41_897
    assert frame.has("open_interest")
    again = import_archive(folder, ["BTCUSDT", "SOLUSDT"], [HOUR, INTERVALS["5m"]], lake)
    assert again.rows_changed == 0


def test_a_symbol_without_funding_or_interest_is_imported_and_it_is_said(
    folder: Path, tmp_path: Path
) -> None:
    (folder / "funding" / "BTCUSDT.parquet").unlink()
    (folder / "open_interest" / "BTCUSDT-1h-bybit.parquet").unlink()
    lake = Lake(tmp_path / "lake")
    summary = import_archive(folder, ["BTCUSDT"], [HOUR], lake)
    assert summary.notes == (
        "BTCUSDT: no funding settlements recorded, its columns stay missing",
        "BTCUSDT: no open interest recorded, its columns stay missing",
    )
    frame = load_frame(lake, "BTCUSDT", HOUR)
    for name in ("funding_rate", "funding_charge", "hours_since_funding", "open_interest"):
        assert not frame.has(name)
    assert frame.has("mark_price")


def test_an_interval_that_can_be_made_is_taken_from_the_coarsest_finer_one(
    folder: Path, tmp_path: Path
) -> None:
    lake = Lake(tmp_path / "lake")
    summary = import_archive(folder, ["BTCUSDT"], [INTERVALS["15m"]], lake)
    assert summary.notes == ("BTCUSDT: no 15m candles recorded, made from 5m candles",)
    assert load_frame(lake, "BTCUSDT", INTERVALS["15m"]).segment[-1] == 1


def test_what_the_folder_does_not_have_is_named(folder: Path, tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    assert archive_symbols(folder) == ("BTCUSDT", "SOLUSDT")
    with pytest.raises(
        InputError, match=r"no candles of SOLUSD: it has .* \(did you mean 'SOLUSDT'"
    ):
        import_archive(folder, ["SOLUSD"], [HOUR], lake)
    with pytest.raises(InputError, match="no candles of BTCUSDT that make 1m bars: it has 5m, 1h"):
        import_archive(folder, ["BTCUSDT"], [INTERVALS["1m"]], lake)
    with pytest.raises(InputError, match="holds no recorded market data"):
        import_archive(tmp_path, ["BTCUSDT"], [HOUR], lake)
    assert lake.holdings() == ()


def test_a_bad_file_stops_the_import_and_what_was_stored_stays(
    folder: Path, tmp_path: Path
) -> None:
    lake = Lake(tmp_path / "lake")
    import_archive(folder, ["BTCUSDT"], [HOUR], lake)
    versions = [lake.version(h.kind, h.symbol, h.interval) for h in lake.holdings()]
    path = folder / "klines" / "BTCUSDT-1h.parquet"
    pl.read_parquet(path).with_columns(close=pl.lit(-1.0)).write_parquet(path)
    with pytest.raises(DataError, match="values of close that are not above 0"):
        import_archive(folder, ["BTCUSDT"], [HOUR], lake)
    assert [lake.version(h.kind, h.symbol, h.interval) for h in lake.holdings()] == versions


def test_a_file_of_another_symbol_is_refused(folder: Path) -> None:
    shutil.copy(folder / "funding" / "SOLUSDT.parquet", folder / "funding" / "BTCUSDT.parquet")

    class Nowhere:
        def merge(self, series: Series) -> Change:
            return Change(added=len(series))

    with pytest.raises(DataError, match=r"BTCUSDT\.parquet holds SOLUSDT, not BTCUSDT"):
        import_archive(folder, ["BTCUSDT"], [HOUR], Nowhere())


# Brackets

BRACKET = ("notional_floor", "maintenance_rate", "maintenance_amount", "max_leverage")


def test_recorded_brackets_fit_an_instrument(market_data: Path) -> None:
    tables = read_brackets(market_data / "leverage_brackets.json")
    table = tables["BTCUSDT"]
    assert table[:2].tolist() == [[0.0, 0.004, 0.0, 125.0], [50_000.0, 0.005, 50.0, 100.0]]
    assert Instrument("BTCUSDT", brackets=table).brackets.flags.writeable is False
    for symbol, recorded in tables.items():
        made = brackets_from_rates([(row[0], row[1], row[3]) for row in recorded])
        assert np.allclose(recorded[:, 2], made[:, 2], rtol=1e-6, atol=0.01), symbol


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is damaged or is not a table of brackets"),
        ("[1, 2]", "is damaged or is not a table of brackets"),
        ("{}", "missing 'brackets'"),
        ('{"brackets": {"BTCUSDT": [{"notional_floor": 0}]}}', "missing 'maintenance_rate'"),
        ('{"brackets": {"BTCUSDT": []}}', "the brackets of BTCUSDT do not rise from 0"),
        (
            json.dumps({"brackets": {"BTCUSDT": [dict.fromkeys(BRACKET, 5)]}}),
            "the brackets of BTCUSDT do not rise from 0",
        ),
    ],
)
def test_bad_brackets_are_refused_in_words(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "leverage_brackets.json"
    path.write_text(text)
    with pytest.raises(DataError, match=words):
        read_brackets(path)


def test_absent_brackets_are_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no file"):
        read_brackets(tmp_path / "none.json")
    with pytest.raises(InputError, match="there is no file"):
        read_brackets(tmp_path)
