"""Every panel shows something: a shop is simulated, a real Prometheus scrapes it, and each query is run.

What the demo has no part of (workers, sinks, the gateway) is asked of the whole system in test_system.py. Which
metrics the demo must have is read off METRICS, so a panel cannot wait for ever for one that is long there.
"""

import re
from collections.abc import Iterator

import pytest

from csstream.core.metrics import BY_NAME
from tests.deploy.names import metrics_of, there
from tests.deploy.programs import Running, csstream, get
from tests.deploy.scraper import Prometheus, fill, queries
from tests.deploy.test_dashboards import NAMES, board
from tests.deploy.test_rules import promtool

RARE = {"agent_legs_ended_total", "corrections_total", "refunds_yuan_total", "steps_failed_total"}
"""Counted only when it happens, and a short run may be spared."""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A simulated shop, sixty times as fast as a real one."""
    folder = tmp_path_factory.mktemp("shop")
    with Running("demo", csstream("demo", "--plain", "--port", "0", "--speed", "60"), folder) as demo:
        yield demo


@pytest.fixture(scope="module")
def address(shop: Running) -> str:
    """Host and port of its /metrics."""
    found = shop.wait_to_say(lambda said: re.search(r"http://([\d.:]+)/metrics", said), "where /metrics is")
    return found[1]


@pytest.fixture(scope="module")
def prometheus(address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus that has seen enough of it for a rate."""
    folder = tmp_path_factory.mktemp("prometheus")
    with Prometheus(folder, {"csstream-worker": [address]}) as started:
        started.wait_for(f"http://{started.address}/-/ready")
        share = "count_over_time(csstream:waits_within_30:ratio_5m[1m]) > 8"
        started.wait_to_say(lambda _: started.ask(share), "figures from the rules", 90)
        yield started


def test_what_the_exporter_says_is_what_prometheus_wants(address: str, prometheus: Prometheus) -> None:
    assert prometheus.healthy() == {"csstream-worker"}
    assert promtool("check", "metrics", say=get(f"http://{address}/metrics") or b"") == ""


@pytest.mark.parametrize("name", NAMES)
def test_every_panel_of_the_shop_shows_data(name: str, prometheus: Prometheus, address: str) -> None:
    exported = set(re.findall(r"# TYPE csstream_(\w+) ", (get(f"http://{address}/metrics") or b"").decode()))
    of_the_shop = {metric.name for metric in BY_NAME.values() if metric.scope != "P"} | exported
    chosen = prometheus.choose(board(name))
    empty, shown = [], 0
    for query in queries(board(name)):
        expr = fill(query.expr, chosen)
        assert prometheus.valid(expr), f"{query.panel}: {expr}"
        needs = metrics_of(query.expr)
        if there(query.expr) is None or not needs <= of_the_shop - RARE:
            continue
        shown += 1
        if not prometheus.ask(expr, instant=query.instant):
            empty.append(f"{query.panel}: {expr}")
    assert empty == []
    assert shown


def test_no_alert_about_csstream_fires_while_all_is_well(prometheus: Prometheus) -> None:
    firing = {row["metric"]["alertname"] for row in prometheus.ask('ALERTS{alertstate="firing"}')}
    of_the_team = {
        name for name in firing if name.startswith("CsstreamAnswersSlow")
    }  # a simulated team may be slow
    assert firing - of_the_team == {"CsstreamWatchdog"}
