"""What a foreign log means: a mapping file (TOML) becomes a `Mapping`, or an error that says what to change.

The mapping names wire fields (SPEC 1), so what may stand in it is read off the wire format itself: a new
field of an event is mappable at once, and a wrong name or value is refused before a single row is read.

    timezone = "Asia/Shanghai"            # of times without an offset
    times = ["iso", "%Y/%m/%d %H:%M"]     # tried in this order; also epoch_s, epoch_ms, excel

    [fields]                              # for all events of a row
    shop = "lamp-shop"                    # plain text is a constant
    customer = "{买家|buyer}"              # a column, or the first of several that is not empty

    [[event]]                             # as many as a row can give
    type = "message"
    when = { column = "消息", present = true }
    id = "{会话}-{序号}"                   # a template; without `id` one is made from the content
    ts = "{日期} {时间}"
    sender = { column = "方向", map = { "买家" = "customer" }, else = "human" }
"""

import re
import tomllib
from pathlib import Path
from types import MappingProxyType
from typing import Any

from csstream.logs.fault import MappingError, nearest
from csstream.logs.mapping import EventMapping, Mapping, Read, Value, When
from csstream.logs.times import DEFAULT, check_format, zone
from csstream.logs.wire import EVENT_TYPES, WireField, wire_fields

FORMATS = ("csv", "jsonl", "parquet", "excel")
_MAPPING_KEYS = ("name", "about", "timezone", "times", "read", "fields", "event")
_READ_KEYS = ("format", "encoding", "delimiter", "quote", "columns", "skip", "sheet", "empty", "unmatched")
_VALUE_KEYS = ("column", "value", "map", "else", "empty", "times", "timezone", "optional")
_WHEN_KEYS = ("column", "is", "is_not", "present", "above")
_PIECE = re.compile(r"\{\{|\}\}|\{([^{}]+)\}|[^{}]+|[{}]")


def parse_mapping(text: str, source: str) -> Mapping:
    """Check the text of a mapping. `source` is its name in errors. Raises MappingError."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise MappingError(f"{source}: no TOML: {error}") from None
    try:
        return _mapping(raw, source)
    except _At as error:
        raise MappingError(f"{source}{_line_of(text, error.key)}: {error}") from None


class _At(Exception):  # noqa: N818 - becomes a MappingError once the line is known
    """A wrong place in the mapping; `key` is looked up in its text to name the line."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.key = path.rsplit(".", 1)[-1]


def _line_of(text: str, key: str) -> str:
    pattern = re.compile(rf"(^|[\s,{{\[\"'.]){re.escape(key)}[\"']?\s*[=\]]")
    lines = [number for number, line in enumerate(text.splitlines(), 1) if pattern.search(line)]
    # A key that stands several times cannot be told apart here; its path in the message can.
    return f":{lines[0]}" if len(lines) == 1 else ""


def _known(raw: Any, keys: tuple[str, ...], path: str) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise _At(path, "must be a table of keys")
    for key in raw:
        if key not in keys:
            raise _At(f"{path}.{key}" if path else key, f"unknown key; {nearest(key, keys)}")
    return raw


def _text(raw: Any, path: str) -> str:
    if not isinstance(raw, str):
        raise _At(path, f"must be text in quotes, not {raw!r}")
    return raw


def _texts(raw: Any, path: str) -> tuple[str, ...]:
    return tuple(_text(each, path) for each in (raw if isinstance(raw, list) else [raw]))


