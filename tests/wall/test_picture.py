"""What the wall holds: the newest of each document, the alerts that matter, and what was seen."""

import msgspec
import pytest

from csstream.core.board import BEGIN
from csstream.wall import Moment, Picture
from csstream.wall import picture as pictures
from tests.laws.notation import at
from tests.wall.room import Room


def empty() -> Picture:
    """A wall before anything was shown."""
    return Picture(lambda: Moment(5))


def news(picture: Picture) -> dict[str, object]:
    """What everybody is told next."""
    return msgspec.json.decode(picture.news())  # type: ignore[no-any-return]


def test_news_say_what_changed_once_and_then_the_time_alone() -> None:
    picture = empty()
    picture.show({b'["shop","s"]': b'{"a":1}'}.items())
    assert news(picture)["documents"] == [[["shop", "s"], {"a": 1}]]
    assert not picture.changed
    assert news(picture) == {"time": {"now_ms": 5, "speed": 1.0}}


def test_who_comes_late_is_told_everything() -> None:
    picture = empty()
    picture.show({b'["shop","s"]': b'{"a":1}', b'["wait","s","c"]': b"{}"}.items())
    picture.show({b'["shop","s"]': b'{"a":2}', b'["wait","s","c"]': None}.items())
    news(picture)
    whole = msgspec.json.decode(picture.whole())
    assert whole["whole"] is True
    assert whole["documents"] == [[["shop", "s"], {"a": 2}]]


def test_a_board_that_begins_anew_takes_back_what_a_lost_worker_showed() -> None:
    picture = empty()
    picture.show({b'["wait","s","gone"]': b"{}", b'["wait","s","still"]': b"{}"}.items(), partition=3)
    picture.show({b'["wait","t","other"]': b"{}"}.items(), partition=4)
    news(picture)
    picture.show({BEGIN: b"{}", b'["wait","s","still"]': b'{"again":1}'}.items(), partition=3)
    assert sorted(msgspec.json.decode(picture.news())["documents"]) == [
        [["wait", "s", "gone"], None],
        [["wait", "s", "still"], {"again": 1}],
    ]
    shown = [key for key, _ in msgspec.json.decode(picture.whole())["documents"]]
    assert sorted(shown) == [["wait", "s", "still"], ["wait", "t", "other"]], "other partitions are untouched"


def test_what_was_shown_before_a_new_board_and_again_after_it_is_there() -> None:
    picture = empty()
    picture.show([(b'["wait","s","c"]', b'{"old":1}'), (BEGIN, b"{}"), (b'["wait","s","c"]', b'{"new":1}')])
    assert msgspec.json.decode(picture.whole())["documents"] == [[["wait", "s", "c"], {"new": 1}]]


def test_each_partition_has_a_clock_of_its_own() -> None:
    picture = empty()
    for partition in (0, 1):
        picture.show({b'["clock"]': b'{"clock_ms":%d}' % partition}.items(), partition)
    clocks = msgspec.json.decode(picture.whole())["documents"]
    assert clocks == [[["clock", 0], {"clock_ms": 0}], [["clock", 1], {"clock_ms": 1}]]


def test_the_last_record_of_an_alert_stands_and_a_retracted_one_goes() -> None:
    room = Room()
    room.hears("10:00:00 c>A #m1", until="10:00:45")
    alert = f"wait|s|c|{at('10:00:00')}|m1|15"
    assert room.alerts()[alert]["state"] == "firing"
    room.hears("10:00:20 A human #r", until="10:00:50")
    assert room.alerts()[alert]["state"] == "resolved"
    assert list(room.alerts()) == [alert], "the level of 30 s never held"


def test_an_alert_is_seen_by_everybody_until_it_ends() -> None:
    room = Room()
    room.hears("10:00:00 c>A #m1", until="10:00:20")
    alert = f"wait|s|c|{at('10:00:00')}|m1|15"
    assert room.picture.acknowledge(alert)
    assert news(room.picture)["seen"] == {alert: at("10:00:20")}
    assert msgspec.json.decode(room.picture.whole())["seen"] == {alert: at("10:00:20")}
    room.hears("10:00:25 A human #r", until="10:00:30")
    assert not room.picture.acknowledge(alert), "it does not stand any more"
    assert room.picture.seen == {}


def test_memory_is_bounded_however_many_alerts_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "STANDING", 5)
    monkeypatch.setattr(pictures, "ENDED", 3)
    picture = empty()
    for number in range(20):
        picture.hear_record(f"s{number}", "firing", b"{}")
        picture.acknowledge(f"s{number}")
        picture.hear_record(f"e{number}", "resolved", b"{}")
    kept = dict(msgspec.json.decode(picture.whole())["alerts"])
    assert sorted(kept) == sorted([*(f"s{n}" for n in range(15, 20)), *(f"e{n}" for n in range(17, 20))])
    assert sorted(picture.seen) == [f"s{n}" for n in range(15, 20)]
    told = dict(msgspec.json.decode(picture.news())["alerts"])
    assert told["s0"] is None, "who looks on forgets it too"
