"""`complaint`: a supervisor hears of it at once, and of its end (SPEC 8)."""

import pytest

from tests.core.look import told
from tests.core.test_live import Live
from tests.laws.notation import at


def line(time: str, status: str, agent: str = "A") -> str:
    """A complaint in the notation of conversations."""
    return f"{time} complaint {agent} {status}"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ((line("10:00:00", "opened"),), [("10:00:00", None, None)]),
        (
            (line("10:00:00", "opened"), line("11:00:00", "confirmed")),
            [("10:00:00", "11:00:00", "confirmed")],
        ),
        (
            (line("10:00:00", "confirmed"), line("11:00:00", "withdrawn")),
            [("10:00:00", "11:00:00", "withdrawn")],
        ),
        ((line("10:00:00", "withdrawn"),), []),
        ((line("10:00:00", "withdrawn"), line("11:00:00", "opened")), [("11:00:00", None, None)]),
        (
            (line("10:00:00", "opened"), line("11:00:00", "withdrawn"), line("12:00:00", "opened")),
            [("10:00:00", "11:00:00", "withdrawn")],
        ),
    ],
)
def test_the_first_word_opens_it_and_a_decision_ends_it(
    lines: tuple[str, ...], expected: list[tuple[str, str | None, str | None]]
) -> None:
    found = told(*lines).alerts("complaint")
    assert [(a["ts"], a["end"], a["outcome"]) for a in found] == [
        (at(ts), None if end is None else at(end), outcome) for ts, end, outcome in expected
    ]
    assert {(a["alert"], a["agent"], a["severity"]) for a in found} <= {("complaint|s|p1", "A", "critical")}


def test_what_nobody_decides_expires() -> None:
    [alert] = told(line("10:00:00", "opened"), clock="+3 12:00:00 - system @clock").alerts("complaint")
    assert (alert["end"], alert["outcome"]) == (at("10:00:00", 2), "expired")


def test_live_it_fires_at_once_ends_once_and_is_a_fact() -> None:
    live = Live().hears(line("10:00:00", "opened"), wall="10:00:01")
    assert ("alerts_firing", ("s", "complaint"), 1) in live.runner.engine.readings()
    live.hears(line("10:30:00", "confirmed"), wall="10:30:01").hears(wall="10:40:00")
    found = [(a.state, a.outcome) for a in live.store.alerts if a.rule == "complaint"]
    assert found == [("firing", None), ("resolved", "confirmed")]
    assert ("alerts_firing", ("s", "complaint"), 0) in live.runner.engine.readings()
    assert [f.fact for f in live.store.facts if f.fact.startswith("complaint")] == ["complaint|s|p1"]


def test_live_it_expires_by_the_clock() -> None:
    live = Live().hears(line("10:00:00", "opened"), wall="10:00:01")
    live.hears(wall="10:00:00.001", days=2)
    assert [(a.state, a.outcome) for a in live.store.alerts if a.rule == "complaint"] == [
        ("firing", None),
        ("resolved", "expired"),
    ]


def test_a_withdrawal_that_comes_in_late_corrects_the_end() -> None:
    live = Live().hears(line("10:00:00", "opened")).hears(line("10:09:00", "confirmed"))
    live.hears(line("10:05:00", "withdrawn"))
    found = [(a.state, a.outcome, a.end) for a in live.store.alerts if a.rule == "complaint"]
    assert found[-1] == ("resolved", "withdrawn", at("10:05:00"))
