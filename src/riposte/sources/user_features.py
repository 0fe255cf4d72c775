"""Features of the user: Python files with decorated functions, loaded beside the built-in ones.

A file is run once, in this process, as what it is: the user's own program, named by them in their
settings. It must stand alone (installed packages apart), so that its text is its definition: the
version of a feature, and with it every cached value and every model, follows that text. What the
functions return is checked at each call; a mistake in them is told in one sentence with its line.

Workers never see a function: features are computed here, and what travels is their values.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import hashlib
import linecache
import sys
import traceback
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType, ModuleType

import numpy as np

from riposte.errors import InputError, StorageError
from riposte.features.catalogue import FeatureFunction, FeatureSpec, catalogue, collect
from riposte.market.frame import Floats
from riposte.market.interval import INTERVALS

_HINT = "examples/my_features.py is a file that works"


def load_features(paths: Iterable[Path | str]) -> Mapping[str, FeatureSpec]:
    """The features of the user's files by name, in the order of the files and of their texts.

    Raises:
        InputError: if a file is not there, is no Python, fails when it is run, declares no feature or
            a wrong one, imports a file beside it, or uses a name that is taken.
        StorageError: if a file may not be read.
    """
    specs: dict[str, FeatureSpec] = {}
    files: dict[str, Path] = {}
    for given in paths:
        path = Path(given).expanduser()
        for spec in _features_of(path):
            if spec.name in catalogue():
                raise InputError(
                    f"{path}: feature {spec.name!r} has the name of a built-in one",
                    hint="give the function another name",
                )
            if spec.name in files:
                raise InputError(
                    f"{path}: feature {spec.name!r} is already declared in {files[spec.name]}"
                )
            specs[spec.name] = spec
            files[spec.name] = path
    return MappingProxyType(specs)


def with_users(paths: Iterable[Path | str]) -> Mapping[str, FeatureSpec]:
    """The built-in catalogue and the user's features after it. Raises as :func:`load_features`."""
    return MappingProxyType({**catalogue(), **load_features(paths)})


def _features_of(path: Path) -> tuple[FeatureSpec, ...]:
    text = _text_of(path)
    tree = _parsed(path, text)
    _refuse_neighbours(path, tree)
    module = _run(path, text, tree)
    found = collect(module)
    if not found:
        raise InputError(
            f"{path} declares no feature: put @feature(...) above a function", hint=_HINT
        )
    for spec in found:
        _check_lookback(path, spec)
    specs = tuple(
        dataclasses.replace(spec, function=_checked(spec.name, spec.function, path))
        for spec in found
    )
    for spec in specs:
        _ = spec.version  # while the text at hand is the one that was run: the answer is kept
    return specs


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"features file {path} does not exist") from None
    except IsADirectoryError:
        raise InputError(f"features file {path} is a folder: name the file in it") from None
    except UnicodeDecodeError:
        raise InputError(f"features file {path} is no text in UTF-8") from None
    except OSError as error:
        raise StorageError(f"features file {path} cannot be read: {error.strerror}") from error


def _parsed(path: Path, text: str) -> ast.Module:
    try:
        return ast.parse(text, str(path))
    except SyntaxError as error:
        raise InputError(f"{path}, line {error.lineno}: {error.msg}") from None
    except ValueError as error:  # null bytes
        raise InputError(f"{path} is no Python: {error}") from None


def _refuse_neighbours(path: Path, tree: ast.Module) -> None:
    """Code in another file could change without the version of the feature changing."""
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = ["."] if node.level else [node.module or ""]
        else:
            continue
        for name in names:
            first = name.split(".")[0]
            beside = path.parent / first
            if (
                not first
                or beside.with_suffix(".py").is_file()
                or (beside / "__init__.py").is_file()
            ):
                raise InputError(
                    f"{path}, line {node.lineno}: it imports a file beside it, whose changes would go "
                    "unnoticed: a features file stands alone",
                    hint="move what it needs into it",
                )


def _run(path: Path, text: str, tree: ast.Module) -> ModuleType:
    """The file as a module of its own, under a name that no other text has."""
    place = path.resolve()
    digest = hashlib.sha256(f"{place}\0{text}".encode()).hexdigest()[:16]
    module = ModuleType(f"riposte_user_features_{digest}")
    module.__file__ = str(place)
    # Sources are looked up here by the version hash and by tracebacks: the text that runs, not
    # whatever the file holds by then.
    linecache.cache[str(place)] = (len(text), None, text.splitlines(keepends=True), str(place))
    sys.modules[module.__name__] = module
    try:
        exec(compile(tree, str(place), "exec", dont_inherit=True), vars(module))  # noqa: S102  the user's own program
    except InputError as error:
        del sys.modules[module.__name__]
        raise InputError(
            f"{_where(path, place, error)}: {error.message}", hint=error.hint
        ) from None
    except (Exception, SystemExit) as error:  # whatever the user's program raises is theirs to mend
        del sys.modules[module.__name__]
        raise InputError(f"{_where(path, place, error)}: {_told(error)}") from error
    return module


def _check_lookback(path: Path, spec: FeatureSpec) -> None:
    where = f"{path}: feature {spec.name!r}"
    for interval in filter(spec.suits, INTERVALS.values()):
        try:
            rows = spec.lookback(interval)
        except Exception as error:
            windows = ", ".join(spec.windows) or "none"
            raise InputError(
                f"{where}: its lookback fails on its windows ({windows}): {_told(error)}"
            ) from error
        if not isinstance(rows, int) or rows < 1:
            raise InputError(
                f"{where}: its lookback must be a whole number of bars, 1 or more, not {rows!r}"
            )


def _checked(name: str, function: FeatureFunction, path: Path) -> FeatureFunction:
    """The function, whose mistakes are told in words and whose result is what a feature must be."""
    place = path.resolve()

    @functools.wraps(function)
    def guarded(**arguments: Floats) -> Floats:
        rows = len(next((a for a in arguments.values() if isinstance(a, np.ndarray)), ()))
        try:
            values = np.asarray(function(**arguments), dtype=np.float64)
        except Exception as error:
            raise InputError(
                f"{_where(path, place, error)}: feature {name!r} fails on {rows:,} rows: {_told(error)}"
            ) from error
        if values.shape != (rows,):
            raise InputError(
                f"{path}: feature {name!r} returned shape {values.shape} for {rows:,} rows; "
                "one value for each row is wanted, NaN where there is none"
            )
        infinite = np.flatnonzero(np.isinf(values))
        if len(infinite):
            raise InputError(
                f"{path}: feature {name!r} is infinite in {len(infinite):,} of {rows:,} rows; "
                "give NaN or a bound where it divides by nothing"
            )
        return values

    return guarded


def _where(path: Path, place: Path, error: BaseException) -> str:
    """The file, and the last of its lines that had a part in the error."""
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == str(place)
    ]
    return f"{path}, line {lines[-1]}" if lines else str(path)


def _told(error: BaseException) -> str:
    said = str(error).strip().splitlines()
    return f"{type(error).__name__}: {said[0]}" if said else type(error).__name__
