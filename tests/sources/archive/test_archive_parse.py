"""Archive files with every quirk that is known of them are read right, and bad ones refused."""

from __future__ import annotations

import zipfile
from datetime import date
from io import BytesIO

import numpy as np
import pytest
from archive_files import (
    TEN_BANDS,
    TWELVE_BANDS,
    agg_trades,
    depth,
    funding,
    klines,
    metrics,
    ms,
    table,
    zipped,
)

from riposte.errors import DataError, InputError
from riposte.market.interval import DAY_NS, HOUR_NS, INTERVALS, MINUTE_NS
from riposte.market.series import Series
from riposte.sources.archive.layout import DATASETS, ArchiveFile, archive_file, dataset_of
from riposte.sources.archive.parse import Parsed, parse

DAY = date(2024, 3, 5)
START = ms(DAY) * 1_000_000


def file(dataset: str, interval: str | None = None, day: date = DAY) -> ArchiveFile:
    chosen = INTERVALS[interval] if interval else None
    return ArchiveFile(DATASETS[dataset], "BTCUSDT", chosen, day.replace(day=1), day)


def one(dataset: str, text: str, interval: str | None = None, day: date = DAY) -> Series:
    (series,) = parse(file(dataset, interval, day), zipped(text)).series
    return series


def by_kind(parsed: Parsed) -> dict[str, Series]:
    return {series.kind: series for series in parsed.series}


@pytest.mark.parametrize("header", [True, False], ids=["header", "no header"])
@pytest.mark.parametrize("us", [False, True], ids=["ms", "us"])
def test_candles(header: bool, us: bool) -> None:
    series = one("klines", klines(DAY, header=header, us=us), "1h")
    assert len(series) == 24
    assert series.event_time[0] == START
    assert series.event_time[-1] == START + 23 * HOUR_NS
    assert list(series.columns) == [
        "open", "high", "low", "close", "volume", "quote_volume", "trade_count", "taker_buy_volume",
    ]  # fmt: skip
    assert series["taker_buy_volume"][3] == pytest.approx(series["volume"][3] / 2, abs=1e-3)
    assert (series["high"] >= series["close"]).all()


@pytest.mark.parametrize(
    ("dataset", "column"),
    [
        ("markPriceKlines", "mark_price"),
        ("indexPriceKlines", "index_price"),
        ("premiumIndexKlines", "premium"),
    ],
)
def test_the_close_of_a_mark_candle_held_at_its_end(dataset: str, column: str) -> None:
    text = klines(DAY)
    series = one(dataset, text, "1h")
    assert series.event_time[0] == START + HOUR_NS
    assert series[column][0] == one("klines", text, "1h")["close"][0]


def test_settlements_are_stored_at_their_second() -> None:
    monthly = ArchiveFile(DATASETS["fundingRate"], "BTCUSDT", None, date(2024, 3, 1))
    (series,) = parse(monthly, zipped(funding(date(2024, 3, 1), 31))).series
    assert len(series) == 93
    assert (series.event_time % HOUR_NS == 0).all()


def test_metrics_before_the_change_are_labelled_by_their_end() -> None:
    parsed = by_kind(parse(file("metrics"), zipped(metrics(DAY))))
    assert set(parsed) == {"open_interest", "ratios"}
    assert parsed["open_interest"].event_time[0] == START + 5 * MINUTE_NS
    assert parsed["open_interest"].event_time[-1] == START + DAY_NS
    assert list(parsed["ratios"].columns) == [
        "global_account_ratio", "top_account_ratio", "top_position_ratio", "taker_volume_ratio",
    ]  # fmt: skip


def test_metrics_after_the_change_mean_the_same_moments() -> None:
    last_old, first_new = date(2026, 6, 24), date(2026, 6, 25)
    old = by_kind(parse(file("metrics", day=last_old), zipped(metrics(last_old))))
    new = by_kind(parse(file("metrics", day=first_new), zipped(metrics(first_new, starts=True))))
    before, after = old["open_interest"], new["open_interest"]
    assert before.event_time[-1] == ms(first_new) * 1_000_000  # 00:00, though both files say 00:00
    assert after.event_time[0] == before.event_time[-1] + 5 * MINUTE_NS
    assert len(after) == 288


