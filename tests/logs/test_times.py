"""Times as people write them: a wrong guess would shift every figure, so nothing is guessed."""

from datetime import UTC, date, datetime

import pytest

from csstream.logs.fault import Fault, MappingError
from csstream.logs.times import DEFAULT, TimeReader, check_format

NOON_MS = int(datetime(2026, 3, 4, 12, 0, 0, tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("iso", "2026-03-04 12:00:00"),
        ("iso", "2026-03-04T20:00:00.000+08:00"),
        ("iso", "2026-03-04T12:00Z"),
        ("%d/%m/%Y %H:%M", "04/03/2026 12:00"),
        ("%m/%d/%Y %H:%M", "03/04/2026 12:00"),
        ("%Y年%m月%d日 %H时%M分", "2026年3月4日 12时00分"),
        ("%a %b %d %H:%M:%S %z %Y", "Wed Mar 04 12:00:00 +0000 2026"),
        ("epoch_s", str(NOON_MS // 1000)),
        ("epoch_s", f"{NOON_MS // 1000}.000"),
        ("epoch_ms", str(NOON_MS)),
        ("excel", "46085.5"),
    ],
)
def test_each_way_to_write_noon_is_noon(pattern: str, text: str) -> None:
    assert TimeReader((pattern,), "UTC").read(text) == NOON_MS


def test_several_formats_in_one_column_are_tried_in_their_order() -> None:
    reader = TimeReader(("iso", "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M"), "UTC")
    assert reader.read("04/03/2026 12:00") == NOON_MS
    assert reader.read("2026-03-04 12:00") == NOON_MS
    assert reader.read("03/14/2026 12:00") == NOON_MS + 10 * 86_400_000


def test_milliseconds_stay_exact_and_finer_digits_are_cut_off() -> None:
    assert TimeReader(("epoch_s",), "UTC").read("1558430842.0019") == 1558430842001
    assert TimeReader(("iso",), "UTC").read("1970-01-01T00:00:00.001999Z") == 1


def test_a_local_time_uses_the_zone_of_the_mapping_and_one_with_an_offset_does_not() -> None:
    reader = TimeReader(("iso",), "Asia/Shanghai")
    assert reader.read("2026-03-04 20:00:00") == NOON_MS
    assert reader.read("2026-03-04 12:00:00+00:00") == NOON_MS
    assert TimeReader(("iso",), "-05:30").read("2026-03-04 06:30:00") == NOON_MS


def test_a_local_time_that_happened_twice_is_the_first_and_counted() -> None:
    reader = TimeReader(("iso",), "Europe/Berlin")
    assert reader.read("2025-10-26 02:30:00") == reader.read("2025-10-26T02:30:00+02:00")
    assert reader.twice == 1


def test_a_local_time_that_never_happened_is_refused() -> None:
    with pytest.raises(Fault, match="did not happen in Europe/Berlin"):
        TimeReader(("iso",), "Europe/Berlin").read("2025-03-30 02:30:00")


def test_a_bare_day_does_not_silently_become_midnight() -> None:
    with pytest.raises(Fault, match="no time in the formats"):
        TimeReader(DEFAULT, "UTC").read("2026-03-04")
    assert TimeReader(("%Y-%m-%d",), "UTC").read("2026-03-04") == NOON_MS - 43_200_000
    assert TimeReader(DEFAULT, "UTC").read(date(2026, 3, 4)) == NOON_MS - 43_200_000


@pytest.mark.parametrize("text", ["2026-02-30 10:00:00", "04/03/2026 12:00", "", "nan", "1e400", "昨天"])
def test_what_is_no_declared_time_is_refused(text: str) -> None:
    with pytest.raises(Fault):
        TimeReader((*DEFAULT, "epoch_s", "excel"), "UTC").read(text)


def test_milliseconds_taken_for_seconds_are_refused_with_the_way_out() -> None:
    with pytest.raises(Fault, match="after 9999") as caught:
        TimeReader(("epoch_s",), "UTC").read(str(NOON_MS))
    assert "epoch_ms" in caught.value.fix


def test_a_log_of_seconds_and_milliseconds_is_read_where_both_are_declared() -> None:
    reader = TimeReader(("epoch_s", "epoch_ms"), "UTC")
    assert [reader.read(text) for text in (str(NOON_MS // 1000), str(NOON_MS))] == [NOON_MS, NOON_MS]
    with pytest.raises(Fault, match="after 9999"):
        reader.read("-1")


@pytest.mark.parametrize("pattern", ["%d.%m. %H:%M", "rfc", "%Q-%Y"])
def test_a_format_that_gives_no_instant_is_refused_before_any_row(pattern: str) -> None:
    with pytest.raises(MappingError):
        check_format(pattern)
