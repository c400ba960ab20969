"""The simulated shop: what demos, benchmarks and law tests rely on."""

import gzip
import os
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner

from csstream import events as wire
from csstream.cli import cli
from csstream.simulate import DAY_MS, HOUR_MS, HOURLY, Plan, Wire, events, lines

MIDNIGHT = 1_795_190_400_000  # 2026-11-21T00:00:00+08:00
EVENING = MIDNIGHT + 19 * HOUR_MS


def plan(**fields: Any) -> Plan:
    return Plan(**{"seed": 7, "start_ms": EVENING, "messages": 4000, **fields})


def of_type(stream: list[Wire], kind: str) -> list[Wire]:
    return [event for event in stream if event["type"] == kind]


def served(stream: list[Wire]) -> int:
    """Visits in which an agent replied."""
    ended = {(e["customer"], e["ts"]) for e in of_type(stream, "session") if e["action"] == "close"}
    replied: set[str] = set()
    visits = 0
    for event in stream:
        if event["type"] == "message" and event["sender"] in {"human", "assist_bot"}:
            replied.add(event["customer"])
        elif event["type"] == "session" and (event["customer"], event["ts"]) in ended:
            visits += event["customer"] in replied
            replied.discard(event["customer"])
    return visits + len(replied)


def waits_ms(stream: list[Wire]) -> list[int]:
    """From a customer's first unanswered message to the next reply of a person."""
    since: dict[str, int] = {}
    waits = []
    for event in of_type(stream, "message"):
        customer = event["customer"]
        if event["sender"] == "customer":
            since.setdefault(customer, event["ts"])
        elif event["sender"] in {"human", "assist_bot"} and not event.get("internal") and customer in since:
            waits.append(event["ts"] - since.pop(customer))
        elif event["sender"] == "bot":
            since.pop(customer, None)
    return sorted(waits)


def test_the_same_plan_gives_the_same_bytes_and_another_seed_others() -> None:
    disturbed: dict[str, Any] = {"disorder_ms": 5000, "duplicates": 0.1, "shops": 2}
    assert list(lines(plan(**disturbed))) == list(lines(plan(**disturbed)))
    assert list(lines(plan(seed=8))) != list(lines(plan()))


def test_another_process_gives_the_same_bytes() -> None:
    """Nothing may hang on the order of sets or on hashes, which differ from run to run."""
    program = (
        "import sys; from csstream.simulate import *; "
        f"sys.stdout.buffer.write(b'\\n'.join(lines(Plan(seed=7, start_ms={EVENING}, messages=4000))))"
    )
    for seed in ("1", "2"):
        told = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        )
        assert told.stdout == b"\n".join(lines(plan()))


def test_every_line_is_an_event_that_the_decoder_accepts() -> None:
    everything = plan(shops=2, messages=None, hours=24, disorder_ms=3000, duplicates=0.02, spam=0.05)
    seen = Counter[str]()
    for line in lines(everything):
        event = wire.decode(line)
        assert not isinstance(event, wire.Reject), (event.reason, event.error)
        seen[type(event).__name__] += 1
    assert set(seen) == {"Message", "Transfer", "Session", "Spam", "Rating", "Presence", "Shift", "Profile",
                         "Order", "Dun"}  # fmt: skip


def test_lines_are_the_events_as_json() -> None:
    assert [orjson.loads(line) for line in lines(plan(messages=500))] == list(events(plan(messages=500)))


def test_without_disorder_time_never_goes_back_over_all_shops_and_feeds() -> None:
    times = [event["ts"] for event in events(plan(shops=3))]
    assert times == sorted(times)
    assert times[0] == EVENING


def test_disorder_is_there_and_never_exceeds_its_bound() -> None:
    newest = 0
    behind = []
    for event in events(plan(disorder_ms=4000, duplicates=0.05)):
        newest = max(newest, event["ts"])
        behind.append(newest - event["ts"])
    assert 3000 < max(behind) <= 4000


def test_disorder_and_duplicates_change_no_event_of_the_story() -> None:
    told = list(events(plan()))
    disturbed = list(events(plan(disorder_ms=8000, duplicates=0.2)))
    assert disturbed != told
    assert {e["id"]: e for e in disturbed} == {e["id"]: e for e in told}