def _mapping(raw: dict[str, Any], source: str) -> Mapping:
    _known(raw, _MAPPING_KEYS, "")
    zone_name = _zone(raw.get("timezone", "UTC"), "timezone")
    times = _times(raw.get("times", list(DEFAULT)), "times")
    shared = raw.get("fields", {})
    if not isinstance(shared, dict):
        raise _At("fields", "must be a table of keys")
    blocks = raw.get("event")
    if not isinstance(blocks, list) or not blocks:
        raise _At("event", "missing; add at least one [[event]] with `type`, `ts`, `shop`")
    kinds = [block.get("type") for block in blocks if isinstance(block, dict)]
    names = {name for kind in kinds if kind in EVENT_TYPES for name in wire_fields(kind)}
    for key in shared:
        if names and key not in names:
            raise _At(f"fields.{key}", f"no event has this field; {nearest(key, names)}")
    events = [
        _event(block, shared, f"event[{number}]", zone_name, times) for number, block in enumerate(blocks, 1)
    ]
    mapping = Mapping(
        name=_text(raw.get("name", Path(source).stem), "name"),
        about=_text(raw.get("about", ""), "about"),
        read=_read(raw.get("read", {})),
        events=tuple(events),
        source=source,
    )
    if mapping.read.columns is not None:
        for column in mapping.columns:
            if column not in mapping.read.columns:
                raise _At(
                    "read.columns",
                    f"has no `{column}`, which is mapped; {nearest(column, mapping.read.columns)}",
                )
    return mapping


def _read(raw: Any) -> Read:
    _known(raw, _READ_KEYS, "read")
    kind = raw.get("format")
    if kind is not None and kind not in FORMATS:
        raise _At("read.format", f"{kind!r} is not known; {nearest(str(kind), FORMATS)}")
    encoding = raw.get("encoding")
    if encoding is not None:
        try:
            "".encode(_text(encoding, "read.encoding"))
        except LookupError:
            raise _At("read.encoding", f"{encoding!r} is not known; e.g. utf-8, gb18030, big5") from None
    delimiter = raw.get("delimiter")
    if delimiter is not None and len(_text(delimiter, "read.delimiter")) != 1:
        raise _At("read.delimiter", 'must be one character, e.g. "," or "\\t"')
    quote = _text(raw.get("quote", '"'), "read.quote")
    if len(quote) > 1:
        raise _At("read.quote", 'must be one character, or "" where nothing is quoted')
    skip = raw.get("skip", 0)
    if not isinstance(skip, int) or isinstance(skip, bool) or skip < 0:
        raise _At("read.skip", "must be a number of lines above the header, 0 or more")
    unmatched = raw.get("unmatched", "reject")
    if unmatched not in ("reject", "skip"):
        raise _At("read.unmatched", f'must be "reject" or "skip", not {unmatched!r}')
    return Read(
        format=kind,
        encoding=encoding,
        delimiter=delimiter,
        quote=quote or None,
        columns=_texts(raw["columns"], "read.columns") if "columns" in raw else None,
        skip=skip,
        sheet=_text(raw["sheet"], "read.sheet") if "sheet" in raw else None,
        empty=_texts(raw.get("empty", []), "read.empty"),
        unmatched=unmatched,
    )


def _event(
    raw: Any, shared: dict[str, Any], path: str, zone_name: str, times: tuple[str, ...]
) -> EventMapping:
    if not isinstance(raw, dict):
        raise _At(path, "must be a table of keys")
    kind = raw.get("type")
    if kind not in EVENT_TYPES:
        raise _At(f"{path}.type", f"{kind!r} is no event type; {nearest(str(kind), EVENT_TYPES)}")
    wires = wire_fields(kind)
    for key in raw:
        if key not in wires and key not in ("type", "when"):
            raise _At(
                f"{path}.{key}", f"`{kind}` has no such field; {nearest(key, (*wires, 'type', 'when'))}"
            )
    merged = {key: value for key, value in shared.items() if key in wires} | raw
    for name, wire in wires.items():
        if wire.required and name not in merged:
            raise _At(path, f"`{kind}` needs `{name}`; map it to a column, or give a constant")
    values = [
        _value(wires[name], each, f"{path}.{name}", zone_name, times)
        for name, each in merged.items()
        if name not in ("type", "when")
    ]
    for value in values:
        if value.wire.name in ("id", "ts") and not value.columns:
            raise _At(
                f"{path}.{value.wire.name}",
                "names no column, so all events would have the same; use {column}",
            )
    conditions = raw.get("when", [])
    return EventMapping(
        type=kind,
        values=tuple(values),
        when=tuple(
            _when(each, f"{path}.when")
            for each in (conditions if isinstance(conditions, list) else [conditions])
        ),
    )


