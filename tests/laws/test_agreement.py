"""The program against the oracle: two readings of the contract must agree to the last cell."""

from dataclasses import fields
from datetime import datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from csstream.policy import Policy, load, with_settings
from tests.laws.logs import MIXED, START_MS, logs, logs_with_copies
from tests.laws.oracle import Audit, audit
from tests.laws.views import ordered, program

POLICIES = {
    "handbook": load("handbook"),
    "jd": load("jd"),
    "kuaishou": load("kuaishou"),
    "tmall": load("tmall"),
    "closing": with_settings(
        load("handbook"), ["closing.alert=true", "closing.in_reply_rate=false", "wait_ttl=1h"]
    ),
    # Limits that three customers and two dozen events can reach.
    "small shop": with_settings(
        load("handbook"),
        [
            "overload.open_waits=2",
            "overload.over_30=2",
            "overload.concurrent=3",
            "alert.clear_ratio=0.5",
            "idle_online.wait=30s",
            "idle_online.silent=60s",
            "midnight.at=23:20,23:30,23:59",
            "feed_silent.over=60s",
            "reply_rate.after=2",
            "reply_rate.target=60",
            "reply_rate.settle=30s",
            "storm.over=15s",
            "storm.waits=1",
            "storm.within=60s",
            "session_gap=300s",
            "wait_ttl=1h",
        ],
    ),
    "quick": with_settings(
        load("handbook"),
        [
            "unpaid.stages=60s chat,5m chat+sms,30m lost",
            "unpaid.quiet=23:30-00:30",
            "unpaid.max_per_24h=2",
            "unpaid.min_gap=60s",
            "unpaid.grace=100s",
            "unpaid.cod_contact=30s",
            "attribution.lookback=10m",
            "attribution.reversal=30m",
            "attribution.aftersale=30m",
            "attribution.order_ttl=2h",
            "attribution.final_window=1d",
        ],
    ),
    "open end": with_settings(load("handbook"), ["wait_ttl=none", "long_wait=none", "session_gap=30s"]),
}

CHANGES = (
    ("Europe/Berlin", "2026-03-29T00:00Z"),
    ("Europe/Berlin", "2026-10-25T00:00Z"),
    ("Europe/Berlin", "2026-10-25T23:00Z"),
    ("America/Havana", "2026-03-08T05:00Z"),
    ("America/Havana", "2026-11-01T05:00Z"),
    ("Africa/Cairo", "2026-04-23T22:00Z"),
    ("Africa/Cairo", "2026-10-29T21:00Z"),
    ("Australia/Lord_Howe", "2026-04-04T15:00Z"),
)
"""Zones, and instants about which their clocks change: at night, at midnight, so that 23:30 comes twice, by half an hour."""


def assert_agree(log: list[dict[str, Any]], policy: str | Policy) -> None:
    """Field by field, so that a failure names what differs."""
    policy = POLICIES[policy] if isinstance(policy, str) else policy
    expected = ordered(audit(log, policy))
    found = program(log, policy)
    for name in (f.name for f in fields(Audit)):
        assert getattr(found, name) == getattr(expected, name), name


@given(log=logs(), policy=st.sampled_from(sorted(POLICIES)))
@settings(max_examples=1_000, deadline=None)
def test_an_auditor_with_the_contract_in_hand_gets_the_same_figures(log: Any, policy: str) -> None:
    assert_agree(log, policy)


@given(log=logs_with_copies(shops=2), policy=st.sampled_from(sorted(POLICIES)))
@settings(max_examples=1_000, deadline=None)
def test_duplicates_and_conflicts_are_settled_as_the_contract_says(log: Any, policy: str) -> None:
    assert_agree(log, policy)


@given(log=logs(max_size=30, kinds=MIXED), policy=st.sampled_from(sorted(POLICIES)))
@settings(max_examples=1_500, deadline=None)
def test_orders_are_read_twice_and_agree(log: Any, policy: str) -> None:
    assert_agree(log, policy)


@given(log=logs_with_copies(shops=2, kinds=MIXED), policy=st.sampled_from(("handbook", "quick")))
@settings(max_examples=500, deadline=None)
def test_orders_agree_with_copies_and_shops(log: Any, policy: str) -> None:
    assert_agree(log, policy)


@given(
    log=logs(kinds=MIXED),
    policy=st.sampled_from(("handbook", "quick", "small shop")),
    change=st.sampled_from(CHANGES),
    before=st.integers(0, 8),
)
@settings(max_examples=500, deadline=None)
def test_days_on_which_clocks_change_are_read_twice_and_agree(
    log: Any, policy: str, change: tuple[str, str], before: int
) -> None:
    zone, instant = change
    moved = int(datetime.fromisoformat(instant).timestamp() * 1000) - before * 900_000 - START_MS
    for event in log:
        for name in {"ts", "start", "end", "valid_from", "pay_deadline"} & event.keys():
            event[name] += moved
    assert_agree(log, with_settings(POLICIES[policy], [f"timezone={zone}"]))
