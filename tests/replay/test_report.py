"""The report as a reader meets it: one file, safe whatever the log holds, and no figure that was not there."""

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from csstream.core.facts import Leg, Level, Wait
from csstream.policy import describe, load
from csstream.replay.figures import Row, length, percent, span
from csstream.replay.report import AGENTS_LISTED, DAYS_LISTED, EVIDENCE_LISTED, ReportInput, render

TEN = 1_763_690_400_000  # 2025-11-21 10:00:00 +08:00
HOSTILE = "\"><script>alert(1)</script><img src=x onerror=alert(2)>'\u202ejavascript:\u200b"


def figures(shop: str, waits: int, within_30: int, **more: Any) -> Row:
    """A row with as many responses as waits."""
    row: dict[str, Any] = {
        "shop": shop,
        "consulted": waits,
        "replied_any": waits,
        "replied_strict": within_30,
        "receptions": waits,
        "receptions_unanswered": 0,
        "waits": waits,
        "within_30": within_30,
        "responses": waits,
        "response_sum_ms": 20_500 * waits,
        "response_mean_s": 20.5 if waits else None,
        "response_p50_s": 12.0 if waits else None,
        "response_p90_s": 48.25 if waits else None,
        "response_p95_s": 60.0 if waits else None,
        "response_max_s": 185.0 if waits else None,
        "excluded_long": 0,
        "first_response_mean_s": 9.0 if waits else None,
        "first_excluded_long": 0,
        "transferred_unanswered": 0,
        "abandoned": 0,
        "expired": 0,
    }
    return row | more


def wait(customer: str = "c1", until: int | None = TEN + 65_000, **more: Any) -> Wait:
    """A wait from ten o'clock, in the queue and then with `a1`."""
    fact = f"wait|s1|{customer}|{TEN}|m1"
    fields: dict[str, Any] = {
        "fact": fact,
        "rev": 1,
        "shop": "s1",
        "agent": "a1",
        "customer": customer,
        "ts": TEN,
        "policy": "handbook@1",
        "evidence": ["m1", "m2"],
        "wait": fact.removeprefix("wait|"),
        "since": TEN,
        "until": until,
        "ms": None if until is None else until - TEN,
        "outcome": "open" if until is None else "answered",
        "class_": "normal",
        "messages": 1,
        "first_any_ms": None,
        "answered_by": None if until is None else "a1",
        "legs": [
            Leg(None, TEN, TEN + 5_000, "assigned"),
            Leg("a1", TEN + 5_000, until, "open" if until is None else "answered"),
        ],
        "levels": [Level(15_000, TEN + 15_000), Level(30_000, TEN + 30_000)],
    }
    return Wait(**(fields | more))


def report(**more: Any) -> ReportInput:
    """One shop, one agent, two days."""
    days = ("2025-11-20", "2025-11-21")
    policy = load("handbook")
    plain = ReportInput(
        version="1.2.3",
        policy=describe(policy),
        policy_tag=policy.tag,
        timezone=policy.timezone,
        inputs=[{"file": "chat.jsonl", "sha256": "ab" * 32, "bytes": 123_456, "lines": 789}],
        counts={"accepted": 787, "facts": {"wait": 60}},
        notes=["input was not in time order"],
        shops=[figures("s1", 30, 20, day=day) for day in days],
        agents=[figures("s1", 30, 20, day=day, agent="a1") for day in days],
        shop_totals=[figures("s1", 60, 40)],
        agent_totals=[figures("s1", 60, 40, agent="a1")],
        hours={"s1": [(0, 0)] * 10 + [(60, 20)] + [(0, 0)] * 13},
        histogram={"s1": [10, 10, 10, 5, 5, 5, 5, 5, 2, 1, 1, 1, 0]},
        longest=[wait()],
        clocks={"s1": TEN + 600_000},
        alerts={("wait", "warning"): 20},
    )
    return replace(plain, **more)