def _value(wire: WireField, raw: Any, path: str, zone_name: str, times: tuple[str, ...]) -> Value:
    if not isinstance(raw, dict):
        if not isinstance(raw, str):
            return Value(wire, constant=_allowed(wire, raw, path))
        parts = _template(raw, path)
        if not any(isinstance(part, tuple) for part in parts):
            return Value(wire, constant=_allowed(wire, "".join(map(str, parts)), path))
        return Value(wire, parts, times=times, timezone=zone_name)
    _known(raw, _VALUE_KEYS, path)
    if ("column" in raw) == ("value" in raw):
        raise _At(path, "needs either `column` (a name, or a list of names) or `value` (a template)")
    if "column" in raw:
        parts = (_texts(raw["column"], f"{path}.column"),)
    else:
        parts = _template(_text(raw["value"], f"{path}.value"), f"{path}.value")
    table = raw.get("map")
    if table is not None and not isinstance(table, dict):
        raise _At(f"{path}.map", 'must be a table: { "in the log" = "in the event" }')
    if "else" in raw and table is None:
        raise _At(f"{path}.else", "stands without `map`")
    empty = raw.get("empty", "absent")
    if empty not in ("absent", "null"):
        raise _At(f"{path}.empty", f'must be "absent" or "null", not {empty!r}')
    optional = raw.get("optional", False)
    if not isinstance(optional, bool):
        raise _At(f"{path}.optional", "must be true or false")
    if table is not None:
        table = MappingProxyType({key: _allowed(wire, to, f"{path}.map.{key}") for key, to in table.items()})
    return Value(
        wire,
        parts,
        map=table,
        otherwise=_allowed(wire, raw["else"], f"{path}.else") if "else" in raw else None,
        empty=empty,
        times=_times(raw["times"], f"{path}.times") if "times" in raw else times,
        timezone=_zone(raw["timezone"], f"{path}.timezone") if "timezone" in raw else zone_name,
        optional=optional,
    )


def _template(text: str, path: str) -> tuple[str | tuple[str, ...], ...]:
    parts: list[str | tuple[str, ...]] = []
    for piece in _PIECE.finditer(text):
        if piece[1] is not None:
            parts.append(tuple(name.strip() for name in piece[1].split("|")))
        elif piece[0] in ("{", "}"):
            raise _At(
                path,
                f"a single {piece[0]} in {text!r}; write {{column}}, or {piece[0] * 2} for the character",
            )
        else:
            parts.append(piece[0].replace("{{", "{").replace("}}", "}"))
    return tuple(parts)


def _allowed(wire: WireField, constant: Any, path: str) -> Any:
    """A constant as the event will carry it; "" in a map means: leave the field out."""
    if constant == "":
        return ""
    try:
        return wire.constant(constant)
    except ValueError as error:
        raise _At(path, f"{constant!r} does not fit `{wire.name}`: {error}") from None


def _when(raw: Any, path: str) -> When:
    _known(raw, _WHEN_KEYS, path)
    if "column" not in raw or len(raw) == 1:
        raise _At(path, "needs `column` and one of `is`, `is_not`, `present`, `above`")
    present, above = raw.get("present"), raw.get("above")
    if present is not None and not isinstance(present, bool):
        raise _At(f"{path}.present", "must be true or false")
    if above is not None and (isinstance(above, bool) or not isinstance(above, int | float)):
        raise _At(f"{path}.above", "must be a number")
    return When(
        columns=_texts(raw["column"], f"{path}.column"),
        is_=frozenset(_texts(raw["is"], f"{path}.is")) if "is" in raw else None,
        is_not=frozenset(_texts(raw.get("is_not", []), f"{path}.is_not")),
        present=present,
        above=above,
    )


def _zone(raw: Any, path: str) -> str:
    try:
        zone(_text(raw, path))
    except MappingError as error:
        raise _At(path, str(error)) from None
    return str(raw)


def _times(raw: Any, path: str) -> tuple[str, ...]:
    patterns = _texts(raw, path)
    if not patterns:
        raise _At(path, "is empty; name at least one format, e.g. iso")
    for pattern in patterns:
        try:
            check_format(pattern)
        except MappingError as error:
            raise _At(path, str(error)) from None
    return patterns