def test_a_day_published_anew_under_the_old_labels_is_told_by_its_rows() -> None:
    day = date(2026, 7, 1)
    again = by_kind(parse(file("metrics", day=day), zipped(metrics(day, starts=False))))
    assert again["open_interest"].event_time[-1] == (ms(day) + 86_400_000) * 1_000_000


def test_a_cut_day_of_metrics_goes_by_its_date() -> None:
    """2024-02-16 ends at 13:30 (#335): no edge of the day tells the meaning of the labels."""
    for day, shift in ((date(2024, 2, 16), 0), (date(2026, 7, 1), 5 * MINUTE_NS)):
        lines = metrics(day, starts=True).splitlines()
        cut = "\n".join([lines[0], *lines[10:50]])
        series = by_kind(parse(file("metrics", day=day), zipped(cut)))["open_interest"]
        assert series.event_time[0] == ms(day) * 1_000_000 + 45 * MINUTE_NS + shift


def test_metrics_with_empty_cells_repeated_rows_and_zeros() -> None:
    lines = metrics(DAY).splitlines()
    lines[5] = lines[5].rsplit(",", 4)[0] + ",,,,"  # ratios missing
    cells = lines[7].split(",")
    cells[2] = "0.00"
    lines[7] = ",".join(cells)  # no snapshot of the interest
    lines.insert(9, lines[8])
    parsed = parse(file("metrics"), zipped("\n".join(lines)))
    series = by_kind(parsed)
    assert len(series["open_interest"]) == 287
    assert len(series["ratios"]) == 287
    assert any("left out: 1" in finding.message for finding in parsed.findings)


@pytest.mark.parametrize("bands", [TEN_BANDS, TWELVE_BANDS], ids=["ten", "twelve"])
def test_depth_in_ten_or_twelve_bands(bands: tuple[float, ...]) -> None:
    series = one("bookDepth", depth(DAY, bands))
    assert len(series) == 20
    assert series["bid_quantity_3pct"][2] == 302.0
    assert series["ask_notional_5pct"][0] == 500 * 40_000
    near = series.columns.get("bid_quantity_02pct")
    assert near is not None
    assert np.isfinite(near).all() == (len(bands) == 12)


def test_the_day_on_which_the_depth_bands_changed() -> None:
    day = date(2026, 1, 15)
    ten = depth(day, TEN_BANDS).splitlines()
    twelve = [line.replace(" 00:", " 12:") for line in depth(day, TWELVE_BANDS).splitlines()[1:]]
    series = one("bookDepth", "\n".join(ten + twelve), day=day)
    assert len(series) == 40
    assert np.isnan(series["ask_quantity_02pct"][:20]).all()
    assert np.isfinite(series["ask_quantity_02pct"][20:]).all()


def test_a_snapshot_without_all_its_bands_is_left_out_and_told() -> None:
    lines = depth(DAY, TEN_BANDS).splitlines()
    del lines[1]
    parsed = parse(file("bookDepth"), zipped("\n".join(lines)))
    assert len(parsed.series[0]) == 19
    assert any(finding.code == "missing-value" for finding in parsed.findings)


@pytest.mark.parametrize("header", [True, False], ids=["header", "no header"])
def test_aggregated_trades(header: bool) -> None:
    series = one("aggTrades", agg_trades(DAY, header=header))
    assert len(series) == 500
    assert series["buyer_is_maker"][:4].tolist() == [0, 1, 0, 1]


