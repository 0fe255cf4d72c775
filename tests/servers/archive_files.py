"""Archive files as the exchange publishes them, quirks and all, made from a seeded market."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

import numpy as np

from riposte.sources.archive.layout import DATASETS, ArchiveFile


def zipped(text: str, name: str = "data.csv") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0)), text, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def table(rows: Iterable[Iterable[object]], header: str | None) -> str:
    lines = [] if header is None else [header]
    lines += [",".join(str(cell) for cell in row) for row in rows]
    return "\n".join(lines) + "\n"


def ms(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)


def minutes(day: date, days: int, step: int) -> range:
    return range(ms(day), ms(day + timedelta(days=days)), step * 60_000)


def price(time_ms: np.ndarray | int) -> np.ndarray:
    """A price that is a pure function of time, so that months and days agree."""
    t = np.asarray(time_ms, dtype=float) / 3.6e6
    return np.round(
        40_000 + 3_000 * np.sin(t / 37) + 150 * np.sin(t * 1.7) + 20 * np.sin(t * 31), 1
    )


def klines(
    day: date, days: int = 1, step: int = 60, *, header: bool = True, us: bool = False
) -> str:
    rows = []
    for t in minutes(day, days, step):
        opened, closed = float(price(t)), float(price(t + step * 60_000))
        high, low = max(opened, closed) + 5, min(opened, closed) - 5
        volume = round(100 + 50 * np.sin(t / 1e7), 3)
        scale = 1000 if us else 1
        rows.append(
            (t * scale, opened, high, low, closed, volume, (t + step * 60_000) * scale - 1,
             round(volume * closed, 4), int(volume * 3), round(volume / 2, 3),
             round(volume * closed / 2, 4), 0)
        )  # fmt: skip
    return table(rows, ",".join(DATASETS["klines"].columns) if header else None)


def funding(month: date, days: int, hours: int = 8, *, late_ms: int = 7) -> str:
    rows = [
        (t + late_ms, hours, f"{1e-4 * np.sin(t / 1e9):.8f}")
        for t in minutes(month, days, hours * 60)
    ]
    return table(rows, "calc_time,funding_interval_hours,last_funding_rate")


def written(time_ms: int) -> str:
    return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%Y-%m-%d %H:%M:%S}"


def metrics(day: date, *, starts: bool = False) -> str:
    """288 rows labelled by the end of each period or, since 2026-06-25, by its start."""
    rows = []
    for t in minutes(day, 1, 5):
        end = t + 300_000
        label = written(t if starts else end)
        interest = round(80_000 + 500 * np.sin(end / 1e8), 3)
        rows.append(
            (label, "BTCUSDT", interest, interest * 40_000, 1.1, 1.2, 1.3, 0.9 + end % 7 / 10)
        )
    return table(rows, ",".join(DATASETS["metrics"].columns))


def depth(day: date, bands: tuple[float, ...], *, step_s: int = 30, snapshots: int = 20) -> str:
    rows = []
    for n in range(snapshots):
        t = written(ms(day) + n * step_s * 1000 + 6000)
        for band in bands:
            quantity = round(100 * abs(band) + n, 3)
            text = f"{band:.2f}" if len(bands) > 10 else f"{band:.0f}"
            rows.append((t, text, quantity, round(quantity * 40_000, 2)))
    return table(rows, "timestamp,percentage,depth,notional")


TEN_BANDS = (-5.0, -4.0, -3.0, -2.0, -1.0, 1.0, 2.0, 3.0, 4.0, 5.0)
TWELVE_BANDS = (-5.0, -4.0, -3.0, -2.0, -1.0, -0.2, 0.2, 1.0, 2.0, 3.0, 4.0, 5.0)


def agg_trades(day: date, count: int = 500, *, header: bool = True) -> str:
    rows = []
    for n in range(count):
        t = ms(day) + n * (86_400_000 // count) // 3 * 3  # several in one millisecond
        number = ms(day) // 1000 + n
        rows.append((number, price(t), 0.01 * (1 + n % 9), number * 2, number * 2 + 1, t,
                     "true" if n % 2 else "false"))  # fmt: skip
    return table(rows, ",".join(DATASETS["aggTrades"].columns) if header else None)


def made(file: ArchiveFile) -> bytes:
    """The whole zip of one file of the made archive."""
    start, stop = file.days
    days = (stop - start).days
    match file.dataset.name:
        case "klines" | "markPriceKlines" | "indexPriceKlines" | "premiumIndexKlines":
            assert file.interval is not None
            text = klines(start, days, file.interval.ns // 60_000_000_000)
        case "fundingRate":
            text = funding(start, days)
        case "metrics":
            text = metrics(start, starts=start >= date(2026, 6, 25))
        case "bookDepth":
            text = depth(start, TWELVE_BANDS if start > date(2026, 1, 15) else TEN_BANDS)
        case "aggTrades":
            text = agg_trades(start)
        case other:
            raise ValueError(other)
    return zipped(text, file.name.replace(".zip", ".csv"))


def checksum(content: bytes, name: str) -> bytes:
    return f"{hashlib.sha256(content).hexdigest()}  {name}\n".encode()
