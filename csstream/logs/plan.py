"""A mapping bound to the columns of one file: a row goes in, its events come out.

What can be decided once a file is decided when the plan is made, so that a row costs a few calls. A row is
whole or not at all: where one of its events fails, none is kept, so that a mended row can be imported
again without doubling its better half. Every event is decoded once as it would be later: what leaves here
is accepted by the rest of the program.
"""

from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from hashlib import blake2b
from typing import Any, NamedTuple

import orjson

from csstream.events import Reject, decode
from csstream.logs.cell import Cells, cell_text, plain
from csstream.logs.fault import PRIVATE, Fault, LogError, nearest
from csstream.logs.mapping import EventMapping, Mapping, Value, When
from csstream.logs.times import TimeReader
from csstream.logs.wire import money

_Get = Callable[[Cells], Any]
_ABSENT: Any = object()


class Made(NamedTuple):
    """One event of a row. `body` is its JSON without `id` and `ts`; `own_id`: the log gave the id."""

    ts_ms: int
    id: str
    own_id: bool
    who: str
    body: bytes


class Plan:
    """The events of the rows of one file. Raises LogError where the file lacks a mapped column."""

    def __init__(
        self, mapping: Mapping, header: Sequence[str], file: str, readers: dict[Any, TimeReader]
    ) -> None:
        self._file = file
        self._header = header
        self._empty = frozenset(mapping.read.empty)
        self._readers = readers
        self._at: dict[str, int] = {}
        self._twice: set[str] = set()
        for position, name in enumerate(header):
            if (key := plain(name)) in self._at:
                self._twice.add(key)
            self._at.setdefault(key, position)
        self._private = {
            "|".join(value.columns)
            for event in mapping.events
            for value in event.values
            if value.wire.name in PRIVATE
        }
        self._skip = mapping.read.unmatched == "skip"
        self._events = [self._bind(event) for event in mapping.events]

    def events(self, cells: Cells) -> list[Made]:
        """The events of a row. Raises Fault if one of them cannot be made, or if none applies."""
        try:
            made = [event.make(cells) for event in self._events if all(holds(cells) for holds in event.when)]
        except Fault as fault:
            if fault.column in self._private:
                fault.value = None
            raise
        if not made and not self._skip:
            raise Fault(
                "no event of the mapping applies to this row",
                'widen a `when`, or set `unmatched = "skip"` under [read] to leave such rows out',
            )
        return made

    def _bind(self, event: EventMapping) -> "_Bound":
        bound = _Bound(event.type, [self._condition(when) for when in event.when])
        for value in event.values:
            name = value.wire.name
            bound.columns[name] = "|".join(value.columns)
            if not value.parts:
                if value.constant != "":
                    bound.base[name] = value.constant
                continue
            get = self._value(value)
            if get is None:
                continue
            if name == "ts":
                bound.ts = get
            elif name == "id":
                bound.id = get
            else:
                bound.gets.append((name, get))
        return bound

    def _positions(self, names: tuple[str, ...], optional: bool = False) -> tuple[int, ...]:
        keys = [plain(name) for name in names]
        for key in keys:
            if key in self._twice:
                raise LogError(f"{self._file}: two columns are named `{key}`; rename one")
        positions = tuple(self._at[key] for key in keys if key in self._at)
        if not positions and not optional:
            raise LogError(
                f"{self._file}: no column `{'|'.join(names)}`; {nearest(names[0], map(plain, self._header))}"
                " Correct the mapping, or its `delimiter`, `encoding` or `skip`"
            )
        return positions

    def _text(self, positions: tuple[int, ...], strip: bool = True) -> Callable[[Cells], str]:
        empty = self._empty
        only = positions[0] if len(positions) == 1 else -1

        def text(cells: Cells) -> str:
            for position in positions:
                found = cell_text(cells[position])
                bare = found.strip()
                if bare and bare not in empty:
                    return bare if strip else found
            return ""

        def text_of_one(cells: Cells) -> str:
            cell = cells[only]
            found = cell if type(cell) is str else cell_text(cell)
            bare = found.strip()
            if bare in empty:
                return ""
            return bare if strip or not bare else found

        return text if only < 0 else text_of_one

    def _condition(self, when: When) -> Callable[[Cells], bool]:
        text = self._text(self._positions(when.columns))
        column = "|".join(when.columns)

        def holds(cells: Cells) -> bool:
            found = text(cells)
            if when.present is not None and bool(found) is not when.present:
                return False
            if when.is_ is not None and found not in when.is_:
                return False
            if found in when.is_not:
                return False
            if when.above is None:
                return True
            try:
                return bool(found) and Decimal(money(found)) > when.above
            except (Fault, ArithmeticError):
                raise Fault(
                    "no number", "correct the row, or the `when` of the event", column=column, value=found
                ) from None

        return holds

    def _value(self, value: Value) -> _Get | None:
        wire = value.wire
        column = "|".join(value.columns)
        parts: list[str | Callable[[Cells], str]] = []
        for part in value.parts:
            if isinstance(part, str):
                parts.append(part)
                continue
            positions = self._positions(part, value.optional)
            if not positions:
                return None
            parts.append(self._text(positions, strip=wire.name not in PRIVATE))
        whole = value.parts[0] if len(value.parts) == 1 else None
        positions = self._positions(whole) if isinstance(whole, tuple) else ()
        if wire.kind == "items" and positions:
            return lambda cells: cells[positions[0]] or _ABSENT
        text = parts[0] if len(parts) == 1 and callable(parts[0]) else _joined(parts)
        nothing = None if value.empty == "null" else _ABSENT
        if wire.kind == "time":
            read = self._reader(value).read

            def instant(cells: Cells) -> Any:
                for position in positions:
                    cell = cells[position]
                    if isinstance(cell, date):
                        return _noted(read, cell, column)
                found = text(cells)
                return _noted(read, found, column) if found else nothing

            return instant
        table, otherwise = value.map, value.otherwise
        convert: Callable[[str], Any] | None = wire.convert if wire.kind not in ("text", "choice") else None

        def get(cells: Cells) -> Any:
            found = text(cells)
            if table is not None:
                mapped = table.get(found, otherwise) if found or "" in table else ""
                if mapped is None:
                    raise Fault(
                        "not in the `map`",
                        f"add it, or an `else`; {nearest(found, table)}",
                        column=column,
                        value=found,
                    )
                return nothing if mapped == "" else mapped
            if not found:
                return nothing
            return found if convert is None else _noted(convert, found, column)

        return get

    def _reader(self, value: Value) -> TimeReader:
        key = (value.times, value.timezone)
        if key not in self._readers:
            self._readers[key] = TimeReader(*key)
        return self._readers[key]


