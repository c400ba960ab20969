"""/metrics against the core it reads, against SPEC 9, and against prometheus_client's own writer."""

import dataclasses
import math
import re
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from csstream.core.engine import Engine, Record
from csstream.core.metrics import ALERT_DELAY_S, LOAD_S, METRICS
from csstream.core.shop import Shop
from csstream.exporter import Exporter, ExporterError, Reading, Snapshot, Snapshots, Steps
from csstream.policy import load
from csstream.simulate import HOUR_MS, Plan, events
from tests.laws.live import records_of

START_MS = 1_795_264_200_000
SPEC = {
    "open_waits": ("g", "shop agent"), "waits_over": ("g", "shop agent level"),
    "oldest_wait_seconds": ("g", "shop agent"), "concurrent_customers": ("g", "shop agent"),
    "agents": ("g", "shop group state"), "rostered_agents": ("g", "shop group"),
    "agent_info": ("g", "shop agent group"), "unpaid_orders": ("g", "shop stage"),
    "alerts_firing": ("g", "shop rule"), "messages_total": ("c", "shop kind"),
    "waits_started_total": ("c", "shop"), "waits_ended_total": ("c", "shop outcome"),
    "breaches_total": ("c", "shop agent level"), "agent_legs_ended_total": ("c", "shop agent outcome"),
    "response_seconds": ("h", "shop"), "agent_response_seconds": ("h", "shop agent"),
    "first_response_seconds": ("h", "shop kind"), "agent_first_response_seconds": ("h", "shop agent"),
    "responses_excluded_total": ("c", "shop kind"), "orders_total": ("c", "shop state"),
    "turnover_yuan_total": ("c", "shop agent"), "refunds_yuan_total": ("c", "shop agent"),
    "reminders_total": ("c", "shop stage state"), "alerts_total": ("c", "shop rule state"),
    "day_consulted": ("g", "shop"), "agent_day_consulted": ("g", "shop agent"),
    "day_replied": ("g", "shop kind"), "agent_day_replied": ("g", "shop agent kind"),
    "day_waits": ("g", "shop"), "day_waits_within_30": ("g", "shop"),
    "agent_day_waits": ("g", "shop agent"), "agent_day_waits_within_30": ("g", "shop agent"),
    "day_responses": ("g", "shop"), "day_response_mean_seconds": ("g", "shop"),
    "day_response_p90_seconds": ("g", "shop"), "agent_day_responses": ("g", "shop agent"),
    "agent_day_response_mean_seconds": ("g", "shop agent"), "agent_day_response_p90_seconds": ("g", "shop agent"),
    "day_inquirers": ("g", "shop"), "day_inquirers_ordered": ("g", "shop"), "day_orderers": ("g", "shop"),
    "day_payers": ("g", "shop"), "build_info": ("g", "version policy"), "events_total": ("c", "topic result"),
    "dead_letters_total": ("c", "topic reason"), "corrections_total": ("c", "kind"), "late_seconds": ("h", "topic"),
    "newest_event_timestamp_seconds": ("g", "topic"), "lag_records": ("g", "topic partition"),
    "clock_timestamp_seconds": ("g", "partition"), "last_step_timestamp_seconds": ("g", ""),
    "step_seconds": ("h", ""), "steps_failed_total": ("c", "reason"), "merge_waived_total": ("c", "topic"),
    "partitions": ("g", "state"), "load_seconds": ("h", ""), "rows": ("g", "kind"), "agents_left_out": ("g", ""),
    "alert_delay_seconds": ("h", ""), "notifications_total": ("c", "sink result"),
    "notification_delay_seconds": ("h", "sink"), "notification_oldest_seconds": ("g", "sink"),
    "http_requests_total": ("c", "path code"), "wall_viewers": ("g", ""),
}  # fmt: skip
"""Types and labels of SPEC 9's table."""

KINDS = {"g": "gauge", "c": "counter", "h": "histogram"}


def log(hours: float = 0.7, agents: int = 8, start_ms: int = START_MS, **plan: Any) -> list[Record]:
    """An evening's records."""
    return records_of(events(Plan(seed=4, start_ms=start_ms, agents=agents, hours=hours, **plan)))