def test_interleaved_trades_are_put_in_order() -> None:
    rows = [(n, 100 + n, 0.1, 10.0, ms(DAY) + n // 3, "True") for n in range(30)]
    shuffled = rows[15:] + rows[:15]
    parsed = parse(file("trades"), zipped(table(shuffled, None)))
    assert parsed.series[0]["trade_id"].tolist() == list(range(30))
    assert {finding.code for finding in parsed.findings} == {"unsorted"}


def test_best_bid_and_ask() -> None:
    rows = [(7 + n, 100.0, 1, 100.1, 2, ms(DAY) + n, ms(DAY) + n + 3) for n in range(5)]
    series = one("bookTicker", table(rows, None))
    assert series.event_time[0] == START
    assert series["ask_price"].tolist() == [100.1] * 5


def test_liquidations_written_twice_count_once() -> None:
    row = (ms(DAY) + 5, "SELL", "LIMIT", "IOC", 2, 39_000, 40_000, "FILLED", 1, 2)
    other = (ms(DAY) + 5, "BUY", "LIMIT", "IOC", 3, 41_000, 40_000, "FILLED", 3, 3)
    header = ",".join(DATASETS["liquidationSnapshot"].columns)
    series = one("liquidationSnapshot", table([row, row, other, other], header))
    assert series["long_liquidations"].tolist() == [80_000]
    assert series["short_liquidations"].tolist() == [120_000]


def test_an_empty_file_with_a_header_gives_nothing() -> None:
    assert parse(file("aggTrades"), zipped(agg_trades(DAY, count=0))).series == ()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<html>busy</html>", "is damaged or is not a zip"),
        (b"", "is damaged or is not a zip"),
        (zipped("a,b,c\n1,2,3\n"), "lacks open_time"),
        (zipped("1,2,3\n"), "has 3 columns"),
        (zipped(klines(DAY).replace(",0\n", ",0,9\n", 1)), "has 13 columns"),
        (zipped(klines(DAY).replace(".", "x", 1)), "is not the table it should be"),
    ],
)
def test_what_is_no_archive_file_is_refused_in_words(content: bytes, words: str) -> None:
    with pytest.raises(DataError, match=words):
        parse(file("klines", "1h"), content)


def test_a_flipped_bit_is_noticed() -> None:
    content = bytearray(zipped(klines(DAY)))
    content[len(content) // 2] ^= 4
    with pytest.raises(DataError, match="damaged"):
        parse(file("klines", "1h"), bytes(content))


def test_a_bar_that_cannot_be_is_refused() -> None:
    lines = klines(DAY).splitlines()
    cells = lines[4].split(",")
    cells[2], cells[3] = cells[3], cells[2]
    lines[4] = ",".join(cells)
    with pytest.raises(DataError, match="high below low"):
        parse(file("klines", "1h"), zipped("\n".join(lines)))


def test_a_zip_of_two_files_is_refused() -> None:
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.csv", "1")
        archive.writestr("b.csv", "1")
    with pytest.raises(DataError, match="holds 2 files"):
        parse(file("klines", "1h"), out.getvalue())


def test_a_stored_zip_is_read_like_a_deflated_one() -> None:
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("a.csv", klines(DAY))
    assert len(parse(file("klines", "1h"), out.getvalue()).series[0]) == 24


@pytest.mark.parametrize("each", DATASETS.values(), ids=str)
def test_a_file_is_found_again_by_its_name(each: object) -> None:
    dataset = dataset_of(str(getattr(each, "name", "")))
    interval = INTERVALS["1m"] if dataset.by_interval else None
    for day in (None, date(2024, 2, 29)):
        whole = ArchiveFile(dataset, "BTCUSDT", interval, date(2024, 2, 1), day)
        assert archive_file(whole.name, dataset.name) == whole


@pytest.mark.parametrize("name", ["x.zip", "BTCUSDT-1m-2024-13.zip", "BTCUSDT-1x-2024-01.zip"])
def test_other_names_are_none_of_ours(name: str) -> None:
    assert archive_file(name) is None


def test_an_unknown_type_names_the_nearest() -> None:
    with pytest.raises(InputError, match=r"did you mean 'aggTrades'"):
        dataset_of("aggTrade")
