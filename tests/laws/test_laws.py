"""The laws of the house (DESIGN, Laws), on random logs through the runner and the memory ledger."""

import itertools
import operator
from collections import Counter, defaultdict
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from csstream.core.audit import Auditor
from csstream.core.engine import Record
from csstream.core.facts import AnyFact
from csstream.core.floor import rulebook
from csstream.core.scoreboard import Scoreboard
from csstream.core.scores import COUNTS, Scores
from csstream.ledgers.memory import Fault
from csstream.merge import Merge
from tests.laws.live import (
    BEYOND_MS,
    TOPICS,
    Cut,
    assert_live_equals_replay,
    cut_lists,
    fault_lists,
    live,
    on_time,
    records_of,
    replayed,
    seen,
    seen_both,
    shuffles,
    steps,
)
from tests.laws.live import (
    places as moves,
)
from tests.laws.logs import MIXED, logs, logs_with_copies
from tests.laws.test_agreement import POLICIES
from tests.laws.views import by_customer, crews_of, newest, ordered, program, read, shaped, told

policies = st.sampled_from(("handbook", "jd", "closing", "quick", "small shop"))
many = settings(max_examples=1_000, deadline=None)


def facts_of(log: Any, auditor: Auditor) -> list[AnyFact]:
    """All facts of a log."""
    events = read(log)
    clocks, crews = newest(events, auditor.policy), crews_of(events, auditor)
    return [
        fact
        for (shop, customer), own in by_customer(events).items()
        for fact in auditor.story(shop, customer, own, clocks[shop], crews[shop]).facts.all()
    ]


def counted(scores: Scores) -> Counter[Any]:
    """A row of figures as a multiset, so that rows can be added up."""
    found: Counter[Any] = Counter({name: getattr(scores, name) for name in COUNTS})
    found.update(("response", ms) for ms in scores.responses)
    found.update(("first", ms) for ms in scores.first_responses)
    return +found


@given(log=logs_with_copies(kinds=MIXED), policy=policies, cuts=cut_lists)
@many
def test_law_1_the_same_log_gives_the_same_bytes(log: Any, policy: str, cuts: list[Cut]) -> None:
    records = records_of(log)
    first, second = (live(records, POLICIES[policy], cuts) for _ in range(2))
    assert msgspec.json.encode(first.store.facts) == msgspec.json.encode(second.store.facts)
    assert msgspec.json.encode(first.store.alerts) == msgspec.json.encode(second.store.alerts)
    assert first.store.rows == second.store.rows


@given(
    log=logs(kinds=MIXED),
    policy=policies,
    ticks=st.binary(max_size=6).map(lambda data: [n * n * 1_400 for n in data]),
)
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
    assert operator.eq(*seen_both(often, seldom, POLICIES[policy]))


@given(log=logs_with_copies(kinds=MIXED), policy=policies, places=moves, halves=st.integers(1, 4))
@many
def test_law_3_shuffled_duplicated_or_split_a_log_gives_the_same_facts(
    log: Any, policy: str, places: list[int], halves: int
) -> None:
    expected = program(log, POLICIES[policy])
    shuffled = shuffles([*log, *log[::halves]], iter(places * 2))
    found = program([e for n in range(halves) for e in shuffled[n::halves]], POLICIES[policy])
    expected.duplicates = found.duplicates = expected.conflicts = found.conflicts = (
        0  # more copies, more counted
    )
    assert ordered(found) == ordered(expected)


@given(log=logs(shops=3, kinds=MIXED), policy=policies, cuts=cut_lists)
@many
def test_law_4_shops_are_strangers(log: Any, policy: str, cuts: list[Cut]) -> None:
    whole = live(records_of(log), POLICIES[policy], cuts and [Cut(99, None)])
    for shop in {event["shop"] for event in log}:
        own = [event for event in log if event["shop"] == shop]
        end = max(event["ts"] for event in log)
        part = live(records_of(own), POLICIES[policy], end_ms=end)
        together, alone = seen_both(whole, part, POLICIES[policy])
        assert {w: f for w, f in together.waits.items() if f["shop"] == shop} == alone.waits
        assert [a for a in together.alerts if a["shop"] == shop] == alone.alerts
        assert {k: r for k, r in together.agents.items() if k[0] == shop} == alone.agents
        assert {k: r for k, r in together.shops.items() if k[0] == shop} == alone.shops


