"""What the program says of a log, in the oracle's shape, so that the two can be compared cell by cell."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from csstream.core.alert import Alert
from csstream.core.audit import Auditor
from csstream.core.canon import Standing
from csstream.core.changes import Change, instant, of_agent
from csstream.core.crew import Crew
from csstream.core.facts import AnyFact, Consult, Order, Reception, Reminder, Wait
from csstream.core.orders.scripts import COLUMNS, outcomes
from csstream.core.scoreboard import Scoreboard
from csstream.core.scores import FIELDS, SHOP_ONLY
from csstream.events import Event, OfAgent, Profile, Reject, Shift, decode
from csstream.policy import Policy
from tests.laws.oracle import Audit

WAIT_FIELDS = (
    "shop", "customer", "wait", "since", "until", "ms", "outcome", "class", "messages", "first_any_ms",
    "answered_by", "legs", "levels",
)  # fmt: skip
CONSULT_FIELDS = ("shop", "customer", "agent", "day", "replied_any", "replied_strict", "presale", "ordered")
ALERT_FIELDS = (
    "alert", "rule", "state", "severity", "shop", "agent", "customer", "since", "ts", "end", "outcome", "value", "divert_to",
)  # fmt: skip


def read(log: Iterable[Mapping[str, Any]]) -> list[Event]:
    """Wire events as the program reads them; a log for a law has no bad ones."""
    found = []
    for event in log:
        decoded = decode(msgspec.json.encode(event))
        assert not isinstance(decoded, Reject), decoded
        found.append(decoded)
    return found


def by_customer(events: Iterable[Event]) -> dict[tuple[str, str], list[Event]]:
    """Events of each customer, in the order given."""
    found: dict[tuple[str, str], list[Event]] = defaultdict(list)
    for event in events:
        if event.customer is not None:
            found[event.shop, event.customer].append(event)
    return found


def by_agent(events: Iterable[Event]) -> dict[tuple[str, str], list[Event]]:
    """Events of agents alone, in the order given."""
    found: dict[tuple[str, str], list[Event]] = defaultdict(list)
    for event in events:
        if isinstance(event, OfAgent):
            found[event.shop, event.agent].append(event)
    return found


def program(log: Sequence[Mapping[str, Any]], policy: Policy) -> Audit:
    """The batch form of the core over a log."""
    return told(read(log), policy)


def told(events: Sequence[Event], policy: Policy, clocks: Mapping[str, int] | None = None) -> Audit:
    """The batch form of the core over events, when the clocks of the shops show `clocks` (else: their newest event)."""
    if clocks is None:
        clocks = newest(events, policy)
    auditor = Auditor(policy)
    crews = crews_of(events, auditor)
    facts: list[AnyFact] = []
    alerts: list[Alert] = []
    changes: dict[str, list[Change]] = defaultdict(list)
    duplicates = conflicts = 0
    unpaid: list[tuple[str, str, str | None]] = []
    touched: list[tuple[str, str, str]] = []
    for (shop, customer), own in by_customer(events).items():
        story = auditor.story(shop, customer, own, clocks[shop], crews[shop], changes[shop])
        facts += story.facts.all()
        alerts += story.alerts
        duplicates += story.duplicates
        conflicts += story.conflicts
        if story.book is not None:
            unpaid += [(shop, day, agent) for day, agent in story.book.unpaid(clocks[shop])]
            touched += [(shop, *each) for order in story.book.purchases() for each in outcomes(order)]
    for own in by_agent(events).values():
        standing = Standing(own, policy.lateness_horizon_ms)
        duplicates += standing.duplicates
        conflicts += standing.conflicts
    alerts += state_alerts(events, auditor, clocks, crews, changes)
    result = shaped(facts, alerts, auditor, duplicates, conflicts, unpaid)
    for shop, script, column in touched:
        result.scripts.setdefault((shop, script), dict.fromkeys(COLUMNS, 0))[column] += 1
    return result


def state_alerts(
    events: Sequence[Event],
    auditor: Auditor,
    clocks: Mapping[str, int],
    crews: Mapping[str, Crew],
    changes: dict[str, list[Change]],
) -> list[Alert]:
    """The alerts of kind s, from what the stories have told `changes`."""
    for (shop, _), own in by_agent(events).items():
        changes[shop] += of_agent(Standing(own, auditor.policy.lateness_horizon_ms).events)
    alerts: list[Alert] = []
    for shop, own_changes in changes.items():
        own_changes.sort(key=instant)
        alerts += auditor.floor(shop, [own_changes], clocks[shop], crews[shop].group_of)
    return alerts


def told_alerts(log: Sequence[Mapping[str, Any]], policy: Policy) -> list[Alert]:
    """The whole records of the alerts of kind s of a log."""
    events = read(log)
    auditor, clocks = Auditor(policy), newest(events, policy)
    crews = crews_of(events, auditor)
    changes: dict[str, list[Change]] = defaultdict(list)
    for (shop, customer), own in by_customer(events).items():
        auditor.story(shop, customer, own, clocks[shop], crews[shop], changes[shop])
    return state_alerts(events, auditor, clocks, crews, changes)


def crews_of(events: Sequence[Event], auditor: Auditor) -> dict[str, Crew]:
    """What is known of each shop's agents."""
    crews = {event.shop: Crew(auditor.calendar) for event in events}
    for (shop, _), own in by_agent(events).items():
        standing = Standing(own, auditor.policy.lateness_horizon_ms).events
        crews[shop].hear(event for event in standing if isinstance(event, Profile | Shift))
    return crews


