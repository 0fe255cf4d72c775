"""The file of a sweep: what is varied, typed and held against the settings, and the sets drawn from it.

Sections and keys are those of ``riposte.toml``; a value is a list of choices, or a range::

    [sweep]
    sampling = "random"          # or "grid"
    sets = 1000                  # of a random sweep
    seed = 7
    signals = "open-interest"    # or "model", "walk-forward"

    [position]
    min_confidence = { from = 0.55, to = 0.80 }
    sizing = ["confidence", "fixed-fraction"]

    [barriers]
    stop_loss = { from = 0.5, to = 2.0, log = true, steps = 4 }

``log``: each factor counts the same. ``steps``: how many points a grid has of a range, both ends among
them. What is not named stays as it is configured, and the settings as configured are always the first set.
"""

from __future__ import annotations

import itertools
import math
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, ValidationError

from riposte.engine.parameters import NEVER
from riposte.errors import InputError, nearest
from riposte.market.interval import INTERVALS, format_duration
from riposte.proof.sweep import Value, Variant
from riposte.proof.tuning.space import Range
from riposte.settings.convert import barriers_of, engine_of
from riposte.settings.load import flatten, known_keys, nested
from riposte.settings.schema import Section, Settings

MOST_SETS = 100_000
# What can be varied without another market or another model: whole sections, less what decides those.
SWEPT_SECTIONS = ("position", "risk", "costs", "execution", "barriers", "backtest")
NEEDS_ANOTHER_MARKET = frozenset(
    {
        "risk.volatility_short",
        "risk.volatility_normal",
        "barriers.volatility_window",
        "barriers.atr_bars",
        "backtest.inside",
    }
)
NEEDS_ANOTHER_MODEL = frozenset({"barriers.scale", "barriers.reading", "barriers.weights"})
_RANGE_KEYS = ("from", "to", "log", "steps")


class SweepSettings(Section):
    """How sets are drawn, and from whose signals."""

    sampling: Literal["random", "grid"] = "random"
    sets: Annotated[int, Field(ge=1, le=MOST_SETS)] = 200
    seed: Annotated[int, Field(ge=0)] = 7
    signals: Literal["open-interest", "model", "walk-forward"] = "open-interest"


@dataclass(frozen=True, slots=True)
class Dimension:
    """One key that is varied: its ``choices``, or its ``allowed`` numbers with how many a grid takes.

    A duration is in ns, in a range a multiple of ``bar_ns``; what is none has 0 there.
    """

    key: str
    choices: tuple[Value, ...] = ()
    allowed: Range | None = None
    steps: int = 0
    bar_ns: int = 0

    def written(self, value: Value) -> Value:
        """The value as the settings' file has it."""
        if not self.bar_ns or not isinstance(value, int):
            return value
        return "never" if value == NEVER else format_duration(value)

    def points(self) -> tuple[Value, ...]:
        """What a grid takes of it."""
        if self.allowed is None:
            return self.choices
        places = np.linspace(0.0, 1.0, self.steps)
        return tuple(dict.fromkeys(self._at(float(place)) for place in places))

    def drawn(self, chance: np.random.Generator) -> Value:
        """One value by chance, each as likely."""
        if self.allowed is None:
            return self.choices[int(chance.integers(len(self.choices)))]
        return self._at(float(chance.random()))

    def _at(self, place: float) -> Value:
        """The number at ``place`` in [0, 1] of the range."""
        if self.allowed is None:
            raise ValueError(f"{self.key} has no range")
        low, high = self.allowed.low, self.allowed.high
        if self.allowed.log:
            value = math.exp(math.log(low) + place * (math.log(high) - math.log(low)))
        else:
            value = low + place * (high - low)
        if self.allowed.whole:
            unit = self.bar_ns or 1
            value = round(value / unit) * unit
            return int(min(max(value, low), high))
        return float(min(max(value, low), high))


