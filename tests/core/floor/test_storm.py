"""`storm`: many waits grow long at once (SPEC 8; vectors by their number)."""

import pytest

from tests.core.floor.seen import asking, clock
from tests.core.look import told


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            asking("10:00:00", 1_000, 22) + asking("10:01:40", 1_000, 3, "e"),
            [("10:00:50", "10:01:50", 21, 22)],
        ),
        (asking("10:00:00", 3_000, 21), [("10:01:30", "10:02:30", 21, 21)]),
        (asking("10:00:00", 3_001, 21), []),
        (asking("10:00:00", 1_000, 150), [("10:00:50", "10:03:50", 21, 150)]),
    ],
    ids="abcd",
)
def test_v60_a_storm_is_told_once_and_its_end_has_the_total(
    lines: list[str], expected: list[tuple[str, str, int, int]]
) -> None:
    seen = told(*lines, clock="10:10:00 - system @clock")
    found = [(clock(a["ts"]), clock(a["end"]), a["value"]["waits"]) for a in seen.alerts("storm")]
    assert found == [(ts, end, total) for ts, end, _, total in expected]
    for _, _, first, _ in expected:
        begun = told(*lines, clock="10:01:31 - system @clock")
        [alert] = begun.alerts("storm")
        assert (alert["state"], alert["value"]["waits"]) == ("firing", first)