def test_duplicates_are_exact_copies_in_the_share_asked_for() -> None:
    stream = list(events(plan(duplicates=0.1, disorder_ms=2000)))
    copies: dict[str, list[Wire]] = {}
    for event in stream:
        copies.setdefault(event["id"], []).append(event)
    twice = [group for group in copies.values() if len(group) > 1]
    assert all(group == [group[0]] * 2 for group in twice)
    assert len(twice) / len(copies) == pytest.approx(0.1, abs=0.02)


def test_ids_are_unique_and_short() -> None:
    ids = [event["id"] for event in events(plan(shops=40, messages=20_000))]
    assert len(set(ids)) == len(ids)
    assert max(map(len, ids)) <= 8


@pytest.mark.parametrize("messages", [0, 1, 1234])
def test_exactly_as_many_messages_come_as_were_asked_for(messages: int) -> None:
    stream = list(events(plan(messages=messages, shops=2, disorder_ms=1000)))
    assert len(of_type(stream, "message")) == messages


def test_hours_end_the_stream_by_event_time() -> None:
    times = [event["ts"] for event in events(plan(messages=None, hours=0.5))]
    assert EVENING + 0.45 * HOUR_MS < max(times) < EVENING + 0.5 * HOUR_MS


def test_an_endless_plan_gives_its_first_events_at_once() -> None:
    endless = Plan(seed=1, start_ms=EVENING, shops=20, disorder_ms=60_000, customers_per_hour=10_000)
    assert len(list(islice(events(endless), 100))) == 100


def test_what_is_held_does_not_grow_with_the_length_of_the_stream() -> None:
    """Memory is bounded by the visits that are open, even in a shop that nobody could serve."""
    open_visits: set[str] = set()
    most = []
    flooded = Plan(seed=3, start_ms=MIDNIGHT + 10 * HOUR_MS, agents=2, customers_per_hour=3000, hours=6)
    peak, until = 0, flooded.start_ms + HOUR_MS
    for event in events(flooded):
        if event["ts"] > until:
            most.append(peak)
            peak, until = 0, until + HOUR_MS
        if event["type"] == "session":
            if event["action"] == "open":
                open_visits.add(event["customer"])
            elif event["action"] == "close":
                open_visits.discard(event["customer"])
            peak = max(peak, len(open_visits))
    assert len(most) == 5
    assert max(most[2:]) < 1.5 * most[1]


def test_a_shop_tells_the_same_story_however_many_others_there_are() -> None:
    alone = list(events(plan(messages=None, hours=1)))
    among = [e for e in events(plan(messages=None, hours=1, shops=3)) if e["shop"] == alone[0]["shop"]]
    assert among == alone


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_shares_are_near_what_was_asked(share: float) -> None:
    asked = plan(
        messages=40_000,
        start_ms=MIDNIGHT,
        presence=False,
        bots=share,
        autos=share,
        transfers=share,
        closings=share,
        notes=share,
        ratings=share,
        spam=share / 4,
    )
    stream = list(events(asked))
    messages = of_type(stream, "message")
    visits = sum(e["action"] == "open" for e in of_type(stream, "session"))
    people = served(stream)
    first_seen: dict[str, int] = {}
    for event in messages:
        first_seen.setdefault(event["customer"], event["ts"])

    adverts = {e["customer"] for e in of_type(stream, "spam")}
    assert len(adverts) / (visits + len(adverts)) == pytest.approx(share / 4, abs=0.02)
    autos = sum(e["sender"] == "auto" for e in messages)
    assert autos / (visits * (1 - share)) == pytest.approx(share, abs=0.04)
    bots = len({e["customer"] for e in messages if e["sender"] == "bot"})
    assert bots / len({e["customer"] for e in of_type(stream, "session")}) == pytest.approx(share, abs=0.08)
    by_hand = sum(e["reason"] == "manual" for e in of_type(stream, "transfer"))
    assert by_hand / people == pytest.approx(share, abs=0.05)
    assert sum(bool(e.get("internal")) for e in messages) / people == pytest.approx(share, abs=0.05)
    assert len(of_type(stream, "rating")) / people == pytest.approx(share, abs=0.05)


