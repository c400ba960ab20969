"""The whole, as docker-compose.yml says it: a shop's events in at one end, people told at the other.

simulate -> Kafka -> two workers -> the notifier -> a fake of DingTalk, and -> Prometheus -> the panels, and -> the wall in
a real browser; and Alertmanager with the heartbeat. Each part is proved by tests of its own; here it is that they fit.
"""

import fcntl
import json
import re
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from csstream.core.metrics import BY_NAME
from csstream.simulate import HOURLY, ZONE_MS
from tests.canary import MARK
from tests.deploy.names import metrics_of, there
from tests.deploy.programs import Running, free_port, program, wait_for
from tests.deploy.scraper import Prometheus, fill, queries
from tests.deploy.system import SERVICES, Receiver, System, system
from tests.deploy.test_alertmanager import prepared
from tests.deploy.test_dashboards import NAMES, board
from tests.kafka.node import NoKafkaError
from tests.wall.test_page import FLAGS

pytestmark = pytest.mark.slow

AWAKE = ("--set", "unpaid.quiet=none")
"""At any hour of the day orders come to be reminded of."""

RARE = {
    "agent_legs_ended_total",
    "corrections_total",
    "dead_letters_total",
    "late_seconds",
    "merge_waived_total",
    "refunds_yuan_total",
    "steps_failed_total",
}
"""Counted only when it happens, and a short run of a healthy system is spared."""


def feed() -> list[str]:
    """A shop that began forty minutes ago, as busy at night as in the evening; an eighth of the agents is on then."""
    hour = int((time.time() * 1000 + ZONE_MS) // 3_600_000 % 24)
    rate = 1500 * (sum(HOURLY) / 24) / HOURLY[hour]
    began = datetime.now(UTC) - timedelta(minutes=40)
    return ["--start", began.isoformat(), "--rate", f"{rate:.0f}", "--agents", "96"]


@pytest.fixture(scope="module")
def people() -> Iterator[Receiver]:
    """Whoever is told."""
    with Receiver(b'{"errcode":0,"errmsg":"ok"}') as receiver:
        yield receiver


def told(secrets: Path, people: Receiver) -> None:
    """Name a sink as the shipped file shows it: its lines uncommented, its keys in files beside it."""
    file = secrets / "alerts/alerts.toml"
    shown = re.sub(r"(?m)^# (?=\[\[?(?:sinks|routes)|[a-z_]+ = )", "", file.read_text("utf-8"))
    shown = re.sub(r"(?m)^wall_url = .*$", 'wall_url = "http://localhost/"', shown)
    file.write_text(shown.replace('kind = "dingtalk"', 'kind = "dingtalk"\nallow_private = true'), "utf-8")
    (secrets / "alerts/team-url").write_text(f"{people.address}/robot/send?access_token={MARK}", "utf-8")
    (secrets / "alerts/team-secret").write_text(f"SEC{MARK}", "utf-8")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, people: Receiver) -> Iterator[System]:
    """All services of ours, healthy, and a shop that talks."""
    folder = tmp_path_factory.mktemp("system")
    secrets = prepared(folder, PEOPLE_URL=f"{people.address}/people", HEARTBEAT_URL=f"{people.address}/beat")
    told(secrets, people)
    # Where tests run on several processes, one of these at a time is enough for the machine.
    with (
        Path(tempfile.gettempdir(), "csstream-system.lock").open("w") as lock,
        system(folder, secrets) as made,
    ):
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            made.start_broker()
        except NoKafkaError as error:
            pytest.skip(str(error))
        assert "create" in made.run("topics")
        for name in ("worker", "notify", "gateway", "wall"):
            for _ in range(SERVICES[name].get("deploy", {}).get("replicas", 1)):
                made.start(name, *(AWAKE if name == "worker" else ()))
        made.start("shop", *feed())
        made.wait_until_healthy("worker", "notify", "gateway", "wall")
        yield made


@pytest.fixture(scope="module")
def alertmanager(whole: System) -> Iterator[str]:
    """A real Alertmanager, as the file starts it."""
    address = f"127.0.0.1:{free_port()}"
    command = [word.replace("/run/secrets/alertmanager", str(whole.secrets / "alertmanager.yml"))
               .replace("=/alertmanager", f"={whole.folder / 'alertmanager'}")
               for word in SERVICES["alertmanager"]["command"]]  # fmt: skip
    tool = program("prometheus-alertmanager", "alertmanager")
    with Running(
        "alertmanager", [tool, *command, f"--web.listen-address={address}"], whole.folder
    ) as running:
        running.wait_for(f"http://{address}/-/ready")
        yield address