def newest(events: Iterable[Event], policy: Policy) -> dict[str, int]:
    """The clock of each shop: its newest standing event."""
    clocks: dict[str, int] = defaultdict(int)
    for own in [*by_customer(events).values(), *by_agent(events).values()]:
        for event in Standing(own, policy.lateness_horizon_ms).events:
            clocks[event.shop] = max(clocks[event.shop], event.ts_ms)
    return clocks


def shaped(
    facts: Iterable[AnyFact],
    alerts: Iterable[Alert],
    auditor: Auditor,
    duplicates: int = 0,
    conflicts: int = 0,
    unpaid: Iterable[tuple[str, str, str | None]] = (),
) -> Audit:
    """Facts and alerts in the oracle's shape; `unpaid` as (shop, day, responsible)."""
    result = Audit(duplicates=duplicates, conflicts=conflicts)
    boards: dict[str, Scoreboard] = defaultdict(lambda: Scoreboard(auditor.policy, auditor.calendar))
    orders: dict[tuple[str, str], list[Order]] = defaultdict(list)
    for fact in facts:
        boards[fact.shop].learn(fact)
        plain = msgspec.json.decode(msgspec.json.encode(fact))
        if isinstance(fact, Wait):
            result.waits[fact.wait] = {name: plain[name] for name in WAIT_FIELDS}
        elif isinstance(fact, Reception):
            result.receptions.append(reception_row(plain))
        elif isinstance(fact, Consult):
            result.consults.append({name: plain[name] for name in CONSULT_FIELDS})
        elif isinstance(fact, Order):
            orders[fact.shop, fact.customer].append(fact)
            result.orders[fact.fact] = told_of(plain)
        elif isinstance(fact, Reminder):
            result.reminders[fact.fact] = told_of(plain)
    for (shop, _), own in orders.items():
        boards[shop].learn_orders(own)
    for shop, day, agent in unpaid:
        boards[shop].learn_unpaid(day, agent)
    for shop, board in boards.items():
        for (day, agent), scores in board.rows.items():
            if scores.empty():
                continue
            row: dict[str, Any] = {}
            for name in FIELDS:
                value = getattr(scores, name)
                if isinstance(value, list):
                    single = name.removesuffix("s")
                    row[name] = len(value)
                    row[f"{single}_sum_ms"] = sum(value)
                    row[f"{name}_ms"] = sorted(value)
                elif agent is None or name not in SHOP_ONLY:
                    row[name] = value
            if agent is None:
                result.shops[shop, day] = row
            else:
                result.agents[shop, day, agent] = row
    plain_alerts = [msgspec.json.decode(msgspec.json.encode(alert)) for alert in alerts]
    result.alerts = [{name: alert[name] for name in ALERT_FIELDS} for alert in plain_alerts]
    return ordered(result)


def told_of(plain: dict[str, Any]) -> dict[str, Any]:
    """A fact about an order as the oracle writes it."""
    return {n: v for n, v in plain.items() if n not in ("kind", "rev", "policy", "evidence")}


def reception_row(plain: dict[str, Any]) -> dict[str, Any]:
    """A reception as the oracle writes it."""
    names = ("shop", "customer", "agent", "start", "first_response_ms", "first_any_ms", "answered", "day")
    return {n: plain[n] for n in names} | {"session": int(plain["session"].split("|")[2])}


def ordered(result: Audit) -> Audit:
    """Lists in one order, whatever order they were found in."""
    result.alerts.sort(key=lambda a: (a["ts"], a["alert"]))
    result.receptions.sort(key=lambda r: (r["shop"], r["customer"], r["session"], r["agent"] or ""))
    result.consults.sort(key=lambda c: (c["shop"], c["customer"], c["day"], c["agent"] or ""))
    return result
