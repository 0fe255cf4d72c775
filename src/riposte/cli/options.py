"""The options that verbs share, spelled the way the field is used to, and what they amount to."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from riposte.settings.convert import range_of
from riposte.settings.load import Loaded, load_settings

ConfigFiles = Annotated[
    list[Path] | None,
    typer.Option("-c", "--config", help="TOML file; may be repeated, later files win."),
]
PresetName = Annotated[
    str | None,
    typer.Option("--preset", help="survival, four-layer, open-interest or ppo."),
]
SymbolList = Annotated[
    str | None,
    typer.Option("-p", "--symbols", help="Comma-separated: BTCUSDT or BTC/USDT:USDT."),
]
IntervalName = Annotated[str | None, typer.Option("-i", "--interval", help="Bar size: 1s ... 1d.")]
Kinds = Annotated[
    str | None,
    typer.Option("--kinds", help="Comma-separated: klines, mark, funding, open_interest, ..."),
]
Timerange = Annotated[
    str | None,
    typer.Option("--timerange", help="20240101-20240201; either side may be left open."),
]
Workers = Annotated[
    int | None, typer.Option("--workers", help="Parallel processes; 0 means one per core.")
]
Seed = Annotated[int | None, typer.Option("--seed", help="Seed of everything that is random.")]
SweepFile = Annotated[
    Path | None,
    typer.Option(help="TOML file of settings to vary: trade the signals under every set of them."),
]
SetCount = Annotated[int | None, typer.Option(help="How many sets a random sweep draws.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts, and nothing else.")]


@dataclass(frozen=True, slots=True)
class Given:
    """What was given on the command line; None where nothing was."""

    config: list[Path] | None = None
    preset: str | None = None
    symbols: str | None = None
    interval: str | None = None
    timerange: str | None = None
    workers: int | None = None
    seed: int | None = None

    def flags(self) -> dict[str, Any]:
        """Dotted keys of the settings that were given as flags."""
        given = {
            "preset": self.preset,
            "data.symbols": self.symbols,
            "data.interval": self.interval,
            "data.timerange": self.timerange,
            "walkforward.workers": self.workers,
            "model.seed": self.seed,
        }
        return {key: value for key, value in given.items() if value is not None}

    def load(self, **more: Any) -> Loaded:
        """The effective settings; ``more`` are further dotted keys that a verb was given."""
        flags = self.flags() | more
        loaded = load_settings(self.config or (), environment=os.environ, flags=flags)
        range_of(loaded.settings)  # a senseless time range is said before any work is done
        return loaded
