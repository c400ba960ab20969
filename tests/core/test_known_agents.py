"""What is known of agents after a load: staff systems say the same again and again, or long before it holds (SPEC 6, 8)."""

from collections.abc import Iterable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from csstream.core.crew import Known, without_repeats
from csstream.core.engine import Engine
from csstream.core.facts import Order
from tests.core.look import chosen
from tests.laws.live import records_of
from tests.laws.notation import at, chat

HOUR_MS = 3_600_000


def lived(*log: dict[str, Any]) -> tuple[Engine, list[Order], dict[bytes, bytes]]:
    """An engine that was lost and made again after every event; what it said of orders, and its rows."""
    rows: dict[bytes, bytes] = {}
    orders: list[Order] = []
    engine = Engine(chosen())
    for record in records_of(log):
        engine.apply([record])
        engine.advance()
        step = engine.take_step()
        orders += [fact for fact in step.facts if isinstance(fact, Order)]
        rows = {key: row for key, row in (rows | step.rows).items() if row is not None}
        engine = Engine(chosen(), rows)
    return engine, orders, rows


def hourly(line: str, hours: int) -> Iterable[str]:
    return (f"+{hour // 24} {hour % 24:02}:30:00 {line}" for hour in range(10, 10 + hours))


def test_an_order_keeps_the_owner_its_memo_names_though_the_staff_system_repeats_itself_every_hour() -> None:
    log = chat(
        *("09:00:00 profile A number=1", "10:00:00 c>B", "10:00:10 B human"),
        *("10:01:00 order o1 created", "10:02:00 order o1 memo | 1号"),
        *hourly("profile A number=1", 24),
        *("+1 11:00:00 c>B", "+1 10:59:59 B human"),  # comes in late: the customer's story is told anew
    )
    _, orders, _ = lived(*log)
    assert orders[-1].owner == "A"


def test_profiles_of_weeks_ahead_do_not_push_out_the_one_that_holds() -> None:
    ahead = (
        f"09:00:0{week} profile A g{week} valid_from={at('09:00:00') + week * 168 * HOUR_MS}"
        for week in range(1, 10)
    )
    engine, _, _ = lived(*chat("08:00:00 profile A early", *ahead))
    assert engine.shops["s"].group_of("A", at("10:00:00")) == "early"


def test_a_roster_and_profiles_sent_anew_every_hour_take_no_more_room_than_sent_once() -> None:
    sizes = []
    for hours in (4, 100):
        lines = [*hourly("profile A early", hours), *hourly("shift A w1 08:00:00-17:00:00", hours)]
        told = chat(*lines)
        for event in told:
            if event["type"] == "shift":  # a day of next week
                event |= {"start": at("08:00:00", 8), "end": at("17:00:00", 8), "duty": True}
        _, _, rows = lived(*sorted(told, key=lambda event: int(event["ts"])))
        [row] = [row for key, row in rows.items() if b'"agent"' in key]
        sizes.append(len(row))
    assert sizes[1] < 2 * sizes[0]


INSTANTS = st.integers(0, 30)
"""Few enough to tie."""


@given(
    told=st.lists(st.tuples(INSTANTS, INSTANTS, st.sampled_from("gh")), max_size=12),
    later=st.lists(st.tuples(INSTANTS, INSTANTS, st.sampled_from("gh")), max_size=3),
    sure_ms=INSTANTS,
)
@settings(max_examples=1_000, deadline=None)
def test_what_is_left_out_changes_no_answer_whatever_comes_in_later(
    told: list[tuple[int, int, str]], later: list[tuple[int, int, str]], sure_ms: int
) -> None:
    def group(profiles: list[Known], t: int) -> str | None:
        known = [found for found in profiles if found.valid_ms <= t and found.ts <= t]
        return max(known).group if known else None

    first = sorted(Known(valid, ts, f"a{n}", name, None) for n, (valid, ts, name) in enumerate(told))
    rest = [Known(valid, max(ts, sure_ms), f"b{n}", name, None) for n, (valid, ts, name) in enumerate(later)]
    kept = without_repeats(first, sure_ms)
    for t in range(32):
        assert group([*kept, *rest], t) == group([*first, *rest], t)
