"""Stored series as files for other programs, in the layout that an import reads back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import polars as pl

from riposte.errors import StorageError
from riposte.market.series import Series

Format = Literal["parquet", "csv", "feather"]
FORMATS: tuple[Format, ...] = ("parquet", "csv", "feather")


def export_series(series: Series, folder: Path, form: Format, day: str = "") -> Path:
    """Write ``folder/klines/BTCUSDT-1h.parquet``; the file is there whole or not at all.

    Times are in the column ``event_time``: the opening of a candle, the moment of anything else, UTC to
    the microsecond. ``day`` is put into the name of a file that holds one day of a dense kind.

    Raises:
        StorageError: if it cannot be written.
    """
    name = "-".join(str(part) for part in (series.symbol, series.interval, day) if part)
    path = folder / series.kind / f"{name}.{form}"
    part = path.with_name(f".{path.name}.part")
    table = as_table(series)
    write: dict[Format, Callable[[Path], object]] = {
        "parquet": lambda to: table.write_parquet(to, compression="zstd"),
        "csv": lambda to: table.write_csv(to, datetime_format="%Y-%m-%d %H:%M:%S%.6f"),
        "feather": lambda to: table.write_ipc(to, compression="zstd"),
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write[form](part)
        part.replace(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        part.unlink(missing_ok=True)
        raise StorageError(
            f"{path} cannot be written: {getattr(error, 'strerror', None) or error}",
            hint="free some space or choose another folder; what was there is unchanged",
        ) from error
    return path


def as_table(series: Series) -> pl.DataFrame:
    """A polars table of the series: ``event_time`` (UTC, µs) and its columns, null where missing."""
    times = pl.Series("event_time", series.event_time // 1000).cast(pl.Datetime("us", "UTC"))
    columns = [pl.Series(name, values).fill_nan(None) for name, values in series.columns.items()]
    return pl.DataFrame([times, *columns])
