"""The wire format as a mapping sees it: which fields an event has, and how text becomes their values.

All of it is read off the structs of `csstream.events`, so that there is no second list to keep.
"""

import re
import types
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin

import msgspec

from csstream.events import TYPES, Presence, Profile, Shift
from csstream.logs.fault import Fault, nearest

EVENT_TYPES = tuple(sorted(TYPES))
_TIMES = frozenset({"ts", "pay_deadline", "start", "end", "valid_from"})
_WITHOUT_CUSTOMER = (Presence, Shift, Profile)
_TRUE = frozenset({"true", "1", "yes", "y", "t", "是", "真"})
_FALSE = frozenset({"false", "0", "no", "n", "f", "否", "假"})
_BIG = 10**15  # more than anybody counts; and `1e999999` would become a million digits
_CURRENCY = re.compile(r"^(?:CNY|RMB|[¥￥$€£])?\s*([+-]?[\d,]*\.?\d+\.?(?:[eE][+-]?\d+)?)\s*元?$", re.ASCII)
_GROUPED = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?")


@dataclass(frozen=True, slots=True)
class WireField:
    """One field of one event type: `kind` is text, time, money, bool, int, choice or items."""

    name: str
    kind: str
    required: bool
    choices: tuple[str, ...] = ()

    def convert(self, text: str) -> Any:
        """The value of a cell's text. Raises Fault; times are not converted here."""
        if self.kind in ("text", "time", "choice"):
            return text
        if self.kind == "money":
            return money(text)
        if self.kind == "bool":
            folded = text.casefold()
            if folded in _TRUE or folded in _FALSE:
                return folded in _TRUE
            raise Fault("neither yes nor no", "map it: map = { ... = true }")
        if self.kind == "int":
            try:
                number = Decimal(text)
                if abs(number) < _BIG and number == int(number):
                    return int(number)
            except (ArithmeticError, ValueError):
                pass
            raise Fault("no whole number", "map it, or correct the row")
        raise Fault("no list of items", "only JSON lines can carry items")

    def constant(self, value: Any) -> Any:
        """A constant of the mapping, checked. Raises ValueError with what fits."""
        if self.kind in ("items", "time"):
            raise ValueError("it must come from a column")
        if self.kind in ("bool", "int") and isinstance(value, bool | int):
            if isinstance(value, bool) is not (self.kind == "bool"):
                raise ValueError(f"give {'true or false' if self.kind == 'bool' else 'a whole number'}")
            return value
        if not isinstance(value, str):
            raise ValueError("give text in quotes")  # noqa: TRY004 - one kind of error for all
        if self.choices and value not in self.choices:
            raise ValueError(nearest(value, self.choices))
        try:
            return self.convert(value)
        except Fault as fault:
            raise ValueError(fault.reason) from None


def money(text: str) -> str:
    """An amount as exact decimal text: currency signs and thousands commas taken off. Raises Fault."""
    found = _CURRENCY.match(text)
    if not found:
        raise Fault(
            "no amount of money", "correct the row, or add what means nothing to `empty` under [read]"
        )
    digits = found[1]
    if "," in digits:
        if not _GROUPED.fullmatch(digits):
            raise Fault("an amount with a comma that does not group thousands", "write 1234.50 or 1,234.50")
        digits = digits.replace(",", "")
    return digits


@cache
def wire_fields(kind: str) -> dict[str, WireField]:
    """The mappable fields of an event type by name (SPEC 1). `id` may be left out: it is made from the content."""
    cls = TYPES[kind]
    fields = {}
    for info in msgspec.structs.fields(cls):
        if info.name == "v":
            continue
        required = info.required and info.name != "id"
        if info.name == "customer":
            required = not issubclass(cls, _WITHOUT_CUSTOMER)
        fields[info.name] = WireField(info.name, *_kind(info.name, info.type, required))
    return fields


def _kind(name: str, annotation: Any, required: bool) -> tuple[str, bool, tuple[str, ...]]:
    if name in _TIMES:
        return "time", required, ()
    leaves = _leaves(annotation)
    for leaf in leaves:
        if get_origin(leaf) is Literal:
            return "choice", required, tuple(get_args(leaf))
    for kind, types_ in (("items", list), ("money", Decimal), ("bool", bool), ("text", str), ("int", int)):
        if any(leaf is types_ or get_origin(leaf) is types_ for leaf in leaves):
            return kind, required, ()
    raise AssertionError(f"wire field {name} has no kind that a mapping knows")


def _leaves(annotation: Any) -> list[Any]:
    if get_origin(annotation) in (Union, types.UnionType):
        return [leaf for part in get_args(annotation) for leaf in _leaves(part)]
    if hasattr(annotation, "__metadata__"):
        return _leaves(get_args(annotation)[0])
    return [annotation]