@given(log=logs_with_copies(kinds=MIXED), policy=policies, cuts=cut_lists, faults=fault_lists, places=moves)
@many
def test_law_5_a_crash_anywhere_heals(
    log: Any, policy: str, cuts: list[Cut], faults: list[Fault], places: list[int]
) -> None:
    records = records_of(shuffles(log, iter(places)))
    end = max(event["ts"] for event in log) + BEYOND_MS[-1] + 1
    calm = live(records, POLICIES[policy], cuts, end_ms=end)
    rough = live(records, POLICIES[policy], cuts, faults, end_ms=end)
    assert rough.clocks == calm.clocks
    letters, calm_letters = (
        [(d.record.topic, d.record.offset) for d in life.store.dead_letters] for life in (rough, calm)
    )
    assert len(set(letters)) == len(letters), "a dead letter was written twice"
    if set(letters) == set(
        calm_letters
    ):  # else a step taken again came so late that an event was too late by then
        assert rough.facts() == calm.facts() or operator.eq(*seen_both(rough, calm, POLICIES[policy]))
    revisions = [(fact.fact, fact.rev) for fact in rough.store.facts]
    assert len(set(revisions)) == len(revisions), "a revision was published twice"
    assert_live_equals_replay(rough, POLICIES[policy])


@given(log=logs_with_copies(kinds=MIXED), policy=policies, cuts=cut_lists, places=moves)
@many
def test_law_5_an_engine_made_from_the_rows_goes_on_byte_for_byte_as_the_lost_one(
    log: Any, policy: str, cuts: list[Cut], places: list[int]
) -> None:
    records = records_of(shuffles(log, iter(places)))
    calm, anew = (steps(records, POLICIES[policy], cuts, lost=lost) for lost in (False, True))
    for one, other in zip(calm, anew, strict=True):
        assert (one.facts, one.alerts, one.dead_letters) == (other.facts, other.alerts, other.dead_letters)
        assert one.rows == other.rows


@given(log=logs_with_copies(kinds=MIXED), policy=policies, cuts=cut_lists, other=cut_lists, places=moves)
@many
def test_law_6_steps_cut_anywhere_give_the_same_facts(
    log: Any, policy: str, cuts: list[Cut], other: list[Cut], places: list[int]
) -> None:
    records = records_of(shuffles(log, iter(places)))
    end = max(event["ts"] for event in log) + 90_000_000
    one = live(records, POLICIES[policy], [Cut(cut.records, None) for cut in cuts], end_ms=end)
    two = live(records, POLICIES[policy], [Cut(cut.records, None) for cut in other], end_ms=end)
    # In a step they lie in the order of topics, so across topics their order is that of the cuts.
    assert sorted(d.record for d in one.store.dead_letters) == sorted(
        d.record for d in two.store.dead_letters
    )
    assert operator.eq(*seen_both(one, two, POLICIES[policy]))


@given(log=logs_with_copies(shops=2, kinds=MIXED), policy=policies, cuts=cut_lists, places=moves)
@many
def test_law_7_live_equals_a_replay_of_the_records_it_accepted(
    log: Any, policy: str, cuts: list[Cut], places: list[int]
) -> None:
    life = live(records_of(shuffles(log, iter(places))), POLICIES[policy], cuts)
    assert_live_equals_replay(life, POLICIES[policy])
    assert replayed(life, POLICIES[policy]).waits.keys() == seen(life, POLICIES[policy]).waits.keys()


