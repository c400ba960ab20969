"""The screen: whole lines, no more of them than there are, and nothing that only a colour tells."""

import re
from dataclasses import replace

import pytest
from rich.cells import cell_len

from csstream.core.alert import Alert
from csstream.serve.screen import Screen, Status, _big_span
from csstream.serve.story import alert_line, summary
from csstream.serve.view import AgentLine, AlertLine, Feed, OpenWait, View
from csstream.serve.words import say, short, span
from tests.serve.wall import plain_lines

NOW = 1_795_264_200_000
STATUS = Status(
    speed=1, address="http://127.0.0.1:9464/metrics", age_s=0.1, events=1234, rate=2.4, dead=0,
    policy="handbook@1", language="en", keys=True,
)  # fmt: skip


def alert(level: int, state: str = "firing", customer: str = "c000042", end: int | None = None) -> Alert:
    """A wait that passed a level."""
    since = NOW - 200_000
    severity = {15: "info", 30: "warning", 100: "critical", 180: "breach"}[level]
    return Alert(
        alert=f"wait|s01|{customer}|{since}|m1|{level}", rule="wait", state=state, severity=severity, shop="s01",
        agent="a[1]", group=None, customer=customer, since=since, ts=since + level * 1000, end=end,
        outcome=None if end is None else "answered", value={"over_s": level}, divert_to=None, evidence=["m1"],
        policy="handbook@1",
        summary={"zh": f"顾客等待已超过 {level} 秒（a[1]）：请马上回复或转接", "en": f"more than {level} s (a[1])"},
    )  # fmt: skip


def busy(waits: int = 40, agents: int = 30, shops: tuple[str, ...] = ("s01",)) -> View:
    """More of everything than fits."""
    severities = (
        ("lost", 5, 1800),
        ("breach", 4, 180),
        ("critical", 3, 100),
        ("warning", 2, 30),
        ("info", 1, 15),
    )
    feed = Feed()
    feed.hear([alert(15), alert(30), alert(100)], new=True)
    feed.hear([alert(15, "resolved", end=NOW), alert(30, "resolved", end=NOW)], new=True)
    return View(
        now_ms=NOW,
        day="2026-11-21",
        shops=shops,
        waits=tuple(
            OpenWait(
                shop=shops[n % len(shops)], customer=f"[red]{n:06}", holder="" if n % 5 == 0 else f"小橙{n}",
                since_ms=NOW - 4_000_000 + n * 90_000, age_ms=4_000_000 - n * 90_000, messages=n,
                passed=severities[n % 5][1], over_s=severities[n % 5][2], severity=severities[n % 5][0],
            )
            for n in range(waits)
        ),
        agents=tuple(
            AgentLine(
                shop=shops[n % len(shops)], agent=f"[bold]客服{n}", state="hung", open=12, late=30 - n, oldest_ms=3_725_000,
                consulted=1234, replied=1200, waits=2345, within_30=1999, responses=2300, mean_s=1234.5, p90_s=1800.0,
            )
            for n in range(agents)
        ),
        totals=tuple(
            AgentLine(shop, "", open=waits, late=7, oldest_ms=4_000_000, waits=9345, within_30=8000, responses=9000,
                      mean_s=123.4, p90_s=200.0)
            for shop in shops
        ),
        alerts=tuple(feed.lines)[::-1],
        fired=5,
        standing=3,
    )  # fmt: skip


EMPTY = View(NOW, "", (), (), (), (), (), 0, 0)


def drawn(view: View, width: int, height: int, **status: object) -> list[str]:
    """The lines of a screen."""
    screen = Screen("Asia/Shanghai")
    return plain_lines(screen.draw(view, replace(STATUS, **status), width, height), width, height)  # type: ignore[arg-type]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(
    ("width", "height"), [(80, 24), (140, 40), (120, 30), (60, 16), (100, 60), (200, 17)]
)
@pytest.mark.parametrize(
    "view",
    [busy(), busy(2, 3), busy(0, 0), busy(shops=("旗舰店", "b")), EMPTY],
    ids=["busy", "calm", "new", "two", "none"],
)
def test_a_screen_has_as_many_lines_as_the_terminal_and_none_is_too_wide(
    view: View, width: int, height: int, language: str
) -> None:
    lines = drawn(view, width, height, language=language, dead=12, mode="paused")
    assert len(lines) == height
    assert max(cell_len(line) for line in lines) <= width


@pytest.mark.parametrize(("width", "height"), [(80, 24), (140, 40)])
def test_columns_stand_under_each_other_whatever_the_names(width: int, height: int) -> None:
    lines = [line for line in drawn(busy(), width, height) if "1999/2345" in line]
    assert len(lines) >= 4
    assert len({cell_len(line[: line.index("1999/2345")]) for line in lines}) == 1


