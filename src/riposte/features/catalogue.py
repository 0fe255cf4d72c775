"""The catalogue of features: what each is, what it needs and how far it looks back.

A feature is one pure function. Its parameters name the columns of the market frame that it reads
(plus ``close_time``) and the windows it looks back over; it returns an array of the same length,
where the value at row ``t`` depends only on rows ``t - lookback + 1 .. t``::

    @feature("momentum", lookback=lambda window: window + 1, at=("4h", "24h"))
    def log_return(close: Floats, window: int) -> Floats:
        '''Return over the window.

        Formula: ln(close[t] / close[t-window])
        Unit: fraction
        Look-back: window + 1 bars
        Source: Jegadeesh and Titman (1993)
        '''
        return log_change(close, window)

gives ``log_return_4h`` and ``log_return_24h``. Windows are durations and become bars when the
interval is known; the classic indicators, which are defined in bars, keep their constants.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType, ModuleType
from typing import TypeVar

import talib

from riposte.errors import InputError, nearest
from riposte.features import primitives, sharing, windows
from riposte.market.frame import COLUMNS, Floats, Times
from riposte.market.interval import Interval, format_duration, parse_duration

FAMILIES = (
    "momentum",
    "trend",
    "oscillators",
    "volatility",
    "volume",
    "candles",
    "open_interest",
    "funding",
    "flow",
    "positioning",
    "regime",
    "calendar",
    "timeframes",
    "book",
    "book_flow",
    "trades",
)

# A week of one-minute bars. A feature that looks back further on fine bars is left out of the default
# set: it would cost more history than a recording of a few weeks can give.
LONGEST_LOOKBACK = 7 * 24 * 60 + 480

_SECTIONS = ("Formula", "Unit", "Look-back", "Source")
_SPECS = "__feature_specs__"

FeatureFunction = Callable[..., Floats]
Decorated = TypeVar("Decorated", bound=FeatureFunction)


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """One feature of the catalogue.

    ``columns``: the frame columns it reads; ``inputs``: these and, where it is a parameter,
    ``close_time``. ``lookback(interval)``: how many rows, its own included,
    its value depends on. ``windows``: the durations (ns) of its window parameters, ``in_bars(interval)``
    the same in bars. ``least_bars``: the fewest bars each window must hold for the feature to mean anything.
    """

    name: str
    group: str
    columns: tuple[str, ...]
    inputs: tuple[str, ...]
    unit: str
    lookback: Callable[[Interval], int]
    function: FeatureFunction
    doc: str
    windows: Mapping[str, int]
    least_bars: int
    in_bars: Callable[[Interval], Mapping[str, int]]

    def compute(self, inputs: Mapping[str, Floats | Times], interval: Interval) -> Floats:
        """Its values over aligned inputs (columns by name, and ``close_time``), one per row."""
        arguments = {name: inputs[name] for name in self.inputs}
        return self.function(**arguments, **self.in_bars(interval))

    def suits(self, interval: Interval) -> bool:
        """Whether every window holds enough bars of that interval."""
        return not self.windows or min(self.windows.values()) >= self.least_bars * interval.ns

    @property
    def version(self) -> str:
        """A hash of all that decides its values: source texts, windows, library version."""
        digest = hashlib.sha256(f"{self.name} {sorted(self.windows.items())}".encode())
        digest.update(_source_version(inspect.getmodule(self.function), self.function).encode())
        return digest.hexdigest()[:16]


def feature(
    group: str,
    *,
    lookback: Callable[..., int],
    at: Iterable[str] = (),
    windows: Mapping[str, str] | None = None,
    least_bars: int = 2,
) -> Callable[[Decorated], Decorated]:
    """Declare a function to be a feature of ``group``.

    Args:
        lookback: from the windows in bars (by parameter name) to the rows the value depends on.
        at: durations of the parameter ``window``; one feature each, named with the duration.
        windows: durations of further window parameters.
        least_bars: the fewest bars each window must hold; on coarser bars the feature is left out.

    Raises:
        InputError: if a parameter is neither a column nor a window, or the docstring lacks its
            formula, unit, look-back or source.
    """

    def declare(function: Decorated) -> Decorated:
        others = {name: parse_duration(text) for name, text in (windows or {}).items()}
        durations = [parse_duration(text) for text in at]
        specs = [
            _spec(function, group, lookback, {"window": ns, **others}, least_bars, suffix)
            for ns, suffix in zip(durations, at, strict=True)
        ] or [_spec(function, group, lookback, others, least_bars, "")]
        setattr(function, _SPECS, tuple(specs))
        return function

    return declare


def declared(function: FeatureFunction) -> tuple[FeatureSpec, ...]:
    """The features that a decorated function stands for; none for any other function."""
    specs: tuple[FeatureSpec, ...] = getattr(function, _SPECS, ())
    return specs


def collect(module: ModuleType) -> tuple[FeatureSpec, ...]:
    """The features declared in a module, in the order of its text."""
    return tuple(
        spec
        for member in vars(module).values()
        if inspect.isfunction(member) and member.__module__ == module.__name__
        for spec in declared(member)
    )


@functools.cache
def catalogue() -> Mapping[str, FeatureSpec]:
    """Every built-in feature by name, family by family; immutable."""
    specs: dict[str, FeatureSpec] = {}
    for family in FAMILIES:
        for spec in collect(importlib.import_module(f"riposte.features.{family}")):
            if spec.name in specs:
                raise ValueError(f"two features are named {spec.name}")
            specs[spec.name] = spec
    return MappingProxyType(specs)


def names(
    interval: Interval,
    columns: Iterable[str] | None = None,
    features: Mapping[str, FeatureSpec] | None = None,
) -> tuple[str, ...]:
    """The default set for bars of that interval, in catalogue order.

    Left out are features with a window of too few bars (they would be constant or repeat another
    one), those that look back over more than ``LONGEST_LOOKBACK`` bars and, if ``columns`` is
    given, those that need any other column.
    """
    available = None if columns is None else frozenset(columns)
    return tuple(
        name
        for name, spec in (catalogue() if features is None else features).items()
        if spec.suits(interval)
        and spec.lookback(interval) <= LONGEST_LOOKBACK
        and (available is None or available.issuperset(spec.columns))
    )


def select(
    wanted: Iterable[str], interval: Interval, features: Mapping[str, FeatureSpec] | None = None
) -> tuple[FeatureSpec, ...]:
    """The features of those names, in that order.

    Raises:
        InputError: if a name is unknown, given twice, or its windows are too short for the interval.
    """
    known = catalogue() if features is None else features
    specs: dict[str, FeatureSpec] = {}
    for name in wanted:
        if name not in known:
            raise InputError(
                f"feature {name!r} is not known{nearest(name, known)}",
                hint="list them: riposte features",
            )
        if name in specs:
            raise InputError(f"feature {name!r} is named twice")
        spec = known[name]
        if not spec.suits(interval):
            window = format_duration(min(spec.windows.values()))
            raise InputError(
                f"feature {name!r} needs windows of at least {spec.least_bars} bars, "
                f"and {window} holds too few {interval} bars: leave it out or use finer bars"
            )
        specs[name] = spec
    return tuple(specs.values())


def version(specs: Iterable[FeatureSpec]) -> str:
    """A hash over the definitions of those features, in their order."""
    return combined_version(spec.version for spec in specs)


def combined_version(versions: Iterable[str]) -> str:
    """One version of several features from that of each, in their order."""
    return hashlib.sha256(" ".join(versions).encode()).hexdigest()[:16]


def _spec(
    function: FeatureFunction,
    group: str,
    lookback: Callable[..., int],
    windows: dict[str, int],
    least_bars: int,
    suffix: str,
) -> FeatureSpec:
    name = f"{function.__name__}_{suffix}" if suffix else function.__name__
    parameters = tuple(inspect.signature(function).parameters)
    for parameter in parameters:
        if parameter not in COLUMNS and parameter not in windows and parameter != "close_time":
            raise InputError(
                f"feature {name!r}: parameter {parameter!r} is neither a window nor a column"
                + nearest(parameter, [*COLUMNS, *windows, "close_time"])
            )
    unused = [window for window in windows if window not in parameters]
    if unused:
        raise InputError(f"feature {name!r}: window {unused[0]!r} is not one of its parameters")
    doc = inspect.cleandoc(function.__doc__ or "")
    sections = dict(re.findall(r"^(Formula|Unit|Look-back|Source):\s*(\S.*)$", doc, re.MULTILINE))
    missing = [section for section in _SECTIONS if section not in sections]
    if missing:
        raise InputError(f"feature {name!r}: its docstring lacks a line '{missing[0]}: ...'")

    @functools.cache  # a live row asks for every feature's at every bar
    def in_bars(interval: Interval) -> Mapping[str, int]:
        return {each: interval.bars(duration_ns) for each, duration_ns in windows.items()}

    return FeatureSpec(
        name=name,
        group=group,
        columns=tuple(parameter for parameter in parameters if parameter in COLUMNS),
        inputs=tuple(parameter for parameter in parameters if parameter not in windows),
        unit=sections["Unit"],
        lookback=functools.cache(lambda interval: lookback(**in_bars(interval))),
        function=function,
        doc=doc,
        windows=MappingProxyType(windows),
        least_bars=least_bars,
        in_bars=in_bars,
    )


@functools.cache
def _source_version(module: ModuleType | None, function: FeatureFunction) -> str:
    """Hash of the texts a feature is made of: its whole file (for what it calls) and the primitives."""
    own = inspect.getsource(function) if module is None else inspect.getsource(module)
    texts = (own, *map(inspect.getsource, (primitives, windows, sharing)), str(talib.__version__))
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()
