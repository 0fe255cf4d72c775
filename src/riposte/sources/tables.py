"""Files as tables: Parquet, Feather and CSV read into named arrays, their faults told plainly.

Here a file is only columns of numbers and texts; what they mean is :mod:`riposte.sources.recorded`.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq

from riposte.errors import DataError, InputError, RiposteError, StorageError, nearest
from riposte.market.frame import Floats, Times

SUFFIXES = (".parquet", ".csv", ".feather")

# The exchange's candle rows, as its archive and its REST interface give them without a header.
EXCHANGE_KLINES = (
    "open_time",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "close_time",
    "quote_volume",
    "trade_count",
    "taker_buy_volume",
    "taker_buy_quote_volume",
    "ignore",
)
_UNIT_SCALE = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


@dataclass(frozen=True, slots=True)
class Table:
    """The columns of one file as polars series, by lower-case name, all of ``rows`` rows."""

    path: Path
    columns: Mapping[str, pl.Series]
    rows: int

    def numbers(self, name: str) -> Floats:
        """A column as float64, NaN where the file has no value.

        Raises:
            DataError: if it holds something that is not a number.
        """
        values = self.columns[name]
        if values.dtype == pl.String:
            values = self._parsed(name, values)
        if not (values.dtype.is_numeric() or values.dtype == pl.Null):
            raise DataError(
                f"{self.path}: column {name!r} holds {_kind_of_values(values.dtype)}, not numbers"
            )
        return values.cast(pl.Float64).fill_null(float("nan")).to_numpy().astype(np.float64)

    def _parsed(self, name: str, texts: pl.Series) -> pl.Series:
        stripped = texts.str.strip_chars()
        parsed = stripped.replace("", None).cast(pl.Float64, strict=False)
        unreadable = parsed.is_null() & stripped.is_not_null() & (stripped != "")
        if unreadable.any():
            row = int(unreadable.arg_max() or 0)
            raise DataError(
                f"{self.path}: column {name!r} holds {texts[row]!r} in row {row + 1}, "
                "which is not a number"
            )
        return parsed

    def times(self, name: str) -> tuple[Times, bool]:
        """A column of times, and whether it is already in ns (a date column) or bare numbers.

        Raises:
            DataError: if a time is missing, is not a whole number or is not a date.
        """
        values = self.columns[name]
        if values.null_count():
            row = int(values.is_null().arg_max() or 0) + 1
            raise DataError(f"{self.path}: column {name!r} has no time in row {row}")
        if values.dtype == pl.String:
            values = self._dates_or_numbers(name, values)
        if isinstance(values.dtype, pl.Datetime | pl.Date):
            moments = values.cast(pl.Datetime("ns"))
            return moments.to_physical().to_numpy().astype(np.int64), True
        if values.dtype.is_float():
            bare = values.to_numpy()
            if not np.isfinite(bare).all() or (bare != np.floor(bare)).any():
                raise DataError(f"{self.path}: column {name!r} holds times that are not whole")
        elif not values.dtype.is_integer():
            raise DataError(
                f"{self.path}: column {name!r} holds {_kind_of_values(values.dtype)}, not times"
            )
        return values.cast(pl.Int64).to_numpy().astype(np.int64), False

    def _dates_or_numbers(self, name: str, texts: pl.Series) -> pl.Series:
        numbers = texts.str.strip_chars().cast(pl.Int64, strict=False)
        if numbers.null_count() == 0:
            return numbers
        cleaned = texts.str.strip_chars().str.replace("T", " ").str.replace(r"(Z|\+00:?00)$", "")
        for form in ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%d"):
            dates = cleaned.str.to_datetime(form, time_unit="ns", strict=False)
            if dates.null_count() == 0:
                return dates
        row = int(numbers.is_null().arg_max() or 0)
        raise DataError(
            f"{self.path}: column {name!r} holds {texts[row]!r} in row {row + 1}, which is not a "
            "time: write milliseconds since 1970 or 2024-01-31 12:00:00 (UTC)"
        )


def read_table(path: Path) -> Table:
    """The columns of a Parquet, Feather or CSV file.

    Raises:
        InputError: if there is no such file, it is a folder, or its kind is not known.
        StorageError: if it may not be read.
        DataError: if it is empty or damaged.
    """
    suffix = path.suffix.lower()
    _refuse_unreadable(path, suffix)
    try:
        frame = _READERS[suffix](path)
    except RiposteError:
        raise
    except (pa.ArrowException, pl.exceptions.PolarsError, OSError, ValueError) as error:
        raise DataError(
            f"{path} is damaged or is not a {suffix[1:]} file",
            hint="get the file again: it may have been cut off on the way",
        ) from error
    if frame.height == 0:
        raise DataError(f"{path} holds no rows")
    columns = {name.strip().lower(): frame[name] for name in frame.columns}
    return Table(path, columns, frame.height)


def _refuse_unreadable(path: Path, suffix: str) -> None:
    """Say in one sentence why the file cannot be opened, before any library tries."""
    if suffix not in SUFFIXES and not path.is_dir():
        raise InputError(
            f"{path}: files of kind {suffix or '(none)'!r} cannot be read: use one of "
            f"{', '.join(SUFFIXES)}{nearest(suffix, SUFFIXES)}"
        )
    try:
        with path.open("rb") as file:
            if not file.read(1):
                raise DataError(f"{path} is empty")
    except IsADirectoryError:
        raise InputError(f"{path} is a folder, not a file") from None
    except FileNotFoundError:
        beside = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        raise InputError(f"there is no file {path}{nearest(path.name, beside)}") from None
    except PermissionError as error:
        raise StorageError(
            f"no permission to read {path}", hint="check the owner and the rights of the file"
        ) from error
    except OSError as error:
        reason = os.strerror(error.errno or errno.EIO).lower()
        raise StorageError(f"{path} could not be read: {reason}") from error


def _read_parquet(path: Path) -> pl.DataFrame:
    return _from_arrow(pq.read_table(path))


def _read_feather(path: Path) -> pl.DataFrame:
    return _from_arrow(pyarrow.feather.read_table(path))


def _from_arrow(table: Any) -> pl.DataFrame:
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame


def _read_csv(path: Path) -> pl.DataFrame:
    """A CSV with or without a header line: numbers where all cells are, else texts."""
    with path.open("rb") as file:
        first_line = file.readline(4096)
    cells = first_line.decode("utf-8", errors="replace").strip().lstrip("\ufeff").split(",")
    headed = not _is_number(cells[0]) and not _is_number(cells[-1])
    try:
        frame = pl.read_csv(path, has_header=headed, infer_schema_length=100)
    except pl.exceptions.ComputeError:  # some cell is no number: read texts, to say which
        frame = pl.read_csv(path, has_header=headed, infer_schema=False)
    if headed:
        return frame
    if frame.width == len(EXCHANGE_KLINES):
        names: tuple[str, ...] = EXCHANGE_KLINES
    elif frame.width == 6:
        names = EXCHANGE_KLINES[:6]
    else:
        raise DataError(
            f"{path} has {frame.width} columns and no header: a file without one must be candles "
            f"of 6 or {len(EXCHANGE_KLINES)} columns ({', '.join(EXCHANGE_KLINES[:6])}, ...)"
        )
    return frame.rename(dict(zip(frame.columns, names, strict=True)))


_READERS = {".parquet": _read_parquet, ".feather": _read_feather, ".csv": _read_csv}


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _kind_of_values(dtype: pl.DataType) -> str:
    return {"Boolean": "true and false", "String": "texts"}.get(str(dtype), f"{dtype} values")


def to_nanoseconds(values: Times, unit: str) -> Times:
    """Whole-number times of a unit (s, ms, us, ns) in nanoseconds."""
    return values * _UNIT_SCALE[unit]
