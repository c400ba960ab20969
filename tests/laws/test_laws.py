"""The laws of the house (DESIGN, Laws), on random logs through the runner and the memory ledger."""

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from csstream.ledgers.memory import Fault
from tests.laws.live import (
    Cut,
    assert_live_equals_replay,
    cut_lists,
    fault_lists,
    live,
    records_of,
    replayed,
    seen,
    shuffles,
)
from tests.laws.logs import logs, logs_with_copies
from tests.laws.test_agreement import POLICIES
from tests.laws.views import ordered, program

policies = st.sampled_from(("handbook", "jd", "closing"))
moves = st.lists(st.integers(0, 6), max_size=24)
many = settings(max_examples=150, deadline=None)


@given(log=logs_with_copies(), policy=policies, cuts=cut_lists)
@many
def test_law_1_the_same_log_gives_the_same_bytes(log: Any, policy: str, cuts: list[Cut]) -> None:
    records = records_of(log)
    first, second = (live(records, POLICIES[policy], cuts) for _ in range(2))
    assert msgspec.json.encode(first.store.facts) == msgspec.json.encode(second.store.facts)
    assert msgspec.json.encode(first.store.alerts) == msgspec.json.encode(second.store.alerts)
    assert first.store.rows == second.store.rows


@given(log=logs(), policy=policies, ticks=st.lists(st.integers(0, 90_000_000), max_size=6))
@many
def test_law_2_looking_at_the_clock_more_often_changes_no_fact(
    log: Any, policy: str, ticks: list[int]
) -> None:
    records = records_of(log)
    end = max(event["ts"] for event in log) + max(ticks, default=0)
    seldom = live(records, POLICIES[policy], [Cut(len(records), None)], end_ms=end)
    often = live(
        records,
        POLICIES[policy],
        [Cut(len(records), 0)] + [Cut(0, beyond) for beyond in sorted(ticks)],
        end_ms=end,
    )
    assert often.clocks == seldom.clocks
    assert seen(often, POLICIES[policy]) == seen(seldom, POLICIES[policy])


@given(log=logs_with_copies(), policy=policies, places=moves, halves=st.integers(1, 4))
@many
def test_law_3_shuffled_duplicated_or_split_a_log_gives_the_same_facts(
    log: Any, policy: str, places: list[int], halves: int
) -> None:
    expected = program(log, POLICIES[policy])
    shuffled = shuffles([*log, *log[::halves]], iter(places * 2))
    found = program([e for n in range(halves) for e in shuffled[n::halves]], POLICIES[policy])
    expected.duplicates = found.duplicates = expected.conflicts = found.conflicts = 0  # more copies, more counted
    assert ordered(found) == ordered(expected)


@given(log=logs(shops=3), policy=policies, cuts=cut_lists)
@many
def test_law_4_shops_are_strangers(log: Any, policy: str, cuts: list[Cut]) -> None:
    together = seen(live(records_of(log), POLICIES[policy], cuts and [Cut(99, None)]), POLICIES[policy])
    for shop in {event["shop"] for event in log}:
        own = [event for event in log if event["shop"] == shop]
        end = max(event["ts"] for event in log)
        alone = seen(live(records_of(own), POLICIES[policy], end_ms=end), POLICIES[policy])
        assert {w: f for w, f in together.waits.items() if f["shop"] == shop} == alone.waits
        assert [a for a in together.alerts if a["shop"] == shop] == alone.alerts
        assert {k: r for k, r in together.agents.items() if k[0] == shop} == alone.agents
        assert {k: r for k, r in together.shops.items() if k[0] == shop} == alone.shops


@given(log=logs_with_copies(), policy=policies, cuts=cut_lists, faults=fault_lists, places=moves)
@many
def test_law_5_a_crash_anywhere_heals(
    log: Any, policy: str, cuts: list[Cut], faults: list[Fault], places: list[int]
) -> None:
    records = records_of(shuffles(log, iter(places)))
    end = max(event["ts"] for event in log) + 90_000_001
    calm = live(records, POLICIES[policy], cuts, end_ms=end)
    rough = live(records, POLICIES[policy], cuts, faults, end_ms=end)
    assert rough.clocks == calm.clocks
    assert rough.facts() == calm.facts() or seen(rough, POLICIES[policy]) == seen(calm, POLICIES[policy])
    revisions = [(fact.fact, fact.rev) for fact in rough.store.facts]
    assert len(set(revisions)) == len(revisions), "a revision was published twice"
    letters = [(d.record.topic, d.record.offset) for d in rough.store.dead_letters]
    assert len(set(letters)) == len(letters), "a dead letter was written twice"
    assert_live_equals_replay(rough, POLICIES[policy])


@given(log=logs_with_copies(), policy=policies, cuts=cut_lists, other=cut_lists, places=moves)
@many
def test_law_6_steps_cut_anywhere_give_the_same_facts(
    log: Any, policy: str, cuts: list[Cut], other: list[Cut], places: list[int]
) -> None:
    records = records_of(shuffles(log, iter(places)))
    end = max(event["ts"] for event in log) + 90_000_000
    one = live(records, POLICIES[policy], [Cut(cut.records, None) for cut in cuts], end_ms=end)
    two = live(records, POLICIES[policy], [Cut(cut.records, None) for cut in other], end_ms=end)
    assert [d.record for d in one.store.dead_letters] == [d.record for d in two.store.dead_letters]
    assert seen(one, POLICIES[policy]) == seen(two, POLICIES[policy])


@given(log=logs_with_copies(shops=2), policy=policies, cuts=cut_lists, places=moves)
@many
def test_law_7_live_equals_a_replay_of_the_records_it_accepted(
    log: Any, policy: str, cuts: list[Cut], places: list[int]
) -> None:
    life = live(records_of(shuffles(log, iter(places))), POLICIES[policy], cuts)
    assert_live_equals_replay(life, POLICIES[policy])
    assert replayed(life, POLICIES[policy]).waits.keys() == seen(life, POLICIES[policy]).waits.keys()
