"""Bad files: each is refused in one sentence that names the file and the fault."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from riposte.errors import DataError, InputError, RiposteError, StorageError
from riposte.sources.recorded import read_series

START_MS = 1_704_067_200_000
Table = pl.DataFrame
MS_PER_HOUR = 3_600_000


def candles(rows: int = 40) -> Table:
    close = 100.0 + np.arange(rows)
    return Table(
        {
            "open_time": START_MS + np.arange(rows, dtype=np.int64) * MS_PER_HOUR,
            "open": close - 0.5,
            "high": close + 1.0,
            "low": close - 1.0,
            "close": close,
            "volume": np.full(rows, 2.0),
        }
    )


def at_row(column: str, row: int, value: float) -> Callable[[Table], Table]:
    def change(table: Table) -> Table:
        place = pl.int_range(pl.len()) == row
        return table.with_columns(
            pl.when(place).then(value).otherwise(pl.col(column)).alias(column)
        )

    return change


def in_unit(factor: float) -> Callable[[Table], Table]:
    return lambda table: table.with_columns((pl.col("open_time") * factor).cast(pl.Int64))


def partly_microseconds(table: Table) -> Table:
    late = pl.int_range(pl.len()) >= 30
    time = pl.col("open_time")
    return table.with_columns(pl.when(late).then(time * 1000).otherwise(time).alias("open_time"))


BAD_TABLES: dict[str, tuple[Callable[[Table], Table], str]] = {
    "no rows": (lambda t: t[:0], "holds no rows"),
    "unsorted": (lambda t: pl.concat([t[20:], t[:20]]), "rows earlier than the row before: 1, at"),
    "repeated": (lambda t: pl.concat([t[:21], t[20:]]), "repeated rows: 1, at 2024-01-01 20:00 UTC"),
    "contradicting": (
        lambda t: pl.concat([t[:21], t[20:21].with_columns(volume=3.0), t[21:]]),
        "times that appear twice with different values: 1, at 2024-01-01 20:00 UTC",
    ),
    "overlapping": (
        lambda t: t.with_columns(pl.col("open_time") - (pl.int_range(pl.len()) > 9) * 1_800_000),
        "bars that overlap the 1h bar before: 1, at 2024-01-01 09:30 UTC",
    ),
    "half hours in hourly bars": (
        lambda t: t.with_columns(START_MS + pl.int_range(pl.len()) * 1_800_000).rename(
            {"literal": "time"}
        ).drop("open_time"),
        "bars that overlap the 1h bar before: 39",
    ),
    "seconds": (in_unit(1e-3), "times in column 'open_time' are in seconds .1704067200 in row 1."),
    "microseconds": (in_unit(1e3), "are in microseconds .1704067200000000 in row 1., where milli"),
    "nanoseconds": (in_unit(1e6), "are in nanoseconds"),
    "partly microseconds": (partly_microseconds, "are in microseconds .1704175200000000 in row 31."),
    "no times": (in_unit(0), "holds 0 in row 1, which is not a time"),
    "negative price": (at_row("low", 7, -5.0), "values of low that are not above 0: 1, at"),
    "zero price": (at_row("open", 7, 0.0), "values of open that are not above 0: 1, at"),
    "negative volume": (at_row("volume", 7, -2.0), "negative values of volume: 1, at"),
    "NaN": (at_row("close", 7, float("nan")), "missing values .NaN. of close: 1, at"),
    "null": (at_row("close", 7, None), "missing values .NaN. of close: 1, at"),  # type: ignore[arg-type]
    "infinite": (at_row("high", 7, float("inf")), "infinite values of high: 1, at"),
    "high below low": (at_row("high", 7, 50.0), "bars with high below low: 1, at"),
    "no close column": (lambda t: t.drop("close"), "missing columns for candles"),
    "no volume column": (lambda t: t.drop("volume"), "missing column volume, it has open_time"),
    "no time column": (lambda t: t.drop("open_time"), "missing column for the time"),
    "a time is missing": (at_row("open_time", 7, None), "has no time in row 8"),  # type: ignore[arg-type]
    "half milliseconds": (
        lambda t: t.with_columns(pl.col("open_time") + 0.5), "holds times that are not whole",
    ),
    "truths as prices": (
        lambda t: t.with_columns(close=pl.lit(True)), "column 'close' holds true and false, not numbers",
    ),
    "lists as prices": (
        lambda t: t.with_columns(close=pl.concat_list("open", "close")), "holds .* not numbers",
    ),
    "words as prices": (
        lambda t: t.with_columns(
            close=pl.when(pl.int_range(pl.len()) == 7).then(pl.lit("n/a")).otherwise(
                pl.col("close").cast(pl.String)
            )
        ),
        "column 'close' holds 'n/a' in row 8, which is not a number",
    ),
    "words as times": (
        lambda t: t.with_columns(open_time=pl.lit("noon")), "holds 'noon' in row 1, which is not a time",
    ),
    "two symbols": (
        lambda t: t.with_columns(symbol=pl.Series(["BTCUSDT", "ETHUSDT"] * 20)), "holds 2 symbols",
    ),
}  # fmt: skip


def refusal(path: Path, error: type[RiposteError] = DataError) -> str:
    with pytest.raises(error) as caught:
        read_series(path)
    assert "\n" not in caught.value.message
    assert str(path) in caught.value.message
    return caught.value.message


TYPED_ONLY = ("truths as prices", "lists as prices", "half milliseconds")


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        (name, suffix)
        for name in BAD_TABLES
        for suffix in ("parquet", "csv", "feather")
        if suffix != "csv" or name not in TYPED_ONLY
    ],
)
def test_a_bad_table_is_refused_whatever_file_it_is_in(
    tmp_path: Path, name: str, suffix: str
) -> None:
    change, words = BAD_TABLES[name]
    table = change(candles())
    path = tmp_path / f"BTCUSDT-1h.{suffix}"
    if suffix == "csv":
        table.write_csv(path)
    elif suffix == "feather":
        table.write_ipc(path)
    else:
        table.write_parquet(path)
    with pytest.raises(DataError, match=words) as caught:
        read_series(path)
    assert "\n" not in caught.value.message
    assert str(path) in caught.value.message


@pytest.mark.parametrize("suffix", ["parquet", "csv", "feather"])
def test_an_empty_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"BTCUSDT-1h.{suffix}"
    path.touch()
    assert refusal(path).endswith("is empty")


@pytest.mark.parametrize("suffix", ["parquet", "feather"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_file_that_was_cut_off(tmp_path: Path, suffix: str, share: float) -> None:
    path = tmp_path / f"BTCUSDT-1h.{suffix}"
    if suffix == "feather":
        candles(500).write_ipc(path)
    else:
        candles(500).write_parquet(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    assert refusal(path).endswith(f"is damaged or is not a {suffix} file")


def test_a_csv_that_was_cut_off_in_a_row(tmp_path: Path) -> None:
    path = tmp_path / "BTCUSDT-1h.csv"
    candles().write_csv(path)
    path.write_text(path.read_text()[:-20])
    assert "missing values (NaN) of" in refusal(path)


@pytest.mark.parametrize("suffix", ["parquet", "csv", "feather"])
def test_noise_in_the_place_of_a_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"BTCUSDT-1h.{suffix}"
    path.write_bytes(np.random.default_rng(1).bytes(5000))
    refusal(path)


def test_rows_of_different_length(tmp_path: Path) -> None:
    path = tmp_path / "BTCUSDT-1h.csv"
    path.write_text("open_time,open,high,low,close,volume\n1704067200000,1,2,1,2,5,6,7\n")
    assert "is damaged or is not a csv file" in refusal(path)


def test_a_csv_without_header_of_unknown_columns(tmp_path: Path) -> None:
    path = tmp_path / "BTCUSDT-1h.csv"
    path.write_text("1704067200000,1,2,1,2\n")
    assert "has 5 columns and no header" in refusal(path)


def test_a_folder(tmp_path: Path) -> None:
    path = tmp_path / "BTCUSDT-1h.parquet"
    path.mkdir()
    assert refusal(path, InputError).endswith("is a folder, not a file")


def test_no_file_at_all_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "BTCUSDT-1h.parquet").touch()
    message = refusal(tmp_path / "BTCUSD-1h.parquet", InputError)
    assert message.endswith("(did you mean 'BTCUSDT-1h.parquet'?)")
    refusal(tmp_path / "nowhere" / "BTCUSDT-1h.parquet", InputError)


def test_a_file_of_another_kind(tmp_path: Path) -> None:
    path = tmp_path / "BTCUSDT-1h.parquett"
    path.touch()
    assert "use one of .parquet, .csv, .feather (did you mean '.parquet'?)" in refusal(
        path, InputError
    )


def test_a_file_without_permission(tmp_path: Path) -> None:
    path = tmp_path / "BTCUSDT-1h.parquet"
    candles().write_parquet(path)
    path.chmod(0)
    was_root = os.geteuid() == 0
    if was_root:
        os.seteuid(65534)
    try:
        assert "no permission to read" in refusal(path, StorageError)
    finally:
        if was_root:
            os.seteuid(0)


def test_an_interval_nobody_can_tell(tmp_path: Path) -> None:
    path = tmp_path / "BTCUSDT.parquet"
    candles(1).write_parquet(path)
    assert "does not say its interval" in refusal(path, InputError)


def test_several_faults_are_counted_and_the_first_is_told(tmp_path: Path) -> None:
    path = tmp_path / "BTCUSDT-1h.parquet"
    table = at_row("volume", 3, -1.0)(at_row("close", 9, float("nan"))(candles()))
    table.write_parquet(path)
    assert refusal(path).endswith("(and 1 more)")