@pytest.fixture(scope="module")
def prometheus(whole: System, alertmanager: str) -> Iterator[Prometheus]:
    """A real Prometheus that has seen enough of it for a rate."""
    with Prometheus(whole.folder, whole.targets(), alertmanager) as started:
        started.wait_for(f"http://{started.address}/-/ready")
        seen = 'count_over_time(csstream:waits_within_30:ratio_5m[1m]) > 8 and on () csstream_alerts_total{rule="wait"}'
        started.wait_to_say(lambda _: started.ask(seen), "figures and alerts of the shop", 60)
        yield started


def test_every_service_answers_and_the_partitions_are_shared(whole: System, prometheus: Prometheus) -> None:
    assert prometheus.healthy() == set(whole.targets())
    ready = prometheus.ask('csstream_partitions{state="ready"}')
    assert sorted(float(row["value"][1]) for row in ready) == [6, 6]
    age = "time() - min(csstream_clock_timestamp_seconds) < 5"
    wait_for("what is shown is of now", lambda: prometheus.ask(age))


@pytest.mark.parametrize("name", NAMES)
def test_every_panel_shows_data(name: str, prometheus: Prometheus) -> None:
    of_the_run = set(BY_NAME) - RARE
    chosen = prometheus.choose(board(name))
    asked = [(query, fill(query.expr, chosen)) for query in queries(board(name))]
    asked = [
        (query, expr) for query, expr in asked if there(query.expr) and metrics_of(query.expr) <= of_the_run
    ]
    assert asked
    # A rate needs two samples of what may have begun just now.
    for query, expr in asked:
        shown = partial(prometheus.ask, expr, instant=query.instant)
        wait_for(f"{query.panel}: {expr}", shown)


def test_no_alert_about_csstream_fires(prometheus: Prometheus) -> None:
    firing = {row["metric"]["alertname"] for row in prometheus.ask('ALERTS{alertstate="firing"}')}
    assert {name for name in firing if not name.startswith("CsstreamAnswersSlow")} == {"CsstreamWatchdog"}


@pytest.mark.usefixtures("prometheus")
def test_the_heartbeat_goes_all_the_way(people: Receiver) -> None:
    said = json.loads(people.first("/beat", 30))
    assert said["version"] == "4"
    assert said["alerts"][0]["labels"]["alertname"] == "CsstreamWatchdog"


def test_an_event_that_a_platform_pushes_is_counted(whole: System, prometheus: Prometheus) -> None:
    event = {"id": "m1", "type": "message", "ts": round(time.time() * 1000), "shop": "lamp", "customer": "c1",
             "sender": "customer", "text": MARK}  # fmt: skip
    request = urllib.request.Request(
        f"http://{whole.addresses['gateway'][0]}/v1/events",
        json.dumps(event).encode() + b"\n",
        {"Authorization": f"Bearer {(whole.secrets / 'gateway-token').read_text('utf-8')}"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status in {200, 202}
    wait_for("the wait of lamp", lambda: prometheus.ask('csstream_open_waits{shop="lamp"} == 1'))


def test_the_room_sees_in_its_browser_what_prometheus_knows(whole: System, prometheus: Prometheus) -> None:
    """By the read-only link, as a screen in the room has it; compared at an instant at which both say the same."""
    link = whole.run("wall", "--link").strip()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program("chromium"), args=list(FLAGS))
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        page.goto(f"http://{whole.addresses['wall'][0]}/{link}&lang=en&shop=s01")

        def same() -> str | None:
            shown = page.locator("#within small").inner_text()
            waits, within = (
                prometheus.ask(f'{name}{{shop="s01"}}')[0]["value"][1]
                for name in ("csstream_day_waits", "csstream_day_waits_within_30")
            )
            return shown if shown == f"{within} of {waits}" != "0 of 0" else None

        wait_for("the wall and Prometheus say the same", same, 40)
        assert page.locator("#longest").inner_text()
        assert page.locator("#agents .rows > *").count() > 2, "so many have their desks at night"
        assert wait_for("who looks is counted", lambda: prometheus.ask("sum(csstream_wall_viewers) == 1"))
        browser.close()


@pytest.mark.usefixtures("prometheus")
def test_the_team_is_told_of_a_customer_who_waits(people: Receiver) -> None:
    said = json.loads(people.first(f"/robot/send?access_token={MARK}&timestamp=", 40))
    assert said["msgtype"] == "markdown"
    assert "s01" in said["markdown"]["text"]


def test_no_key_is_seen_in_what_the_services_say(whole: System, prometheus: Prometheus) -> None:
    assert whole.running
    for name, running in whole.running.items():
        assert MARK not in running.said(), name
    assert prometheus.ask('{__name__=~".+"}')
    assert MARK not in json.dumps(prometheus.ask('{__name__=~".+"}'))