@pytest.fixture(scope="module")
def evening() -> tuple[Engine, Snapshot]:
    """A shop after an evening of waits, a few of them excluded as too long; and what was exported of it."""
    engine = Engine(dataclasses.replace(load("handbook"), long_wait_ms=60_000))
    records = log(disorder_ms=2_000, duplicates=0.02) + records_of(
        {
            "v": 1,
            "id": f"r{n}",
            "ts": START_MS + n,
            "shop": "s01",
            "customer": "r",
            "type": "order",
            "order": "r",
        }
        | {"status": status, "amount": "12.50"}
        for n, status in enumerate(("created", "paid", "refunded"))
    )
    bad = Record("cs.chat", 0, len(records), b"{", 0)
    for place in range(0, len(records), 500):
        engine.apply(records[place : place + 500])
        engine.advance()
        engine.take_step()
    engine.apply([bad])
    engine.take_step()
    steps = Steps()
    steps.took(0.004, START_MS)
    steps.took(11.0, START_MS)
    snapshots = Snapshots("1.2.3", engine.policy.tag)
    driver: dict[str, list[Reading]] = {
        "lag_records": [(("cs.chat", "0"), 7)],
        "clock_timestamp_seconds": [(("0",), START_MS / 1000)],
        "merge_waived_total": [(("cs.orders",), 1)],
        "partitions": [(("ready",), 1)],
        "load_seconds": [((), (0.0,) * len(LOAD_S) + (0.0, 0.0))],
        "http_requests_total": [(("/v1/events", "200"), 3)],
        "alert_delay_seconds": [((), (0.0,) * len(ALERT_DELAY_S) + (0.0, 0.0))],
    }
    return engine, snapshots.take(
        engine.shops.values(),
        engine.process,
        failed={"ledger": 2},
        rows={"customer": 9},
        steps=steps,
        driver=driver,
    )


@pytest.fixture
def exporter(evening: tuple[Engine, Snapshot]) -> Exporter:
    """An exporter that was given the evening."""
    found = Exporter()
    found.update(evening[1])
    return found


@pytest.fixture
def served(exporter: Exporter) -> Iterator[str]:
    """Its address."""
    address = exporter.start(port=0)
    yield address
    exporter.stop()


def get(address: str) -> tuple[int, str]:
    """Status and body of one request."""
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample of a text, by name and labels."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def only_shop(engine: Engine) -> Shop:
    """The shop of an engine that has one."""
    (shop,) = engine.shops.values()
    return shop


# ---- what is there ------------------------------------------------------------------------------------------------


def test_names_types_labels_and_buckets_are_those_of_the_table(exporter: Exporter) -> None:
    families = {family.name: family for family in text_string_to_metric_families(exporter.text().decode())}
    for metric in METRICS:
        assert SPEC[metric.name] == (metric.type, " ".join(metric.labels)), metric.name
        if metric.name.startswith(("notification", "wall_")):
            continue  # of another process
        family = families["csstream_" + metric.name.removesuffix("_total")]
        assert family.type == KINDS[metric.type]
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(metric.labels), sample
    bounds = [s.labels["le"] for s in families["csstream_response_seconds"].samples if "le" in s.labels]
    assert bounds == ["5.0", "10.0", "15.0", "20.0", "30.0", "45.0", "60.0", "100.0", "180.0", "300.0", "600.0",
                      "1800.0", "+Inf"]  # fmt: skip


def test_a_process_that_was_frozen_shows_no_shop_that_another_may_own_by_now(
    evening: tuple[Engine, Snapshot],
) -> None:
    exporter = Exporter()
    exporter.update(evening[1], time.monotonic() + 60)
    assert b"csstream_messages_total{" in exporter.text()
    exporter.update(evening[1], time.monotonic() - 1)
    text = exporter.text()
    assert b"shop=" not in text
    assert b"csstream_events_total{" in text, "what is the process's own goes on"


def test_a_process_that_had_better_be_started_again_says_so(exporter: Exporter, served: str) -> None:
    livez = served.replace("/metrics", "/livez")
    assert get(livez) == (200, "alive\n")
    exporter.dead = "the event loop does not move on"
    assert get(livez) == (503, "the event loop does not move on\n")


def test_every_metric_has_data_in_a_simulated_shop(evening: tuple[Engine, Snapshot]) -> None:
    silent = [metric.name for metric in METRICS if not evening[1].readings.get(metric.name)]
    assert [name for name in silent if not name.startswith(("notification", "wall_"))] == []


def test_the_text_says_what_prometheus_client_says_of_the_same_snapshot(exporter: Exporter) -> None:
    assert exporter.snapshot is not None
    theirs = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in exporter.registry.collect()
        for sample in family.samples
    }
    assert len(theirs) > 300
    assert samples(exporter.snapshot.text().decode()) == theirs