class _Bound:
    """One event mapping with its getters."""

    def __init__(self, kind: str, when: list[Callable[[Cells], bool]]) -> None:
        self.when = when
        self.base: dict[str, Any] = {"type": kind}
        self.gets: list[tuple[str, _Get]] = []
        self.columns: dict[str, str] = {}
        self.ts: _Get = lambda _: _ABSENT
        self.id: _Get | None = None

    def make(self, cells: Cells) -> Made:
        ts_ms = self.ts(cells)
        if ts_ms is _ABSENT or ts_ms is None:
            raise self._needed("ts")
        out = dict(self.base)
        for name, get in self.gets:
            value = get(cells)
            if value is not _ABSENT:
                out[name] = value
        try:
            body = orjson.dumps(out)
            if self.id is None:
                own, made_id = (
                    False,
                    f"{out['type']}-{blake2b(b'%d' % ts_ms + body, digest_size=10).hexdigest()}",
                )
            else:
                own, made_id = True, self.id(cells)
                if made_id is _ABSENT or made_id is None:
                    raise self._needed("id")
            line = wire_line(made_id, ts_ms, body)
        except TypeError:
            raise Fault(
                "bytes that do not fit the encoding, or a value that JSON cannot hold",
                "set `encoding` under [read], or correct the row",
            ) from None
        event = decode(line)
        if isinstance(event, Reject):
            raise self._refused(event, out | {"id": made_id, "ts": ts_ms})
        return Made(ts_ms, made_id, own, f"{out['shop']}\x1f{out.get('customer') or out.get('agent')}", body)

    def _needed(self, name: str) -> Fault:
        return Fault(
            f"empty, but `{name}` is needed",
            "correct the row, or give the event a `when` with `present = true`",
            column=self.columns.get(name, ""),
        )

    def _refused(self, reject: Reject, out: dict[str, Any]) -> Fault:
        what, _, name = reject.reason.partition(":")
        if what == "missing":
            return self._needed(name)
        value = None if name in PRIVATE else out.get(name)
        return Fault(reject.error, "map or correct it", column=self.columns.get(name, ""), value=value)


def wire_line(event_id: str, ts_ms: int, body: bytes) -> bytes:
    """The event as one line of the wire format, without the line's end."""
    return b'{"id":%b,"ts":%d,%b' % (orjson.dumps(event_id), ts_ms, body[1:])


def _joined(parts: list[str | Callable[[Cells], str]]) -> Callable[[Cells], str]:
    """A template's text; "" if all of its columns are empty, for then the row says nothing."""

    def text(cells: Cells) -> str:
        told = False
        out = []
        for part in parts:
            if isinstance(part, str):
                out.append(part)
            elif found := part(cells):
                told = True
                out.append(found)
        return "".join(out) if told else ""

    return text


def _noted(convert: Callable[[Any], Any], found: object, column: str) -> Any:
    try:
        return convert(found)
    except Fault as fault:
        raise Fault(fault.reason, fault.fix, column=column, value=found) from None