def test_a_share_of_zero_means_none() -> None:
    none = plan(
        bots=0, autos=0, transfers=0, spam=0, closings=0, notes=0, ratings=0, orders=0, presence=False
    )
    stream = list(events(none))
    assert {e["sender"] for e in of_type(stream, "message")} <= {
        "customer",
        "human",
        "assist_bot",
        "template",
    }
    assert not any(e.get("internal") for e in stream)
    assert {e["type"] for e in stream} <= {"message", "session", "transfer"}
    assert {e["reason"] for e in of_type(stream, "transfer")} <= {"divert", "timeout"}


def test_replies_take_as_long_as_people_take() -> None:
    waits = waits_ms(list(events(plan(start_ms=MIDNIGHT, messages=None, hours=24, closings=0))))
    assert 15_000 < waits[len(waits) // 2] < 27_000
    late = sum(wait > 100_000 for wait in waits) / len(waits)
    assert 0.02 < late < 0.15
    assert waits[-1] > 300_000


def test_the_evening_peak_makes_customers_wait_on_a_screen_that_can_be_read() -> None:
    since: dict[str, int] = {}
    seen = []
    look = MIDNIGHT + 20 * HOUR_MS
    for event in events(plan(messages=None, hours=4, closings=0)):
        while event["ts"] > look and look < MIDNIGHT + 23 * HOUR_MS:
            seen.append(sum(look - at < 1_800_000 for at in since.values()))
            look += 60_000
        if event["type"] == "message" and not event.get("internal"):
            if event["sender"] == "customer":
                since.setdefault(event["customer"], event["ts"])
            elif event["sender"] in {"human", "assist_bot", "bot"}:
                since.pop(event["customer"], None)
        elif event["type"] == "session" and event["action"] == "close":
            since.pop(event["customer"], None)
    seen.sort()
    assert 10 <= seen[len(seen) // 2] <= 25


def test_customers_come_by_the_hours_of_a_real_shop() -> None:
    opened = Counter[int]()
    for event in events(plan(start_ms=MIDNIGHT, messages=None, hours=24 * 5)):
        if event["type"] == "session" and event["action"] == "open":
            opened[(event["ts"] - MIDNIGHT) % DAY_MS // HOUR_MS] += 1
    assert opened[21] / sum(opened.values()) == pytest.approx(2204 / sum(HOURLY), rel=0.1)
    assert opened[5] < opened[21] / 10


def test_every_agent_is_introduced_and_comes_and_goes() -> None:
    stream = list(events(plan(start_ms=MIDNIGHT, messages=None, hours=48)))
    profiles = of_type(stream, "profile")
    assert [e["number"] for e in profiles] == [str(n) for n in range(1, 9)]
    assert [e["agent"] for e in profiles] == [f"a{n:02d}" for n in range(1, 9)]
    assert {e["group"] for e in profiles} == {"售前", "售后"}
    shifts = Counter(e["agent"] for e in of_type(stream, "shift"))
    assert set(shifts.values()) <= {2, 3}  # three where yesterday's runs past the first midnight
    states: dict[str, set[str]] = {}
    for event in of_type(stream, "presence"):
        states.setdefault(event["agent"], set()).add(event["state"])
    assert all(states[e["agent"]] == {"online", "hung", "away", "offline"} for e in profiles)


def test_an_agent_who_is_away_or_gone_writes_nothing_to_customers() -> None:
    state: dict[str, str] = {}
    for event in events(plan(start_ms=MIDNIGHT, messages=None, hours=48)):
        if event["type"] == "presence":
            state[event["agent"]] = event["state"]
        elif event["type"] == "message" and event["sender"] in {"human", "assist_bot"}:
            assert state[event["agent"]] in {"online", "hung"}, event["id"]


def test_new_customers_reach_only_agents_who_are_online() -> None:
    state: dict[str, str] = {}
    for event in events(plan(start_ms=MIDNIGHT, messages=None, hours=48)):
        if event["type"] == "presence":
            state[event["agent"]] = event["state"]
        elif event["type"] == "transfer" and event["to_agent"] is not None:
            assert state[event["to_agent"]] == "online", event["id"]


def test_all_reasons_for_a_transfer_occur_within_a_few_days() -> None:
    stream = events(plan(start_ms=MIDNIGHT, messages=None, hours=24 * 6))
    reasons = {e["reason"] for e in stream if e["type"] == "transfer"}
    assert reasons == {"manual", "divert", "hang", "offline", "shift_end", "timeout"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("bots", 1.5),
        ("duplicates", -0.1),
        ("shops", 0),
        ("agents", 0),
        ("disorder_ms", -1),
        ("messages", -1),
        ("hours", -1.0),
        ("hours", float("nan")),
        ("hours", float("inf")),
        ("customers_per_hour", 0.0),
        ("customers_per_hour", float("nan")),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused_by_the_name_of_its_field(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"plan\.{field} is {value}"):
        plan(**{field: value})


# ---- orders -------------------------------------------------------------------------------------------------------


@cache
def orders_of_a_week() -> list[Wire]:
    """A busy shop's week, its orders alone."""
    plan_of_week = plan(start_ms=MIDNIGHT, messages=None, hours=24 * 7, agents=12)
    return [event for event in events(plan_of_week) if event["type"] in {"order", "dun"}]


def test_orders_leave_the_conversations_of_a_seed_as_they_are() -> None:
    chats = [event for event in events(plan()) if event["type"] not in {"order", "dun"}]
    assert chats == list(events(plan(orders=0)))


def test_orders_are_paid_as_in_a_real_shop() -> None:
    created: dict[str, int] = {}
    taken: list[int] = []
    old = 0
    for event in orders_of_a_week():
        if event["type"] == "order" and event["status"] == "created" and "cod" not in event:
            created[event["order"]] = event["ts"]
            old += event["ts"] < MIDNIGHT + 6 * DAY_MS
        elif event.get("status") == "paid":
            taken.append(event["ts"] - created[event["order"]])
    taken.sort()
    assert len(created) > 3_000
    assert len(taken) / len(created) == pytest.approx(24_087 / 28_010, abs=0.02)
    assert 6_000 < taken[len(taken) // 2] < 10_000
    assert 30_000 < taken[int(0.9 * len(taken))] < 80_000
    assert sum(ms > 1_800_000 for ms in taken) / len(taken) == pytest.approx(453 / 24_087, abs=0.01)


def test_an_unpaid_order_is_closed_after_a_day_or_cancelled_and_nobody_is_dunned_for_a_paid_one() -> None:
    ended: dict[str, str] = {}
    seen = Counter[str]()
    for event in orders_of_a_week():
        if event["type"] == "dun":
            assert event["order"] not in ended, event["id"]
            seen[event["channel"]] += 1
        elif event["status"] in {"paid", "closed", "cancelled"}:
            assert event["order"] not in ended, event["id"]
            ended[event["order"]] = event["status"]
        seen[event.get("status", "dun")] += 1
    assert all(
        seen[name] for name in ("closed", "cancelled", "memo", "shipped", "refunded", "refund_requested")
    )
    assert all(seen[name] for name in ("chat", "sms", "phone"))


def test_who_served_a_customer_is_named_in_the_memo_of_his_order() -> None:
    last: dict[str, str] = {}
    right = wrong = 0
    buyers: dict[str, str] = {}
    for event in events(plan(start_ms=MIDNIGHT, messages=None, hours=24)):
        if (
            event["type"] == "message"
            and event["sender"] in {"human", "assist_bot"}
            and not event.get("internal")
        ):
            last[event["customer"]] = event["agent"]
        elif event["type"] == "order" and event["status"] == "created":
            buyers[event["order"]] = last.get(event["customer"], "")
        elif event["type"] == "order" and event["status"] == "memo":
            named = f"a{int(''.join(c for c in event['memo'] if c.isdigit())):02d}"
            right += named == buyers[event["order"]]
            wrong += named != buyers[event["order"]]
    assert right > 50
    assert wrong < 0.15 * right


@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.gz"])
def test_a_pipe_is_written_to_and_stays_a_pipe(name: str, tmp_path: Path) -> None:
    pipe = tmp_path / name
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as thread:
        read = thread.submit(pipe.read_bytes)
        run = CliRunner().invoke(cli, ["simulate", "--messages", "20", "--out", str(pipe)])
        assert run.exit_code == 0, run.output
        assert pipe.is_fifo(), "as would /dev/null have been replaced by a file"
        data = read.result(10)
    assert len(gzip.decompress(data) if name.endswith(".gz") else data) > 20