def test_figures_are_the_cores(evening: tuple[Engine, Snapshot], exporter: Exporter) -> None:
    shop = only_shop(evening[0])
    day = shop.today.day
    get_value = exporter.registry.get_sample_value
    for agent in (None, *shop.tallies):
        if agent == "" or (day, agent) not in shop.today.rows:
            continue
        scores = shop.today.rows[day, agent]
        prefix = "csstream_day_" if agent is None else "csstream_agent_day_"
        labels = {"shop": shop.name} | ({} if agent is None else {"agent": agent})
        assert get_value(f"{prefix}waits", labels) == scores.waits
        assert get_value(f"{prefix}waits_within_30", labels) == scores.within_30
        mean = get_value(f"{prefix}response_mean_seconds", labels)
        if not scores.responses:
            assert mean is None
            continue
        assert mean is not None
        assert math.isclose(mean, sum(scores.responses) / len(scores.responses) / 1000)
        name = "response_seconds" if agent is None else "agent_response_seconds"
        *counts, total_ms = shop.tallies[agent or ""].histograms[name]
        assert get_value(f"csstream_{name}_bucket", {**labels, "le": "+Inf"}) == sum(counts)
        assert get_value(f"csstream_{name}_bucket", {**labels, "le": "10.0"}) == sum(counts[:2])
        assert get_value(f"csstream_{name}_sum", labels) == total_ms / 1000


def test_the_open_waits_of_agents_and_queue_add_up_to_the_shop(
    evening: tuple[Engine, Snapshot], exporter: Exporter
) -> None:
    shop = only_shop(evening[0])
    waiting = [
        c
        for c in shop.customers.values()
        if c.conversation.state.since >= 0 and not c.conversation.state.closing
    ]
    found = [v for (n, _), v in samples(exporter.text().decode()).items() if n == "csstream_open_waits"]
    assert waiting
    assert sum(found) == len(waiting)


def test_steps_failures_and_rows_of_the_process_are_there(
    evening: tuple[Engine, Snapshot], exporter: Exporter
) -> None:
    get_value = exporter.registry.get_sample_value
    assert get_value("csstream_step_seconds_bucket", {"le": "0.01"}) == 1
    assert get_value("csstream_step_seconds_bucket", {"le": "10.0"}) == 1
    assert get_value("csstream_step_seconds_count") == 2
    assert get_value("csstream_last_step_timestamp_seconds") == START_MS / 1000
    assert get_value("csstream_steps_failed_total", {"reason": "ledger"}) == 2
    assert get_value("csstream_rows", {"kind": "customer"}) == 9
    assert get_value("csstream_dead_letters_total", {"topic": "cs.chat", "reason": "not_json"}) == 1
    policy = evening[0].policy.tag
    assert get_value("csstream_build_info", {"version": "1.2.3", "policy": policy}) == 1


def test_odd_names_of_shops_and_agents_come_through(exporter: Exporter) -> None:
    odd = ('旗舰店"1"', "a\\b\nc", "组")
    exporter.update(Snapshot({"agent_info": [(odd, 1)]}, frozenset()))
    assert (
        samples(exporter.text().decode())[
            "csstream_agent_info", tuple(sorted(zip(("shop", "agent", "group"), odd, strict=True)))
        ]
        == 1
    )


def test_a_percent_sign_in_a_name_is_no_place_for_a_number() -> None:
    counts = (1.0,) * 13 + (4.5,)
    snapshot = Snapshot({"agent_response_seconds": [(("100%s", "50%"), counts)]}, frozenset())
    found = samples(snapshot.text().decode())
    assert found["csstream_agent_response_seconds_sum", (("agent", "50%"), ("shop", "100%s"))] == 4.5
    assert len(found) == 15


def test_more_series_than_leads_are_kept_for_are_all_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("csstream.exporter._Leads.MOST", 3)
    readings: list[Reading] = [((f"shop{number}",), float(number)) for number in range(10)]
    text = Snapshot({"day_waits": readings}, frozenset()).text().decode()
    assert samples(text) == {("csstream_day_waits", (("shop", f"shop{n}"),)): float(n) for n in range(10)}


def test_promtool_finds_nothing_to_complain_about(exporter: Exporter) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not here; it comes with Prometheus (Debian: apt-get install prometheus)")
    run = subprocess.run(
        [promtool, "check", "metrics"], input=exporter.text(), capture_output=True, check=False
    )
    assert run.returncode == 0, run.stdout.decode() + run.stderr.decode()


