"""An engine that is made from rows: what it puts off until it is asked, and what it refuses."""

import pytest

from csstream.core.engine import Engine
from csstream.core.rows import ChapterRow, encode_event, encode_key, family_of
from csstream.core.seen import Seen
from csstream.events import decode
from csstream.policy import load
from tests.laws.live import records_of
from tests.laws.notation import at, chat

HANDBOOK = load("handbook")
SAID = tuple(f"10:00:{second:02} c>A #m{second}" for second in range(6))


def lost_and_made_again(*lines: str) -> Engine:
    """An engine of the rows that conversations leave, each event a step of its own."""
    engine, rows = Engine(HANDBOOK), dict[bytes, bytes]()
    for record in records_of(chat(*lines)):
        engine.apply([record])
        engine.advance()
        rows |= {key: row for key, row in engine.take_step().rows.items() if row is not None}
    return Engine(HANDBOOK, rows)


def results(engine: Engine, *lines: str) -> dict[tuple[str, str], int]:
    """How events are taken in."""
    engine.apply(records_of(chat(*lines)))
    return dict(engine.process.events)


def test_after_a_load_every_copy_is_known_and_what_is_new_is_new() -> None:
    engine = lost_and_made_again(*SAID)
    new = ("10:01:00 c>A #new", "10:01:01 c>A @d #other")
    assert results(engine, *SAID, *new, *new) == {
        ("cs.chat", "duplicate"): len(SAID) + len(new),
        ("cs.chat", "applied"): len(new),
    }


def test_chapters_are_read_one_with_an_event_and_until_then_anything_may_be_known() -> None:
    now = at("10:00:00")
    seen = Seen(60_000, now)
    for number in range(3):
        [event] = records_of(chat(f"10:00:00 c>A #m{number}"))
        seen.restore(ChapterRow(now, now, -1, ["c"], [encode_event(decode(event.value))]))
    later = now + 1_000
    assert [seen.perhaps("c", f"new{n}", later, later) for n in range(5)] == [True, True, True, False, False]
    assert all(seen.perhaps("c", name, later, later) for name in ("m0", "m1", "m2", "new0", "new4"))


def test_response_times_are_written_where_there_is_a_new_one() -> None:
    engine, written = Engine(HANDBOOK), []
    said = ("10:00:00 c>A", "10:00:05 A human", "10:00:09 A human", "10:01:00 c>A", "10:01:07 A human")
    for record in records_of(chat(*said)):
        engine.apply([record])
        engine.advance()
        written.append({family_of(key) for key in engine.take_step().rows} >= {"day", "samples"})
    assert written == [False, True, False, False, True]


def test_a_row_of_an_unknown_family_is_not_passed_over() -> None:
    with pytest.raises(ValueError, match="no family that is known here: novel"):
        Engine(HANDBOOK, {encode_key(("novel", "s", "c")): b""})
