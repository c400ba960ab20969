"""Local days: a reply on the wrong side of midnight is a wrong figure for two days (SPEC header, SPEC 5)."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from csstream.core.calendar import Calendar, Day

HOUR_MS = 3_600_000


def ms(written: str) -> int:
    """Epoch milliseconds of a written time with offset."""
    return round(datetime.fromisoformat(written).timestamp() * 1000)


def test_the_day_of_a_shop_begins_at_its_own_midnight() -> None:
    shanghai = Calendar("Asia/Shanghai")
    start = ms("2026-11-21T00:00:00+08:00")
    assert shanghai.day(start) == Day("2026-11-21", start, start + 24 * HOUR_MS)
    assert shanghai.day(start - 1).name == "2026-11-20"
    assert shanghai.day(start + 24 * HOUR_MS - 1).name == "2026-11-21"
    assert shanghai.day(start + 24 * HOUR_MS).name == "2026-11-22"


@pytest.mark.parametrize(
    ("zone", "noon", "hours"),
    [
        ("Europe/Berlin", "2026-03-29T12:00:00+02:00", 23),
        ("Europe/Berlin", "2026-10-25T12:00:00+01:00", 25),
        ("America/New_York", "2026-03-08T12:00:00-04:00", 23),
        ("Australia/Lord_Howe", "2026-10-04T12:00:00+11:00", 23.5),
        ("Australia/Lord_Howe", "2026-04-05T12:00:00+10:30", 24.5),
        ("Asia/Kolkata", "2026-03-29T12:00:00+05:30", 24),
        ("Asia/Kathmandu", "2026-03-29T12:00:00+05:45", 24),
    ],
)
def test_a_day_is_as_long_as_its_zone_makes_it(zone: str, noon: str, hours: float) -> None:
    calendar = Calendar(zone)
    day = calendar.day(ms(noon))
    assert day.end_ms - day.start_ms == hours * HOUR_MS
    assert calendar.day(day.start_ms) == calendar.day(day.end_ms - 1) == day
    assert calendar.day(day.start_ms - 1).end_ms == day.start_ms
    assert calendar.day(day.end_ms).start_ms == day.end_ms


def test_a_day_without_midnight_begins_at_the_change() -> None:
    # Beirut goes from 00:00 to 01:00 on 29 March 2026
    day = Calendar("Asia/Beirut").day(ms("2026-03-29T12:00:00+03:00"))
    assert day.start_ms == ms("2026-03-29T00:00:00+02:00")
    assert day.end_ms - day.start_ms == 23 * HOUR_MS


def test_the_time_of_day_is_what_the_clock_on_the_wall_shows() -> None:
    berlin = Calendar("Europe/Berlin")
    assert berlin.time_of_day_ms(ms("2026-03-29T01:59:59.999+01:00")) == 2 * HOUR_MS - 1
    assert berlin.time_of_day_ms(ms("2026-03-29T03:00:00+02:00")) == 3 * HOUR_MS
    first, second = ms("2026-10-25T02:30:00.250+02:00"), ms("2026-10-25T02:30:00.250+01:00")
    assert second - first == HOUR_MS
    assert berlin.time_of_day_ms(first) == berlin.time_of_day_ms(second) == 2.5 * HOUR_MS + 250


@pytest.mark.parametrize(
    ("written", "inside"),
    [
        ("2026-11-21T07:59:59.999+08:00", False),
        ("2026-11-21T08:00:00+08:00", True),
        ("2026-11-21T22:59:59.999+08:00", True),
        ("2026-11-21T23:00:00+08:00", False),
    ],
)
def test_hours_are_half_open(written: str, inside: bool) -> None:
    assert Calendar("Asia/Shanghai").within(ms(written), (8 * HOUR_MS, 23 * HOUR_MS)) is inside


def test_hours_up_to_24_00_hold_the_last_millisecond_of_the_day() -> None:
    shanghai = Calendar("Asia/Shanghai")
    hours = (8 * HOUR_MS, 24 * HOUR_MS)
    assert shanghai.within(ms("2026-11-21T23:59:59.999+08:00"), hours)
    assert not shanghai.within(ms("2026-11-22T00:00:00+08:00"), hours)


def test_without_hours_every_instant_counts() -> None:
    assert Calendar("Asia/Shanghai").within(0, None)


@pytest.mark.parametrize(
    "zone", ["Asia/Shanghai", "Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns"]
)
def test_what_was_asked_before_does_not_change_the_answer(zone: str) -> None:
    asked = Calendar(zone)
    start = ms("2026-01-01T00:00:00+00:00")
    for step in range(0, 366 * 24 * 4, 31):  # in quarters of an hour, through both changes of the year
        at = start + step * 900_000 + step % 900
        expected = datetime.fromtimestamp(at // 1000, UTC).astimezone(ZoneInfo(zone))
        assert asked.day(at).name == expected.date().isoformat()
        assert asked.day(at) == Calendar(zone).day(at)
        wall = timedelta(hours=expected.hour, minutes=expected.minute, seconds=expected.second)
        assert asked.time_of_day_ms(at) == wall // timedelta(milliseconds=1) + at % 1000


def test_the_answers_outlive_what_is_remembered() -> None:
    calendar = Calendar("Asia/Shanghai")
    start = ms("2026-01-01T00:00:00+08:00")
    for quarter in range(5_000):
        calendar.day(start + quarter * 900_000)
    assert calendar.day(start).name == "2026-01-01"


def test_a_midnight_that_is_no_whole_quarter_of_an_hour_is_kept_to() -> None:
    monrovia = Calendar("Africa/Monrovia")  # 44 minutes and a half behind UTC until 1972
    end = monrovia.day(ms("1971-06-01T12:00:00+00:00")).end_ms
    assert end == ms("1971-06-02T00:44:30+00:00")
    for _ in range(2):
        assert monrovia.day(end - 1).name == "1971-06-01"
        assert monrovia.day(end).name == "1971-06-02"
        assert monrovia.day(end + 1).name == "1971-06-02"


def test_the_first_day_and_the_far_future_exist() -> None:
    shanghai = Calendar("Asia/Shanghai")
    assert shanghai.day(0).name == "1970-01-01"
    assert shanghai.day(ms("9990-06-01T12:00:00+08:00")).name == "9990-06-01"