def test_the_oldest_wait_comes_first_and_what_does_not_fit_is_counted() -> None:
    text = "\n".join(drawn(busy(), 80, 24))
    assert text.index("1:06:40") < text.index("1:05:10")
    shown = len(re.findall(r">\d+ s +\*", text))
    assert f"{40 - shown} more" in text


def test_severity_has_a_shape_and_not_only_a_colour() -> None:
    text = "\n".join(drawn(busy(), 140, 40))
    for mark, level in (("***", 1800), ("!!!", 180), ("!!", 100), ("!", 30), ("-", 15)):
        assert re.search(rf" {re.escape(mark)} +>{level} s", text)


def test_names_that_look_like_markup_are_shown_as_they_are() -> None:
    text = "\n".join(drawn(busy(), 140, 40))
    assert "[bold]客服0" in text
    assert "(a[1])" in text


def test_old_data_and_dead_letters_are_said() -> None:
    assert "data 3.5 s old" in "\n".join(drawn(busy(), 80, 24, age_s=3.5))
    assert "7 dead" in "\n".join(drawn(busy(), 80, 24, dead=7))
    assert "PAUSED" in "\n".join(drawn(busy(), 80, 24, mode="paused"))


def test_an_alert_is_told_in_both_languages_and_its_end_with_how_long_it_took() -> None:
    firing = AlertLine(NOW, alert(30), True)
    assert alert_line(firing, "20:30:00", "en").plain == "20:30:00  firing    !   more than 30 s (a[1])"
    assert "顾客等待已超过 30 秒" in alert_line(firing, "20:30:00", "zh").plain
    ended = AlertLine(NOW, alert(30, "resolved", end=NOW), True)
    assert alert_line(ended, "20:30:00", "en").plain.endswith("a[1]: answered, *0042, after 3:20 (>30 s)")
    taken = AlertLine(NOW, alert(30, "retracted", end=NOW), True)
    assert "taken back" in alert_line(taken, "20:30:00", "en").plain


def test_several_levels_of_one_wait_end_in_one_line_the_highest() -> None:
    feed = Feed()
    ends = [alert(level, "resolved", end=NOW) for level in (100, 15, 180, 30)]
    other = alert(15, "resolved", customer="c000043", end=NOW)
    lines = feed.hear([*ends, other], new=True)
    assert [line.alert.value["over_s"] for line in lines] == [180, 15]


def test_when_somebody_begins_to_watch_only_what_stands_is_kept() -> None:
    feed = Feed()
    feed.hear([alert(15), alert(30), alert(15, customer="c000043")], new=False)
    feed.hear([alert(15, "resolved", end=NOW), alert(30, "resolved", end=NOW)], new=False)
    feed.open_now()
    assert [line.alert.customer for line in feed.lines] == ["c000043"]


def test_several_shops_are_added_up_without_a_percentile_nobody_can_add() -> None:
    total = busy(shops=("a", "b")).total
    assert (total.waits, total.within_30, total.open) == (18_690, 16_000, 80)
    assert total.mean_s == pytest.approx(123.4)
    assert total.p90_s is None


def test_the_summary_names_agents_figures_and_dead_letters() -> None:
    told = summary(busy(agents=2), 50, {"not_json": 2, "too_late": 1}, ["log:3: not_json: no JSON"], 3.21)
    text = "\n".join(plain_lines(told, 100, 40))
    assert "2026-11-21: 50 events in 3.2 s; 9345 waits, 40 open; 5 alerts, 3 stand" in text
    assert re.search(r"\[bold\]客服1 +2345 +1999/2345 +85.2 % +1234.5 s +1800.0 s +1200/1234", text)
    assert re.search(r"the shop +9345", text)
    assert "Dead letters: 2 not_json, 1 too_late" in text
    assert "  log:3: not_json: no JSON" in text


def test_who_had_no_customer_is_not_in_the_summary() -> None:
    view = replace(
        busy(), agents=(AgentLine("s01", "idle", state="offline"), AgentLine("s01", "busy", waits=1))
    )
    text = "\n".join(plain_lines(summary(view, 1, {}, [], 1), 100, 40))
    assert "busy" in text
    assert "idle" not in text


def test_words_durations_and_ids() -> None:
    assert span(59_999) == "0:59"
    assert span(3_600_000) == "1:00:00"
    assert short("c000123") == "*0123"
    assert short("c1") == "c1"
    assert say("more", "zh", n=3) == "另有3个"
    assert say("in no dictionary", "zh") == "in no dictionary"


@pytest.mark.parametrize(("ms", "big"), [(59_000, 4), (3_599_000, 5), (3_600_000, 4), (36_000_000, 3)])
def test_the_longest_wait_fits_its_place_however_long_it_is(ms: int, big: int) -> None:
    assert len(_big_span(ms)) == big
    view = busy(1)
    total = replace(view.totals[0], oldest_ms=ms)
    lines = drawn(replace(view, totals=(total,)), 80, 24)[3:6]
    assert all(line[19] == " " for line in lines)
