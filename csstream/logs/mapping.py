"""What a foreign log means, checked and frozen: how its rows are read, and which events each of them gives.

`grammar` makes it from the text of a mapping file; `plan` binds it to the columns of one log.
"""

from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from csstream.logs.fault import MappingError
from csstream.logs.times import DEFAULT
from csstream.logs.wire import WireField, wire_fields


@dataclass(frozen=True, slots=True)
class Read:
    """How to get rows out of the files. None: found out from the file's name or content."""

    format: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    quote: str | None = '"'
    columns: tuple[str, ...] | None = None
    skip: int = 0
    sheet: str | None = None
    empty: tuple[str, ...] = ()
    unmatched: str = "reject"


@dataclass(frozen=True, slots=True)
class Value:
    """Where the value of one wire field comes from: a constant, or columns, maybe through a map."""

    wire: WireField
    parts: tuple[str | tuple[str, ...], ...] = ()
    constant: Any = None
    map: MappingProxyType[str, Any] | None = None
    otherwise: Any = None
    empty: str = "absent"
    times: tuple[str, ...] = DEFAULT
    timezone: str = "UTC"
    optional: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns it may read."""
        return tuple(name for part in self.parts if isinstance(part, tuple) for name in part)


@dataclass(frozen=True, slots=True)
class When:
    """A condition on one column; all that are set must hold."""

    columns: tuple[str, ...]
    is_: frozenset[str] | None = None
    is_not: frozenset[str] = frozenset()
    present: bool | None = None
    above: float | None = None


@dataclass(frozen=True, slots=True)
class EventMapping:
    """One event that a row can give."""

    type: str
    values: tuple[Value, ...]
    when: tuple[When, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns it may read."""
        values = [name for value in self.values for name in value.columns]
        return (*values, *(name for when in self.when for name in when.columns))


@dataclass(frozen=True, slots=True)
class Mapping:
    """A checked mapping: how to read rows, and which events each of them gives."""

    name: str
    about: str
    read: Read
    events: tuple[EventMapping, ...]
    source: str = field(default="", compare=False)

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns it may read, each once, in the order they are named."""
        return tuple(dict.fromkeys(name for event in self.events for name in event.columns))

    def with_constants(self, **constants: str) -> "Mapping":
        """The same mapping with fixed values, e.g. `shop=` for a log that does not name its shop. Raises MappingError."""
        events = []
        for event in self.events:
            wires = wire_fields(event.type)
            kept = [value for value in event.values if value.wire.name not in constants]
            for name in constants.keys() & wires.keys():
                try:
                    kept.append(Value(wires[name], constant=wires[name].constant(constants[name])))
                except ValueError as error:
                    raise MappingError(f"{constants[name]!r} does not fit `{name}`: {error}") from None
            events.append(replace(event, values=tuple(kept)))
        for name in constants:
            if not any(name in wire_fields(event.type) for event in self.events):
                raise MappingError(f"no event of {self.name} has a field `{name}`")
        return replace(self, events=tuple(events))
