"""The core as machine code is the core as text: whoever changes a rule must not go on running the old one."""

from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any

import msgspec
import pytest

import csstream.core
from csstream.core.conversation import AgentDay, Aside, Closing, Complaining, Receiving, State
from csstream.core.facts import Leg
from csstream.core.record import names_of
from csstream.core.rows import decode_state, encode_state
from csstream.core.shop_row import ShopRow

FOLDER = Path(csstream.core.__file__).parent


def test_a_compiled_core_is_made_of_the_text_beside_it() -> None:
    compiled = [path for path in FOLDER.rglob("*") if path.name.endswith(EXTENSION_SUFFIXES[0])]
    assert bool(compiled) == csstream.core.COMPILED
    for path in compiled:
        text = path.with_name(path.name.removesuffix(EXTENSION_SUFFIXES[0]) + ".py")
        assert path.stat().st_mtime >= text.stat().st_mtime, (
            f"{text.name} was changed: make compiled, or make pure"
        )


def test_a_row_holds_every_record_of_the_fold() -> None:
    state = State()
    state.holder, state.since, state.day = "A", 5, "2026-11-21"
    state.legs = [Leg("A", 1, 2, "answered")]
    state.others = {"B": Aside(1, 2, 3, "m")}
    state.flag = Closing(7, None, "s")
    state.received = {"A": Receiving(1, 2, 3, 4, 5, ["m"])}
    state.shop_received = Receiving(1, 1, -1, -1, 0, [])
    state.agent_days = {"A": AgentDay(1, True, False, ["m"])}
    row = encode_state(state)
    again = decode_state(row)
    assert encode_state(again) == row
    assert (again.holder, again.since, again.legs[0].agent) == ("A", 5, "A")
    assert again.flag is not None
    assert again.shop_received is not None
    assert (again.others["B"].reply_id, again.flag.ts, again.received["A"].replies) == ("m", 7, 5)
    assert (again.shop_received.start, again.agent_days["A"].evidence) == (1, ["m"])


def numbered(state: State) -> State:
    """Each of its fields says which one it is, as far as its type lets it."""
    for place, name in enumerate(names_of(state)):
        kind = type(getattr(state, name))
        if kind in (int, str, list):
            setattr(state, name, {int: place, str: name, list: [place]}[kind])
    return state


@pytest.mark.parametrize(
    "record",
    [
        AgentDay(1, True, False, ["m"]),
        Aside(1, 2, 3, "m"),
        Closing(7, None, "s"),
        Complaining(1, "A", "k", -1, ""),
        Receiving(1, 2, 3, 4, 5, ["m"]),
        ShopRow(1, 2, 3, "2026-11-21", 4, 5, "c"),
        numbered(State()),
    ],
    ids=lambda record: type(record).__name__,
)
def test_what_a_row_gets_of_a_record_is_all_that_there_is_in_the_order_in_which_it_is_read(
    record: Any,
) -> None:
    assert record.fields() == tuple(getattr(record, name) for name in names_of(record))


def test_a_row_from_before_a_field_was_added_is_still_read() -> None:
    row = msgspec.msgpack.encode(msgspec.msgpack.decode(encode_state(State()))[:-1])
    assert decode_state(row).agent_days == {}
