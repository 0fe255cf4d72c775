"""The whole of the recorded data checked as it lies: every known defect is found, and each finding has
its reason."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from riposte.errors import InputError
from riposte.market.checks import Finding
from riposte.sources.survey import survey
from riposte.stores.protocol import Holding
from riposte.stores.quality import Quality, examine

# What the recorded folder is known to hold, beside what follows from how it was recorded: code,
# symbol, kind, interval, and why it is so.
KNOWN = {
    ("gap", "SOLUSDT", "klines", "1h"): "the two holes of 72 h and 48 h in 2022",
    ("gap", "BTCUSDT", "klines", "5m"): "two disjoint segments",
    ("gap", "ETHUSDT", "klines", "5m"): "two disjoint segments",
    ("gap", "SOLUSDT", "klines", "5m"): "two disjoint segments",
    ("outlier", "ETHUSDT", "klines", "1h"): "the flash crash of 2023-08-17, a real price",
    ("outlier", "ETHUSDT", "mark", "1h"): "the same flash crash",
    ("outlier", "BNBUSDT", "open_interest", "1h"): "a thin market on 2023-04-03, 08-02 and 11-20",
    ("jump", "BNBUSDT", "open_interest", "1h"): "its first day, and the same thin market",
    ("jump", "SOLUSDT", "open_interest", "1h"): "its first day, from next to nothing",
    ("jump", "BTCUSDT", "open_interest", "1h"): "the crash of 2021-05-19",
    ("jump", "ETHUSDT", "open_interest", "1h"): "the crash of 2021-05-19",
    ("clock", "BTCUSDT", "depth_changes", ""): "the recorder's clock was behind, 2023 and 2024",
    ("clock", "ETHUSDT", "depth_changes", ""): "the recorder's clock was behind, 2024",
    ("flat-bar", "BTCUSDT", "klines", "1h"): "2024-10-28 20:00",
    ("flat-bar", "ETHUSDT", "klines", "1h"): "2024-10-28 20:00",
    ("flat-bar", "SOLUSDT", "klines", "1h"): "2024-10-28 20:00",
    ("flat-bar", "BNBUSDT", "klines", "1h"): "2024-10-28 20:00",
    ("funding-interval", "SOLUSDT", "funding", ""): "2 h and 4 h intervals",
    ("extreme-funding", "SOLUSDT", "funding", ""): "the floor of -2 %",
    **{
        ("late-start", f"{coin}USDT", "open_interest", "1h"): "recorded from 2020-12 or 2021-06 on"
        for coin in ("BTC", "ETH", "SOL", "BNB")
    },
    **{
        ("absent-column", f"{coin}USDT", "klines", interval): "no taker volume, no trade counts"
        for coin, intervals in {
            "BTC": ("1m", "5m", "1h"),
            "ETH": ("1m", "5m", "1h"),
            "SOL": ("1m", "5m", "1h"),
            "BNB": ("1h",),
        }.items()
        for interval in intervals
    },
}


def checked(folder: Path) -> tuple[Quality, tuple[Finding, ...]]:
    found = survey(folder)
    held = {
        Holding(kind, symbol, interval, len(s), int(s.event_time[0]), int(s.event_time[-1])): s
        for (kind, symbol, interval), s in found.series.items()
    }
    quality = examine(
        list(held), lambda h, start, stop: held[h].between(start, stop), lambda h: h.symbol
    )
    return quality, (*quality.findings, *found.findings)


def test_every_known_defect_is_found_and_nothing_that_has_no_reason(market_data: Path) -> None:
    quality, findings = checked(market_data)
    assert len(quality.series) == 22
    assert [finding for finding in findings if finding.severity == "error"] == []
    told = {
        (f.code.split("-")[0] if f.code.startswith("clock") else f.code, f.symbol, f.kind,
         str(f.interval or ""))
        for f in findings
    }  # fmt: skip
    assert told == KNOWN.keys()


def test_a_spoiled_file_is_an_error_and_the_others_are_checked(
    market_data: Path, tmp_path: Path
) -> None:
    for kind, name in (("klines", "BTCUSDT-1h"), ("funding", "BTCUSDT"), ("klines", "BNBUSDT-1h")):
        (tmp_path / kind).mkdir(exist_ok=True)
        shutil.copy(market_data / kind / f"{name}.parquet", tmp_path / kind)
    path = tmp_path / "klines" / "BNBUSDT-1h.parquet"
    path.write_bytes(path.read_bytes()[:5000])
    quality, findings = checked(tmp_path)
    assert len(quality.series) == 2
    errors = [finding for finding in findings if finding.severity == "error"]
    assert len(errors) == 1
    assert "BNBUSDT-1h.parquet is damaged" in errors[0].message


def test_a_folder_without_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no recorded market data"):
        survey(tmp_path)