@given(log=logs(shops=2), cuts=cut_lists, faults=fault_lists)
@many
def test_law_7_holds_for_alerts_of_a_state_where_nothing_comes_in_late(
    log: Any, cuts: list[Cut], faults: list[Fault]
) -> None:
    policy = POLICIES["small shop"]
    quiet = [Cut(cut.records, None, cut.budget) for cut in cuts]
    life = live(records_of(log), policy, quiet, faults, end_ms=max(event["ts"] for event in log) + 400_000)
    states = [alert for alert in life.store.alerts if alert.rule in rulebook.names()]
    found = shaped((), [alert for alert in life.alerts() if alert.rule in rulebook.names()], Auditor(policy))
    if on_time(life):
        expected = told(life.accepted, policy, life.clocks).alerts
        assert found.alerts == [alert for alert in expected if alert["rule"] in rulebook.names()]
    published = Counter((alert.alert, alert.state) for alert in states)
    assert set(published.values()) <= {1}, "fired once, ended once"
    assert not any(alert.state == "retracted" for alert in states), "a state is never corrected"


@given(log=logs(), at=st.integers(1, 24))
@many
def test_what_has_ended_is_the_same_however_the_log_goes_on(log: Any, at: int) -> None:
    policy = POLICIES["small shop"]
    before = [alert for alert in program(log[:at], policy).alerts if alert["rule"] in rulebook.names()]
    whole = {alert["alert"]: alert for alert in program(log, policy).alerts}
    for alert in before:
        known = whole[alert["alert"]]
        assert known == alert or (alert["end"] is None and known["ts"] == alert["ts"])


@given(
    values=st.binary(min_size=1, max_size=40),
    parts=st.binary(min_size=40, max_size=40),
    policy=policies,
    log=logs(),
)
@many
def test_law_8_figures_merge_in_any_order_and_grouping(
    values: bytes, parts: bytes, policy: str, log: Any
) -> None:
    auditor = Auditor(POLICIES[policy])
    facts = list(facts_of(log, auditor))
    whole = Scoreboard(POLICIES[policy], auditor.calendar)
    for fact in facts:
        whole.learn(fact)
    pieces = [Scoreboard(POLICIES[policy], auditor.calendar) for _ in range(3)]
    for fact, part in zip(facts, itertools.cycle(parts), strict=False):
        pieces[part % 3].learn(fact)
    merged: dict[Any, Counter[Any]] = defaultdict(Counter)
    for piece in reversed(pieces):
        for key, scores in piece.rows.items():
            merged[key] += counted(scores)
    assert merged == {key: counted(scores) for key, scores in whole.rows.items()}
    for fact in facts[:: 1 + len(values) % 3]:  # what is taken back leaves no trace
        whole.learn(fact, -1)
        whole.learn(fact)
    assert {key: counted(scores) for key, scores in whole.rows.items()} == merged


@given(
    lists=st.lists(st.lists(st.integers(0, 9), max_size=6), min_size=3, max_size=3),
    unread=st.lists(st.booleans(), min_size=3, max_size=3),
    limit=st.integers(1, 4),
)
@many
def test_law_9_a_merge_always_makes_progress(lists: list[list[int]], unread: list[bool], limit: int) -> None:
    merge = Merge(TOPICS)
    at_hand = 0
    for topic, times, more in zip(TOPICS, lists, unread, strict=True):
        merge.expect(topic, more)
        merge.add(topic, [Record(topic, 0, n, b"", time) for n, time in enumerate(times)])
        at_hand += len(times)
    taken: list[Record] = []
    while all(times or not more for times, more in zip(lists, unread, strict=True)) and at_hand > len(taken):
        some = merge.take(limit)
        if not some:
            # Only what a topic with unread records may still come before is held back.
            assert any(unread)
            assert merge.at_hand() == at_hand - len(taken)
            drained = [t for t, more in zip(TOPICS, unread, strict=True) if more]
            assert any(merge.last_offset(topic) is None for topic in drained)
            break
        taken += some
    if any(more and not times for times, more in zip(lists, unread, strict=True)):
        assert not merge.take(limit)
        taken += merge.take(99, waive=True)
        assert sum(merge.waived.values()) >= 1
    for topic in TOPICS:
        own = [record.offset for record in taken if record.topic == topic]
        assert own == sorted(own) == list(range(len(own))), "the order within a topic is kept"
    if not any(unread):
        assert len(taken) == at_hand