class Page(HTMLParser):
    """Elements, attributes and visible text; refuses markup that is not closed properly."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.parts: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag != "meta":
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] not in ("style", "script"):
            self.parts.append(data)

    @property
    def text(self) -> str:
        """What a reader sees, in one line."""
        return re.sub(r"\s+", " ", "".join(self.parts))


def section(page: str, name: str) -> str:
    """The text of one section."""
    return Page(re.findall(f'<section id="{name}">.*?</section>', page, re.DOTALL)[0]).text


def hostile() -> ReportInput:
    return report(
        policy_tag=HOSTILE,
        version=HOSTILE,
        policy={HOSTILE: HOSTILE, "long_wait": {"mode": HOSTILE}, "hours": HOSTILE},
        inputs=[{"file": HOSTILE, "sha256": HOSTILE, "bytes": 1, "lines": 1}],
        counts={HOSTILE: {HOSTILE: HOSTILE}},
        notes=[HOSTILE],
        shops=[figures(HOSTILE, 30, 20, day=day) for day in ("2025-11-20", "2025-11-21", "2025-11-22")],
        agents=[figures(HOSTILE, 30, 20, day="2025-11-20", agent=HOSTILE)],
        shop_totals=[figures(HOSTILE, 60, 40), figures("s2", 1, 1)],
        agent_totals=[figures(HOSTILE, 60, 40, agent=HOSTILE)],
        hours={HOSTILE: [(2, 1)] * 24},
        histogram={HOSTILE: [1] * 13},
        longest=[
            wait(
                HOSTILE,
                shop=HOSTILE,
                evidence=[HOSTILE],
                outcome=HOSTILE,
                legs=[Leg(HOSTILE, TEN, None, HOSTILE)],
            )
        ],
        alerts={(HOSTILE, HOSTILE): 1},
        dead_letters={HOSTILE: 1},
    )


@pytest.mark.parametrize("found", [report(), hostile()], ids=["plain", "hostile"])
def test_nothing_from_a_log_becomes_markup(found: ReportInput) -> None:
    page = render(found)
    elements = Page(page).elements
    assert [name for name, _ in elements].count("script") == 1
    assert not {"img", "iframe", "object", "link", "base", "form"} & {name for name, _ in elements}
    for _, attributes in elements:
        assert not any(name.startswith("on") or name in ("src", "style") for name in attributes)
        assert (attributes.get("href") or "#").startswith("#")


def test_ids_that_cannot_be_seen_are_written_out() -> None:
    page = render(hostile())
    assert "\u202e" not in page
    assert "\u200b" not in page
    assert "\\u202ejavascript:\\u200b" in section(page, "agents")


def test_the_report_asks_nobody_for_anything() -> None:
    page = render(report())
    assert "://" not in page
    assert "url(" not in page
    assert "@import" not in page


def test_the_content_policy_allows_exactly_what_is_inside() -> None:
    page = render(report())
    ((_, meta),) = [
        found for found in Page(page).elements if found[1].get("http-equiv") == "Content-Security-Policy"
    ]
    allowed = meta["content"] or ""
    for element in ("style", "script"):
        (content,) = re.findall(f"<{element}>(.*?)</{element}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{element}-src 'sha256-{digest}'" in allowed
    assert allowed.startswith("default-src 'none';")
    assert "unsafe" not in allowed


def test_the_same_input_gives_the_same_bytes() -> None:
    assert render(report()) == render(report())


def test_the_day_at_a_glance_has_ratios_with_their_parts() -> None:
    glance = section(render(report()), "glance")
    assert "66.67 % 40 / 60" in glance.replace("66.67 %40", "66.67 % 40")
    assert "12.0 s / 48.3 s" in glance
    assert "1m" not in glance.partition("最长等待")[0]
    assert "65 s" in glance.partition("最长等待")[2]


def test_who_had_no_customer_has_a_dash_and_no_zero_percent() -> None:
    nobody = figures("s1", 0, 0)
    page = render(
        report(
            shops=[{**nobody, "day": "2025-11-21"}],
            agents=[],
            shop_totals=[nobody],
            agent_totals=[{**nobody, "agent": "a1"}],
            hours={},
            histogram={},
            longest=[],
        )
    )
    assert "0.00 %" not in page
    assert "100.00 %" not in page
    assert " – " in section(page, "agents").replace("–", " – ")


def test_a_column_that_was_not_computed_is_no_zero() -> None:
    shown = section(
        render(report(shop_totals=[figures("s1", 60, 40, abandoned=None, expired=None)])), "glance"
    )
    assert "abandoned –" in shown
    assert "never answered–" in shown.replace("answered –", "answered–")


def test_the_worst_agent_is_first_and_small_numbers_do_not_make_one_the_worst() -> None:
    agents = [
        figures("s1", 100, 90, agent="good"),
        figures("s1", 100, 50, agent="bad"),
        figures("s1", 1, 0, agent="newcomer"),
        figures("s1", 0, 0, agent="absent"),
    ]
    shown = section(render(report(agent_totals=agents)), "agents")
    places = [shown.index(name) for name in ("bad", "good", "newcomer", "absent")]
    assert places == sorted(places)


def test_a_wait_can_be_followed_to_its_messages() -> None:
    shown = section(render(report()), "longest")
    assert "2025-11-21 10:00:00" in shown
    assert "65 s" in shown
    assert "queue 5 s" in shown
    assert "a1 60 s" in shown
    assert "> 30 s" in shown
    assert f"wait|s1|c1|{TEN}|m1" in shown
    assert "m2" in shown


def test_an_open_wait_is_as_long_as_the_shop_knows() -> None:
    shown = section(render(report(longest=[wait(until=None)])), "longest")
    assert "10m" in shown
    assert "still open" in shown


def test_a_chatty_customer_does_not_fill_the_page() -> None:
    ids = [f"evidence{at:03d}" for at in range(500)]
    shown = section(render(report(longest=[wait(evidence=ids)])), "longest")
    assert shown.count("evidence0") == EVIDENCE_LISTED
    assert f"+{500 - EVIDENCE_LISTED} " in shown


def test_rejected_lines_are_told_first_and_by_reason() -> None:
    page = render(report(dead_letters={"not_json": 3, "missing:customer": 1200}))
    assert "could not be read and are in no figure here: 1,203." in section(page, "glance")
    rejected = section(page, "rejected")
    assert rejected.index("missing:customer") < rejected.index("not_json")
    assert "could not be read" not in render(report())


def test_inputs_policy_and_version_are_named() -> None:
    page = Page(render(report())).text
    for expected in ("ab" * 32, "chat.jsonl", "handbook@1", "1.2.3", "123,456", "session_gap", "facts.wait"):
        assert expected in page


def test_hours_and_long_waits_of_the_policy_are_explained() -> None:
    policy = load("tmall")
    page = section(render(report(policy=describe(policy), policy_tag=policy.tag)), "reading")
    assert "08:00-23:00" in page
    assert "cap 10m" in page
    jd = section(render(report(policy=describe(load("jd")))), "reading")
    assert "Long waits" not in jd


def test_a_year_of_two_hundred_agents_stays_small_and_says_what_is_left_out() -> None:
    days = [f"2025-{month:02d}-{day:02d}" for month in range(1, 13) for day in range(1, 29)]
    names = [f"agent{number:03d}" for number in range(200)]
    page = render(
        report(
            shops=[figures("s1", 3000, 2000, day=day) for day in days],
            agents=[figures("s1", 30, 20, day=day, agent=name) for day in days for name in names],
            shop_totals=[figures("s1", 3000 * len(days), 2000 * len(days))],
            agent_totals=[figures("s1", 30 * len(days), 20 * len(days), agent=name) for name in names],
        )
    )
    assert len(page.encode()) < 500_000
    shops, agents = section(page, "shops"), section(page, "agents")
    assert f"the {len(days) - DAYS_LISTED} before are in shops.csv" in shops
    assert shops.index("total") < shops.index(days[-1], shops.index("total"))
    assert f"{200 - AGENTS_LISTED} more agents" in agents
    assert f"{100 * 30 * len(days):,} waits" in agents
    assert agents.count("agent1") == 0
    assert agents.count("agent0") == AGENTS_LISTED


def test_a_day_without_waits_breaks_the_line_of_the_chart() -> None:
    rows = [figures("s1", 30 * (at != 1), 20 * (at != 1), day=f"2025-11-2{at}") for at in range(4)]
    page = render(report(shops=rows))
    (line,) = re.findall(r'<path class="line s3" d="([^"]*)"', page)[:1]
    assert line.count("M") == 2


def test_an_empty_log_still_gives_a_page() -> None:
    empty: dict[str, Any] = dict.fromkeys(("shops", "agents", "shop_totals", "agent_totals", "longest"), ())
    page = render(report(**empty, hours={}, histogram={}, clocks={}, alerts={}))
    assert "holds no conversation" in Page(page).text


@pytest.mark.parametrize(
    ("part", "total", "shown"),
    [(1808, 3873, "46.68 %"), (1845, 3873, "47.64 %"), (1697, 1855, "91.48 %"), (1, 800, "0.13 %")],
)
def test_ratios_are_rounded_half_up(part: int, total: int, shown: str) -> None:
    assert percent(part, total) == shown


def test_lengths_read_as_times() -> None:
    assert [span(ms) for ms in (0, 1_500, 119_999, 120_000, 1_801_000, 172_800_000)] == [
        *("0 s", "1.5 s", "119.999 s", "2m", "30m 01s", "2d 00:00:00"),
    ]
    assert [length(value) for value in (None, 0.25, 119.94, 119.96, 7_199.4, 7_260.0)] == [
        *("–", "0.3 s", "119.9 s", "2m 00s", "119m 59s", "2h 01m"),
    ]