# ---- when ---------------------------------------------------------------------------------------------------------


def test_a_scrape_in_the_middle_of_a_step_shows_the_last_committed_one() -> None:
    engine, exporter = Engine(load("handbook")), Exporter()
    records = log(0.3)
    engine.apply(records[:300])
    engine.advance()
    engine.take_step()
    snapshots = Snapshots("1", "p@1")
    exporter.update(snapshots.take(engine.shops.values(), engine.process))
    assert exporter.snapshot is not None
    before = exporter.snapshot.text()
    engine.apply(records[300:])
    assert exporter.snapshot.text() == before
    engine.advance()
    engine.take_step()
    assert exporter.snapshot.text() == before
    exporter.update(snapshots.take(engine.shops.values(), engine.process))
    assert exporter.snapshot.text() != before


def test_counters_and_histograms_never_decrease_whatever_is_corrected() -> None:
    engine = Engine(load("handbook"))
    records = log(0.4, disorder_ms=60_000, duplicates=0.05)
    snapshots = Snapshots("1", "p@1")
    last: dict[Any, float] = {}
    kinds = {"csstream_" + m.name: m.type for m in METRICS}
    for place in range(0, len(records), 40):
        engine.apply(records[place : place + 40])
        engine.advance()
        engine.take_step()
        now = samples(snapshots.take(engine.shops.values(), engine.process).text().decode())
        for key, value in last.items():
            family = re.sub("_(bucket|count|sum)$", "", key[0])
            if kinds.get(key[0]) == "c" or kinds.get(family) == "h":
                assert now[key] >= value, key
        last = now
    assert engine.process.corrections


def test_a_new_step_does_not_wait_for_a_slow_scraper(served: str, exporter: Exporter) -> None:
    host, port = served.removeprefix("http://").removesuffix("/metrics").split(":")
    with socket.create_connection((host, int(port)), timeout=5):  # says nothing, and holds the line
        assert get(served)[0] == 200
        exporter.update(Snapshot({"agents_left_out": [((), 77)]}, frozenset()))
        assert "csstream_agents_left_out 77\n" in get(served)[1]


def test_a_scrape_is_answered_while_the_loop_is_busy(served: str) -> None:
    answered: list[float] = []
    done = threading.Event()

    def scrape() -> None:
        get(served)
        answered.append(time.monotonic())
        done.set()

    thread = threading.Thread(target=scrape)
    deadline = time.monotonic() + 10
    thread.start()
    while not done.is_set() and time.monotonic() < deadline:
        pass  # the loop is busy until the answer is there
    thread.join(5)
    assert answered


def test_five_hundred_agents_are_written_in_a_blink() -> None:
    readings: dict[str, list[Any]] = {}
    for metric in METRICS:
        if "agent" in metric.labels:
            value = (*[1.0] * (len(metric.buckets) + 1), 5.5) if metric.type == "h" else 3.25
            many = 5 if metric.labels[-1] in {"level", "outcome"} else 1
            readings[metric.name] = [
                (
                    tuple({"shop": "s", "agent": f"a{agent}"}.get(label, f"x{n}") for label in metric.labels),
                    value,
                )
                for agent in range(500)
                for n in range(many)
            ]
    snapshot = Snapshot(readings, frozenset())
    assert snapshot.text().count(b"\n") > 25_000
    best = min(timed(snapshot) for _ in range(5))
    assert best < 0.15, f"{best * 1000:.0f} ms; about 35 on a free core"


def timed(snapshot: Snapshot) -> float:
    """Seconds of one rendering, without those in which the machine did something else."""
    began = time.thread_time()
    snapshot.text()
    return time.thread_time() - began


# ---- who has series -----------------------------------------------------------------------------------------------


def message(agent: str, ts: int, shop: str = "s") -> dict[str, Any]:
    """A customer asks an agent, who answers at once."""
    return {
        "id": f"{agent}-{ts}", "type": "message", "ts": ts, "shop": shop, "customer": f"c-{agent}",
        "sender": "human", "agent": agent,
    }  # fmt: skip


def shown(engine: Engine, snapshots: Snapshots) -> tuple[set[str], float]:
    """Agents with series, and how many were left out."""
    snapshot = snapshots.take(engine.shops.values(), engine.process)
    value = snapshot.readings["agents_left_out"][0][1]
    assert not isinstance(value, tuple)
    return {labels[1] for labels, _ in snapshot.readings["open_waits"]} - {""}, value


