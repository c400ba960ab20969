"""A mapping is refused before a row is read, with the line and the word that was probably meant."""

from pathlib import Path

import pytest

from csstream.events import TYPES
from csstream.logs import MappingError, load_mapping, parse_mapping
from csstream.logs.wire import wire_fields

GOOD = """
timezone = "Asia/Shanghai"
times = ["iso"]
[read]
delimiter = ","
[fields]
shop = "s"
customer = "{buyer}"
[[event]]
type = "message"
ts = "{at}"
sender = { column = "who", map = { "a" = "customer" }, else = "human" }
agent = "{agent}"
"""


def test_the_mapping_that_the_others_break_is_good() -> None:
    assert parse_mapping(GOOD, "m.toml").columns == ("buyer", "at", "who", "agent")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("timezone =", "timezon =", "m.toml:2: timezon: unknown key; did you mean `timezone`?"),
        ("delimiter =", "delimeter =", "m.toml:5: read.delimeter: unknown key; did you mean `delimiter`?"),
        (
            "customer =",
            "costumer =",
            "m.toml:8: fields.costumer: no event has this field; did you mean `customer`?",
        ),
        ("agent =", "agnet =", "event[1].agnet: `message` has no such field; did you mean `agent`?"),
        ("map =", "mapp =", "event[1].sender.mapp: unknown key; did you mean `map`?"),
        ('"customer" }', '"custmer" }', "'custmer' does not fit `sender`: did you mean `customer`?"),
        ('"message"', '"mesage"', "'mesage' is no event type; did you mean `message`?"),
        ('"{at}"', '"2026-03-04T12:00:00Z"', "event[1].ts"),
        ('"{buyer}"', '"{buyer"', "a single { in '{buyer'"),
        ('"Asia/Shanghai"', '"Asia/Shangai"', "timezone 'Asia/Shangai' is not known"),
        ('["iso"]', '["%H:%M"]', "has no year"),
        ('["iso"]', "[]", "times: is empty"),
        ('shop = "s"', "", "event[1]: `message` needs `shop`"),
        ('shop = "s"', "shop = 7", "give text in quotes"),
        ('delimiter = ","', 'delimiter = "ab"', "must be one character"),
        ('delimiter = ","', 'encoding = "utf-9"', "read.encoding: 'utf-9' is not known"),
        ('delimiter = ","', 'columns = ["buyer", "at", "who"]', "has no `agent`, which is mapped"),
        ("[[event]]", "[event]", "event: missing; add at least one [[event]]"),
        ("[[event]]", "[[event]", "no TOML"),
        ('agent = "{agent}"', 'when = { column = "x" }', "event[1].when: needs `column` and one of"),
        ('agent = "{agent}"', 'id = "always"', "all events would have the same"),
        ('agent = "{agent}"', "internal = 3", "3 does not fit `internal`: give true or false"),
        ('agent = "{agent}"', 'internal = "perhaps"', "does not fit `internal`: neither yes nor no"),
    ],
)
def test_a_slip_in_a_mapping_is_told_with_place_and_way_out(old: str, new: str, told: str) -> None:
    assert old in GOOD
    with pytest.raises(MappingError) as caught:
        parse_mapping(GOOD.replace(old, new, 1), "m.toml")
    assert str(caught.value).startswith("m.toml")
    assert told in str(caught.value)


def test_a_mapping_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match=r"none\.toml: cannot be read"):
        load_mapping(tmp_path / "none.toml")


def test_a_mapping_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    assert load_mapping(path).name == "mine"


@pytest.mark.parametrize("kind", sorted(TYPES))
def test_every_field_of_the_wire_format_can_be_mapped(kind: str) -> None:
    fields = wire_fields(kind)
    lines = [f'{name} = "{{{name}}}"' for name in fields]
    mapping = parse_mapping(f'[[event]]\ntype = "{kind}"\n' + "\n".join(lines), "all.toml")
    assert set(mapping.columns) == set(fields)
