"""Recorded order-book folders: read as they are, every spoilt one refused or named."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from riposte.errors import DataError, InputError, RiposteError
from riposte.market.cross_checks import check_ticker, check_trades
from riposte.sources.level2 import check_level2, read_level2

FOLDERS = ("BTCUSDT-20230404", "BTCUSDT-20240718", "ETHUSDT-20240718")
FILES = ("depth", "trades", "bookticker")
Change = Callable[[pl.DataFrame], pl.DataFrame]


@pytest.mark.parametrize("name", FOLDERS)
def test_a_recorded_folder_becomes_typed_records(market_data: Path, name: str) -> None:
    record = read_level2(market_data / "l2" / name)
    assert record.symbol == name[:7]
    depth = record.depth
    assert int(depth.is_snapshot.sum()) == 1
    assert depth.start[-1] == len(depth.price)
    assert (np.diff(depth.received_time) >= 0).all()
    for stream, kind in ((record.trades, "trades"), (record.ticker, "book_ticker")):
        series = stream.series
        assert (series.kind, series.symbol, series.interval) == (kind, name[:7], None)
        assert len(series) == len(stream.sent_time) == len(stream.received_time)
        assert (stream.sent_time >= series.event_time).all(), "sent after it happened"
        assert not series.event_time.flags.writeable
    assert (record.mark is not None) == (record.index is not None) == name.endswith("20230404")


def test_mark_and_index_prices_are_read_where_they_were_recorded(market_data: Path) -> None:
    record = read_level2(market_data / "l2" / "BTCUSDT-20230404")
    assert record.mark is not None
    assert record.index is not None
    assert record.mark.series["mark_price"][0] == 28147.27373413
    assert record.index.series["index_price"][0] == 28159.75642857
    assert np.median(np.diff(record.mark.series.event_time)) == pytest.approx(1e9, rel=0.02)


def test_numbers_keep_all_their_digits(market_data: Path) -> None:
    """Update numbers are beyond 32 bits, and U and u are two columns."""
    record = read_level2(market_data / "l2" / "BTCUSDT-20240718")
    assert record.depth.first_id[0] == 4984028367545
    assert record.depth.final_id[0] == 4984028370730
    assert record.depth.previous_id[0] == 4984028367494
    assert record.ticker.series["update_id"][0] == 4984028370881
    assert record.trades.series["trade_id"][0] == 5182005737
    assert record.depth.received_time[0] == 1721347020984480942


@pytest.mark.parametrize("name", FOLDERS)
def test_a_recorded_folder_has_no_findings_but_its_clock(market_data: Path, name: str) -> None:
    found = check_level2(market_data / "l2" / name)
    moved = ["clock-moved"] if "2023" in name else []
    assert [f.code for f in found] == ["clock-behind", *moved]
    assert {f.symbol for f in found} == {name[:7]}


def copy_with(market_data: Path, tmp_path: Path, **changes: Change) -> Path:
    """A copy of a recorded folder, its files changed."""
    folder = tmp_path / "ETHUSDT-20240718"
    shutil.copytree(market_data / "l2" / folder.name, folder)
    for name, change in changes.items():
        path = folder / f"{name}.parquet"
        changed = change(pl.read_parquet(path))
        path.unlink()
        changed.write_parquet(path)
    return folder


def message(rows: pl.DataFrame, nth: int) -> pl.Expr:
    """Which rows are those of the nth change after the snapshot."""
    finals = rows.filter(~pl.col("is_snapshot"))["u"].unique().sort()
    return (pl.col("u") == finals[nth]) & ~pl.col("is_snapshot")


def lost(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(~message(rows, 5000))


def crossing(rows: pl.DataFrame) -> pl.DataFrame:
    """The first bid of a message becomes one far above every ask."""
    row = int(
        rows.with_row_index("n").filter(message(rows, 5000) & (pl.col("side") == "b"))["n"][0]
    )
    at = pl.int_range(pl.len()) == row
    return rows.with_columns(
        price=pl.when(at).then(5000.0).otherwise("price"),
        qty=pl.when(at).then(1.0).otherwise("qty"),
    )


def negative(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(qty=pl.when(message(rows, 5000)).then(-1.0).otherwise("qty"))


def swapped(rows: pl.DataFrame) -> pl.DataFrame:
    order = [*range(100), 101, 100, *range(102, rows.height)]
    return rows[order]


@pytest.mark.parametrize(
    ("file", "change", "codes"),
    [
        ("depth", lost, {"sequence-break", "never-taken"}),
        ("depth", lambda rows: rows.filter(~pl.col("is_snapshot")), {"no-snapshot", "never-taken"}),
        ("depth", crossing, {"crossed-book", "book-ticker"}),
        ("depth", negative, {"impossible-level", "never-taken"}),
        ("trades", swapped, {"trade-order"}),
        ("trades", lambda rows: pl.concat([rows[:50], rows[49:]]), {"trade-repeated"}),
        ("trades", lambda rows: rows.filter(pl.int_range(pl.len()) != 70), {"trade-gap"}),
        (
            "trades",
            lambda rows: rows.with_columns(is_buyer_maker=~pl.col("is_buyer_maker")),
            {"trade-side"},
        ),
        ("trades", lambda rows: rows.with_columns(price=pl.col("price") * 1.01), {"trade-outside"}),
        (
            "bookticker",
            lambda rows: rows.with_columns(bid=pl.col("bid") - 0.01),
            {"book-ticker"},
        ),
        ("bookticker", swapped, {"ticker-order"}),
        (
            "bookticker",
            lambda rows: rows.with_columns(update_id=pl.col("update_id") + 10**12),
            {"ticker-apart"},
        ),
    ],
)
def test_a_spoilt_folder_is_found_out(
    market_data: Path, tmp_path: Path, file: str, change: Change, codes: set[str]
) -> None:
    folder = copy_with(market_data, tmp_path, **{file: change})
    found = check_level2(folder)
    assert codes <= {f.code for f in found}
    ranks = [("error", "warning", "note").index(f.severity) for f in found]
    assert ranks == sorted(ranks)


def test_trades_that_never_met_the_book_are_kept_apart_and_leave_no_gap(
    market_data: Path,
) -> None:
    record = read_level2(market_data / "l2" / "BTCUSDT-20230404")
    assert len(record.off_book.series) == 1
    found = check_trades(record.trades.series)
    assert [(f.code, f.count) for f in found] == [("trade-gap", 1)]
    assert check_ticker(record.ticker.series) == ()
    assert "trade-gap" not in [
        f.code for f in check_level2(market_data / "l2" / "BTCUSDT-20230404")
    ]


@pytest.mark.parametrize("file", ["trades", "bookticker"])
def test_rows_out_of_order_are_refused_on_reading(
    market_data: Path, tmp_path: Path, file: str
) -> None:
    folder = copy_with(market_data, tmp_path, **{file: lambda rows: rows.reverse()})
    with pytest.raises(DataError, match=f"{file}.parquet: .*not strictly increasing") as refusal:
        read_level2(folder)
    assert refusal.value.hint


@pytest.mark.parametrize(
    ("file", "change", "says"),
    [
        ("depth", lambda rows: rows.drop("U"), "missing column U"),
        ("depth", lambda rows: rows.drop("pu", "side"), "missing columns pu, side"),
        (
            "depth",
            lambda rows: rows.with_columns(side=pl.lit("x")),
            "side 'x' in row 1 is neither",
        ),
        (
            "depth",
            lambda rows: rows.with_columns(u=pl.col("u").cast(pl.Float64) + 0.5),
            "'u' holds numbers that are not whole",
        ),
        (
            "depth",
            lambda rows: rows.with_columns(U=pl.lit(None, dtype=pl.Int64)),
            "U has no number in row 1",
        ),
        ("depth", lambda rows: rows.with_columns(u=pl.lit("x")), "'u' holds String values"),
        (
            "depth",
            lambda rows: rows.with_columns(is_snapshot=pl.lit("no")),
            "'is_snapshot' is not true or false",
        ),
        (
            "trades",
            lambda rows: rows.with_columns(trade_time=pl.col("trade_time") // 1000),
            "is not a time in ms",
        ),
        (
            "bookticker",
            lambda rows: rows.with_columns(local_ts_ns=pl.col("local_ts_ns") // 10**6),
            "is not a time in ns",
        ),
        ("trades", lambda rows: rows[:0], "holds no rows"),
        ("bookticker", lambda rows: rows.with_columns(bid=pl.lit("x")), "not a number"),
    ],
)
def test_a_file_that_is_not_what_it_should_be_is_refused_in_one_sentence(
    market_data: Path, tmp_path: Path, file: str, change: Change, says: str
) -> None:
    folder = copy_with(market_data, tmp_path, **{file: change})
    with pytest.raises(DataError) as refusal:
        read_level2(folder)
    assert says in refusal.value.message
    assert str(folder / f"{file}.parquet") in refusal.value.message


def test_whole_numbers_that_went_through_floats_are_still_read(
    market_data: Path, tmp_path: Path
) -> None:
    """A table with missing numbers often comes out of pandas as floats with NaN."""
    floats = {
        name: pl.col(name).cast(pl.Float64).fill_null(float("nan")) for name in ("U", "u", "pu")
    }
    folder = copy_with(market_data, tmp_path, depth=lambda rows: rows.with_columns(**floats))
    plain = read_level2(market_data / "l2" / folder.name)
    for name in ("first_id", "final_id", "previous_id"):
        assert (getattr(read_level2(folder).depth, name) == getattr(plain.depth, name)).all()


@pytest.mark.parametrize("file", FILES)
def test_an_absent_or_damaged_file_is_told_by_its_name(
    market_data: Path, tmp_path: Path, file: str
) -> None:
    folder = copy_with(market_data, tmp_path)
    path = folder / f"{file}.parquet"
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(DataError, match="damaged"):
        read_level2(folder)
    path.unlink()
    with pytest.raises(InputError, match="there is no file") as refusal:
        read_level2(folder)
    assert str(path) in refusal.value.message


@pytest.mark.parametrize("name", ["BTCUSDT", "depth-20240718x", "BTCUSDT-20991231"])
def test_a_folder_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    if not name.endswith("1231"):
        (tmp_path / name).mkdir()
    with pytest.raises(RiposteError, match="is not a recorded order book"):
        check_level2(tmp_path / name)
