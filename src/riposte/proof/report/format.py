"""Numbers, times and names as a person reads them.

A true minus sign, a comma between thousands, a no-break space before a unit, and a dash for what is
not defined: a measure without a value is never shown as zero.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime

from riposte.market.interval import DAY_NS
from riposte.proof.metrics import METRICS

MINUS = "\N{MINUS SIGN}"
SPACE = "\N{NO-BREAK SPACE}"
UNDEFINED = "\N{EN DASH}"
INFINITE = "\N{INFINITY}"
TIMES = "\N{MULTIPLICATION SIGN}"
DAYS_PER_MONTH = 365.25 / 12


def number(value: float, decimals: int = 2, *, signed: bool = False) -> str:
    """``-1234.5`` as ``−1,234.50``; what rounds to zero has no sign."""
    if math.isnan(value):
        return UNDEFINED
    sign = "+" if signed and value > 0 else MINUS if value < 0 else ""
    if math.isinf(value):
        return sign + INFINITE
    digits = f"{abs(value):,.{decimals}f}"
    return digits if not digits.strip("0.,") else sign + digits


def percent(fraction: float, decimals: int = 1, *, signed: bool = False) -> str:
    """``0.0132`` as ``1.3 %``."""
    text = number(100.0 * fraction, decimals, signed=signed)
    return text if text == UNDEFINED else f"{text}{SPACE}%"


def round_percent(fraction: float) -> str:
    """A round value on an axis: ``0.0005`` as ``0.05 %``, with as many decimals as it needs, at most 3."""
    value = 100.0 * fraction
    decimals = next((d for d in range(3) if abs(value - round(value, d)) < 1e-6), 3)
    return percent(fraction, decimals)


def money(usdt: float, *, signed: bool = False, unit: bool = True) -> str:
    """USDT; cents below a thousand, whole above."""
    text = number(usdt, 2 if abs(usdt) < 1000.0 else 0, signed=signed)
    return text if text == UNDEFINED or not unit else f"{text}{SPACE}USDT"


def count(value: float) -> str:
    """A whole number."""
    return number(value, 0)


def hours(value: float) -> str:
    """A holding time: minutes, hours or days, whichever reads best."""
    if not math.isfinite(value):
        return number(value)
    if value < 1.0:
        return f"{number(60.0 * value, 0)}{SPACE}min"
    if value < 48.0:
        return f"{number(value, 1)}{SPACE}h"
    return f"{number(value / 24.0, 1)}{SPACE}d"


def days(value: float) -> str:
    """A stretch of days."""
    text = number(value, 0 if abs(value) >= 10.0 else 1)
    return text if text == UNDEFINED else f"{text}{SPACE}d"


def _when(time_ns: int) -> datetime:
    return datetime.fromtimestamp(time_ns // 1_000_000_000, tz=UTC)


def date(time_ns: int) -> str:
    """``2024-02-01``."""
    return _when(time_ns).strftime("%Y-%m-%d")


def month(time_ns: int) -> str:
    """``2024-02``."""
    return _when(time_ns).strftime("%Y-%m")


def moment(time_ns: int) -> str:
    """``2024-02-01 13:05``, UTC."""
    return _when(time_ns).strftime("%Y-%m-%d %H:%M")


def iso(time_ns: int) -> str:
    """``2024-02-01T13:05:00Z``."""
    return _when(time_ns).strftime("%Y-%m-%dT%H:%M:%SZ")


def span(start_ns: int, end_ns: int) -> str:
    """The length of a test: ``60 months``, or days below two months."""
    length = (end_ns - start_ns) / DAY_NS
    months = round(length / DAYS_PER_MONTH)
    if months < 2:
        whole = max(1, round(length))
        return f"{whole}{SPACE}day{'s' if whole != 1 else ''}"
    return f"{months}{SPACE}months"


def interval(bounds: tuple[float, float] | None, *, fraction: bool) -> str:
    """``−4.1 % to 1.6 %``; a dash where there is none."""
    if bounds is None or not all(map(math.isfinite, bounds)):
        return UNDEFINED
    show = percent if fraction else number
    return f"{show(bounds[0])} to {show(bounds[1])}"


def label(metric: str) -> str:
    """The name of a measure for people; a name that is not in METRICS is shown as it is written."""
    return METRICS[metric].label if metric in METRICS else plain(metric)


def measure(metric: str, value: float) -> str:
    """A measure in its own unit. Names outside METRICS: shares are fractions, the rest USDT."""
    if metric in METRICS:
        unit = METRICS[metric].unit
    else:
        unit = "fraction" if metric in ("accuracy", "f1") else "usdt"
    match unit:
        case "fraction":
            return percent(value)
        case "count":
            return count(value)
        case "hours":
            return hours(value)
        case "days":
            return days(value)
        case "usdt":
            return money(value, unit=False)
        case _:
            return number(value)


def plain(name: str) -> str:
    """``TRENDING_UP`` as ``Trending up``."""
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:].lower() if words == words.upper() else _capital(words)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def typographic(text: str) -> str:
    """A sentence built elsewhere, with true minus signs and a space before per cent."""
    text = re.sub(r"(?<![\w.\-])-(?=\d)", MINUS, text)
    return re.sub(r"(?<=\d)%|(?<=\d) %", SPACE + "%", text)


def plural(amount: int, one: str, many: str = "") -> str:
    """``1 trade``, ``1,200 trades``."""
    return f"{count(amount)}{SPACE}{one if amount == 1 else many or one + 's'}"