def fed(engine: Engine, log: list[dict[str, Any]]) -> None:
    """Feed events as one step."""
    engine.apply(records_of(log))
    engine.advance()
    engine.take_step()


def test_at_most_so_many_agents_have_series_and_those_who_have_keep_them() -> None:
    engine, snapshots = Engine(load("handbook")), Snapshots("1", "p@1", agents=2)
    fed(engine, [message("a", START_MS), message("b", START_MS + 1), message("c", START_MS + 2)])
    assert shown(engine, snapshots) == ({"b", "c"}, 1)
    fed(engine, [message("a", START_MS + 3)])
    assert shown(engine, snapshots) == ({"b", "c"}, 1)


def test_an_agent_without_an_event_for_a_day_loses_the_series_and_gets_them_back() -> None:
    engine, snapshots = Engine(load("handbook")), Snapshots("1", "p@1")
    day = 24 * HOUR_MS
    fed(engine, [message("a", START_MS), message("b", START_MS + day)])
    assert shown(engine, snapshots) == ({"a", "b"}, 0)
    fed(engine, [message("b", START_MS + day + 1)])
    assert shown(engine, snapshots) == ({"b"}, 1)
    fed(engine, [message("a", START_MS + day + 2)])
    assert shown(engine, snapshots) == ({"a", "b"}, 0)


def test_an_agent_on_whom_a_customer_waits_keeps_the_series() -> None:
    engine, snapshots = Engine(load("handbook")), Snapshots("1", "p@1")
    asked = message("a", START_MS) | {"sender": "customer"}
    fed(engine, [asked, message("b", START_MS + 25 * HOUR_MS)])
    assert shown(engine, snapshots) == ({"a", "b"}, 0)


# ---- over HTTP ----------------------------------------------------------------------------------------------------


def test_metrics_are_served_and_other_paths_are_not(served: str, exporter: Exporter) -> None:
    status, body = get(served)
    assert status == 200
    assert exporter.snapshot is not None
    assert body.startswith(exporter.snapshot.text().decode())
    assert "process_cpu_seconds_total" in body
    assert get(served + "?name[]=x")[0] == 200
    assert get(served.replace("/metrics", "/"))[0] == 404


def test_live_at_once_and_ready_when_the_driver_says_so(served: str, exporter: Exporter) -> None:
    ready = served.replace("/metrics", "/readyz")
    assert get(served.replace("/metrics", "/livez")) == (200, "alive\n")
    assert get(ready) == (503, "loading\n")
    exporter.unready = None
    assert get(ready) == (200, "ready\n")
    exporter.unready = "the broker is away"
    assert get(ready) == (503, "the broker is away\n")


def test_a_port_that_is_taken_is_said_with_the_way_out(served: str) -> None:
    port = int(served.removesuffix("/metrics").rsplit(":", 1)[1])
    with pytest.raises(ExporterError, match=rf"127\.0\.0\.1:{port}: .*in use; give another port, or 0"):
        Exporter().start(port=port)


def test_after_stop_nobody_answers_and_the_port_is_free_again(exporter: Exporter) -> None:
    address = exporter.start(port=0)
    exporter.stop()
    with pytest.raises(urllib.error.URLError):
        get(address)
    port = int(address.removesuffix("/metrics").rsplit(":", 1)[1])
    assert exporter.start(port=port) == address
    exporter.stop()


def test_agents_inside_a_shift_are_counted_by_group_and_nobody_is_zero() -> None:
    engine = Engine(load("handbook"))
    shift = {
        "v": 1,
        "type": "shift",
        "shop": "s",
        "shift": "day",
        "start": START_MS,
        "end": START_MS + HOUR_MS,
    }
    told = [
        {
            "v": 1,
            "type": "profile",
            "id": f"p{agent}",
            "ts": START_MS - 2,
            "shop": "s",
            "agent": agent,
            "group": group,
        }
        for agent, group in (("A", "north"), ("B", "north"), ("C", "south"))
    ]
    told += [shift | {"id": f"s{agent}", "ts": START_MS - 1, "agent": agent} for agent in "AB"]
    engine.apply(records_of(told))
    for now_ms, north in ((START_MS, 2), (START_MS + HOUR_MS, 0)):
        engine.advance(now_ms)
        rostered = {
            labels[1]: value for name, labels, value in engine.readings() if name == "rostered_agents"
        }
        assert rostered == {"north": north, "south": 0}
