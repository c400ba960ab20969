"""What customers and agents tell the floor: on disk as in memory, and in order of time."""

from hypothesis import given
from hypothesis import strategies as st

from csstream.core.changes import Change, OpenWait, Rota, Sign, Turn, View, Word, decode, encode, sort

WAIT = OpenWait(5, "m1", None, 6, False)
EACH: list[Change] = [
    Word(7, "m2", "carol", "amy"),
    Word(7, "p1", "", None),
    Turn(8, "m3", "carol", None, 8, WAIT),
    Turn(8, "m4", "carol", "amy", 8, None),
    View(9, "m5", "carol", "amy", 9, WAIT, ("amy", "bob"), 5, "m1", True),
    View(9, "", "carol", None, 9, None, (), -1, "", False),
    Sign(10, "p2", "amy", "away", 4),
    Sign(10, "p3", "amy", "online", None),
    Rota(11, "s1", "amy", "early", 12, 13),
]


def test_a_replay_reads_from_the_disk_what_was_laid_down_there() -> None:
    again = decode(encode(EACH))
    assert [type(change) for change in again] == [type(change) for change in EACH]
    assert [change.fields() for change in again] == [change.fields() for change in EACH]
    turn, view = again[2], again[4]
    assert isinstance(turn, Turn)
    assert turn.wait is not None
    assert turn.wait.equals(WAIT)
    assert isinstance(view, View)
    assert view.received == ("amy", "bob")  # compared with what is known: a list would never be equal


@given(st.lists(st.sampled_from([0, 1, 2, 1 << 29, (1 << 30) + 1, 1_780_000_000_000, 1_780_000_000_001])))
def test_changes_are_told_in_order_of_time_and_those_of_one_instant_as_they_came(times: list[int]) -> None:
    changes: list[Change] = [Word(ts, str(place), "", None) for place, ts in enumerate(times)]
    wanted = [(ts, str(place)) for ts, place in sorted((ts, place) for place, ts in enumerate(times))]
    sort(changes)
    assert [(change.ts, change.event) for change in changes] == wanted
