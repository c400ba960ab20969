"""METRICS: one entry is one metric (SPEC 9). The exporter, the wall and the README table iterate over it.

Three kinds. **S** reads the shop's state at its clock. **F** counts first conclusions: an entry maps a fact or an
alert to labels and amounts, and what it counts is kept with the shop's rows. **P** is the process's own, and is
handed in by the driver. All are read, never pushed: `readings` is one pass over what is there.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from csstream.core.firsts import Firsts
from csstream.core.scores import Scores, mean_s, percentile_s

BUCKETS_S = (5, 10, 15, 20, 30, 45, 60, 100, 180, 300, 600, 1800)
"""Bounds of every response histogram, in seconds (SPEC 5)."""

Labels = tuple[str, ...]
Number = TypeVar("Number", int, float)
Counted = Iterator[tuple[Labels, Sequence[int]]]
"""By labels what is counted: a counter's increments, a histogram's values. Labels may come again."""


@dataclass(frozen=True)
class Metric:
    """One metric: its name without `csstream_`, its type (`g`, `c`, `h`), label names and meaning.

    `scope` is S, F or P. `count` (F) says what a `Firsts` adds to it; `buckets` are in seconds.
    """

    name: str
    type: str
    labels: tuple[str, ...]
    scope: str
    help: str
    count: Callable[[Firsts], Counted] | None = None
    buckets: tuple[float, ...] = ()
    unit: int = 1
    """How many of what is counted make one of what is shown: fen of a yuan."""


def _waits_ended(firsts: Firsts) -> Counted:
    for outcome, number in firsts.ended.items():
        yield (outcome,), [number]


def _breaches(firsts: Firsts) -> Counted:
    for alert in firsts.alerts:
        if alert.rule == "wait" and alert.state != "retracted":
            yield (alert.agent or "", alert.alert.rsplit("|", 1)[1]), [1]


def _legs_ended(firsts: Firsts) -> Counted:
    for agent, outcomes in firsts.legs.items():
        for outcome, number in outcomes.items():
            yield (agent or "", outcome), [number]


def _responses(firsts: Firsts) -> Counted:
    yield (), firsts.responses.get(None, ())


def _agent_responses(firsts: Firsts) -> Counted:
    return _agents(firsts.responses)


def _first_responses(firsts: Firsts) -> Counted:
    yield ("human",), firsts.first_responses.get(None, ())
    yield ("any",), firsts.first_any


def _agent_first_responses(firsts: Firsts) -> Counted:
    return _agents(firsts.first_responses)


def _agents(responses: Mapping[str | None, Sequence[int]]) -> Counted:
    for agent, own in responses.items():
        if agent is not None:
            yield (agent,), own


def _excluded(firsts: Firsts) -> Counted:
    yield ("response",), [firsts.excluded]
    yield ("first",), [firsts.first_excluded]


NOTIFICATION_S = (0.5, 1, 1.5, 2, 5, 10, 30, 120, 600)
"""Bounds of `notification_delay_seconds`."""

STEP_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
LATE_S = (0.1, 0.5, 1, 5, 30, 60, 300, 600)
LOAD_S = (0.5, 1, 2, 5, 10, 20, 60, 300)
ALERT_DELAY_S = (0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 5, 10, 30)

METRICS = (
    Metric("open_waits", "g", ("shop", "agent"), "S", "Open normal waits by holder; agent \"\" is the queue"),
    Metric("waits_over", "g", ("shop", "agent", "level"), "S", "Open normal waits over each alert level (seconds)"),
    Metric("oldest_wait_seconds", "g", ("shop", "agent"), "S", "Age of the oldest open normal wait, customer clock"),
    Metric("concurrent_customers", "g", ("shop", "agent"), "S", "Customers in a live reception or with an open leg"),
    Metric("agents", "g", ("shop", "group", "state"), "S", "Agents by presence"),
    Metric("rostered_agents", "g", ("shop", "group"), "S", "Agents inside a shift"),
    Metric("agent_info", "g", ("shop", "agent", "group"), "S", "1; joins the group to any agent series"),
    Metric("unpaid_orders", "g", ("shop", "stage"), "S", "Unpaid orders by the last stage passed: new, 12h, ..."),
    Metric("alerts_firing", "g", ("shop", "rule"), "S", "Alerts that stand"),
    Metric(
        "messages_total", "c", ("shop", "kind"), "F", "Messages by sender, notes left out",
        lambda firsts: (((kind,), [number]) for kind, number in firsts.messages.items()),
    ),
    Metric(
        "waits_started_total", "c", ("shop",), "F", "Normal waits begun", lambda firsts: iter([((), [firsts.begun])])
    ),
    Metric("waits_ended_total", "c", ("shop", "outcome"), "F", "Normal waits ended, by outcome", _waits_ended),
    Metric(
        "breaches_total", "c", ("shop", "agent", "level"), "F",
        "Waits that passed an alert level (seconds), by the holder then", _breaches,
    ),
    Metric("agent_legs_ended_total", "c", ("shop", "agent", "outcome"), "F", "Legs of normal waits ended", _legs_ended),
    Metric("response_seconds", "h", ("shop",), "F", "Responses after long_wait, customer clock", _responses, BUCKETS_S),
    Metric(
        "agent_response_seconds", "h", ("shop", "agent"), "F", "Responses after long_wait, agent clock",
        _agent_responses, BUCKETS_S,
    ),
    Metric(
        "first_response_seconds", "h", ("shop", "kind"), "F", "First responses: human, or any sender",
        _first_responses, BUCKETS_S,
    ),
    Metric(
        "agent_first_response_seconds", "h", ("shop", "agent"), "F", "First human responses, agent clock",
        _agent_first_responses, BUCKETS_S,
    ),
    Metric(
        "responses_excluded_total", "c", ("shop", "kind"), "F", "Left out by long_wait: response, first", _excluded
    ),
    Metric("orders_total", "c", ("shop", "state"), "F", "Orders reaching a status"),
    Metric(
        "turnover_yuan_total", "c", ("shop", "agent"), "F", "Paid, by the owner then; agent \"\" is silent orders",
        unit=100,
    ),
    Metric("refunds_yuan_total", "c", ("shop", "agent"), "F", "Refunded, by the owner then", unit=100),
    Metric("reminders_total", "c", ("shop", "stage", "state"), "F", "Reminders of unpaid orders: due, done, missed, moot"),
    Metric(
        "alerts_total", "c", ("shop", "rule", "state"), "F", "Alert ids published for the first time, by state",
        lambda firsts: (((alert.rule, alert.state), [1]) for alert in firsts.alerts),
    ),
    Metric("day_consulted", "g", ("shop",), "S", "Customers who consulted today so far"),
    Metric("agent_day_consulted", "g", ("shop", "agent"), "S", "Customers of an agent today so far"),
    Metric("day_replied", "g", ("shop", "kind"), "S", "Consulting customers replied to today: any, strict"),
    Metric("agent_day_replied", "g", ("shop", "agent", "kind"), "S", "The same by agent"),
    Metric("day_waits", "g", ("shop",), "S", "Normal waits started today"),
    Metric("agent_day_waits", "g", ("shop", "agent"), "S", "Legs of normal waits started today"),
    Metric("day_waits_within_30", "g", ("shop",), "S", "Of these, answered within 30 s"),
    Metric("agent_day_waits_within_30", "g", ("shop", "agent"), "S", "Of these, answered within 30 s"),
    Metric("day_responses", "g", ("shop",), "S", "Responses today"),
    Metric("agent_day_responses", "g", ("shop", "agent"), "S", "Responses today"),
    Metric("day_response_mean_seconds", "g", ("shop",), "S", "Mean response today"),
    Metric("agent_day_response_mean_seconds", "g", ("shop", "agent"), "S", "Mean response today"),
    Metric("day_response_p90_seconds", "g", ("shop",), "S", "90th percentile of today's responses, exact"),
    Metric("agent_day_response_p90_seconds", "g", ("shop", "agent"), "S", "90th percentile of today's responses, exact"),
    Metric("day_inquirers", "g", ("shop",), "S", "Customers who asked today before any order, or ordered"),
    Metric("day_inquirers_ordered", "g", ("shop",), "S", "Of these, who ordered today"),
    Metric("day_orderers", "g", ("shop",), "S", "Customers who ordered today, cash on delivery left out"),
    Metric("day_payers", "g", ("shop",), "S", "Of these, who have paid"),
    Metric("build_info", "g", ("version", "policy"), "P", "1"),
    Metric("events_total", "c", ("topic", "result"), "P", "Events: applied, late, duplicate, conflict, rejected"),
    Metric("dead_letters_total", "c", ("topic", "reason"), "P", "Rejected records by reason"),
    Metric("corrections_total", "c", ("kind",), "P", "Facts (by kind) and alerts published again or retracted"),
    Metric("late_seconds", "h", ("topic",), "P", "How far behind the shop's clock late events came", None, LATE_S),
    Metric("newest_event_timestamp_seconds", "g", ("topic",), "P", "Newest event time read"),
    Metric("lag_records", "g", ("topic", "partition"), "P", "Records not applied yet"),
    Metric("clock_timestamp_seconds", "g", ("partition",), "P", "Time of the partition: what is shown is of then"),
    Metric("last_step_timestamp_seconds", "g", (), "P", "Wall clock of the last commit"),
    Metric("step_seconds", "h", (), "P", "Take to commit", None, STEP_S),
    Metric("steps_failed_total", "c", ("reason",), "P", "Steps thrown away"),
    Metric("merge_waived_total", "c", ("topic",), "P", "Waits for a topic's records given up"),
    Metric("partitions", "g", ("state",), "P", "Partitions owned: ready, loading, broken"),
    Metric("load_seconds", "h", (), "P", "Assignment to ready", None, LOAD_S),
    Metric(
        "alert_delay_seconds", "h", (), "P", "Instant of a firing to its commit, where nothing was unread",
        None, ALERT_DELAY_S,
    ),
    Metric("rows", "g", ("kind",), "P", "Rows kept, by family"),
    Metric("agents_left_out", "g", (), "P", "Agents without series (the limit is metrics.agents)"),
    Metric("notifications_total", "c", ("sink", "result"), "P", "Messages sent, tries failed; alerts settled, inhibited, stale, digested"),
    Metric("notification_delay_seconds", "h", ("sink",), "P", "Instant of an alert to the sink's answer", None, NOTIFICATION_S),
    Metric("notification_oldest_seconds", "g", ("sink",), "P", "Age of the oldest alert that a sink should have been told; 0 if none"),
    Metric("http_requests_total", "c", ("path", "code"), "P", "Answers over HTTP, by route and status"),
    Metric("wall_viewers", "g", (), "P", "Who looks on at the wall now"),
)  # fmt: skip

BY_NAME = {metric.name: metric for metric in METRICS}


def observe(histogram: list[Number], bounds: Sequence[float], value: Number) -> None:
    """Count a value in the first bucket whose bound (of the value's unit) it does not pass; add it to the sum.

    A histogram is a count a bucket, the last one unbounded, and then the sum.
    """
    histogram[bisect_left(bounds, value)] += 1
    histogram[-1] += value


FIRSTS = tuple(metric for metric in METRICS if metric.count is not None)


def day_figures(scores: Scores, agent: str | None) -> Iterator[tuple[str, Labels, float]]:
    """The `day_*` gauges of one row: (name, labels after shop, value); nothing where there is no sample."""
    prefix = "day" if agent is None else "agent_day"
    own = () if agent is None else (agent,)
    yield f"{prefix}_consulted", own, scores.consulted
    yield f"{prefix}_replied", (*own, "any"), scores.replied_any
    yield f"{prefix}_replied", (*own, "strict"), scores.replied_strict
    if agent is None:
        yield "day_inquirers", own, scores.inquirers
        yield "day_inquirers_ordered", own, scores.ordered_same_day
        yield "day_orderers", own, scores.orderers
        yield "day_payers", own, scores.payers
    yield f"{prefix}_waits", own, scores.waits
    yield f"{prefix}_waits_within_30", own, scores.within_30
    yield f"{prefix}_responses", own, len(scores.responses)
    mean = mean_s(sum(scores.responses), len(scores.responses))
    if mean is not None:
        yield f"{prefix}_response_mean_seconds", own, mean
        p90 = percentile_s(scores.ordered(), 90)
        assert p90 is not None
        yield f"{prefix}_response_p90_seconds", own, p90
