"""Restarts that once went wrong, by example; law 5 looks for more of them on random logs."""

from collections.abc import Sequence
from typing import Any

import pytest

from tests.laws.live import Cut, records_of, steps
from tests.laws.notation import chat
from tests.laws.test_agreement import POLICIES


def in_order(log: Sequence[dict[str, Any]], names: str) -> list[dict[str, Any]]:
    """The events named, in that order of arrival."""
    by_name = {event["id"]: event for event in log}
    return [by_name[name] for name in names.split()]


@pytest.mark.parametrize(
    ("policy", "cuts", "lines", "arrival"),
    [
        pytest.param(
            "quick",
            [Cut(4, 700_000)],
            ["10:00:00 shift B 09:00:00-09:30:00 duty=true #s", "10:15:00 c #a sku=y", "10:15:01 order o1 created cod=true pay_deadline=1795227331001 #o",
             "10:17:02 session open agent C #x", "10:17:22 c #b", "10:17:23 transfer ->B #t"],
            "x b t o a s",
            id="a shift that comes in late names who is responsible, and that is published",
        ),
        pytest.param(
            "jd",
            [Cut(6, None, budget=0)],
            ["10:00:00 c>C kind=emoji #a | 好的", "+2 16:00:00 dun o1 chat #d"],
            "a d",
            id="what a reminder to pay has let expire is published once",
        ),
        pytest.param(
            "small shop",
            [Cut(2, 1_000, budget=1)],
            ["10:00:00 c #b", "10:00:00 c #a | 早", "16:00:00 c @d #x"],
            "b x a",
            id="another message is the first of his day",
        ),
        pytest.param(
            "small shop",
            [Cut(1, None), Cut(1, None), Cut(2, 290_000)],
            ["10:00:00 c #m00", "10:01:00 c>- #m05", "10:02:40 presence A online capacity=0 #m07", "10:03:10 c>A #m08",
             "10:03:20 c>- #m11", "10:03:20 c>B #m15", "10:03:20 c>- @d kind=emoji #m09"],
            "m00 m09 m05 m07 m08 m11 m15",
            id="who had fallen silent by now writes again, and that comes in late",
        ),
        pytest.param(
            "handbook",
            [Cut(4, 90_000_000, budget=1)],
            ["10:00:00 presence A away capacity=1 #p", "10:05:00 c>- kind=emoji #q | 谢谢?", "10:10:00 A human #a", "10:10:00 c @d kind=emoji #w"],
            "p a q w",
            id="an overload ends with the guest who falls silent just where the restart is",
        ),
    ],
)  # fmt: skip
def test_an_engine_made_from_the_rows_says_what_the_lost_one_would(
    policy: str, cuts: list[Cut], lines: list[str], arrival: str
) -> None:
    records = records_of(in_order(chat(*lines), arrival))
    calm, anew = (steps(records, POLICIES[policy], cuts, lost=lost) for lost in (False, True))
    assert [(one.facts, one.alerts, one.rows) for one in calm] == [
        (other.facts, other.alerts, other.rows) for other in anew
    ]
