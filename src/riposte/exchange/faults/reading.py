"""Tables (of TOML or JSON) into records, strictly: each key known, each value of its type.

A refusal is one sentence that says where, what, and the nearest right name.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from riposte.errors import InputError, nearest
from riposte.exchange.units import parse_e8, show_trimmed

AMOUNT = "decimal number"
Amount = Annotated[int, AMOUNT]
"""A decimal number of the script, kept in e8."""
MaybeAmount = Amount | None
Table = Mapping[str, Any]
Record = TypeVar("Record")


def table(value: Any, where: str) -> Table:
    """A table, or a refusal."""
    if not isinstance(value, Mapping):
        raise InputError(f"{where} must be a table, not {_named(value)}")
    return value


def listed(value: Any, where: str) -> list[Any]:
    """A list, or a refusal."""
    if not isinstance(value, list):
        raise InputError(f"{where} must be a list, not {_named(value)}")
    return value


def only(given: Table, allowed: tuple[str, ...], where: str) -> None:
    """Refuse keys that mean nothing here."""
    for key in given:
        if key not in allowed:
            known = f"; known: {', '.join(allowed)}" if allowed else ""
            raise InputError(f"{where} knows no {key!r}{nearest(str(key), allowed)}{known}")


def chosen(value: Any, allowed: tuple[Any, ...], where: str) -> Any:
    """One of the allowed values."""
    if not any(value == one and type(value) is type(one) for one in allowed):
        texts = [str(one) for one in allowed]
        raise InputError(
            f"{where} must be one of {', '.join(texts)}, not {value!r}{nearest(str(value), texts)}"
        )
    return value


def amount(value: Any, where: str) -> int:
    """A decimal number in e8; exact, so a float is taken as it is written."""
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        number = _decimal(str(value))
        if number.is_finite() and abs(number.adjusted()) <= 18:
            scaled = parse_e8(format(number, "f"))
            if scaled is not None:
                return scaled
    raise InputError(f"{where} must be a number of at most 8 decimals, not {value!r}")


def _decimal(text: str) -> Decimal:
    """A number, or NaN where the text is none."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return Decimal("NaN")


def record(cls: type[Record], given: Table, where: str, *, skip: tuple[str, ...] = ()) -> Record:
    """A dataclass from a table; ``skip`` names keys that were read already."""
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    only({key: 0 for key in given if key not in skip}, tuple(fields), where)
    hints = get_type_hints(cls, include_extras=True)
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if name in given:
            values[name] = _value(hints[name], given[name], f"{where}: {name}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise InputError(f"{where} needs {name!r}")
    try:
        return cls(**values)
    except InputError as error:  # what its own rules say, with the place put before it
        raise InputError(f"{where}: {error.message}") from error


def kinded(
    kinds: Mapping[str, type[Any]], given: Any, where: str, *, skip: tuple[str, ...] = ()
) -> Any:
    """A record whose class the key ``kind`` names."""
    given = table(given, where)
    if "kind" not in given:
        raise InputError(f"{where} needs 'kind'; known: {', '.join(kinds)}")
    kind = given["kind"]
    if not isinstance(kind, str) or kind not in kinds:
        near = nearest(str(kind), kinds)
        raise InputError(f"{where} knows no kind {kind!r}{near}; known: {', '.join(kinds)}")
    return record(kinds[kind], given, f"{where} ({kind})", skip=("kind", *skip))


def _value(hint: Any, value: Any, where: str) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return amount(value, where)
    if origin is Literal:
        return chosen(value, arguments, where)
    if origin in (Union, types.UnionType):
        inner = [one for one in arguments if one is not type(None)]
        return _value(inner[0], value, where)
    if origin is tuple:
        rows = listed(value, where)
        return tuple(_value(arguments[0], row, f"{where}[{n}]") for n, row in enumerate(rows))
    if origin is not None and issubclass(origin, Mapping):
        inner_hint = arguments[1]
        return {
            str(k): _value(inner_hint, v, f"{where}.{k}") for k, v in table(value, where).items()
        }
    if dataclasses.is_dataclass(hint):
        return record(hint, table(value, where), where)  # type: ignore[arg-type]
    return _plain(hint, value, where)


def _plain(hint: Any, value: Any, where: str) -> Any:
    if hint is object or hint is Any:
        return value
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, hint) and (hint is bool or not isinstance(value, bool)):
        return value
    raise InputError(f"{where} must be {_KINDS[hint]}, not {_named(value)}")


_KINDS = {str: "a text", int: "a whole number", bool: "true or false", float: "a number"}


def _named(value: Any) -> str:
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list):
        return "a list"
    return "nothing" if value is None else repr(value)


def written(value: Any, hint: Any = None) -> Any:
    """A record as a table again: what differs from its defaults."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        hints = get_type_hints(type(value), include_extras=True)
        return {
            field.name: written(held, hints[field.name])
            for field in dataclasses.fields(value)
            if (held := getattr(value, field.name)) != _default(field)
        }
    if hint is not None and (get_origin(hint) is Annotated or hint == MaybeAmount):
        return show_trimmed(value)
    if isinstance(value, tuple):
        return [written(one) for one in value]
    return value


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default