@dataclass(frozen=True, slots=True)
class SweepPlan:
    """A sweep file, read and held against the settings."""

    how: SweepSettings
    dimensions: tuple[Dimension, ...]

    @property
    def identity(self) -> object:
        """What decides the sets, however many of them are drawn."""
        return self.how.model_dump(exclude={"sets"}), self.dimensions

    def values(self) -> tuple[Mapping[str, Value], ...]:
        """The sets, each by dotted key; the first is empty: everything as configured. No two are the same.

        A random sweep of more sets begins with those of one of fewer.

        Raises:
            InputError: if a grid has more sets than can be.
        """
        drawn = self._grid() if self.how.sampling == "grid" else self._random()
        found: dict[tuple[Value, ...], Mapping[str, Value]] = {(): {}}
        for each in drawn:
            found.setdefault(tuple(each.values()), each)
        return tuple(found.values())

    def _grid(self) -> Iterator[dict[str, Value]]:
        points = [dimension.points() for dimension in self.dimensions]
        size = math.prod(map(len, points))
        if size > MOST_SETS:
            raise InputError(
                f"the grid has {size:,} sets, more than {MOST_SETS:,}",
                hint='name fewer values or steps, or use sampling = "random"',
            )
        keys = [dimension.key for dimension in self.dimensions]
        return (dict(zip(keys, values, strict=True)) for values in itertools.product(*points))

    def _random(self) -> Iterator[dict[str, Value]]:
        for number in range(self.how.sets):
            chance = np.random.default_rng([self.how.seed, number])
            yield {dimension.key: dimension.drawn(chance) for dimension in self.dimensions}


def read_sweep(path: Path, settings: Settings, *, sets: int | None = None) -> SweepPlan:
    """The sweep in a TOML file; ``sets`` in the place of its own.

    Raises:
        InputError: naming every key that is unknown or cannot be varied and every value that the settings
            would refuse, at once.
    """
    table = _read(path)
    own = table.pop("sweep", {})
    problems: list[str] = []
    how = _how(path, own, sets, problems)
    dimensions = []
    for key, given in _varied(table).items():
        problem = _not_varied(key)
        if problem:
            problems.append(f"{path}: {problem}")
            continue
        try:
            dimensions.append(_dimension(key, given, settings, grid=how.sampling == "grid"))
        except ValueError as error:
            problems.append(f"{path}: {key} = {given!r}: {error}")
    if not problems and not dimensions:
        problems.append(f"{path}: nothing is varied: name keys of {', '.join(SWEPT_SECTIONS)}")
    if problems:
        raise InputError("; ".join(problems), hint="docs/sweep.md explains the file of a sweep")
    return SweepPlan(how, tuple(dimensions))


def variants_of(settings: Settings, plan: SweepPlan) -> tuple[Variant, ...]:
    """What the engine is told in each set."""
    return tuple(_variant(settings, values) for values in plan.values())


def written(plan: SweepPlan, values: Mapping[str, Value]) -> dict[str, Value]:
    """The values of a set as the settings' file has them."""
    return {d.key: d.written(values[d.key]) for d in plan.dimensions if d.key in values}


def _variant(settings: Settings, values: Mapping[str, Value]) -> Variant:
    changed = with_values(settings, values)
    return Variant(values, engine_of(changed), barriers_of(changed))


def with_values(settings: Settings, values: Mapping[str, Value]) -> Settings:
    """The settings with others in the place of their own, validated.

    Raises:
        ValueError: pydantic's, if one is refused.
    """
    sections = {}
    for name, given in nested(values).items():
        section = getattr(settings, name)
        own = {key: getattr(section, key) for key in type(section).model_fields}
        sections[name] = type(section).model_validate(own | given)
    return settings.model_copy(update=sections)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise InputError(f"sweep file {path} does not exist") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"sweep file {path} cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"sweep file {path} is not valid TOML: {error}") from None


def _how(path: Path, own: Any, sets: int | None, problems: list[str]) -> SweepSettings:
    if not isinstance(own, Mapping):
        problems.append(f"{path}: sweep is a table: write [sweep]")
        return SweepSettings()
    given = dict(own)
    allowed = SweepSettings.model_fields
    for key in [key for key in given if key not in allowed]:
        problems.append(f"{path}: unknown key sweep.{key}{nearest(key, allowed)}")
        del given[key]
    if sets is not None and given.get("sampling") == "grid":
        problems.append(f"--sets {sets}: a grid has as many sets as it has points")
    elif sets is not None:
        given["sets"] = sets
    try:
        return SweepSettings.model_validate(given)
    except ValidationError as error:
        problems += [
            f"{path}: sweep.{e['loc'][0]} = {e['input']!r}: {_said(e)}" for e in error.errors()
        ]
        return SweepSettings()


