"""Reading the configuration: files, presets, environment and flags, merged with where each came from.

Later wins: defaults, preset, files in the order given (``riposte.toml`` where no file is named), ``.env``,
environment (``RIPOSTE__SECTION__KEY``), flags.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from pydantic import BaseModel, ValidationError

from riposte.errors import InputError, nearest
from riposte.settings.schema import Settings

PRESETS = ("survival", "four-layer", "open-interest", "ppo")
ENVIRONMENT_PREFIX = "RIPOSTE__"
_SHORT_NAMES = {"RIPOSTE_ARCHIVE": "data.archive", "RIPOSTE_DATABASE": "data.database"}
DEFAULT_FILE = Path("riposte.toml")


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings, and for each dotted key that was set where it was set."""

    settings: Settings
    sources: Mapping[str, str]


def preset_values(name: str) -> dict[str, Any]:
    """The values a preset sets, as nested tables.

    Raises:
        InputError: if there is no such preset.
    """
    if name not in PRESETS:
        raise InputError(
            f"preset {name!r} is not known: use one of {', '.join(PRESETS)}{nearest(name, PRESETS)}"
        )
    text = resources.files("riposte").joinpath("presets", f"{name}.toml").read_text("utf-8")
    return tomllib.loads(text)


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested tables as dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted keys as nested tables."""
    tree: dict[str, Any] = {}
    for key, value in flat.items():
        *path, last = key.split(".")
        at = tree
        for part in path:
            at = at.setdefault(part, {})
        at[last] = value
    return tree


def known_keys() -> dict[str, str]:
    """Every dotted key there is, and what it accepts, in words."""
    keys: dict[str, str] = {"preset": ", ".join(PRESETS)}
    for section, field in Settings.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            keys |= dict.fromkeys(_keys_of(kind, section), section)
    return keys


def _keys_of(kind: type[BaseModel], path: str) -> list[str]:
    """The dotted keys of a section and of the tables in it."""
    found: list[str] = []
    for name, field in kind.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            found += _keys_of(inner, f"{path}.{name}")
        else:
            found.append(f"{path}.{name}")
    return found


def _from_file(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        raise InputError(f"configuration file {path} does not exist") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"configuration file {path} cannot be read: {error}") from None
    try:
        return flatten(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"configuration file {path} is not valid TOML: {error}") from None


def _from_environment(
    environment: Mapping[str, str | None], name: str
) -> dict[str, tuple[Any, str]]:
    found: dict[str, tuple[Any, str]] = {}
    for key, value in environment.items():
        if value is None:
            continue
        if key.startswith(ENVIRONMENT_PREFIX):
            dotted = key[len(ENVIRONMENT_PREFIX) :].lower().replace("__", ".")
            found[dotted] = (value, f"{name} {key}")
        elif key in _SHORT_NAMES and value:
            found[_SHORT_NAMES[key]] = (value, f"{name} {key}")
    return found


def load_settings(
    files: Sequence[Path] = (),
    *,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
    folder: Path = Path(),
) -> Loaded:
    """Read, merge and validate.

    ``files`` replace ``riposte.toml``, which is read where it exists and no file is named. ``flags``
    are dotted keys from the command line. Raises:
        InputError: listing every unknown key and bad value at once, each with its place.
    """
    named = list(files) or [p for p in [folder / DEFAULT_FILE] if p.exists()]
    layers: list[dict[str, tuple[Any, str]]] = [
        {key: (value, str(path)) for key, value in _from_file(path).items()} for path in named
    ]
    dotenv = folder / ".env"
    if dotenv.exists():
        layers.append(_from_environment(dotenv_values(dotenv), ".env"))
    layers.append(_from_environment(environment or {}, "environment"))
    layers.append({k: (v, "flag") for k, v in (flags or {}).items() if v is not None})
    merged: dict[str, tuple[Any, str]] = {}
    for layer in layers:
        merged |= layer
    preset = str(merged.get("preset", ("survival", ""))[0])
    base = {k: (v, f"preset {preset}") for k, v in flatten(preset_values(preset)).items()}
    return _validated(base | merged)


def _validated(merged: Mapping[str, tuple[Any, str]]) -> Loaded:
    problems = []
    known = known_keys()
    for key, (value, source) in merged.items():
        if key not in known:
            problems.append(f"{source}: unknown key {key} = {_shown(value)}{nearest(key, known)}")
    good = {k: v for k, (v, _) in merged.items() if k in known}
    settings: Settings | None = None
    try:
        settings = Settings.model_validate(nested(good))
    except ValidationError as error:
        for each in error.errors():
            parts = [str(part) for part in each["loc"]]
            places = (".".join(parts[:length]) for length in range(len(parts), 1, -1))
            key = next((place for place in places if place in known), ".".join(parts[:2]))
            source = merged[key][1] if key in merged else "defaults"
            problems.append(f"{source}: {key} = {_shown(each['input'])}: {_plain(each['msg'])}")
    if problems or settings is None:
        hint = "riposte config show prints every key; docs/configuration.md explains them"
        raise InputError("; ".join(problems), hint=hint)
    return Loaded(settings, {key: source for key, (_, source) in merged.items()})


def _shown(value: object) -> str:
    """The value as it was written, the password of an address left out."""
    return re.sub(r"(://[^:/@\s]*:)[^@\s]*@", r"\1...@", repr(value))


def _plain(message: str) -> str:
    text = message.removeprefix("Value error, ")
    return text[:1].lower() + text[1:]
