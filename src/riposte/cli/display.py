"""How things are shown: tables on standard output, progress on standard error, JSON for scripts."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import orjson
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

Report = Callable[[str, int, int], None]

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """One JSON document on standard output; NaN becomes null."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS
    sys.stdout.write(orjson.dumps(value, option=options, default=str).decode() + "\n")


def table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], right: int = 1
) -> Table:
    """A plain table; columns from ``right`` on are aligned to the right."""
    made = Table(title=title or None, title_justify="left", box=None, pad_edge=False)
    for index, name in enumerate(columns):
        made.add_column(name, justify="right" if index >= right else "left", no_wrap=index == 0)
    for row in rows:
        made.add_row(*row)
    return made


@contextmanager
def progress(*, quiet: bool = False) -> Iterator[Report]:
    """A callback ``report(what, done, total)`` that shows bars with the time left on standard error.

    Nothing is shown where standard error is not a terminal, or when ``quiet``.
    """
    shown = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=err,
        transient=True,
        disable=quiet or not err.is_terminal,
    )
    tasks: dict[str, Any] = {}

    def report(what: str, done: int, total: int) -> None:
        if what not in tasks:
            tasks[what] = shown.add_task(what, total=total)
        shown.update(tasks[what], completed=done, total=total)

    with shown:
        yield report


@contextmanager
def transfer_progress(
    *, quiet: bool = False
) -> Iterator[Callable[[str, int, int, int, str], None]]:
    """Like :func:`progress`, for what arrives: ``report(what, done, total, bytes, title)`` adds the
    amount, the rate and what was last stored."""
    shown = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[amount]}"),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("[dim]{task.fields[title]}"),
        console=err,
        transient=True,
        disable=quiet or not err.is_terminal,
    )
    tasks: dict[str, Any] = {}
    began = time.monotonic()

    def report(what: str, done: int, total: int, size: int, title: str) -> None:
        rate = size / max(time.monotonic() - began, 1e-3)
        amount = f"{size / 1e6:,.1f} MB, {rate / 1e6:.1f} MB/s" if size else ""
        if what not in tasks:
            tasks[what] = shown.add_task(what, total=total, amount=amount, title=title)
        shown.update(tasks[what], completed=done, total=total, amount=amount, title=title)

    with shown:
        yield report


def percent(value: float, places: int = 1) -> str:
    """``-1.3 %`` with a real minus sign; a dash where it is not defined."""
    return "–" if math.isnan(value) else f"{value * 100:.{places}f} %".replace("-", "−")


def number(value: float, places: int = 2) -> str:
    """A number with thousands separators; a dash where it is not defined."""
    return "–" if math.isnan(value) else f"{value:,.{places}f}".replace("-", "−")