def _varied(table: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted keys and what is given for each: a table is a range where it looks like one."""
    found: dict[str, Any] = {}
    for section, keys in table.items():
        if not isinstance(keys, Mapping):
            found[section] = keys
            continue
        for key, given in keys.items():
            inner = isinstance(given, Mapping) and not set(given) & set(_RANGE_KEYS)
            found |= flatten(given, f"{section}.{key}.") if inner else {f"{section}.{key}": given}
    return found


def _not_varied(key: str) -> str:
    """Why a key cannot be varied; empty if it can."""
    swept = [
        known
        for known in known_keys()
        if known.partition(".")[0] in SWEPT_SECTIONS
        and known not in NEEDS_ANOTHER_MARKET | NEEDS_ANOTHER_MODEL
    ]
    if key in swept:
        return ""
    if key in NEEDS_ANOTHER_MARKET:
        return f"{key} cannot be swept: every bar of the market would have to be measured anew"
    if key in known_keys():
        return (
            f"{key} cannot be swept: it does not change how signals are traded, but which there are"
            if key not in NEEDS_ANOTHER_MODEL
            else f"{key} cannot be swept: the model learned from these labels"
        )
    return f"unknown key {key}{nearest(key, swept)}"


def _dimension(key: str, given: Any, settings: Settings, *, grid: bool) -> Dimension:
    if isinstance(given, Mapping):
        return _ranged(key, given, settings, grid=grid)
    listed = given if isinstance(given, Sequence) and not isinstance(given, str) else [given]
    if not listed:
        raise ValueError("name at least one value")
    choices = tuple(_accepted(key, value, settings) for value in listed)
    return Dimension(key, choices, bar_ns=_unit(listed[0], choices[0], settings))


def _ranged(key: str, given: Mapping[str, Any], settings: Settings, *, grid: bool) -> Dimension:
    for name in given:
        if name not in _RANGE_KEYS:
            raise ValueError(f"unknown key {name} of a range{nearest(name, _RANGE_KEYS)}")
    if not {"from", "to"} <= set(given):
        raise ValueError("a range has a from and a to")
    low, high = (_accepted(key, given[end], settings) for end in ("from", "to"))
    if isinstance(low, bool | str | tuple) or isinstance(high, bool | str | tuple):
        raise ValueError("there is nothing between these values: list them")  # noqa: TRY004
    if not low < high:
        raise ValueError("from must be below to")
    log, steps = given.get("log", False), given.get("steps", 0)
    if not isinstance(log, bool) or isinstance(steps, bool) or not isinstance(steps, int):
        raise ValueError("log is true or false, steps a whole number")  # noqa: TRY004
    if log and low <= 0:
        raise ValueError("a logarithmic range begins above 0")
    if (grid and steps < 2) or steps < 0:
        raise ValueError("a grid needs steps of 2 or more in a range")
    whole = isinstance(low, int) and isinstance(high, int)
    return Dimension(
        key,
        allowed=Range(low, high, log=log, whole=whole),
        steps=steps,
        bar_ns=_unit(given["from"], low, settings),
    )


def _unit(written: Any, taken: Value, settings: Settings) -> int:
    """The length of a bar for a duration, which is written as text and taken as ns; else 0."""
    duration = isinstance(written, str) and isinstance(taken, int)
    return INTERVALS[settings.data.interval].ns if duration else 0


def _accepted(key: str, value: Any, settings: Settings) -> Value:
    """The value as the settings take it.

    Raises:
        ValueError: saying what is allowed, if they don't.
    """
    try:
        at: Any = with_values(settings, {key: value})
    except ValidationError as error:
        raise ValueError(_said(error.errors()[0])) from None
    for part in key.split("."):
        at = getattr(at, part)
    taken: Value = at
    return taken


def _said(error: Any) -> str:
    text = str(error["msg"]).removeprefix("Value error, ")
    return text[:1].lower() + text[1:]
