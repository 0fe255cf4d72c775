"""A request's parameters: texts as they came, read one by one, refused in the exchange's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast

import orjson

from riposte.exchange.records import OrderSide, PositionSide, WorkingType
from riposte.exchange.refusals import Refusal
from riposte.exchange.span import Span
from riposte.exchange.units import PPM, parse_e8

LAST_MS = 253_402_300_799_999


def texts_of(values: Mapping[str, Any]) -> dict[str, str]:
    """Values of a JSON object as the texts they would have come as; null counts as not sent."""
    return {name: _text(value) for name, value in values.items() if value is not None}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) else orjson.dumps(value).decode()


class Params:
    """Named texts; remembers which were read, so that unknown ones can be refused."""

    __slots__ = ("read", "values")

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values = values
        self.read: set[str] = set()

    def text(self, name: str, default: str = "") -> str:
        """A text, or ``default`` if it was not sent."""
        self.read.add(name)
        value = self.values.get(name)
        if value is None:
            return default
        if not value.isascii() or len(value) > 4_000:
            raise Refusal(-1100, name=name, allowed="^[\\.A-Z\\:/a-z0-9_-]{1,36}$")
        return value

    def needed(self, name: str) -> str:
        """A text that must be there (-1102)."""
        value = self.text(name)
        if not value:
            raise Refusal(-1102, name=name)
        return value

    def e8(self, name: str) -> int:
        """A decimal number in e8, 0 if it was not sent; -1100 if malformed, -1111 if too precise."""
        text = self.text(name)
        if not text:
            return 0
        value = parse_e8(text)
        if value is None:
            whole, _, fraction = text.partition(".")
            digits = whole.lstrip("+-")
            if digits.isdecimal() and fraction.isdecimal() and len(digits) <= 18:
                raise Refusal(-1111)
            raise Refusal(-1100, name=name, allowed="^([0-9]{1,20})(\\.[0-9]{1,20})?$")
        return value

    def integer(
        self, name: str, default: int = 0, *, least: int | None = None, most: int | None = None
    ) -> int:
        """A whole number; -1130 outside ``least`` to ``most``."""
        text = self.text(name)
        if not text:
            return default
        digits = text.removeprefix("-")
        if not (digits.isascii() and digits.isdecimal()) or len(digits) > 18:
            raise Refusal(-1102, name=name)
        value = int(text)
        if (least is not None and value < least) or (most is not None and value > most):
            raise Refusal(-1130, name=name)
        return value

    def time(self, name: str) -> int | None:
        """Milliseconds since 1970, None if not sent."""
        value = self.integer(name, -1, least=0, most=LAST_MS)
        return None if value < 0 else value

    def span(self) -> Span:
        """``startTime`` and ``endTime``; -1023 if they are the wrong way round."""
        start, end = self.time("startTime"), self.time("endTime")
        if start is not None and end is not None and start > end:
            raise Refusal(-1023)
        return Span(start, end)

    def limit(self, default: int, most: int) -> int:
        """``limit`` from 1 to ``most`` (more counts as ``most``)."""
        return min(most, self.integer("limit", default, least=1))

    def flag(self, name: str, default: bool = False) -> bool:
        """``true`` or ``false`` in any case."""
        text = self.text(name)
        if not text:
            return default
        if text.lower() not in ("true", "false"):
            raise Refusal(-1102, name=name)
        return text.lower() == "true"

    def percent_ppm(self, name: str) -> int:
        """A percentage in ppm: ``0.5`` is 5000."""
        return self.e8(name) * PPM // 10**10

    def side(self) -> OrderSide:
        """``side`` (-1117)."""
        value = self.needed("side").upper()
        if value not in ("BUY", "SELL"):
            raise Refusal(-1117)
        return cast(OrderSide, value)

    def position_side(self, default: PositionSide = "BOTH") -> PositionSide:
        """``positionSide`` (-4060)."""
        value = self.text("positionSide", default).upper()
        if value not in ("BOTH", "LONG", "SHORT"):
            raise Refusal(-4060)
        return cast(PositionSide, value)

    def working_type(self) -> WorkingType:
        """``workingType``."""
        return cast(WorkingType, self.choice("workingType", ("CONTRACT_PRICE", "MARK_PRICE")))

    def choice(
        self, name: str, allowed: tuple[str, ...], code: Literal[-1130, -1136] = -1130
    ) -> str:
        """One of some words; the first is the default."""
        value = self.text(name, allowed[0]).upper()
        if value not in allowed:
            raise Refusal(code, name=name) if code == -1130 else Refusal(code)
        return value

    def unread(self) -> list[str]:
        """Names that were sent and that nothing asked for."""
        return [name for name in self.values if name not in self.read]
